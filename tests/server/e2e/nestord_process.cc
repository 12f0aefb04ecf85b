#include "tests/server/e2e/nestord_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace nestor {
namespace {

constexpr char kAnnouncement[] = "listening on ";

// The first line, without its end; what there is when the pipe ends before.
std::string ReadLine(int pipe) {
  std::string line;
  char c = 0;
  for (;;) {
    const ssize_t got = read(pipe, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') return line;
    line += c;
  }
}

}  // namespace

NestordProcess::NestordProcess(const std::vector<std::string>& flags, const std::string& log)
    : NestordProcess(NESTORD_PATH, flags, log) {}

NestordProcess::NestordProcess(const std::string& program, const std::vector<std::string>& flags,
                               const std::string& log) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) std::abort();
  const int err = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    // The server dies with the test. Nothing but async-signal-safe calls until exec.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(out[1], STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err);
  const std::string line = ReadLine(out[0]);
  close(out[0]);
  if (line.rfind(kAnnouncement, 0) == 0) address_ = line.substr(sizeof(kAnnouncement) - 1);
}

NestordProcess::~NestordProcess() {
  if (ended_.has_value()) return;
  Signal(SIGKILL);
  Wait();
}

uint64_t NestordProcess::ResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %llu kB", &kib) == 1) return uint64_t{kib} << 10;
  }
  return 0;
}

void NestordProcess::Signal(int number) { kill(pid_, number); }

int NestordProcess::Wait() {
  if (ended_.has_value()) return *ended_;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return *ended_;
}

std::vector<std::string> NestordFlags(const std::string& data_dir) {
  return {"--data-dir", data_dir, "--listen", "127.0.0.1:0", "--threads", "2"};
}

}  // namespace nestor
