// The clients whose work must go on while others misbehave: one searches, one writes, each on a
// connection of its own, one call at a time. What they get is checked: a wrong answer, a status
// that no such client should see, and a write that is lost afterwards are errors.
#ifndef NESTOR_TESTS_HOSTILE_ORDINARY_CLIENTS_H_
#define NESTOR_TESTS_HOSTILE_ORDINARY_CLIENTS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/e2e/test_server.h"

namespace nestor {

class OrdinaryClients {
 public:
  // The collection that is theirs. Its name is far from any that a hostile client uses.
  static constexpr char kCollection[] = "ordinary.clients";

  // Makes the collection and starts. The server is serving.
  explicit OrdinaryClients(const std::string& address);
  ~OrdinaryClients() { Stop(); }

  void Stop();
  // Since the start.
  uint64_t searches() const { return searches_; }
  uint64_t writes() const { return writes_; }
  // Of all searches that ended since it was asked last.
  std::chrono::milliseconds TakeLongestWait() {
    return std::chrono::milliseconds(longest_wait_.exchange(0));
  }
  // The first few; empties them.
  std::vector<std::string> TakeErrors();
  // The points are those that were acknowledged last, or the one write after it. Between calls of
  // it the clients go on.
  void ExpectPoints();

 private:
  static constexpr uint32_t kDim = 16;
  static constexpr uint64_t kFixed = 2000;  // points that are searched for
  // Points that are written over and over, from this id on.
  static constexpr uint64_t kFirstWritten = 1'000'000;
  static constexpr uint64_t kWritten = 200;

  void Search();
  void Write();
  // Whether the call is to be made again; notes errors.
  bool Again(const grpc::Status& status);
  void Note(const std::string& error);

  const std::string address_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> searches_{0};
  std::atomic<uint64_t> writes_{0};
  std::atomic<int64_t> longest_wait_{0};             // milliseconds
  std::vector<std::atomic<uint64_t>> acknowledged_;  // version by point; 0 = none
  std::mutex mutex_;
  std::vector<std::string> errors_;
  std::vector<std::thread> threads_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_HOSTILE_ORDINARY_CLIENTS_H_
