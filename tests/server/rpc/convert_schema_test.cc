#include "server/rpc/convert_schema.h"

#include <gtest/gtest.h>

#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

CollectionSpec FullSpec() {
  CollectionSpec spec;
  spec.name = "books";
  spec.schema = {
      .dim = 128, .nesting = {32, 64, 128}, .metric = Metric::kL2, .dtype = Dtype::kBf16};
  spec.id_kind = IdKind::kStr;
  spec.durability = Durability::kAsync;
  spec.index = {.coarse_dim = 64,
                .lists = 77,
                .shells = {64, 128},
                .codec = ShellCodec::kF16,
                .exact_vectors = ExactVectors::kStore,
                .memory_dim = 64,
                .graph = GraphSpec{64, 16, 100},
                .no_lists = true,
                .codes = {{64, 16, 4}, {128, 16, 8}},
                .list_attribute = "pages",
                .centroids = CentroidOrigin::kImported};
  spec.attributes = {{"pages", AttributeType::kInt64}, {"title", AttributeType::kString}};
  spec.memory_limit_bytes = uint64_t{1} << 40;
  return spec;
}

TEST(ConvertSchemaTest, SpecsSurviveTheRoundTrip) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8}) {
      for (const ShellCodec codec : {ShellCodec::kInt8, ShellCodec::kF16, ShellCodec::kF32}) {
        CollectionSpec spec = FullSpec();
        spec.schema.metric = metric;
        spec.schema.dtype = dtype;
        spec.index.codec = codec;
        v1::CollectionSpec message;
        FromCollectionSpec(spec, &message);
        const auto back = ToCollectionSpec(message);
        ASSERT_THAT(back, IsOk());
        EXPECT_EQ(*back, spec);
      }
    }
  }
}

TEST(ConvertSchemaTest, GraphsAreSetOrAbsent) {
  v1::IndexSpec message;
  EXPECT_FALSE(ToIndexSpec(message, IndexSpec())->graph.has_value());
  message.mutable_graph();
  EXPECT_EQ(ToIndexSpec(message, IndexSpec())->graph, GraphSpec());
  v1::IndexSpec back;
  FromIndexSpec(IndexSpec(), &back);
  EXPECT_FALSE(back.has_graph());
  EXPECT_FALSE(back.no_lists());
}

TEST(ConvertSchemaTest, EveryAttributeTypeSurvives) {
  for (int type = 1; type <= 6; ++type) {
    const auto known = static_cast<AttributeType>(type);
    const auto back = ToAttributeType(FromAttributeType(known));
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, known);
  }
  EXPECT_EQ(v1::ATTRIBUTE_TYPE_TIMESTAMP, 6) << "a new type needs a conversion and a test";
  EXPECT_FALSE(v1::AttributeType_IsValid(7)) << "a new type needs a conversion and a test";
}

TEST(ConvertSchemaTest, UnsetFieldsGetTheDefaults) {
  v1::CollectionSpec message;
  message.set_name("a");
  message.set_dim(8);
  message.set_metric(v1::METRIC_DOT);
  const auto spec = ToCollectionSpec(message);
  ASSERT_THAT(spec, IsOk());
  CollectionSpec wanted;
  wanted.name = "a";
  wanted.schema = {.dim = 8, .nesting = {8}, .metric = Metric::kDot, .dtype = Dtype::kF32};
  EXPECT_EQ(*spec, wanted);
}

TEST(ConvertSchemaTest, UnknownEnumsAreNamedWithTheirNumber) {
  struct Case {
    const char* name;
    void (*spoil)(v1::CollectionSpec*);
    const char* field;
  };
  const Case kCases[] = {
      {"metric unset", [](v1::CollectionSpec* s) { s->clear_metric(); }, "metric: must be set"},
      {"metric", [](v1::CollectionSpec* s) { s->set_metric(static_cast<v1::Metric>(9)); },
       "metric: value 9"},
      {"dtype", [](v1::CollectionSpec* s) { s->set_dtype(static_cast<v1::Dtype>(8)); },
       "dtype: value 8"},
      {"durability",
       [](v1::CollectionSpec* s) { s->set_durability(static_cast<v1::Durability>(3)); },
       "durability: value 3"},
      {"id kind", [](v1::CollectionSpec* s) { s->set_id_kind(static_cast<v1::IdKind>(4)); },
       "id_kind: value 4"},
      {"codec",
       [](v1::CollectionSpec* s) {
         s->mutable_index()->set_shell_codec(static_cast<v1::ShellCodec>(5));
       },
       "index.shell_codec: value 5"},
      {"exact vectors",
       [](v1::CollectionSpec* s) {
         s->mutable_index()->set_exact_vectors(static_cast<v1::ExactVectors>(6));
       },
       "index.exact_vectors: value 6"},
      {"attribute",
       [](v1::CollectionSpec* s) {
         (*s->mutable_attributes())["x"] = static_cast<v1::AttributeType>(7);
       },
       "attributes[\"x\"]: value 7"},
  };
  for (const Case& c : kCases) {
    v1::CollectionSpec message;
    FromCollectionSpec(FullSpec(), &message);
    c.spoil(&message);
    EXPECT_THAT(ToCollectionSpec(message),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.field)))
        << c.name;
  }
}

TEST(ConvertSchemaTest, UpdatesChangeWhatMayChange) {
  v1::CollectionSpec wanted;
  wanted.set_name("books");
  wanted.set_durability(v1::DURABILITY_SYNC);
  wanted.mutable_index()->set_lists(5);
  (*wanted.mutable_attributes())["title"] = v1::ATTRIBUTE_TYPE_STRING;  // known
  (*wanted.mutable_attributes())["year"] = v1::ATTRIBUTE_TYPE_INT64;    // new
  const auto update = ToCollectionUpdate(wanted, FullSpec());
  ASSERT_THAT(update, IsOk());
  EXPECT_EQ(update->durability, Durability::kSync);
  ASSERT_TRUE(update->index.has_value());
  EXPECT_EQ(update->index->lists, 5u);
  EXPECT_EQ(update->index->exact_vectors, ExactVectors::kStore) << "UNSPECIFIED leaves it as it is";
  EXPECT_EQ(update->add_attributes, (std::vector<AttributeField>{{"year", AttributeType::kInt64}}));
}

// 0 takes a limit away; one that is not set stays.
TEST(ConvertSchemaTest, UpdatesOfTheMemoryLimit) {
  v1::CollectionSpec wanted;
  wanted.set_name("books");
  EXPECT_EQ(ToCollectionUpdate(wanted, FullSpec())->memory_limit_bytes, std::nullopt);
  wanted.set_memory_limit_bytes(0);
  EXPECT_EQ(ToCollectionUpdate(wanted, FullSpec())->memory_limit_bytes, uint64_t{0});
  wanted.set_memory_limit_bytes(5000);
  EXPECT_EQ(ToCollectionUpdate(wanted, FullSpec())->memory_limit_bytes, uint64_t{5000});
}

TEST(ConvertSchemaTest, UpdatesThatRepeatThePresentChangeNothing) {
  v1::CollectionSpec same;
  FromCollectionSpec(FullSpec(), &same);
  same.clear_index();
  same.clear_durability();
  const auto update = ToCollectionUpdate(same, FullSpec());
  ASSERT_THAT(update, IsOk());
  EXPECT_FALSE(update->durability.has_value());
  EXPECT_FALSE(update->index.has_value());
  EXPECT_TRUE(update->add_attributes.empty());
}

TEST(ConvertSchemaTest, UpdatesOfTheRestAreRefusedWithBothValues) {
  struct Case {
    void (*spoil)(v1::CollectionSpec*);
    const char* message;
  };
  const Case kCases[] = {
      {[](v1::CollectionSpec* s) { s->set_dim(64); }, "dim: cannot change from 128 to 64"},
      {[](v1::CollectionSpec* s) { s->add_nesting(128); },
       "nesting: cannot change from 32,64,128 to 128"},
      {[](v1::CollectionSpec* s) { s->set_metric(v1::METRIC_DOT); },
       "metric: cannot change from l2 to dot"},
      {[](v1::CollectionSpec* s) { s->set_dtype(v1::DTYPE_F32); },
       "dtype: cannot change from bf16 to f32"},
      {[](v1::CollectionSpec* s) { s->set_id_kind(v1::ID_KIND_NUM); },
       "id_kind: cannot change from STR to NUM"},
      {[](v1::CollectionSpec* s) { (*s->mutable_attributes())["title"] = v1::ATTRIBUTE_TYPE_BOOL; },
       "attributes[\"title\"]: cannot change from ATTRIBUTE_TYPE_STRING to ATTRIBUTE_TYPE_BOOL"},
  };
  for (const Case& c : kCases) {
    v1::CollectionSpec wanted;
    wanted.set_name("books");
    c.spoil(&wanted);
    EXPECT_THAT(ToCollectionUpdate(wanted, FullSpec()),
                StatusIs(absl::StatusCode::kInvalidArgument, c.message));
  }
}

}  // namespace
}  // namespace nestor
