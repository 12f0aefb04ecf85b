// kill -9 in the midst of everything that changes the store, by turns at random moments and at each
// named place (index/base/crash_point.h): no acknowledged change is lost, no batch is there in
// part, answers are those of brute force, and the store holds nothing that belongs to nothing.
//
// NESTOR_CRASH_CYCLES: how many kills; else each place once and as many random moments, fewer under
// sanitizers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "server/storage/verify.h"
#include "tests/server/e2e/nestord_process.h"
#include "tests/server/engine/engine_testutil.h"
#include "tests/server/mixed_state.h"
#include "tests/server/orphans.h"

namespace nestor {
namespace {

// More than any run lives to see.
constexpr int kManyBuilds = 500;
constexpr size_t kMaxNotes = 400;  // before a kill at a random moment
constexpr int kMaxPasses = 6;      // of a place that is passed often

size_t Cycles() {
  if (const char* text = std::getenv("NESTOR_CRASH_CYCLES"); text != nullptr) {
    return std::strtoull(text, nullptr, 10);
  }
#if defined(__SANITIZE_ADDRESS__)
  return 12;
#else
  return 2 * kCrashPoints;
#endif
}

// A data directory, and what it must hold.
class Scene {
 public:
  std::unique_ptr<NestordProcess> Start(int builds) {
    return std::make_unique<NestordProcess>(
        CRASH_CHILD_PATH,
        std::vector<std::string>{dir_ / "data", journal(), absl::StrCat(++runs_),
                                 absl::StrCat(builds)},
        log());
  }

  // At the moment when so many more notes are in the journal.
  void KillAfter(size_t notes) {
    const size_t until = Notes() + notes;
    const std::unique_ptr<NestordProcess> child = Start(kManyBuilds);
    for (siginfo_t ended = {}; Notes() < until;
         std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
      ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child->pid()), &ended, WEXITED | WNOHANG | WNOWAIT),
                0);
      ASSERT_EQ(ended.si_pid, 0) << Log();
    }
    child->Signal(SIGKILL);
    ASSERT_EQ(child->Wait(), -SIGKILL) << Log();
  }

  void KillAt(absl::string_view place, int passes) {
    setenv("NESTOR_CRASH_AT", absl::StrCat(place, "@", passes).c_str(), 1);
    // Only a run that ends gets to the places of Close.
    const std::unique_ptr<NestordProcess> child =
        Start(absl::StartsWith(place, "close:") ? 1 : kManyBuilds);
    unsetenv("NESTOR_CRASH_AT");
    ASSERT_EQ(child->Wait(), -SIGKILL) << "never came to: " << place << "\n" << Log();
  }

  void Verify() {
    TakeNotes();
    EngineOptions options;
    options.data_dir = dir_ / "data";
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    state_.Settle(**engine);
    state_.Check(**engine);
    ASSERT_TRUE((*engine)->Close().ok());
    for (const std::string& orphan : FindOrphans(dir_ / "data")) ADD_FAILURE() << orphan;
    const absl::StatusOr<VerifyReport> report = VerifyDataDir({.data_dir = dir_ / "data"});
    ASSERT_TRUE(report.ok()) << report.status();
    for (const std::string& damage : report->damages) ADD_FAILURE() << damage;
  }

  const MixedState& state() const { return state_; }

 private:
  std::string journal() const { return dir_ / "journal"; }
  std::string log() const { return dir_ / "log"; }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(log()).rdbuf();
    return text.str();
  }
  size_t Notes() const {
    std::error_code none_yet;
    const auto bytes = std::filesystem::file_size(journal(), none_yet);
    return none_yet ? 0 : bytes / sizeof(LoadNote);
  }
  void TakeNotes() {
    std::ifstream file(journal(), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(notes_ * sizeof(LoadNote)));
    for (LoadNote note; file.read(reinterpret_cast<char*>(&note), sizeof(note)); ++notes_) {
      state_.Take(note);
    }
  }

  TempDir dir_;
  MixedState state_;
  uint64_t runs_ = 0;
  size_t notes_ = 0;  // of the journal, in state_
};

// Else a test that misspells a place would wait for ever.
TEST(CrashPointsTest, RefusesUnknownPlaces) {
  for (const char* place : {"build: no such thing", "", "build: swapped@0", "build: swapped@x"}) {
    const TempDir dir;
    setenv("NESTOR_CRASH_AT", place, 1);
    NestordProcess child(CRASH_CHILD_PATH, {dir / "data", dir / "journal", "1", "1"}, dir / "log");
    unsetenv("NESTOR_CRASH_AT");
    EXPECT_EQ(child.Wait(), 2) << place;
  }
}

TEST(CrashPointsTest, KillsLoseNothingAndLeaveNothing) {
  std::mt19937 random(11);
  auto scene = std::make_unique<Scene>();
  size_t at_random = 0;
  size_t at_places = 0;
  for (size_t cycle = 0; cycle < Cycles(); ++cycle) {
    const auto started = std::chrono::steady_clock::now();
    SCOPED_TRACE(absl::StrCat("cycle ", cycle));
    std::string what;
    Scene fresh;
    Scene* here = scene.get();
    if (cycle % 2 == 0) {
      const size_t notes = 1 + random() % kMaxNotes;
      what = absl::StrCat("after ", notes, " notes");
      here->KillAfter(notes);
      ++at_random;
    } else {
      const absl::string_view place = kCrashPointNames[cycle / 2 % kCrashPoints];
      const bool once = absl::StartsWith(place, "open:") || absl::StartsWith(place, "load:") ||
                        absl::StartsWith(place, "close:");
      const int passes = once ? 1 : 1 + static_cast<int>(random() % kMaxPasses);
      what = absl::StrCat(place, " (", passes, ")");
      // Only a directory that is new has no format record; only what was cut off has to be cleaned.
      if (absl::StartsWith(place, "open:")) here = &fresh;
      if (absl::StartsWith(place, "load:")) here->KillAfter(1 + random() % kMaxNotes);
      if (!HasFatalFailure()) here->KillAt(place, passes);
      ++at_places;
    }
    SCOPED_TRACE(what);
    if (HasFatalFailure()) return;
    here->Verify();
    if (HasFailure()) return;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    std::printf("%3zu %-28s %6lu changes acknowledged so far, %4lu points there; %.2f s\n", cycle,
                what.c_str(), here->state().acknowledged(), here->state().points(),
                seconds.count());
    std::fflush(stdout);
  }
  EXPECT_GT(scene->state().points(), 500u) << "too little was written to show anything";
  std::printf("%zu kills at random moments, %zu at named places\n", at_random, at_places);
}

}  // namespace
}  // namespace nestor
