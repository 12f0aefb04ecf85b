#include "server/storage/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "server/storage/codec.h"

namespace nestor {
namespace {

using ::testing::HasSubstr;

CollectionSpec SomeCollection() {
  CollectionSpec spec;
  spec.name = "docs";
  spec.schema = {768, {64, 128, 768}, Metric::kL2, Dtype::kF16};
  spec.id_kind = IdKind::kStr;
  spec.durability = Durability::kAsync;
  spec.index = {
      128, 1024, {64, 768}, ShellCodec::kF16, ExactVectors::kStore, 64, GraphSpec{384, 28, 200},
      true};
  spec.index.codes = {{64, 8, 4}, {768, 96, 8}};
  spec.attributes = {{"lang", AttributeType::kString}, {"year", AttributeType::kInt64}};
  spec.memory_limit_bytes = uint64_t{300} << 20;
  return spec;
}

CollectionSpec SomeTokens() {
  CollectionSpec spec = SomeCollection();
  MultiSpec& multi = spec.multi.emplace();
  multi.tokens = {.token = {128, {32, 128}, Metric::kDot, Dtype::kF16}, .max_tokens = 300};
  multi.fde = {.dim = 128,
               .repetitions = 20,
               .k_sim = 5,
               .projection = FdeProjection::kCountSketch,
               .d_proj = 16,
               .fill_empty = true,
               .sketch_repetitions = 4,
               .sketch_dim = 512,
               .seed = ~uint64_t{0}};
  return spec;
}

Attributes SomeAttributes() {
  return {{"bool", true},
          {"double", -0.25},
          {"int", std::numeric_limits<int64_t>::min()},
          {"list", std::vector<std::string>{"a", "", "ccc"}},
          {"string", std::string("x\0y", 3)},
          {"time", Timestamp{-1}}};
}

std::string SomePoint() {
  const std::string vector(16, 'v');
  return EncodePointHeader(300, std::string("id"), EncodeAttributes(SomeAttributes()),
                           vector.size()) +
         vector;
}

OperationRecord SomeOperation() {
  return {"build_index", "docs", 7, 6, 1, 2, 3, 10, "interrupted"};
}

TEST(RecordsTest, RoundTrip) {
  EXPECT_EQ(*ParseFormatVersion(EncodeFormatVersion(70000)), 70000u);
  EXPECT_EQ(*ParseNextUid(EncodeNextUid(0xfffffffeu)), 0xfffffffeu);
  const CollectionRecord collection{SomeCollection(), 1'700'000'000'000'000};
  EXPECT_EQ(*ParseCollection(EncodeCollection(collection)), collection);
  EXPECT_EQ(*ParseCollection(EncodeCollection({})), CollectionRecord());
  const CollectionRecord tokens{SomeTokens(), 5};
  EXPECT_EQ(*ParseCollection(EncodeCollection(tokens)), tokens);
  const StateRecord state{~uint64_t{0}, 12};
  EXPECT_EQ(*ParseState(EncodeState(state)), state);
  const GenerationRecord generation{9, SomeCollection().index, 123456, 1'700'000'000'000'000};
  EXPECT_EQ(*ParseGeneration(EncodeGeneration(generation)), generation);
  IndexSpec lists_only = SomeCollection().index;
  lists_only.graph.reset();
  lists_only.no_lists = false;
  lists_only.codes.clear();
  const GenerationRecord no_graph{9, lists_only, 123456, 5};
  EXPECT_EQ(*ParseGeneration(EncodeGeneration(no_graph)), no_graph);
  lists_only.list_attribute = "year";
  const GenerationRecord own_lists{9, lists_only, 123456, 5};
  EXPECT_EQ(*ParseGeneration(EncodeGeneration(own_lists)), own_lists);
  lists_only.list_attribute.clear();
  lists_only.centroids = CentroidOrigin::kImported;
  const GenerationRecord imported{9, lists_only, 123456, 5};
  EXPECT_EQ(*ParseGeneration(EncodeGeneration(imported)), imported);
  for (uint64_t row : {uint64_t{0}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    EXPECT_EQ(*ParseRow(EncodeRow(row)), row);
  }
  EXPECT_EQ(*ParseAttributes(EncodeAttributes(SomeAttributes())), SomeAttributes());
  EXPECT_EQ(*ParseAttributes(EncodeAttributes({})), Attributes());
  EXPECT_EQ(*ParseOperation(EncodeOperation(SomeOperation())), SomeOperation());
}

TEST(RecordsTest, PointRoundTrip) {
  const std::string bytes = SomePoint();
  const absl::StatusOr<PointView> point = ParsePoint(bytes);
  ASSERT_TRUE(point.ok()) << point.status();
  EXPECT_EQ(point->seq, 300u);
  EXPECT_EQ(point->id, PointId(std::string("id")));
  EXPECT_EQ(point->vector, std::string(16, 'v'));
  EXPECT_EQ(*ParseAttributes(point->attributes), SomeAttributes());

  const std::string numeric = EncodePointHeader(1, ~uint64_t{0}, EncodeAttributes({}), 0);
  EXPECT_EQ(ParsePoint(numeric)->id, PointId(~uint64_t{0}));
}

// Numbers on disk never change meaning: these bytes were written by format version 1.
TEST(RecordsTest, BytesOfVersion1) {
  EXPECT_EQ(EncodeFormatVersion(1), std::string("\x01\x01"));
  EXPECT_EQ(EncodeRow(300), std::string("\x06\xac\x02"));
  EXPECT_EQ(EncodeState({5, 6}), std::string("\x04\x05\x06"));
  EXPECT_EQ(EncodePointHeader(2, uint64_t{3}, EncodeAttributes({{"a", int64_t{-2}}}), 4),
            std::string("\x07\x02\x01\x03\x05\x01\x01"
                        "a\x02\x03\x04"));
}

// Formats 3 to 5 wrote collections with tag 3, and nothing behind when they were created.
TEST(RecordsTest, CollectionsOfFormat5) {
  CollectionRecord collection{SomeCollection(), 1'700'000'000'000'000};
  collection.spec.memory_limit_bytes = 0;
  std::string bytes = EncodeCollection(collection);
  ASSERT_EQ(bytes[0], 9);
  bytes[0] = 3;
  EXPECT_EQ(ParseCollection(bytes).status().code(), absl::StatusCode::kDataLoss);
  bytes.resize(bytes.size() - 2);
  EXPECT_EQ(*ParseCollection(bytes), collection);
  EXPECT_EQ(EncodeCollection(*ParseCollection(bytes))[0], 9);
  EXPECT_THAT(std::string(ParseCollection("\x08").status().message()),
              HasSubstr("starts with tag 8, expected 9"));
}

struct Malformed {
  const char* name;
  std::string bytes;
  const char* message;
};

TEST(RecordsTest, MalformedPoints) {
  const Malformed cases[] = {
      {"empty", "", "ends too early"},
      {"tag", "\x06\x01", "starts with tag 6, expected 7"},
      {"id kind", std::string("\x07\x01\x03", 3), "unknown id kind 3"},
      {"empty string id", std::string("\x07\x01\x02\x00\x00\x00", 6), "an id of 0 bytes"},
      {"attributes too long", std::string("\x07\x01\x01\x01\x09", 5), "attributes of 9 bytes"},
      {"vector too long", std::string("\x07\x01\x01\x01\x00\x05v", 7), "vector of 5 bytes where 1"},
      {"bytes left over", std::string("\x07\x01\x01\x01\x00\x01vx", 8), "1 bytes too many"},
      {"varint", "\x07" + std::string(11, '\xff'), "varint over 64 bits"},
  };
  for (const Malformed& c : cases) {
    const absl::Status status = ParsePoint(c.bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.name;
  }
}

TEST(RecordsTest, MalformedOthers) {
  // Generation 1, coarse dim 2, 3 lists, no shells, int8, in memory, unknown flags.
  EXPECT_THAT(
      std::string(ParseGeneration(std::string("\x05\x01\x02\x03\x00\x01\x01\x40\x00\x00", 10))
                      .status()
                      .message()),
      HasSubstr("spec flags 64"));
  EXPECT_THAT(
      std::string(ParseGeneration(std::string("\x05\x01\x02\x03\x00\x01\x01\x10\x00\x00", 10))
                      .status()
                      .message()),
      HasSubstr("has the flag of list_attribute and none"));
  EXPECT_THAT(
      std::string(ParseGeneration(std::string("\x05\x01\x02\x03\x00\x01\x01\x08\x00\x00", 10))
                      .status()
                      .message()),
      HasSubstr("has the flag of memory_dim and 0"));
  EXPECT_THAT(
      std::string(ParseGeneration(std::string("\x05\x01\x02\x03\x00\x01\x01\x04\x00\x00", 10))
                      .status()
                      .message()),
      HasSubstr("has the flag of codes and none"));
  EXPECT_THAT(std::string(ParseState("\x04\x01" + std::string(1, '\0')).status().message()),
              HasSubstr("next row 0"));
  EXPECT_THAT(std::string(ParseAttributes("\x7f").status().message()), HasSubstr("127 attributes"));
  Encoder twice;
  twice.Varint(2);
  for (int i = 0; i < 2; ++i) {
    twice.String("a");
    twice.Byte(4);
    twice.Byte(1);
  }
  EXPECT_THAT(std::string(ParseAttributes(twice.Take()).status().message()),
              HasSubstr("out of order"));
  Encoder boolean;
  boolean.Varint(1);
  boolean.String("a");
  boolean.Byte(4);
  boolean.Byte(2);
  EXPECT_THAT(std::string(ParseAttributes(boolean.Take()).status().message()), HasSubstr("bool 2"));
}

// Whatever the bytes, a parser answers; what it accepts, it can write again.
template <typename Parse, typename Accept>
void Mutate(const std::string& seed, uint64_t random_seed, Parse parse, Accept accept) {
  ASSERT_TRUE(parse(seed).ok());
  for (size_t size = 0; size < seed.size(); ++size) {
    EXPECT_EQ(parse(seed.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  std::mt19937_64 random(random_seed);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = seed;
    for (uint64_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          bytes.erase(at, 1 + random() % 3);
      }
    }
    const auto parsed = parse(bytes);
    if (parsed.ok()) {
      accept(*parsed);
    } else {
      ASSERT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
    }
  }
}

TEST(RecordsTest, MutatedPoint) {
  Mutate(SomePoint(), 1, ParsePoint, [](const PointView& point) {
    ParseAttributes(point.attributes).status().IgnoreError();
    const std::string again =
        EncodePointHeader(point.seq, point.id, point.attributes, point.vector.size()) +
        std::string(point.vector);
    ASSERT_TRUE(ParsePoint(again).ok());
  });
}

TEST(RecordsTest, MutatedAttributes) {
  Mutate(EncodeAttributes(SomeAttributes()), 2, ParseAttributes, [](const Attributes& attributes) {
    ASSERT_TRUE(ParseAttributes(EncodeAttributes(attributes)).ok());
  });
}

TEST(RecordsTest, MutatedCollection) {
  Mutate(EncodeCollection({SomeTokens(), 5}), 3, ParseCollection,
         [](const CollectionRecord& collection) {
           ASSERT_EQ(*ParseCollection(EncodeCollection(collection)), collection);
         });
}

TEST(RecordsTest, MutatedGeneration) {
  Mutate(EncodeGeneration({9, SomeCollection().index, 1000, 5}), 4, ParseGeneration,
         [](const GenerationRecord& record) {
           ASSERT_EQ(*ParseGeneration(EncodeGeneration(record)), record);
         });
}

TEST(RecordsTest, MutatedOperation) {
  Mutate(EncodeOperation(SomeOperation()), 5, ParseOperation, [](const OperationRecord& record) {
    ASSERT_EQ(*ParseOperation(EncodeOperation(record)), record);
  });
}

}  // namespace
}  // namespace nestor
