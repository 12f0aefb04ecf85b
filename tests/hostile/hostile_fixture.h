// A real nestord, ordinary clients at work on it, and scenes in which other clients misbehave. One
// server lives through all scenes. NESTOR_HOSTILE_FULL=1: in full length.
#ifndef NESTOR_TESTS_HOSTILE_HOSTILE_FIXTURE_H_
#define NESTOR_TESTS_HOSTILE_HOSTILE_FIXTURE_H_

#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/hostile/ordinary_clients.h"
#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {

// A sanitizer keeps freed memory for a while, and more beside what is not freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

class HostileTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  static const std::string& address() { return process_->address(); }
  static pid_t pid() { return process_->pid(); }
  // Of the server, resident.
  static uint64_t MemoryBytes();
  static bool full() { return full_; }

  // Runs `attack` beside the ordinary clients. Afterwards the server must answer, the ordinary
  // clients must have had nothing but right answers, their writes must be there, and the memory
  // must be given back. A row of figures is printed; throughput depends on the machine, on which
  // server, ordinary and hostile clients share the CPUs.
  static void Endure(const char* scene, const std::function<void()>& attack);

 private:
  static void DeleteOtherCollections();
  static uint64_t MostMemoryDuring(const std::function<void()>& attack);
  // Waits until the server takes no more than so many bytes, a minute at most; what it takes then.
  static uint64_t AwaitMemory(uint64_t bytes);

  static inline bool full_ = false;
  static inline std::unique_ptr<TempDir> dir_;
  static inline std::unique_ptr<NestordProcess> process_;
  static inline std::unique_ptr<OrdinaryClients> clients_;
};

// Waits for the queue's next event. False where its operation failed.
inline bool NextEvent(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue->Next(&tag, &ok) && ok;
}

}  // namespace nestor

#endif  // NESTOR_TESTS_HOSTILE_HOSTILE_FIXTURE_H_
