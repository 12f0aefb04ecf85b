#include "server/storage/keys.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace nestor {
namespace {

TEST(KeysTest, OrderIsThatOfTheNumbers) {
  const std::vector<std::string> ascending = {
      PointKey(1, 0),   PointKey(1, 1),       PointKey(1, 255),
      PointKey(1, 256), PointKey(1, 1 << 24), PointKey(1, ~uint64_t{0}),
      PointKey(2, 0),   PointKey(256, 0),     PointKey(65536, 7)};
  for (size_t i = 1; i < ascending.size(); ++i) EXPECT_LT(ascending[i - 1], ascending[i]) << i;

  const std::vector<std::string> postings = {PostingKey(1, 1, 0, 9), PostingKey(1, 1, 0, 300),
                                             PostingKey(1, 1, 1, 0), PostingKey(1, 1, 256, 0),
                                             PostingKey(1, 2, 0, 0), PostingKey(3, 0, 0, 0)};
  for (size_t i = 1; i < postings.size(); ++i) EXPECT_LT(postings[i - 1], postings[i]) << i;

  EXPECT_LT(IdKey(1, uint64_t{2}), IdKey(1, uint64_t{10}));
  EXPECT_LT(IdKey(1, std::string("10")), IdKey(1, std::string("2")));
  EXPECT_LT(IdKey(1, std::string("a")), IdKey(1, std::string("ab")));
  EXPECT_LT(IdKey(1, std::string("\x7f")), IdKey(1, std::string("\x80")));
}

TEST(KeysTest, RangesHoldExactlyTheirKeys) {
  for (uint32_t uid : {0u, 1u, 255u, 256u, 0xfffffffeu}) {
    const std::string begin = UidBegin(uid);
    const std::string end = UidBegin(uid + 1);
    for (const std::string& key :
         {PointKey(uid, 0), PointKey(uid, ~uint64_t{0}), IdKey(uid, std::string(256, '\xff')),
          CollectionKey(uid), StateKey(uid), GenerationKey(uid), FdeKey(uid),
          PostingKey(uid, 0xffffffffu, 0xffffffffu, ~uint64_t{0})}) {
      EXPECT_GE(key, begin);
      EXPECT_LT(key, end);
    }
  }
  EXPECT_GE(ModelKey(1, 7), GenerationBegin(1, 7));
  EXPECT_GT(CodeKey(1, 7, {0, 0, 0}), ModelKey(1, 7));
  EXPECT_LT(CodeKey(1, 7, {~0u, ~0u, ~0u}), GenerationBegin(1, 8));
  EXPECT_LT(PostingKey(1, 7, 0xffffffffu, ~uint64_t{0}), GenerationBegin(1, 8));
  EXPECT_GE(OperationKey(0), OperationsBegin());
  EXPECT_LT(OperationKey(~uint64_t{0}), OperationsEnd());
  EXPECT_LT(FormatKey(), OperationsBegin());
  EXPECT_LT(NextUidKey(), OperationsBegin());
  EXPECT_GT(KeyAfter("abc"), "abc");
  EXPECT_LE(KeyAfter("abc"), std::string("abc\0", 4));
}

TEST(KeysTest, ParseReturnsTheParts) {
  EXPECT_EQ(*ParsePointKey(PointKey(3, 77)), 77u);
  EXPECT_EQ(*ParseOperationKey(OperationKey(12)), 12u);
  const OpqSpec code{.dim = 256, .bytes = 32, .bits = 4};
  EXPECT_EQ(*ParseCodeKey(CodeKey(3, 4, code)), code);
  EXPECT_FALSE(ParseCodeKey(ModelKey(3, 4)).ok());
  const PostingKeyParts posting = *ParsePostingKey(PostingKey(3, 4, 5, 6));
  EXPECT_EQ(posting.generation, 4u);
  EXPECT_EQ(posting.list, 5u);
  EXPECT_EQ(posting.row, 6u);
  EXPECT_EQ(ParseMetaKey(StateKey(9))->uid, 9u);
  EXPECT_EQ(ParseMetaKey(StateKey(9))->kind, MetaKind::kState);
  EXPECT_EQ(ParseMetaKey(OperationKey(9))->kind, MetaKind::kOperation);
}

TEST(KeysTest, ParseRefusesOtherShapes) {
  for (const std::string& key : {std::string(), std::string("abc"), std::string(30, 'x')}) {
    EXPECT_EQ(ParsePointKey(key).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ParsePostingKey(key).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ParseMetaKey(key).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ParseOperationKey(key).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(ParseMetaKey(std::string(5, '\x7f')).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace nestor
