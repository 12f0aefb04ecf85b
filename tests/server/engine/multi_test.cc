// Collections of token matrices: scores, stages, what a reply tells of tokens, and bad input. That
// they live as others do is conformance_test's, graph_test's and codes_test's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

class MultiTest : public ::testing::TestWithParam<Metric> {
 protected:
  static constexpr uint64_t kPoints = 600;

  MultiTest() : oracle_(MakeMultiSpec(GetParam(), Dtype::kF32)) {
    options_.data_dir = dir_.path();
    options_.upkeep.pause = std::chrono::hours(1);
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(oracle_.spec()).ok());
    oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  }

  absl::StatusOr<SearchReply> Search(const SearchRequest& request) {
    absl::StatusOr<SearchView> view = engine_->Pin("docs");
    if (!view.ok()) return view.status();
    SearchReply reply;
    if (absl::Status status = view->Search(request, nullptr, &reply); !status.ok()) return status;
    return reply;
  }

  // Token by token, in doubles: the share of their first dims.
  std::vector<double> Products(std::span<const float> query, const std::vector<float>& document,
                               size_t dims = kDim) {
    std::vector<double> products;
    for (size_t t = 0; t < document.size(); t += kDim) {
      double sum = 0, a = 0, b = 0;
      for (size_t d = 0; d < kDim; ++d) {
        if (d < dims) sum += static_cast<double>(query[d]) * document[t + d];
        a += static_cast<double>(query[d]) * query[d];
        b += static_cast<double>(document[t + d]) * document[t + d];
      }
      products.push_back(GetParam() == Metric::kCosine ? sum / std::sqrt(a * b) : sum);
    }
    return products;
  }
  double Score(const TokenQuery& query, const std::vector<float>& document, size_t dims = kDim) {
    double score = 0;
    const size_t n = query.tokens.size() / kDim;
    for (size_t q = 0; q < n; ++q) {
      const std::vector<double> products =
          Products(query.tokens.subspan(q * kDim, kDim), document, dims);
      score += (query.weights.empty() ? 1.0 : query.weights[q]) * std::ranges::max(products);
    }
    return query.mean ? score / static_cast<double>(n) : score;
  }

  static constexpr size_t kDim = 8;
  TempDir dir_;
  EngineOptions options_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(MultiTest, ExactScoresAreChamfers) {
  const std::vector<float> weights = {2, -0.5f, 1, 0, 0.25f};
  for (uint64_t q = 0; q < 10; ++q) {
    const std::vector<float> tokens = oracle_.VectorOf(q, 77);
    TokenQuery query{.tokens = tokens, .mean = q % 3 == 0};
    if (q % 2 == 0) query.weights = std::span(weights).first(tokens.size() / kDim);
    std::vector<std::pair<double, uint64_t>> expected;
    for (uint64_t i = 0; i < kPoints; ++i) {
      expected.emplace_back(-Score(query, oracle_.VectorOf(i, 1)), i);
    }
    std::ranges::sort(expected);
    SearchRequest request{.query = query, .limit = 20, .how = ExactSearch{}, .matches = true};
    const absl::StatusOr<SearchReply> reply = Search(request);
    ASSERT_TRUE(reply.ok()) << reply.status();
    ASSERT_EQ(reply->hits.size(), 20u);
    EXPECT_EQ(reply->score_dim, kDim);
    for (size_t h = 0; h < reply->hits.size(); ++h) {
      const SearchHit& hit = reply->hits[h];
      EXPECT_NEAR(hit.score, -expected[h].first, 1e-4) << h;
      const std::vector<float> document = oracle_.VectorOf(std::get<uint64_t>(hit.id), 1);
      EXPECT_NEAR(hit.score, Score(query, document), 1e-4);
      ASSERT_EQ(hit.matches.size(), tokens.size() / kDim);
      for (size_t t = 0; t < hit.matches.size(); ++t) {
        const std::vector<double> products =
            Products(std::span(tokens).subspan(t * kDim, kDim), document);
        EXPECT_NEAR(hit.matches[t].product, std::ranges::max(products), 1e-5);
        EXPECT_NEAR(hit.matches[t].product, products[hit.matches[t].token], 1e-5);
      }
    }
    ASSERT_EQ(reply->stages.size(), 2u);
    EXPECT_STREQ(reply->stages[1].name, "exact");
    EXPECT_EQ(reply->stages[0].in, kPoints);
    EXPECT_LT(reply->stages[1].in, kPoints / 2) << "the codes' bound leaves few";
    EXPECT_EQ(reply->stages[1].store_reads, reply->stages[1].in);
  }
}

TEST_P(MultiTest, StagesNarrowDown) {
  const std::vector<float> tokens = oracle_.VectorOf(1, 77);
  SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = 5};
  request.how = *ParsePlan("coarse=8:1,scan=8:400,refine=32:100,maxsim=4:50,maxsim=8:10,rescore");
  const absl::StatusOr<SearchReply> reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  std::vector<uint64_t> out;
  for (const StageCost& stage : reply->stages) out.push_back(stage.out);
  EXPECT_EQ(out, (std::vector<uint64_t>{400, 100, 50, 10, 5}));
  EXPECT_EQ(reply->score_dim, kDim);
  const TokenQuery query{.tokens = tokens};
  for (const SearchHit& hit : reply->hits) {
    const double score = Score(query, oracle_.VectorOf(std::get<uint64_t>(hit.id), 1));
    EXPECT_NEAR(hit.score, score, 1e-4);
    EXPECT_TRUE(hit.matches.empty()) << "nobody asked";
  }

  // Without rescore the codes score, of as many dims as the last stage looks at.
  request.how = *ParsePlan("coarse=8:1,scan=32:600,maxsim=8:5");
  const absl::StatusOr<SearchReply> coded = Search(request);
  ASSERT_TRUE(coded.ok()) << coded.status();
  EXPECT_EQ(coded->score_dim, kDim);
  for (const SearchHit& hit : coded->hits) {
    const double score = Score(query, oracle_.VectorOf(std::get<uint64_t>(hit.id), 1));
    EXPECT_NEAR(hit.score, score, 0.02 * std::abs(score) + 0.1);
  }
  request.how = *ParsePlan("coarse=8:1,scan=32:600,maxsim=4:5");
  EXPECT_EQ(Search(request)->score_dim, 4u);
  // Nor MaxSim: FDEs do.
  request.how = *ParsePlan("coarse=8:1,scan=32:600");
  EXPECT_EQ(Search(request)->score_dim, 32u);
}

// Under COSINE tokens are of unit length, their prefixes what they are; so they are after a
// restart, too.
TEST_P(MultiTest, PrefixesOfTokensAddUpToTheWhole) {
  const std::vector<float> weights = {2, -0.5f, 1, 0, 0.25f};
  for (uint64_t q = 0; q < 5; ++q) {
    const std::vector<float> tokens = oracle_.VectorOf(q, 77);
    const size_t n = tokens.size() / kDim;
    TokenQuery query{.tokens = tokens, .mean = q == 3};
    if (q % 2 == 0) query.weights = std::span(weights).first(n);
    SearchRequest request{.query = query, .limit = 30};
    request.how = *ParsePlan("coarse=8:1,scan=32:600,maxsim=4:30");
    const absl::StatusOr<SearchReply> reply = Search(request);
    ASSERT_TRUE(reply.ok()) << reply.status();
    ASSERT_EQ(reply->hits.size(), 30u);
    // Codes are within a hundredth, while a prefix is some 0.7 of its token's length.
    double size = 0;
    for (size_t t = 0; t < n; ++t) {
      const std::vector<float> token(tokens.begin() + static_cast<ptrdiff_t>(t * kDim),
                                     tokens.begin() + static_cast<ptrdiff_t>((t + 1) * kDim));
      const double weight = query.weights.empty() ? 1 : std::abs(query.weights[t]);
      size += weight * (GetParam() == Metric::kCosine ? 1 : Products(token, token).front());
    }
    const double slack = 0.02 * (query.mean ? size / static_cast<double>(n) : size);
    for (const SearchHit& hit : reply->hits) {
      const std::vector<float> document = oracle_.VectorOf(std::get<uint64_t>(hit.id), 1);
      EXPECT_NEAR(hit.score, Score(query, document, 4), slack);
    }
    for (uint64_t i = 0; i < kPoints; ++i) {
      if (std::ranges::count(reply->hits, PointId(i), &SearchHit::id) > 0) continue;
      EXPECT_LE(Score(query, oracle_.VectorOf(i, 1), 4), reply->hits.back().score + slack);
    }
    engine_.reset();
    engine_ = OpenOrDie(options_);
    const absl::StatusOr<SearchReply> again = Search(request);
    ASSERT_TRUE(again.ok()) << again.status();
    for (size_t i = 0; i < reply->hits.size(); ++i) {
      EXPECT_EQ(again->hits[i].id, reply->hits[i].id);
      EXPECT_EQ(again->hits[i].score, reply->hits[i].score);
    }
  }
}

TEST_P(MultiTest, PlansThatNameNothingFindTheBest) {
  const std::vector<float> tokens = oracle_.VectorOf(3, 77);
  SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = 10, .how = ExactSearch{}};
  const absl::StatusOr<SearchReply> exact = Search(request);
  request.how = UseDefaultPlan{};
  const absl::StatusOr<SearchReply> reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->hits.size(), 10u);
  const Plan& plan = std::get<Plan>(reply->how);
  EXPECT_TRUE(plan.rescore);
  ASSERT_EQ(plan.maxsim.size(), 1u);
  EXPECT_EQ(plan.maxsim[0].dim, kDim);
  EXPECT_GE(plan.maxsim[0].keep, 10u);
  size_t found = 0;
  for (const SearchHit& hit : reply->hits) {
    found += std::ranges::count(exact->hits, hit.id, &SearchHit::id);
  }
  EXPECT_GE(found, 5u);
}

TEST_P(MultiTest, APointIsAQuery) {
  SearchRequest request{.query = PointId(uint64_t{7}), .limit = 3, .how = ExactSearch{}};
  const absl::StatusOr<SearchReply> by_id = Search(request);
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  const std::vector<float> tokens = oracle_.VectorOf(7, 1);
  request.query = TokenQuery{.tokens = tokens};
  request.limit = 4;
  absl::StatusOr<SearchReply> by_tokens = Search(request);
  std::erase_if(by_tokens->hits,
                [](const SearchHit& hit) { return hit.id == PointId(uint64_t{7}); });
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(by_id->hits[i].id, by_tokens->hits[i].id);
    EXPECT_EQ(by_id->hits[i].score, by_tokens->hits[i].score);
  }
}

TEST_P(MultiTest, BatchesAreSearches) {
  const std::vector<std::vector<float>> queries = {oracle_.VectorOf(1, 5), oracle_.VectorOf(2, 5),
                                                   oracle_.VectorOf(3, 5)};
  struct Feed : QueryFeed {
    std::optional<std::span<const float>> Next(size_t) override {
      if (at == queries->size()) return std::nullopt;
      return (*queries)[at++];
    }
    void Take(size_t, const SearchReply& reply) override { replies.push_back(reply); }
    const std::vector<std::vector<float>>* queries;
    size_t at = 0;
    std::vector<SearchReply> replies;
  };
  for (const SearchHow& how : {SearchHow(UseDefaultPlan{}), SearchHow(ExactSearch{})}) {
    Feed feed;
    feed.queries = &queries;
    SearchRequest request{.limit = 5, .how = how};
    SearchScratch scratch;
    const absl::Status status = engine_->Pin("docs")->SearchMany(request, &feed, &scratch);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(feed.replies.size(), 3u);
    for (size_t q = 0; q < 3; ++q) {
      request.query = TokenQuery{.tokens = queries[q]};
      const absl::StatusOr<SearchReply> one = Search(request);
      ASSERT_EQ(one->hits.size(), feed.replies[q].hits.size());
      for (size_t i = 0; i < one->hits.size(); ++i) {
        EXPECT_EQ(one->hits[i].id, feed.replies[q].hits[i].id);
        EXPECT_EQ(one->hits[i].score, feed.replies[q].hits[i].score);
      }
    }
  }
}

// What the oracle's check looks at: plans by lists, by a code and by the graph find all points, and
// rescore them as exact search does.
TEST_P(MultiTest, GraphAndCodes) {
  oracle_.Upsert(engine_.get(), kPoints, 900, 1);
  IndexSpec index;
  index.lists = 16;
  index.graph = {.dim = 32, .degree = 8, .ef_construction = 40};
  index.codes = {{.dim = 16, .bytes = 8, .bits = 4}};
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  oracle_.Check(*engine_);
  oracle_.Upsert(engine_.get(), 100, 300, 2);
  oracle_.Delete(engine_.get(), 0, 50);
  oracle_.Check(*engine_);
  ASSERT_EQ(Await(*engine_, *engine_->AddCode("docs", {.dim = 32, .bytes = 8, .bits = 8})).state,
            OperationState::kSucceeded);
  oracle_.Check(*engine_);
  const IndexInfo before = *engine_->GetIndex("docs");
  EXPECT_GT(before.token_bytes, 0u);
  EXPECT_GT(before.store_vector_bytes, 1450u * kDim * 4);
  engine_.reset();
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
  const IndexInfo after = *engine_->GetIndex("docs");
  EXPECT_EQ(after.spec, before.spec);
  EXPECT_LT(after.token_bytes, before.token_bytes) << "those of dead rows are gone";
}

TEST_P(MultiTest, EncodesAsItIndexes) {
  const std::vector<float> tokens = oracle_.VectorOf(4, 1);
  std::vector<float> query, document, prefix;
  VectorSchema schema;
  ASSERT_TRUE(engine_->EncodeFde("docs", tokens, {}, &query, &schema).ok());
  ASSERT_TRUE(
      engine_->EncodeFde("docs", tokens, {.side = FdeSide::kDocument}, &document, &schema).ok());
  EXPECT_EQ(schema, oracle_.spec().schema);
  ASSERT_EQ(query.size(), schema.dim);
  // What a search by FDEs alone says of the point.
  double product = 0;
  for (size_t d = 0; d < query.size(); ++d) product += double{query[d]} * document[d];
  SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = kPoints};
  request.how = *ParsePlan("coarse=8:1,scan=32:600");
  const absl::StatusOr<SearchReply> reply = Search(request);
  const auto hit = std::ranges::find(reply->hits, PointId(uint64_t{4}), &SearchHit::id);
  EXPECT_NEAR(hit->score, product, 0.02 * std::abs(product) + 0.05);
  ASSERT_TRUE(engine_->EncodeFde("docs", tokens, {.repetitions = 2}, &prefix, &schema).ok());
  EXPECT_EQ(prefix, std::vector<float>(query.begin(), query.begin() + 16));
}

TEST_P(MultiTest, BadInputIsRefused) {
  const std::vector<float> good = oracle_.VectorOf(1, 1);
  const auto upsert = [&](const VectorInput& input) {
    const PointInput point{PointId(uint64_t{9000}), input, {}};
    return engine_->Upsert("docs", {&point, 1}).status();
  };
  EXPECT_THAT(upsert(std::span<const float>(good)), Fails(kInvalid, "kind MULTI"));
  EXPECT_THAT(upsert(PackedTokens{Dtype::kF32, ""}), Fails(kInvalid, "no tokens"));
  EXPECT_THAT(upsert(PackedTokens{Dtype::kF32, std::string(33, '\0')}),
              Fails(kInvalid, "33 bytes of tokens are not a multiple of 32"));
  const std::vector<float> six(6 * kDim, 1.0f);
  EXPECT_THAT(upsert(oracle_.InputOf(six)),
              Fails(kInvalid, "6 tokens are more than max_tokens, 5"));
  std::vector<float> bad = good;
  bad[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(upsert(oracle_.InputOf(bad)), Fails(kInvalid, "point 0 (id 9000)"));
  EXPECT_EQ(*engine_->Count("docs"), kPoints) << "nothing was written";

  SearchRequest request{.query = std::span<const float>(good)};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "kind MULTI"));
  request.query = TokenQuery{.tokens = six};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "max_tokens"));
  const std::vector<float> weights(9, 1.0f);
  request.query = TokenQuery{.tokens = good, .weights = weights};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "weights"));
  request.query = TokenQuery{.tokens = std::span(good).first(7)};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "28 bytes"));
  request.query = TokenQuery{.tokens = good};
  request.how = ExactSearch{4};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "all 8 dims"));
  request.how = *ParsePlan("coarse=8:1,scan=32:600,maxsim=5:20,rescore");
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "maxsim dim 5 is not in the nesting 4,8"));
  request.how = *ParsePlan("coarse=8:1,scan=32:600,maxsim=8:9,rescore");
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "last keep 9 is below the limit 10"));
  request.query = PointId(uint64_t{9000});
  request.how = UseDefaultPlan{};
  EXPECT_THAT(Search(request).status(), Fails(kNotFound, "no point with id 9000"));

  std::vector<float> fde;
  VectorSchema schema;
  EXPECT_THAT(engine_->EncodeFde("docs", six, {}, &fde, &schema), Fails(kInvalid, "max_tokens"));
  EXPECT_THAT(engine_->EncodeFde("docs", good, {.fill_empty = true}, &fde, &schema),
              Fails(kInvalid, "fill"));
}

INSTANTIATE_TEST_SUITE_P(Metrics, MultiTest, ::testing::Values(Metric::kCosine, Metric::kDot),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST_F(EngineTest, VectorsAreNoTokens) {
  const std::vector<float> values(32, 1.0f);
  const std::string bytes(128, '\0');
  const PointInput point{PointId(uint64_t{1}), PackedTokens{Dtype::kF32, bytes}, {}};
  EXPECT_THAT(engine_->Upsert("docs", {&point, 1}).status(), Fails(kInvalid, "kind SINGLE"));
  SearchRequest request{.query = TokenQuery{.tokens = values}};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "kind SINGLE"));
  request.query = std::span<const float>(values);
  request.how = *ParsePlan("coarse=8:1,scan=8:20,maxsim=8:10,rescore");
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "kind MULTI"));
  std::vector<float> fde;
  VectorSchema schema;
  EXPECT_THAT(engine_->EncodeFde("docs", values, {}, &fde, &schema),
              Fails(absl::StatusCode::kFailedPrecondition, "kind SINGLE"));
}

TEST_F(EngineTest, MultiSpecsThatCannotBe) {
  CollectionSpec spec = MakeMultiSpec(Metric::kDot, Dtype::kF32);
  spec.name = "multi";
  const auto create = [&](const auto& change) {
    CollectionSpec changed = spec;
    change(&changed);
    return engine_->CreateCollection(changed).status();
  };
  EXPECT_THAT(create([](auto* s) { s->multi->fde.k_sim = 13; }), Fails(kInvalid, "0..12"));
  EXPECT_THAT(create([](auto* s) { s->multi->tokens.max_tokens = 0; }),
              Fails(kInvalid, "max_tokens"));
  EXPECT_THAT(create([](auto* s) { s->multi->tokens.token.metric = Metric::kL2; }),
              Fails(kInvalid, "not l2"));
  EXPECT_THAT(create([](auto* s) { s->schema.nesting = {10, 32}; }), Fails(kInvalid, "schema"));
  EXPECT_THAT(create([](auto* s) { s->multi->fde.repetitions = 5; }), Fails(kInvalid, "fde"));
  EXPECT_TRUE(create([](auto*) {}).ok());
}

}  // namespace
}  // namespace nestor
