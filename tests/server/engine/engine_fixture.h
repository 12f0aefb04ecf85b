// An engine with one empty collection, "docs".
#ifndef NESTOR_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
#define NESTOR_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "server/engine/engine.h"
#include "server/storage/store.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {

// A status with this code whose message has the text.
MATCHER_P2(Fails, code, text, "") {
  *result_listener << arg;
  return arg.code() == code && absl::StrContains(arg.message(), text);
}

inline constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
inline constexpr auto kNotFound = absl::StatusCode::kNotFound;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : spec_(MakeSpec(Metric::kL2, Dtype::kF32)), oracle_(spec_) {
    options_.data_dir = dir_.path();
    // So that nothing is taken out that a test still counts.
    options_.upkeep.pause = std::chrono::hours(1);
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(spec_).ok());
    spec_ = engine_->GetCollection("docs")->spec;
  }

  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
  // Closes the engine and changes its store behind its back.
  void ChangeStore(const std::function<void(Store*, Batch*)>& change) {
    engine_.reset();
    StoreOptions options;
    options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(options);
    Batch batch(store.get());
    change(store.get(), &batch);
    if (batch.empty()) return;
    ASSERT_TRUE(store->Write(std::move(batch), /*sync=*/true).ok());
  }

  absl::StatusOr<SearchReply> Search(const SearchRequest& request) {
    absl::StatusOr<SearchView> view = engine_->Pin("docs");
    if (!view.ok()) return view.status();
    SearchReply reply;
    if (absl::Status status = view->Search(request, nullptr, &reply); !status.ok()) return status;
    return reply;
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
