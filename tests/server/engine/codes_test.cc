// Collections with codes: every row has its code through writes, sweeps, builds and restarts; what
// is stored of a code is checked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "server/storage/keys.h"
#include "server/storage/store.h"
#include "server/storage/verify.h"
#include "tests/server/engine/watched_engine.h"

namespace nestor {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<OpqSpec> kCodes = {{.dim = 32, .bytes = 8, .bits = 4},
                                     {.dim = 16, .bytes = 4, .bits = 8}};

// Metric, where exact vectors are.
// Its oracle scans every code of the index with all rows kept, then rescores.
class CodesEngineTest : public WatchedEngineTest,
                        public testing::WithParamInterface<std::tuple<Metric, ExactVectors>> {
 protected:
  CodesEngineTest() : WatchedEngineTest(MakeSpec(std::get<0>(GetParam()), Dtype::kF32)) {
    spec_.index.exact_vectors = std::get<1>(GetParam());
    spec_.index.lists = 8;
    spec_.index.codes = kCodes;
  }

  Operation Build(const std::optional<IndexSpec>& spec = std::nullopt) {
    return Await(*engine_, *engine_->BuildIndex("docs", spec));
  }
  absl::StatusOr<SearchReply> Search(const std::string& plan, uint32_t limit) {
    const std::vector<float> query = MakeVector(spec_.schema, 77);
    const absl::StatusOr<SearchView> view = engine_->Pin("docs");
    EXPECT_TRUE(view.ok()) << view.status();
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.limit = limit;
    request.how = *ParsePlan(plan);
    SearchReply reply;
    const absl::Status status = view->Search(request, nullptr, &reply);
    if (!status.ok()) return status;
    return reply;
  }
  // What the code alone scores of each point.
  std::map<PointId, float> Scores(const OpqSpec& code) {
    const auto reply = Search("coarse=8:100,scan=" + OpqName(code) + ":10000", 10000);
    EXPECT_TRUE(reply.ok()) << reply.status();
    std::map<PointId, float> scores;
    for (const SearchHit& hit : reply->hits) scores[hit.id] = hit.score;
    return scores;
  }
  // Closes the engine and changes its store behind its back.
  void ChangeStore(const std::function<void(Batch*)>& change) {
    engine_.reset();
    StoreOptions options;
    options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(options);
    Batch batch(store.get());
    change(&batch);
    ASSERT_TRUE(store->Write(std::move(batch), /*sync=*/true).ok());
  }
};

TEST_P(CodesEngineTest, EveryRowHasItsCodeThroughWritesAndRestarts) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1500, 1);
  EXPECT_TRUE(engine_->GetIndex("docs")->spec.codes.empty()) << "not built yet";
  EXPECT_EQ(engine_->GetIndex("docs")->next_spec.codes, kCodes);
  const Operation built = Build();
  ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  const IndexInfo info = *engine_->GetIndex("docs");
  EXPECT_EQ(info.spec.codes, kCodes);
  ASSERT_EQ(info.memory.code_parts.size(), 2u);
  EXPECT_GT(info.memory.code_parts[0], 1500u * 8);
  EXPECT_EQ(info.memory.codes, info.memory.code_parts[0] + info.memory.code_parts[1]);
  Check();
  oracle_->Upsert(engine_.get(), 1400, 300, 2);
  oracle_->Delete(engine_.get(), 100, 200);
  Check();
  std::vector<std::map<PointId, float>> before;
  for (const OpqSpec& code : kCodes) before.push_back(Scores(code));
  EXPECT_EQ(before[0].size(), 1500u);
  Restart();
  EXPECT_EQ(engine_->GetIndex("docs")->spec.codes, kCodes);
  for (size_t c = 0; c < kCodes.size(); ++c) {
    EXPECT_EQ(Scores(kCodes[c]), before[c]) << "trained once, a row is coded alike again";
  }
  Check();
  oracle_->Upsert(engine_.get(), 3000, 100, 3);
  Check();
}

TEST_P(CodesEngineTest, ABuildWithoutCodesTakesThemOut) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1100, 1);
  ASSERT_EQ(Build().state, OperationState::kSucceeded);
  IndexSpec without = spec_.index;
  without.codes.clear();
  ASSERT_EQ(Build(without).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetIndex("docs")->memory.codes, 0u);
  const absl::Status status = Search("coarse=8:100,scan=opq32x8b4:100,rescore", 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("this index has no codes"));
  engine_.reset();
  EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, IsEmpty());
}

TEST_P(CodesEngineTest, PlansNameCodesThatAreThere) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1100, 1);
  absl::Status status = Search("coarse=8:100,scan=opq32x8b4:100,rescore", 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << "never built";
  ASSERT_EQ(Build().state, OperationState::kSucceeded);
  EXPECT_TRUE(Search("coarse=8:100,scan=opq32x8b4:100,rescore", 10).ok());
  status = Search("coarse=8:100,scan=opq32x4b4:100,rescore", 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the codes opq32x8b4, opq16x4b8"));
  for (const char* plan : {"coarse=8:100,scan=opq24x8b4:100", "coarse=8:100,scan=opq32x9b4:100",
                           "coarse=8:100,scan=opq32x8b5:100", "coarse=8:100,scan=opq32x8b4:5"}) {
    EXPECT_EQ(Search(plan, 10).status().code(), absl::StatusCode::kInvalidArgument) << plan;
  }
}

TEST_P(CodesEngineTest, TooFewRowsFailTheBuild) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 100, 1);
  const Operation built = Build();
  EXPECT_EQ(built.state, OperationState::kFailed);
  EXPECT_EQ(built.error.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(built.error.message()),
              HasSubstr("opq16x4b8: training needs at least 256 rows, as many as centroids; there "
                        "are 100"));
  Check();
}

TEST_P(CodesEngineTest, BadSpecsAreRefused) {
  Start();
  IndexSpec spec = spec_.index;
  spec.codes = {{.dim = 24, .bytes = 3, .bits = 4}};
  EXPECT_EQ(engine_->BuildIndex("docs", spec).status().code(), absl::StatusCode::kInvalidArgument);
  CollectionUpdate update;
  update.index = spec;
  EXPECT_EQ(engine_->UpdateCollection("docs", update).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->GetIndex("docs")->next_spec.codes, kCodes);
}

TEST_P(CodesEngineTest, DamageIsNamed) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1100, 1);
  ASSERT_EQ(Build().state, OperationState::kSucceeded);
  engine_.reset();
  EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, IsEmpty());
  const auto expect = [this](const char* at_open, const char* verified) {
    const absl::Status status = Engine::Open(options_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(at_open));
    EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, Contains(HasSubstr(verified)));
  };
  ChangeStore([](Batch* batch) { batch->Put(Family::kModels, CodeKey(1, 1, kCodes[1]), "short"); });
  expect("the code opq16x4b8 has 5 bytes", "the code opq16x4b8 has 5 bytes");
  ChangeStore([](Batch* batch) { batch->Delete(Family::kModels, CodeKey(1, 1, kCodes[1])); });
  expect("the code opq16x4b8 of generation 1 is missing",
         "the code opq16x4b8 of generation 1 is missing");
}

std::string CaseName(const testing::TestParamInfo<CodesEngineTest::ParamType>& info) {
  return std::string(Name(std::get<0>(info.param))) +
         (std::get<1>(info.param) == ExactVectors::kMemory ? "_memory" : "_store");
}

INSTANTIATE_TEST_SUITE_P(All, CodesEngineTest,
                         testing::Values(std::tuple(Metric::kCosine, ExactVectors::kMemory),
                                         std::tuple(Metric::kL2, ExactVectors::kStore)),
                         CaseName);

}  // namespace
}  // namespace nestor
