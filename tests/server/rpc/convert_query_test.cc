#include "server/rpc/convert_query.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "server/rpc/convert_search.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const VectorSchema kFde{.dim = 64, .nesting = {32, 64}, .metric = Metric::kDot};
const MultiSpec kMulti{
    {.token = {.dim = 4, .nesting = {2, 4}, .metric = Metric::kDot}, .max_tokens = 5}, {}};
const PointSchema kTokens(kFde, &kMulti);
const PointSchema kVectors(kFde);

v1::SearchRequest TokenRequest(const std::vector<float>& values) {
  v1::SearchRequest request;
  request.set_limit(3);
  v1::Packed* tokens = request.mutable_vector()->mutable_multi()->mutable_tokens();
  tokens->set_dtype(v1::DTYPE_F32);
  tokens->set_data(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  return request;
}

TEST(ConvertQueryTest, TokenQueriesKeepTheirValuesWeightsAndScore) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  v1::SearchRequest request = TokenRequest(values);
  std::vector<float> buffer;
  SearchRequest search;
  ASSERT_THAT(ToSearchQuery(request, kTokens, &buffer, &search), IsOk());
  const auto* query = &std::get<TokenQuery>(search.query);
  EXPECT_THAT(std::vector<float>(query->tokens.begin(), query->tokens.end()),
              testing::ElementsAreArray(values));
  EXPECT_TRUE(query->weights.empty());
  EXPECT_FALSE(query->mean);
  EXPECT_FALSE(search.matches);
  EXPECT_EQ(MaxQueryTokens(search, kTokens), 2u);

  request.add_token_weights(0.5f);
  request.add_token_weights(-2);
  request.set_token_score(v1::TOKEN_SCORE_MEAN);
  request.set_matches(true);
  ASSERT_THAT(ToSearchQuery(request, kTokens, &buffer, &search), IsOk());
  query = &std::get<TokenQuery>(search.query);
  EXPECT_THAT(std::vector<float>(query->weights.begin(), query->weights.end()),
              ElementsAre(0.5f, -2));
  EXPECT_TRUE(query->mean);
  EXPECT_TRUE(search.matches);

  request.clear_vector();
  request.clear_token_weights();
  request.clear_token_score();
  request.mutable_id()->set_num(7);
  ASSERT_THAT(ToSearchQuery(request, kTokens, &buffer, &search), IsOk());
  EXPECT_EQ(std::get<PointId>(search.query), PointId(uint64_t{7}));
  EXPECT_EQ(MaxQueryTokens(search, kTokens), 5u) << "those of the point are not known";
}

TEST(ConvertQueryTest, FieldsOfTheOtherKindAreRefused) {
  struct Case {
    const char* name;
    void (*spoil)(v1::SearchRequest*);
    bool tokens;  // for a MULTI collection
    const char* message;
  };
  const Case kCases[] = {
      {"a vector", [](v1::SearchRequest* r) { r->mutable_vector()->mutable_floats(); }, true,
       "vector: multi must be set: the collection is MULTI, of token matrices"},
      {"tokens", [](v1::SearchRequest* r) {}, false,
       "vector.multi: floats or packed must be set instead: the collection is SINGLE, of vectors"},
      {"weights", [](v1::SearchRequest* r) { r->add_token_weights(1); }, false,
       "token_weights: is of MULTI collections; this one is SINGLE"},
      {"mean", [](v1::SearchRequest* r) { r->set_token_score(v1::TOKEN_SCORE_MEAN); }, false,
       "token_score: is of MULTI collections; this one is SINGLE"},
      {"matches",
       [](v1::SearchRequest* r) {
         r->mutable_id()->set_num(1);
         r->set_matches(true);
       },
       false, "matches: is of MULTI collections; this one is SINGLE"},
      {"matches of FDEs",
       [](v1::SearchRequest* r) {
         FromPlan(*ParsePlan("coarse=32:3,scan=64:9"), r->mutable_plan());
         r->set_matches(true);
       },
       true, "matches: the plan has neither maxsim stages nor rescore: no token matches"},
      {"too many weights", [](v1::SearchRequest* r) { r->add_token_weights(1); }, true,
       "token_weights: there are 1 weights for 2 tokens"},
      {"no number",
       [](v1::SearchRequest* r) {
         r->add_token_weights(1);
         r->add_token_weights(std::numeric_limits<float>::quiet_NaN());
       },
       true, "token_weights: the weight of token 1 is nan, the limit is +-1e+15"},
      {"a score", [](v1::SearchRequest* r) { r->set_token_score(static_cast<v1::TokenScore>(3)); },
       true, "token_score: value 3 is not supported by this version"},
      {"weights of a point",
       [](v1::SearchRequest* r) {
         r->mutable_id()->set_num(1);
         r->add_token_weights(1);
       },
       true, "token_weights: goes with vector, not with id"},
      {"nothing", [](v1::SearchRequest* r) { r->clear_vector(); }, true,
       "query: vector or id must be set"},
  };
  for (const Case& c : kCases) {
    v1::SearchRequest request = TokenRequest({1, 2, 3, 4, 5, 6, 7, 8});
    c.spoil(&request);
    std::vector<float> buffer;
    SearchRequest search;
    EXPECT_THAT(ToSearchQuery(request, c.tokens ? kTokens : kVectors, &buffer, &search),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message))
        << c.name;
  }
}

TEST(ConvertQueryTest, PlansOfTokensAreCheckedAgainstBothSchemas) {
  const auto how = [](const char* text, const PointSchema& schema) {
    v1::SearchRequest request;
    request.set_limit(10);
    FromPlan(*ParsePlan(text), request.mutable_plan());
    return ToSearchHow(request, schema, IndexSpec());
  };
  const char* kPlan = "coarse=32:3,scan=64:40,maxsim=2:30,maxsim=4:20,rescore";
  const auto good = how(kPlan, kTokens);
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ(FormatPlan(std::get<Plan>(*good)), kPlan);
  EXPECT_THAT(how(kPlan, kVectors),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("plan: ")));
  EXPECT_THAT(how("coarse=32:3,scan=64:40,maxsim=3:30", kTokens),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("plan: ")));
  EXPECT_THAT(how("coarse=4:3,scan=64:40,maxsim=2:30", kTokens),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("plan: ")));

  v1::SearchRequest exact;
  exact.mutable_exact();
  EXPECT_EQ(std::get<ExactSearch>(*ToSearchHow(exact, kTokens, IndexSpec())).dim, 4u);
  for (const uint32_t dim : {2, 64}) {
    exact.mutable_exact()->set_dim(dim);
    EXPECT_THAT(
        ToSearchHow(exact, kTokens, IndexSpec()),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat("exact.dim: ", dim, " is not the tokens' dim, 4"))));
  }

  v1::Plan many;
  FromPlan(*ParsePlan(kPlan), &many);
  for (int i = 0; i < 15; ++i) many.add_maxsim();
  EXPECT_THAT(ToPlan(many), StatusIs(absl::StatusCode::kInvalidArgument,
                                     "maxsim: has 17 stages, the limit is 16"));
}

TEST(ConvertQueryTest, PackedShapesFollowTheCounts) {
  const std::vector<uint32_t> counts = {2, 0, 3};
  const auto shape = ToPackedShape(v1::DTYPE_F16, 5 * 8, kTokens, counts);
  ASSERT_THAT(shape, IsOk());
  EXPECT_EQ(shape->count, 3u);
  EXPECT_EQ(shape->offset(0), 0u);
  EXPECT_EQ(shape->bytes(0), 16u);
  EXPECT_EQ(shape->bytes(1), 0u);
  EXPECT_EQ(shape->offset(2), 16u);
  EXPECT_EQ(shape->values(2), 12u);
  EXPECT_THAT(ToPackedShape(v1::DTYPE_F16, 5 * 8 - 1, kTokens, counts),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "data: has 39 bytes, the 5 tokens of counts, of dim 4 of f16, take 40"));
  // Sums that would overflow 32 bits.
  const std::vector<uint32_t> huge(3, std::numeric_limits<uint32_t>::max());
  EXPECT_THAT(ToPackedShape(v1::DTYPE_F16, 40, kTokens, huge),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the 12884901885 tokens")));
}

TEST(ConvertQueryTest, CountsAreOfMultiCollections) {
  const std::vector<uint32_t> two = {1, 5};
  EXPECT_THAT(CheckCounts(two, kTokens, 2), IsOk());
  EXPECT_THAT(CheckCounts({}, kVectors, 2), IsOk());
  EXPECT_THAT(CheckCounts(two, kVectors, 2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "counts: are of MULTI collections; this one is SINGLE"));
  EXPECT_THAT(CheckCounts(two, kTokens, 3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("counts: has 2 entries, the batch has 3 rows")));
  EXPECT_THAT(CheckQueryCounts(two, kTokens), IsOk());
  EXPECT_THAT(CheckQueryCounts({}, kVectors), IsOk());
  EXPECT_THAT(CheckQueryCounts(two, kVectors),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("this one is SINGLE")));
  EXPECT_THAT(CheckQueryCounts({}, kTokens), StatusIs(absl::StatusCode::kInvalidArgument,
                                                      HasSubstr("has 0 entries, one per query")));
  for (const uint32_t bad : {0, 6}) {
    const std::vector<uint32_t> counts = {1, bad};
    EXPECT_THAT(CheckQueryCounts(counts, kTokens),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         absl::StrCat("counts[1]: ", bad, " is not in 1..max_tokens, 5")));
  }
}

TEST(ConvertQueryTest, RepliesCarryMatchesAndMatrices) {
  SearchReply reply;
  reply.hits.resize(2);
  reply.hits[0].id = uint64_t{4};
  reply.hits[0].vector = std::string(2 * 16, 'v');
  reply.hits[0].matches = {{1, 0.5f}, {0, -0.25f}};
  reply.hits[1].id = uint64_t{5};
  reply.hits[1].vector = std::string(16, 'w');
  v1::SearchResponse message;
  ASSERT_THAT(FromSearchReply(&reply, kTokens, {.vector = true}, AttributeChoice(), &message),
              IsOk());
  EXPECT_EQ(message.hits(0).vector().multi().count(), 2u);
  EXPECT_THAT(message.hits(0).matches().tokens(), ElementsAre(1, 0));
  EXPECT_THAT(message.hits(0).matches().scores(), ElementsAre(0.5f, -0.25f));
  EXPECT_FALSE(message.hits(1).has_matches());
  EXPECT_EQ(message.hits(1).vector().multi().count(), 1u);
}

TEST(ConvertQueryTest, BoundsCoverWhatHitsTake) {
  v1::Hit hit;
  hit.mutable_id()->set_str(std::string(256, 'x'));
  hit.set_score(1);
  hit.set_seq(std::numeric_limits<uint64_t>::max());
  for (const uint64_t tokens : {1, 100, 4096}) {
    hit.mutable_matches()->Clear();
    for (uint64_t i = 0; i < tokens; ++i) {
      hit.mutable_matches()->add_tokens(16383);
      hit.mutable_matches()->add_scores(1);
    }
    // In the reply: a tag and a length.
    EXPECT_LE(hit.ByteSizeLong() + 5, MaxPointBytes(kTokens, {}) + MaxMatchBytes(tokens));
  }
}

}  // namespace
}  // namespace nestor
