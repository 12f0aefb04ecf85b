// A nestord of its own process, to be stopped, killed and started again on the same data.
#ifndef NESTOR_TESTS_SERVER_E2E_NESTORD_PROCESS_H_
#define NESTOR_TESTS_SERVER_E2E_NESTORD_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nestor {

class NestordProcess {
 public:
  // Starts nestord with the flags; its stderr goes to the file `log`, appended.
  NestordProcess(const std::vector<std::string>& flags, const std::string& log);
  // .. or another program that announces itself as nestord does.
  NestordProcess(const std::string& program, const std::vector<std::string>& flags,
                 const std::string& log);
  // Kills it if it still runs.
  ~NestordProcess();
  NestordProcess(const NestordProcess&) = delete;
  NestordProcess& operator=(const NestordProcess&) = delete;

  // The address behind "listening on ", as soon as it is printed; empty when it ends without.
  const std::string& address() const { return address_; }
  pid_t pid() const { return pid_; }
  // Memory of it that is resident; 0 where it is gone.
  uint64_t ResidentBytes() const;
  void Signal(int number);
  // Waits for the end: the exit code, or minus the number of the signal that it died of.
  int Wait();

 private:
  pid_t pid_ = -1;
  std::optional<int> ended_;
  std::string address_;
};

// The usual flags: a free port of 127.0.0.1, two search threads.
std::vector<std::string> NestordFlags(const std::string& data_dir);

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_NESTORD_PROCESS_H_
