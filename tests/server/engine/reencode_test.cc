// Collections of token matrices whose points a build encodes anew: what changes, what does not, and
// what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

// Nested after `prefixes` of their repetitions.
Reencoding MakeReencoding(const FdeSpec& fde, const std::vector<uint32_t>& prefixes) {
  return {.fde = fde, .schema = *FdeSchema(fde, prefixes), .index = {}};
}

// Not those of MakeMultiSpec, 32 dims in nesting 8, 16, 32: 128 dims in nesting 16, 32, 128.
Reencoding Larger() {
  return MakeReencoding({.dim = 8, .repetitions = 8, .k_sim = 2, .d_proj = 4, .seed = 7},
                        {1, 2, 8});
}
// .. and 24 dims in nesting 12, 24.
Reencoding Smaller() {
  return MakeReencoding({.dim = 8, .repetitions = 2, .k_sim = 2, .d_proj = 3}, {1, 2});
}

class ReencodeTest : public ::testing::TestWithParam<Metric> {
 protected:
  static constexpr uint64_t kPoints = 1100;

  ReencodeTest() : oracle_(MakeMultiSpec(GetParam(), Dtype::kF32)) {
    options_.data_dir = dir_.path();
    options_.upkeep.pause = std::chrono::hours(1);
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(oracle_.spec()).ok());
  }

  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
  absl::StatusOr<SearchReply> Search(const SearchHow& how) {
    absl::StatusOr<SearchView> view = engine_->Pin("docs");
    if (!view.ok()) return view.status();
    const std::vector<float> tokens = oracle_.VectorOf(3, 77);
    const SearchRequest request{
        .query = TokenQuery{.tokens = tokens}, .limit = 20, .how = how, .matches = true};
    SearchReply reply;
    if (absl::Status status = view->Search(request, nullptr, &reply); !status.ok()) return status;
    return reply;
  }
  absl::Status Reencode(const Reencoding& reencoding) {
    const absl::StatusOr<std::string> id = engine_->Reencode("docs", reencoding);
    if (!id.ok()) return id.status();
    return Await(*engine_, *id).error;
  }
  // That all say so.
  void ExpectEncoded(const FdeSpec& fde, const VectorSchema& schema) {
    const CollectionSpec spec = engine_->GetCollection("docs")->spec;
    EXPECT_EQ(spec.multi->fde, fde);
    EXPECT_EQ(spec.multi->tokens, oracle_.spec().multi->tokens);
    EXPECT_EQ(spec.schema, schema);
    EXPECT_EQ(engine_->Pin("docs")->schema(), schema);
    EXPECT_EQ(*engine_->Pin("docs")->multi(), *spec.multi);
    std::vector<float> encoded;
    VectorSchema of;
    ASSERT_TRUE(engine_->EncodeFde("docs", oracle_.VectorOf(1, 1), {}, &encoded, &of).ok());
    EXPECT_EQ(of, schema);
    std::vector<float> expected(schema.dim);
    const std::shared_ptr<const FdeModel> model = *FdeModel::Draw(fde);
    const std::vector<float> tokens = TokensAsKept(oracle_.VectorOf(1, 1));
    ASSERT_TRUE(model->Encode(tokens, {}, expected.data()).ok());
    ASSERT_EQ(encoded.size(), expected.size());
    for (size_t d = 0; d < expected.size(); ++d) EXPECT_NEAR(encoded[d], expected[d], 1e-4) << d;
  }
  // Of unit length where the collection makes them so.
  std::vector<float> TokensAsKept(std::vector<float> tokens) {
    for (size_t t = 0; GetParam() == Metric::kCosine && t < tokens.size(); t += 8) {
      double squares = 0;
      for (size_t d = t; d < t + 8; ++d) squares += double{tokens[d]} * tokens[d];
      for (size_t d = t; d < t + 8; ++d) {
        tokens[d] = static_cast<float>(tokens[d] / std::sqrt(squares));
      }
    }
    return tokens;
  }

  TempDir dir_;
  EngineOptions options_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(ReencodeTest, EverythingFollowsTheNewEncodings) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  IndexSpec index;
  index.lists = 16;
  index.graph = {.degree = 8, .ef_construction = 40};
  index.codes = {{.dim = 16, .bytes = 8, .bits = 4}};
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  oracle_.Upsert(engine_.get(), 100, 50, 2);
  oracle_.Delete(engine_.get(), 0, 40);
  const SearchReply exact = *Search(ExactSearch{});
  std::optional<SearchView> old = *engine_->Pin("docs");
  const std::shared_ptr<const Code> code = *engine_->ExportCode("docs", index.codes[0]);

  // The code's dim is there, too, and the graph's is chosen: nothing has to be said of the index.
  const Reencoding larger = Larger();
  ASSERT_EQ(Reencode(larger), absl::OkStatus());
  const auto check = [&] {
    ExpectEncoded(larger.fde, larger.schema);
    const IndexInfo info = *engine_->GetIndex("docs");
    EXPECT_EQ(info.generation, 2u);
    EXPECT_EQ(info.spec.codes, index.codes);
    EXPECT_EQ(info.spec.shells.back(), 128u);
    EXPECT_EQ(info.spec.graph->dim, 128u);
    EXPECT_EQ(info.next_spec.lists, 16u);
    oracle_.Check(*engine_);
    const SearchReply again = *Search(ExactSearch{});
    ASSERT_EQ(again.hits.size(), exact.hits.size());
    for (size_t i = 0; i < exact.hits.size(); ++i) {
      EXPECT_EQ(again.hits[i].id, exact.hits[i].id);
      EXPECT_EQ(again.hits[i].score, exact.hits[i].score);
      EXPECT_EQ(again.hits[i].seq, exact.hits[i].seq);
    }
    EXPECT_THAT(Search(*ParsePlan("coarse=8:1,scan=32:600,rescore")).status(),
                Fails(kInvalid, "nesting 16,32,128"));
    EXPECT_TRUE(Search(*ParsePlan("coarse=16:1,scan=128:600,maxsim=8:20,rescore")).ok());
    EXPECT_TRUE(Search(UseDefaultPlan{}).ok());
  };
  check();
  EXPECT_NE((*engine_->ExportCode("docs", index.codes[0]))->quantizer().centroids(),
            code->quantizer().centroids());

  // Who had begun goes on with what was.
  EXPECT_EQ(old->schema(), oracle_.spec().schema);
  SearchReply reply;
  const std::vector<float> tokens = oracle_.VectorOf(3, 77);
  SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = 20};
  request.how = *ParsePlan("coarse=8:16,scan=32:10000,maxsim=8:1000,rescore");
  ASSERT_TRUE(old->Search(request, nullptr, &reply).ok());
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(reply.hits[i].id, exact.hits[i].id);
  old.reset();

  Restart();
  check();
  oracle_.Upsert(engine_.get(), 500, 300, 3);
  oracle_.Delete(engine_.get(), 700, 10);
  oracle_.Check(*engine_);
  // An ordinary build keeps them, and so does one that asks for what is there.
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  oracle_.Check(*engine_);
  ExpectEncoded(larger.fde, larger.schema);
  ASSERT_EQ(Reencode(larger), absl::OkStatus());
  oracle_.Check(*engine_);
  ExpectEncoded(larger.fde, larger.schema);
  Restart();
  oracle_.Check(*engine_);
  ExpectEncoded(larger.fde, larger.schema);
}

TEST_P(ReencodeTest, AnIndexThatWasNeverBuilt) {
  const Reencoding smaller = Smaller();
  ASSERT_EQ(Reencode(smaller), absl::OkStatus()) << "nor has a point";
  ExpectEncoded(smaller.fde, smaller.schema);
  oracle_.Upsert(engine_.get(), 0, 50, 1);
  oracle_.Check(*engine_);
  Restart();
  oracle_.Check(*engine_);
  ASSERT_EQ(Reencode(Larger()), absl::OkStatus());
  oracle_.Check(*engine_);
}

TEST_P(ReencodeTest, BesideWritesAndSearches) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t version = 2; !stop.load(); ++version) {
      const uint64_t first = version * 37 % kPoints;
      oracle_.Upsert(engine_.get(), first, 1 + version % 20, version);
      if (version % 5 == 0) oracle_.Delete(engine_.get(), first, 3);
    }
  });
  std::thread reader([&] {
    const std::vector<float> tokens = oracle_.VectorOf(3, 77);
    while (!stop.load()) {
      const absl::StatusOr<SearchView> view = engine_->Pin("docs");
      ASSERT_TRUE(view.ok()) << view.status();
      for (const bool exact : {false, true}) {
        SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = 10};
        if (exact) request.how = ExactSearch{};
        SearchReply reply;
        const absl::Status status = view->Search(request, nullptr, &reply);
        ASSERT_TRUE(status.ok()) << status;
        ASSERT_EQ(reply.hits.size(), 10u);
        if (exact) continue;
        const Plan& plan = std::get<Plan>(reply.how);
        ASSERT_GE(NestingIndex(view->schema(), plan.scan.dim), 0) << FormatPlan(plan);
      }
    }
  });
  // What else is declared meanwhile stays.
  uint64_t limit = uint64_t{1} << 40;
  for (int i = 0; i < 6; ++i) {
    const Reencoding next = i % 2 == 0 ? Larger() : Smaller();
    const absl::StatusOr<std::string> id = engine_->Reencode("docs", next);
    ASSERT_TRUE(id.ok()) << id.status();
    while (!IsFinal(engine_->GetOperation(*id)->state)) {
      CollectionUpdate update;
      update.memory_limit_bytes = ++limit;
      ASSERT_TRUE(engine_->UpdateCollection("docs", update).ok());
    }
    ASSERT_EQ(engine_->GetOperation(*id)->error, absl::OkStatus());
    const CollectionSpec spec = engine_->GetCollection("docs")->spec;
    EXPECT_EQ(spec.schema, next.schema);
    EXPECT_EQ(spec.memory_limit_bytes, limit);
  }
  stop.store(true);
  writer.join();
  reader.join();
  oracle_.Check(*engine_);
  Restart();
  oracle_.Check(*engine_);
  ExpectEncoded(Smaller().fde, Smaller().schema);
  EXPECT_EQ(engine_->GetCollection("docs")->spec.memory_limit_bytes, limit);
}

TEST_P(ReencodeTest, AnIndexSpecComesWithTheEncodings) {
  oracle_.Upsert(engine_.get(), 0, 300, 1);
  IndexSpec index;
  index.coarse_dim = 8;
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  const CollectionSpec before = engine_->GetCollection("docs")->spec;

  Reencoding next = Larger();
  EXPECT_THAT(engine_->Reencode("docs", next).status(),
              Fails(kPrecondition,
                    "the collection's index spec does not fit the new encodings: coarse_dim 8"));
  next.index = IndexSpec{.memory_dim = 24};
  EXPECT_THAT(engine_->Reencode("docs", next).status(), Fails(kInvalid, "memory_dim 24"));
  EXPECT_EQ(engine_->GetCollection("docs")->spec, before) << "nothing was changed";

  next.index = IndexSpec{.coarse_dim = 32, .shells = {32, 128}};
  ASSERT_EQ(Reencode(next), absl::OkStatus());
  const IndexInfo info = *engine_->GetIndex("docs");
  EXPECT_EQ(info.next_spec.coarse_dim, 32u);
  EXPECT_EQ(info.next_spec.exact_vectors, ExactVectors::kStore);
  EXPECT_EQ(info.spec.shells, (std::vector<uint32_t>{32, 128}));
  next = Smaller();
  next.index = IndexSpec();
  ASSERT_EQ(Reencode(next), absl::OkStatus());
  EXPECT_EQ(engine_->GetIndex("docs")->next_spec.coarse_dim, 0u);
  oracle_.Check(*engine_);
}

TEST_P(ReencodeTest, ImportedCodesAreNotDroppedUnasked) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  const OpqSpec spec = {.dim = 16, .bytes = 8, .bits = 4};
  ASSERT_EQ(
      Await(*engine_, *engine_->BuildIndex("docs", IndexSpec{.lists = 4, .codes = {spec}})).state,
      OperationState::kSucceeded);
  const GivenCode given = {(*engine_->ExportCode("docs", spec))->given().quantizer,
                           CodeOrigin::kGivenForResiduals};
  ASSERT_EQ(Await(*engine_, *engine_->DropCode("docs", spec)).error, absl::OkStatus());
  ASSERT_EQ(Await(*engine_, *engine_->ImportCode("docs", given)).error, absl::OkStatus());

  Reencoding next = Larger();
  EXPECT_THAT(engine_->Reencode("docs", next).status(),
              Fails(kPrecondition, "the code opq16x8b4 was imported"));
  // Other prefixes of the same encodings leave the code what it is.
  const FdeSpec& same = oracle_.spec().multi->fde;
  ASSERT_EQ(Reencode(MakeReencoding(same, {2, 4})), absl::OkStatus());
  EXPECT_EQ((*engine_->ExportCode("docs", spec))->quantizer().centroids(),
            given.quantizer->centroids());
  oracle_.Check(*engine_);
  next.index = IndexSpec{.lists = 4};
  ASSERT_EQ(Reencode(next), absl::OkStatus());
  EXPECT_TRUE(engine_->GetIndex("docs")->spec.codes.empty());
  oracle_.Check(*engine_);
}

TEST_P(ReencodeTest, ImportedCentroidsAreNotDroppedUnasked) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  IndexSpec spec{.coarse_dim = 16, .lists = 4};
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", spec)).error, absl::OkStatus());
  const std::vector<float> learnt = engine_->GetCentroids("docs")->model->centroids;
  spec.centroids = CentroidOrigin::kImported;
  const CentroidImport import{spec, std::make_shared<const std::vector<float>>(learnt)};
  ASSERT_EQ(Await(*engine_, *engine_->ImportCentroids("docs", import)).error, absl::OkStatus());
  EXPECT_EQ(engine_->GetIndex("docs")->next_spec.exact_vectors, ExactVectors::kStore)
      << "as of every collection of token matrices";
  EXPECT_EQ(engine_->GetIndex("docs")->spec.exact_vectors, ExactVectors::kStore);
  oracle_.Check(*engine_);

  Reencoding next = Larger();
  const auto refused = Fails(kPrecondition, "the lists' centroids were imported");
  EXPECT_THAT(engine_->Reencode("docs", next).status(), refused);
  next.index = spec;
  EXPECT_THAT(engine_->Reencode("docs", next).status(), refused);
  // Other prefixes of the same encodings leave them what they are.
  const FdeSpec& same = oracle_.spec().multi->fde;
  ASSERT_EQ(Reencode(MakeReencoding(same, {2, 4})), absl::OkStatus());
  EXPECT_EQ(engine_->GetCentroids("docs")->model->centroids, learnt);
  oracle_.Check(*engine_);
  EXPECT_THAT(engine_->Reencode("docs", MakeReencoding(same, {1, 4})).status(),
              Fails(kPrecondition, "coarse_dim 16 is not in the nesting"));
  next.index = IndexSpec{.lists = 4};
  ASSERT_EQ(Reencode(next), absl::OkStatus());
  EXPECT_EQ(engine_->GetIndex("docs")->spec.centroids, CentroidOrigin::kTrained);
  oracle_.Check(*engine_);
}

TEST_P(ReencodeTest, CancelledItChangesNothing) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  const CollectionSpec before = engine_->GetCollection("docs")->spec;
  Reencoding next = Larger();
  next.index = IndexSpec{.lists = 3};
  // The builder is busy with another collection.
  CollectionSpec other = MakeSpec(Metric::kL2, Dtype::kF32);
  other.name = "other";
  ASSERT_TRUE(engine_->CreateCollection(other).ok());
  Oracle(other).Upsert(engine_.get(), 0, 3000, 1);
  ASSERT_TRUE(engine_->BuildIndex("other", IndexSpec{.graph = GraphSpec()}).ok());
  const absl::StatusOr<std::string> id = engine_->Reencode("docs", next);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_THAT(engine_->Reencode("docs", next).status(), Fails(kPrecondition, *id));
  EXPECT_THAT(engine_->BuildIndex("docs").status(), Fails(kPrecondition, *id));
  ASSERT_TRUE(engine_->CancelOperation(*id).ok());
  ASSERT_EQ(Await(*engine_, *id).state, OperationState::kCancelled);
  EXPECT_EQ(engine_->GetCollection("docs")->spec, before);
  oracle_.Check(*engine_);
  Restart();
  EXPECT_EQ(engine_->GetCollection("docs")->spec, before);
  oracle_.Check(*engine_);
}

TEST_P(ReencodeTest, MemoryIsThatOfTheNewDims) {
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).error, absl::OkStatus());
  const IndexInfo info = *engine_->GetIndex("docs");
  const auto limit_to = [&](uint64_t bytes) {
    CollectionUpdate update;
    update.memory_limit_bytes = bytes;
    ASSERT_TRUE(engine_->UpdateCollection("docs", update).ok());
  };
  const uint64_t used = info.memory.Total() + info.id_map_bytes + info.token_bytes;
  // 96 bytes of shells a point more.
  limit_to(used + kPoints * 48);
  EXPECT_THAT(engine_->Reencode("docs", Larger()).status(),
              Fails(absl::StatusCode::kResourceExhausted, "building the index of docs takes "));
  limit_to(used + kPoints * 200);
  EXPECT_EQ(Reencode(Larger()), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(Metrics, ReencodeTest, ::testing::Values(Metric::kCosine, Metric::kDot),
                         [](const auto& info) { return std::string(Name(info.param)); });

using ReencodeDotTest = ReencodeTest;
INSTANTIATE_TEST_SUITE_P(Dot, ReencodeDotTest, ::testing::Values(Metric::kDot),
                         [](const auto& info) { return std::string(Name(info.param)); });

// Of numbers so large that more repetitions overflow.
TEST_P(ReencodeDotTest, PointsThatCannotBeEncoded) {
  oracle_.Upsert(engine_.get(), 0, 20, 1);
  const std::vector<float> huge(8, 1.5e18f);
  const PointInput point{PointId(uint64_t{99}), oracle_.InputOf(huge), {}};
  ASSERT_TRUE(engine_->Upsert("docs", {&point, 1}).ok());
  const CollectionSpec before = engine_->GetCollection("docs")->spec;
  const FdeSpec many = {.dim = 8, .repetitions = 64, .k_sim = 1, .d_proj = 4};
  EXPECT_THAT(Reencode(MakeReencoding(many, {})), Fails(kPrecondition, "row 21: "));
  EXPECT_EQ(engine_->GetCollection("docs")->spec, before);
  EXPECT_EQ(*engine_->Count("docs"), 21u);
  const PointId id = uint64_t{99};
  ASSERT_TRUE(engine_->Delete("docs", {&id, 1}).ok());
  EXPECT_EQ(Reencode(MakeReencoding(many, {})), absl::OkStatus());
  oracle_.Check(*engine_);
}

TEST_F(EngineTest, EncodingsThatCannotBe) {
  EXPECT_THAT(engine_->Reencode("docs", Larger()).status(), Fails(kInvalid, "kind SINGLE"));
  EXPECT_THAT(engine_->Reencode("none", Larger()).status(), Fails(kNotFound, "none"));
  CollectionSpec spec = MakeMultiSpec(Metric::kDot, Dtype::kF32);
  spec.name = "multi";
  ASSERT_TRUE(engine_->CreateCollection(spec).ok());
  Reencoding next = Larger();
  next.fde.k_sim = 13;
  EXPECT_THAT(engine_->Reencode("multi", next).status(), Fails(kInvalid, "0..12"));
  next = Larger();
  next.fde.dim = 9;
  EXPECT_THAT(engine_->Reencode("multi", next).status(), Fails(kInvalid, "9 dims"));
  next = Larger();
  next.schema.nesting = {20, 128};
  EXPECT_THAT(engine_->Reencode("multi", next).status(), Fails(kInvalid, "schema"));
  EXPECT_EQ(engine_->GetCollection("multi")->spec.multi, spec.multi);
  EXPECT_TRUE(engine_->ListOperations().empty());
}

}  // namespace
}  // namespace nestor
