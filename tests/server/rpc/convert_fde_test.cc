#include "server/rpc/convert_fde.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "server/rpc/convert_schema.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CollectionSpec Collection() {
  v1::CollectionSpec message;
  message.set_name("passages");
  message.set_dim(4);
  message.set_metric(v1::METRIC_DOT);
  message.set_kind(v1::VECTOR_KIND_MULTI);
  v1::Muvera* muvera = message.mutable_muvera();
  muvera->set_repetitions(8);
  muvera->set_k_sim(2);
  muvera->set_sketch_repetitions(2);
  muvera->set_sketch_dim(10);
  const auto spec = ToCollectionSpec(message);
  EXPECT_THAT(spec, IsOk());
  return *spec;
}

v1::EncodeFDERequest Request(const std::vector<float>& values) {
  v1::EncodeFDERequest request;
  request.set_collection("passages");
  request.mutable_tokens()->mutable_tokens()->set_dtype(v1::DTYPE_F32);
  request.mutable_tokens()->mutable_tokens()->set_data(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  request.set_side(v1::FDE_SIDE_QUERY);
  return request;
}

TEST(ConvertFdeTest, RequestsKeepTokensAndOptions) {
  v1::EncodeFDERequest request = Request({1, 2, 3, 4, 5, 6, 7, 8});
  request.add_token_weights(1);
  request.add_token_weights(0);
  request.set_repetitions(4);
  request.set_fill_empty(false);
  std::vector<float> buffer;
  auto wanted = ToFdeRequest(request, Collection(), &buffer);
  ASSERT_THAT(wanted, IsOk());
  EXPECT_THAT(std::vector<float>(wanted->tokens.begin(), wanted->tokens.end()),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(wanted->options.side, FdeSide::kQuery);
  EXPECT_EQ(wanted->options.repetitions, 4u);
  EXPECT_EQ(wanted->options.weights.size(), 2u);
  EXPECT_FALSE(wanted->options.fill_empty.has_value());

  request.set_side(v1::FDE_SIDE_DOCUMENT);
  request.clear_token_weights();
  request.set_fill_empty(true);
  wanted = ToFdeRequest(request, Collection(), &buffer);
  ASSERT_THAT(wanted, IsOk());
  EXPECT_EQ(wanted->options.side, FdeSide::kDocument);
  EXPECT_EQ(wanted->options.fill_empty, true);
}

TEST(ConvertFdeTest, BadRequestsAreRefused) {
  struct Case {
    void (*spoil)(v1::EncodeFDERequest*);
    const char* message;
  };
  const Case kCases[] = {
      {[](v1::EncodeFDERequest* r) { r->clear_tokens(); }, "tokens.tokens.dtype: must be set"},
      {[](v1::EncodeFDERequest* r) { r->mutable_tokens()->mutable_tokens()->clear_data(); },
       "tokens.tokens.data: holds 0 tokens, not in 1..max_tokens, 4096"},
      {[](v1::EncodeFDERequest* r) { r->clear_side(); }, "side: must be set"},
      {[](v1::EncodeFDERequest* r) { r->set_side(static_cast<v1::FdeSide>(3)); },
       "side: value 3 is not supported by this version"},
      {[](v1::EncodeFDERequest* r) { r->set_fill_empty(true); },
       "fill_empty: true is for documents: a query's token would count twice"},
      {[](v1::EncodeFDERequest* r) { r->add_token_weights(1); },
       "token_weights: there are 1 weights for 2 tokens"},
      {[](v1::EncodeFDERequest* r) {
         r->set_side(v1::FDE_SIDE_DOCUMENT);
         r->add_token_weights(1);
       },
       "token_weights: are of queries; the side is DOCUMENT"},
      {[](v1::EncodeFDERequest* r) { r->set_repetitions(10); },
       "repetitions: 10 is not in 1..8, in whole groups of 2"},
      {[](v1::EncodeFDERequest* r) { r->set_repetitions(3); },
       "repetitions: 3 is not in 1..8, in whole groups of 2"},
  };
  for (const Case& c : kCases) {
    v1::EncodeFDERequest request = Request({1, 2, 3, 4, 5, 6, 7, 8});
    c.spoil(&request);
    std::vector<float> buffer;
    EXPECT_THAT(ToFdeRequest(request, Collection(), &buffer),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message));
  }
  CollectionSpec single = Collection();
  single.multi.reset();
  std::vector<float> buffer;
  EXPECT_THAT(ToFdeRequest(Request({1, 2, 3, 4}), single, &buffer),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "collection: \"passages\" is SINGLE: it has no FDEs"));
}

TEST(ConvertFdeTest, RepliesCarryThePrefixesThatTheyReach) {
  const VectorSchema schema = Collection().schema;
  ASSERT_THAT(schema.nesting, ElementsAre(10, 20, 40));
  v1::EncodeFDEResponse reply;
  FromFde(std::vector<float>(20, 0.5f), schema, &reply);
  EXPECT_EQ(reply.fde().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(reply.fde().data().size(), 80u);
  EXPECT_THAT(reply.nesting(), ElementsAre(10, 20));
}

TEST(ConvertFdeTest, EstimatesCountBytes) {
  v1::EstimateFDERequest request;
  request.set_dim(128);
  request.set_dtype(v1::DTYPE_F16);
  v1::EstimateFDEResponse reply;
  ASSERT_THAT(EstimateFde(request, &reply), IsOk());
  EXPECT_EQ(reply.muvera().fde_dim(), 10240u);
  EXPECT_THAT(reply.muvera().prefixes(), ElementsAre(5, 10, 20, 40, 80));
  EXPECT_EQ(reply.bytes().int8(), 10244u);
  EXPECT_EQ(reply.bytes().f16(), 20480u);
  EXPECT_EQ(reply.bytes().f32(), 40960u);
  EXPECT_EQ(reply.bytes().tokens(), 100u * 128 * 2);
  EXPECT_EQ(reply.bytes().token_codes(), 112u * 128 + 100 * 4) << "whole blocks of 16";
  EXPECT_EQ(reply.matrix_bytes(), 80u * 128 * (4 + 8) * 4);
  EXPECT_DOUBLE_EQ(reply.projection_deviation(), std::sqrt(2.0 / 640));
  EXPECT_DOUBLE_EQ(reply.measured_bias(), -0.187);

  request.set_dim(0);
  EXPECT_THAT(EstimateFde(request, &reply),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dim")));
  request.set_dim(128);
  request.set_tokens(4097);
  EXPECT_THAT(EstimateFde(request, &reply), StatusIs(absl::StatusCode::kInvalidArgument,
                                                     "tokens: 4097 is not in 1..max_tokens, 4096"));
  request.set_tokens(1);
  request.mutable_muvera()->set_k_sim(13);
  EXPECT_THAT(EstimateFde(request, &reply),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("k_sim must be 0..12")));
  request.mutable_muvera()->set_repetitions(4);
  for (const uint32_t k_sim : {0, 12}) {
    request.mutable_muvera()->set_k_sim(k_sim);
    ASSERT_THAT(EstimateFde(request, &reply), IsOk());
    EXPECT_DOUBLE_EQ(reply.measured_bias(), k_sim == 0 ? -0.210 : -0.1655);
  }
  request.mutable_muvera()->set_k_sim(3);
  request.mutable_muvera()->set_projection(v1::FDE_PROJECTION_IDENTITY);
  ASSERT_THAT(EstimateFde(request, &reply), IsOk());
  EXPECT_EQ(reply.projection_deviation(), 0);
}

// Over many draws, with all tokens in one block so that nothing but the projection is random.
TEST(ConvertFdeTest, TheProjectionsDeviationIsWithinItsBound) {
  constexpr uint32_t kDim = 32;
  constexpr uint32_t kTokens = 3;
  constexpr int kDraws = 400;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const v1::FdeProjection projection :
       {v1::FDE_PROJECTION_DENSE, v1::FDE_PROJECTION_COUNT_SKETCH}) {
    v1::EstimateFDERequest request;
    request.set_dim(kDim);
    v1::Muvera* muvera = request.mutable_muvera();
    muvera->set_repetitions(4);
    muvera->set_k_sim(0);
    muvera->set_projection(projection);
    v1::EstimateFDEResponse reply;
    ASSERT_THAT(EstimateFde(request, &reply), IsOk());
    // The worst case: one direction for all, so that |M| is the number of query tokens.
    std::vector<float> direction(kDim);
    float square = 0;
    for (float& x : direction) {
      x = normal(random);
      square += x * x;
    }
    std::vector<float> tokens;
    for (uint32_t i = 0; i < kTokens; ++i) {
      for (const float x : direction) tokens.push_back(x / std::sqrt(square));
    }
    FdeSpec spec{.dim = kDim, .repetitions = 4, .k_sim = 0};
    spec.projection = static_cast<FdeProjection>(projection);
    double sum = 0, squares = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      spec.seed = 1000 + draw;
      const auto model = FdeModel::Draw(spec);
      ASSERT_THAT(model, IsOk());
      std::vector<float> query(spec.dims()), document(spec.dims());
      ASSERT_THAT((*model)->Encode(tokens, {.side = FdeSide::kQuery}, query.data()), IsOk());
      ASSERT_THAT((*model)->Encode(tokens, {.side = FdeSide::kDocument}, document.data()), IsOk());
      double score = 0;
      for (size_t d = 0; d < query.size(); ++d) score += double{query[d]} * document[d];
      score /= spec.repetitions * kTokens;
      sum += score;
      squares += score * score;
    }
    const double mean = sum / kDraws;
    const double deviation = std::sqrt(squares / kDraws - mean * mean);
    EXPECT_NEAR(mean, 1, 4 * reply.projection_deviation() / std::sqrt(kDraws));
    // A sample of 400 is within 15 %.
    EXPECT_LT(deviation, 1.15 * reply.projection_deviation());
    EXPECT_GT(deviation, 0.5 * reply.projection_deviation()) << "the bound is not idle";
  }
}

}  // namespace
}  // namespace nestor
