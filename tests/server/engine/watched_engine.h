// An engine that does its upkeep at once, with one collection, "docs", and what it logs.
#ifndef NESTOR_TESTS_SERVER_ENGINE_WATCHED_ENGINE_H_
#define NESTOR_TESTS_SERVER_ENGINE_WATCHED_ENGINE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "index/base/mutex.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {

class WatchedEngineTest : public ::testing::Test {
 protected:
  explicit WatchedEngineTest(const CollectionSpec& spec) : spec_(spec) {
    options_.data_dir = dir_.path();
    options_.upkeep.pause = std::chrono::milliseconds(5);
    options_.log = [this](Severity, absl::string_view text) {
      MutexLock lock(&mutex_);
      log_.emplace_back(text);
    };
  }

  void Start() {
    engine_ = OpenOrDie(options_);
    ASSERT_TRUE(engine_->CreateCollection(spec_).ok());
    oracle_.emplace(engine_->GetCollection("docs")->spec);
  }
  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
  void Build(const IndexSpec& index) {
    const Operation built = Await(*engine_, *engine_->BuildIndex("docs", index));
    ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  }
  // Everything that is there, and nothing else, by every way.
  void Check() { oracle_->Check(*engine_); }

  // Upkeep works on its own time.
  static bool Soon(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    bool holds = condition();
    while (!holds && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      holds = condition();  // once: it may be a write
    }
    return holds;
  }
  // Lines that contain the text.
  int Logged(absl::string_view text) {
    MutexLock lock(&mutex_);
    int count = 0;
    for (const std::string& line : log_) count += absl::StrContains(line, text) ? 1 : 0;
    return count;
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  std::optional<Oracle> oracle_;
  Mutex mutex_;
  std::vector<std::string> log_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ENGINE_WATCHED_ENGINE_H_
