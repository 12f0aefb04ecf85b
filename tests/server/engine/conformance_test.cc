// Every kind of collection through its life: written, overwritten, deleted, restarted, built,
// written again, restarted; after each step the engine holds what the oracle holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

struct Kind {
  Metric metric;
  Dtype dtype;
  IdKind id_kind = IdKind::kNum;
  ExactVectors exact_vectors = ExactVectors::kMemory;
  Durability durability = Durability::kSync;
  bool multi = false;
};

std::string KindName(const ::testing::TestParamInfo<Kind>& info) {
  const Kind& kind = info.param;
  return absl::StrCat(kind.multi ? "tokens_" : "", Name(kind.metric), "_", Name(kind.dtype),
                      kind.id_kind == IdKind::kStr ? "_str" : "_num",
                      kind.exact_vectors == ExactVectors::kStore ? "_store" : "",
                      kind.durability == Durability::kAsync ? "_async" : "");
}

class ConformanceTest : public ::testing::TestWithParam<Kind> {
 protected:
  ConformanceTest() { options_.data_dir = dir_.path(); }
  void Restart(std::unique_ptr<Engine>* engine) {
    const absl::Status closed = (*engine)->Close();
    EXPECT_TRUE(closed.ok()) << closed;
    engine->reset();
    *engine = OpenOrDie(options_);
  }

  // What a plan with few probes answers: it depends on which list each row lies in.
  std::vector<std::pair<PointId, float>> Answers(const Engine& engine, const Oracle& oracle) {
    std::vector<std::pair<PointId, float>> answers;
    absl::StatusOr<SearchView> view = engine.Pin("docs");
    EXPECT_TRUE(view.ok()) << view.status();
    SearchRequest request;
    Plan plan;
    plan.coarse = {16, 2};
    plan.scan = {8, 40};
    plan.refine.push_back({32, 10});
    request.how = plan;
    SearchReply reply;
    for (uint64_t i = 0; i < 20; ++i) {
      const std::vector<float> query = oracle.VectorOf(i, 99);
      oracle.SetQuery(query, &request);
      const absl::Status status = view->Search(request, nullptr, &reply);
      EXPECT_TRUE(status.ok()) << status;
      for (const SearchHit& hit : reply.hits) answers.emplace_back(hit.id, hit.score);
    }
    return answers;
  }

  TempDir dir_;
  EngineOptions options_;
};

TEST_P(ConformanceTest, LifeOfACollection) {
  CollectionSpec spec = GetParam().multi
                            ? MakeMultiSpec(GetParam().metric, GetParam().dtype)
                            : MakeSpec(GetParam().metric, GetParam().dtype, GetParam().id_kind);
  spec.index.exact_vectors = GetParam().exact_vectors;
  spec.durability = GetParam().durability;
  std::unique_ptr<Engine> engine = OpenOrDie(options_);
  ASSERT_TRUE(engine->CreateCollection(spec).ok());
  Oracle oracle(engine->GetCollection("docs")->spec);
  oracle.Check(*engine);
  Restart(&engine);
  oracle.Check(*engine);

  oracle.Upsert(engine.get(), 0, 1500, 1);
  oracle.Check(*engine);
  EXPECT_EQ(engine->GetCollection("docs")->unbuilt, 1500u);
  oracle.Upsert(engine.get(), 100, 200, 2);
  oracle.Delete(engine.get(), 1400, 200);
  oracle.Check(*engine);
  Restart(&engine);
  oracle.Check(*engine);

  IndexSpec index;
  index.lists = 16;
  index.coarse_dim = 16;
  index.exact_vectors = GetParam().exact_vectors;
  const Operation built = Await(*engine, *engine->BuildIndex("docs", index));
  ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  EXPECT_EQ(built.fraction, 1);
  oracle.Check(*engine);
  IndexInfo info = *engine->GetIndex("docs");
  EXPECT_EQ(info.generation, 1u);
  EXPECT_EQ(info.lists, 16u);
  EXPECT_EQ(info.coarse_dim, 16u);
  EXPECT_EQ(info.rows, 1400u);
  EXPECT_EQ(info.rows_at_build, 1400u);
  EXPECT_EQ(info.unbuilt, 0u);
  if (GetParam().multi) index.exact_vectors = ExactVectors::kStore;  // what else
  EXPECT_EQ(info.next_spec, index);
  EXPECT_EQ(info.build_operation, "");

  oracle.Upsert(engine.get(), 0, 50, 3);
  oracle.Upsert(engine.get(), 5000, 100, 3);
  oracle.Delete(engine.get(), 500, 100);
  oracle.Check(*engine);
  const auto answers = Answers(*engine, oracle);
  Restart(&engine);
  oracle.Check(*engine);
  EXPECT_EQ(Answers(*engine, oracle), answers) << "the index answers as before";
  info = *engine->GetIndex("docs");
  EXPECT_EQ(info.generation, 1u);
  EXPECT_EQ(info.lists, 16u);
  EXPECT_EQ(info.dead_rows, 0u) << "a restart gives dead rows back";

  ASSERT_EQ(Await(*engine, *engine->BuildIndex("docs")).state, OperationState::kSucceeded);
  oracle.Upsert(engine.get(), 10, 20, 4);
  oracle.Check(*engine);
  Restart(&engine);
  oracle.Check(*engine);
  EXPECT_EQ(engine->GetIndex("docs")->generation, 2u);

  oracle.Delete(engine.get(), 0, 6000);
  oracle.Check(*engine);
  Restart(&engine);
  oracle.Check(*engine);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ConformanceTest,
    ::testing::Values(Kind{Metric::kCosine, Dtype::kF32}, Kind{Metric::kCosine, Dtype::kF16},
                      Kind{Metric::kCosine, Dtype::kBf16}, Kind{Metric::kCosine, Dtype::kI8},
                      Kind{Metric::kDot, Dtype::kF32}, Kind{Metric::kDot, Dtype::kF16},
                      Kind{Metric::kDot, Dtype::kBf16}, Kind{Metric::kDot, Dtype::kI8},
                      Kind{Metric::kL2, Dtype::kF32}, Kind{Metric::kL2, Dtype::kF16},
                      Kind{Metric::kL2, Dtype::kBf16}, Kind{Metric::kL2, Dtype::kI8},
                      Kind{Metric::kL2, Dtype::kF32, IdKind::kStr},
                      Kind{Metric::kCosine, Dtype::kF32, IdKind::kStr, ExactVectors::kStore},
                      Kind{Metric::kDot, Dtype::kF16, IdKind::kNum, ExactVectors::kStore},
                      Kind{Metric::kL2, Dtype::kF32, IdKind::kNum, ExactVectors::kMemory,
                           Durability::kAsync},
                      Kind{.metric = Metric::kDot, .dtype = Dtype::kF32, .multi = true},
                      Kind{.metric = Metric::kCosine, .dtype = Dtype::kF16, .multi = true},
                      Kind{.metric = Metric::kDot, .dtype = Dtype::kI8, .multi = true}),
    KindName);

}  // namespace
}  // namespace nestor
