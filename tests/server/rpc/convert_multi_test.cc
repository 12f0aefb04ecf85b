#include "server/rpc/convert_multi.h"

#include <gtest/gtest.h>

#include "server/rpc/convert_point.h"
#include "server/rpc/convert_schema.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

v1::CollectionSpec Message() {
  v1::CollectionSpec message;
  message.set_name("passages");
  message.set_dim(128);
  for (const uint32_t dim : {32, 64, 128}) message.add_nesting(dim);
  message.set_metric(v1::METRIC_COSINE);
  message.set_dtype(v1::DTYPE_F16);
  message.set_kind(v1::VECTOR_KIND_MULTI);
  return message;
}

TokenSchema Tokens(uint32_t dim, Dtype dtype, uint32_t max_tokens) {
  return {.token = {.dim = dim, .nesting = {dim}, .metric = Metric::kDot, .dtype = dtype},
          .max_tokens = max_tokens};
}

v1::MultiVector Matrix(v1::Dtype dtype, size_t bytes) {
  v1::MultiVector multi;
  multi.mutable_tokens()->set_dtype(dtype);
  multi.mutable_tokens()->set_data(std::string(bytes, '\0'));
  return multi;
}

TEST(ConvertMultiTest, UnsetParametersGetTheDefaults) {
  const auto spec = ToCollectionSpec(Message());
  ASSERT_THAT(spec, IsOk());
  ASSERT_TRUE(spec->multi.has_value());
  EXPECT_EQ(
      spec->multi->tokens.token,
      (VectorSchema{
          .dim = 128, .nesting = {32, 64, 128}, .metric = Metric::kCosine, .dtype = Dtype::kF16}));
  EXPECT_EQ(spec->multi->tokens.max_tokens, 4096u);
  FdeSpec fde;
  fde.dim = 128;
  EXPECT_EQ(spec->multi->fde, fde);
  EXPECT_EQ(spec->schema, (VectorSchema{.dim = 10240,
                                        .nesting = {640, 1280, 2560, 5120, 10240},
                                        .metric = Metric::kDot,
                                        .dtype = Dtype::kF32}));

  v1::CollectionSpec message = Message();
  message.set_dim(4);
  message.clear_nesting();
  EXPECT_EQ(ToCollectionSpec(message)->multi->fde.d_proj, 4u) << "as many as the tokens have";
  message.mutable_muvera()->set_projection(v1::FDE_PROJECTION_IDENTITY);
  EXPECT_EQ(ToCollectionSpec(message)->multi->fde.d_proj, 4u);
  message.mutable_muvera()->set_k_sim(0);
  message.mutable_muvera()->set_seed(0);
  EXPECT_EQ(ToCollectionSpec(message)->multi->fde.k_sim, 0u) << "0 is a value";
  EXPECT_EQ(ToCollectionSpec(message)->multi->fde.seed, 0u);
}

TEST(ConvertMultiTest, SpecsSurviveTheRoundTripAndShowWhatIsUsed) {
  v1::CollectionSpec message = Message();
  v1::Muvera* muvera = message.mutable_muvera();
  muvera->set_repetitions(20);
  muvera->set_k_sim(3);
  muvera->set_projection(v1::FDE_PROJECTION_COUNT_SKETCH);
  muvera->set_d_proj(16);
  muvera->set_fill_empty(true);
  muvera->set_sketch_repetitions(5);
  muvera->set_sketch_dim(100);
  muvera->set_seed(42);
  muvera->add_prefixes(10);
  muvera->add_prefixes(20);
  muvera->set_max_tokens(512);
  message.mutable_index()->set_coarse_dim(200);
  const auto spec = ToCollectionSpec(message);
  ASSERT_THAT(spec, IsOk());
  EXPECT_THAT(spec->schema.nesting, ElementsAre(200, 400));

  v1::CollectionSpec shown;
  FromCollectionSpec(*spec, &shown);
  EXPECT_EQ(shown.kind(), v1::VECTOR_KIND_MULTI);
  EXPECT_EQ(shown.dim(), 128u);
  EXPECT_THAT(shown.nesting(), ElementsAre(32, 64, 128));
  EXPECT_EQ(shown.metric(), v1::METRIC_COSINE);
  EXPECT_EQ(shown.dtype(), v1::DTYPE_F16);
  EXPECT_EQ(shown.muvera().fde_dim(), 400u);
  EXPECT_THAT(shown.muvera().fde_nesting(), ElementsAre(200, 400));
  EXPECT_THAT(shown.muvera().prefixes(), ElementsAre(10, 20));
  // What is shown makes the same collection again.
  const auto again = ToCollectionSpec(shown);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *spec);
}

TEST(ConvertMultiTest, BadParametersAreRefusedWithValueAndLimit) {
  struct Case {
    void (*spoil)(v1::CollectionSpec*);
    const char* message;
  };
  const Case kCases[] = {
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_k_sim(13); },
       "muvera: k_sim must be 0..12, not 13"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_repetitions(1025); },
       "muvera: repetitions must be 1..1024, not 1025"},
      {[](v1::CollectionSpec* s) {
         s->mutable_muvera()->set_k_sim(12);
         s->mutable_muvera()->set_d_proj(16);
       },
       "is 5242880 dims, the limit is 1048576"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_d_proj(129); },
       "muvera: d_proj must be 1..128"},
      {[](v1::CollectionSpec* s) {
         s->mutable_muvera()->set_projection(static_cast<v1::FdeProjection>(4));
       },
       "muvera.projection: value 4"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_sketch_dim(8); },
       "muvera: sketch_repetitions 0 and sketch_dim 8 must both be set"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->add_prefixes(40); },
       "muvera.prefixes: the prefixes 40 of repetitions end in 40"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_max_tokens(16385); },
       "max_tokens must be 1..16384, not 16385"},
      {[](v1::CollectionSpec* s) {
         s->set_dim(1024);
         s->clear_nesting();
         s->set_dtype(v1::DTYPE_F32);
         s->mutable_muvera()->set_max_tokens(16384);
       },
       "muvera.max_tokens: 16384 tokens of dim 1024 of f32 take 67108864 bytes"},
      {[](v1::CollectionSpec* s) {
         s->set_dim(1025);
         s->clear_nesting();
       },
       "dim must be 1..1024, not 1025"},
      {[](v1::CollectionSpec* s) { s->set_metric(v1::METRIC_L2); }, "must be cosine or dot"},
      {[](v1::CollectionSpec* s) { s->set_kind(static_cast<v1::VectorKind>(3)); }, "kind: value 3"},
      {[](v1::CollectionSpec* s) {
         s->set_kind(v1::VECTOR_KIND_SINGLE);
         s->mutable_muvera();
       },
       "muvera: is of MULTI collections; the kind is SINGLE"},
      {[](v1::CollectionSpec* s) {
         s->mutable_index()->set_exact_vectors(v1::EXACT_VECTORS_MEMORY);
       },
       "index.exact_vectors: MEMORY is for SINGLE collections"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->set_fde_dim(1280); },
       "muvera.fde_dim: 1280 is not what these parameters make, 10240"},
      {[](v1::CollectionSpec* s) { s->mutable_muvera()->add_fde_nesting(1280); },
       "muvera.fde_nesting: 1280 is not what these parameters make, 640,1280,2560,5120,10240"},
  };
  for (const Case& c : kCases) {
    v1::CollectionSpec message = Message();
    c.spoil(&message);
    EXPECT_THAT(ToCollectionSpec(message),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

TEST(ConvertMultiTest, UpdatesMayOnlyRepeatWhatPointsAre) {
  const CollectionSpec present = *ToCollectionSpec(Message());
  v1::CollectionSpec wanted;
  FromCollectionSpec(present, &wanted);
  EXPECT_THAT(ToCollectionUpdate(wanted, present), IsOk());

  wanted.mutable_muvera()->set_k_sim(5);
  EXPECT_THAT(ToCollectionUpdate(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "muvera.k_sim: cannot change from 4 to 5, but by a build "
                       "(BuildIndexRequest.muvera)"));
  wanted.mutable_muvera()->set_k_sim(4);
  wanted.mutable_muvera()->set_prefixes(0, 6);
  EXPECT_THAT(ToCollectionUpdate(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "muvera.prefixes: cannot change from 5,10,20,40,80 to 6,10,20,40,80, but by "
                       "a build (BuildIndexRequest.muvera)"));
  wanted.clear_muvera();
  wanted.mutable_muvera()->set_max_tokens(5);
  EXPECT_THAT(ToCollectionUpdate(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "muvera.max_tokens: cannot change from 4096 to 5"));
  wanted.clear_muvera();
  wanted.set_dim(10240);
  EXPECT_THAT(ToCollectionUpdate(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument, "dim: cannot change from 128 to 10240"));
  wanted.clear_dim();
  wanted.set_kind(v1::VECTOR_KIND_SINGLE);
  EXPECT_THAT(
      ToCollectionUpdate(wanted, present),
      StatusIs(absl::StatusCode::kInvalidArgument, "kind: cannot change from MULTI to SINGLE"));
}

TEST(ConvertMultiTest, BuildsMayChangeEncodings) {
  v1::CollectionSpec message = Message();
  message.mutable_muvera()->set_fill_empty(true);
  message.mutable_muvera()->set_max_tokens(300);
  const CollectionSpec present = *ToCollectionSpec(message);

  v1::Muvera wanted;
  wanted.set_repetitions(40);
  const absl::StatusOr<Reencoding> all = ToReencoding(wanted, present);
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->fde, (FdeSpec{.dim = 128, .repetitions = 40})) << "defaults, not what was";
  EXPECT_THAT(all->schema.nesting, testing::ElementsAre(384, 640, 1280, 2560, 5120));
  EXPECT_FALSE(all->index.has_value());
  wanted.set_max_tokens(300);
  EXPECT_THAT(ToReencoding(wanted, present), IsOk()) << "repeated";

  wanted.set_max_tokens(301);
  EXPECT_THAT(ToReencoding(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("muvera.max_tokens: cannot change from 300 to 301")));
  wanted.clear_max_tokens();
  wanted.set_k_sim(13);
  EXPECT_THAT(ToReencoding(wanted, present),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("muvera: k_sim must be 0..12, not 13")));
  v1::CollectionSpec single;
  single.set_name("flat");
  single.set_dim(4);
  single.set_metric(v1::METRIC_DOT);
  EXPECT_THAT(ToReencoding({}, *ToCollectionSpec(single)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("muvera: is of MULTI collections; \"flat\" is SINGLE")));
}

TEST(ConvertMultiTest, MatricesBorrowFromTheMessage) {
  v1::Vector message;
  *message.mutable_multi() = Matrix(v1::DTYPE_F16, 3 * 8 * 2);
  const MultiSpec spec{Tokens(8, Dtype::kF32, 3), {}};
  const VectorSchema fde{.dim = 64, .nesting = {64}, .metric = Metric::kDot};
  const auto input = ToVectorInput(message, PointSchema(fde, &spec));
  ASSERT_THAT(input, IsOk());
  const auto& tokens = std::get<PackedTokens>(*input);
  EXPECT_EQ(tokens.dtype, Dtype::kF16);
  EXPECT_EQ(tokens.bytes.data(), message.multi().tokens().data().data());

  v1::Vector stored;
  FromStoredVector(PointSchema(fde, &spec), std::string(2 * 8 * 4, 'x'), &stored);
  EXPECT_EQ(stored.multi().count(), 2u);
  EXPECT_EQ(stored.multi().tokens().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(stored.multi().tokens().data(), std::string(64, 'x'));
  EXPECT_THAT(ToVectorInput(stored, PointSchema(fde, &spec)), IsOk());
}

TEST(ConvertMultiTest, TheOtherKindIsRefused) {
  const MultiSpec spec{Tokens(8, Dtype::kF32, 3), {}};
  const VectorSchema schema{.dim = 8, .nesting = {8}, .metric = Metric::kDot};
  v1::Vector message;
  for (int i = 0; i < 8; ++i) message.mutable_floats()->add_values(1);
  EXPECT_THAT(ToVectorInput(message, schema), IsOk());
  EXPECT_THAT(ToVectorInput(message, PointSchema(schema, &spec)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the collection is MULTI")));
  *message.mutable_multi() = Matrix(v1::DTYPE_F32, 32);
  EXPECT_THAT(ToVectorInput(message, PointSchema(schema, &spec)), IsOk());
  EXPECT_THAT(ToVectorInput(message, schema),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("multi: "), HasSubstr("the collection is SINGLE"))));
}

TEST(ConvertMultiTest, MatricesOfAnotherShapeAreRefused) {
  const TokenSchema schema = Tokens(8, Dtype::kF32, 3);
  const auto refused = [&](const v1::MultiVector& multi, const char* message) {
    EXPECT_THAT(ToPackedTokens(multi, schema),
                StatusIs(absl::StatusCode::kInvalidArgument, message));
  };
  refused(Matrix(v1::DTYPE_F32, 0), "tokens.data: holds 0 tokens, not in 1..max_tokens, 3");
  refused(Matrix(v1::DTYPE_F32, 4 * 32), "tokens.data: holds 4 tokens, not in 1..max_tokens, 3");
  refused(Matrix(v1::DTYPE_F32, 33),
          "tokens.data: has 33 bytes, not a multiple of the 32 that a token of dim 8 of f32 takes");
  refused(Matrix(v1::DTYPE_INT8, 8),
          "tokens.dtype: INT8 values go into INT8 collections only; this one has dtype f32");
  refused(Matrix(v1::DTYPE_UNSPECIFIED, 32), "tokens.dtype: must be set");
  v1::MultiVector counted = Matrix(v1::DTYPE_F32, 64);
  counted.set_count(2);
  EXPECT_THAT(ToPackedTokens(counted, schema), IsOk());
  counted.set_count(3);
  refused(counted, "count: is 3, the 64 bytes of tokens hold 2");
}

}  // namespace
}  // namespace nestor
