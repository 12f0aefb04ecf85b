#include "client/bench/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace nestor {

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& program, const std::vector<std::string>& arguments) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "start a child: pipe");
  if (pipe2(out, O_CLOEXEC) != 0) {
    const int error = errno;
    close(in[0]);
    close(in[1]);
    return absl::ErrnoToStatus(error, "start a child: pipe");
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  std::unique_ptr<ChildProcess> child(new ChildProcess(program, pid, in[1], out[0]));
  if (error == 0) return child;
  child->pid_ = 0;
  return absl::ErrnoToStatus(error, absl::StrCat("start ", program));
}

ChildProcess::ChildProcess(std::string program, pid_t pid, int to, int from)
    : program_(std::move(program)), pid_(pid), to_(to), from_(from) {}

ChildProcess::~ChildProcess() {
  close(to_);
  close(from_);
  if (pid_ != 0) waitpid(pid_, nullptr, 0);
}

absl::Status ChildProcess::WriteLine(const std::string& line) {
  const std::string bytes = line + "\n";
  // A child that died must not take this process with it.
  struct sigaction ignore = {}, before = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &before);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(to_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += static_cast<size_t>(n);
  }
  sigaction(SIGPIPE, &before, nullptr);
  return done == bytes.size() ? absl::OkStatus() : Ended();
}

absl::StatusOr<std::string> ChildProcess::ReadLine() {
  while (true) {
    const size_t end = read_.find('\n', next_);
    if (end != std::string::npos) {
      std::string line = read_.substr(next_, end - next_);
      next_ = end + 1;
      return line;
    }
    read_.erase(0, next_);
    next_ = 0;
    char buffer[65536];
    const ssize_t n = read(from_, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Ended();
    read_.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status ChildProcess::Ended() {
  int status = 0;
  if (pid_ != 0) waitpid(pid_, &status, 0);
  pid_ = 0;
  const std::string how = WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                                              : absl::StrCat("exit code ", WEXITSTATUS(status));
  return absl::UnavailableError(absl::StrCat(program_, " ended with ", how));
}

}  // namespace nestor
