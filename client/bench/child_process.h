// A program run as a child, talked to line by line over its stdin and stdout; its stderr is ours.
// Single-threaded. Destruction closes its stdin and waits for its end.
#ifndef NESTOR_CLIENT_BENCH_CHILD_PROCESS_H_
#define NESTOR_CLIENT_BENCH_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nestor {

class ChildProcess {
 public:
  // `arguments` without the program's name.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::string& program, const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  absl::Status WriteLine(const std::string& line);
  // Without its end. Unavailable, with how the child ended, where there is none.
  absl::StatusOr<std::string> ReadLine();

 private:
  ChildProcess(std::string program, pid_t pid, int to, int from);
  absl::Status Ended();

  const std::string program_;
  pid_t pid_;         // 0 once waited for
  int to_;            // the child's stdin
  int from_;          // its stdout
  std::string read_;  // not yet returned
  size_t next_ = 0;   // first byte of read_ that is not
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_CHILD_PROCESS_H_
