#include "server/rpc/query_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

constexpr uint32_t kDim = 8;
const VectorSchema kSchema{.dim = kDim, .nesting = {4, 8}, .metric = Metric::kL2};

// The message in slices of `each` bytes.
grpc::ByteBuffer Sliced(const std::string& bytes, size_t each) {
  std::vector<grpc::Slice> slices;
  for (size_t i = 0; i < bytes.size(); i += each) slices.emplace_back(bytes.substr(i, each));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::vector<float> Values(uint32_t rows) {
  std::vector<float> values(rows * kDim);
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

v1::BatchSearchRequest Request(const std::vector<float>& values, Dtype dtype) {
  v1::BatchSearchRequest request;
  request.set_collection("docs");
  request.set_limit(3);
  request.mutable_plan()->set_rescore(true);
  std::string data(values.size() * DtypeBytes(dtype), '\0');
  EXPECT_THAT(EncodeVector(dtype, values.data(), static_cast<uint32_t>(values.size()),
                           reinterpret_cast<std::byte*>(data.data())),
              IsOk());
  request.mutable_queries()->set_dtype(dtype == Dtype::kF32 ? v1::DTYPE_F32 : v1::DTYPE_F16);
  request.mutable_queries()->set_data(data);
  return request;
}

TEST(QueryRowsTest, GivesTheQueriesHoweverTheMessageIsCut) {
  const std::vector<float> values = Values(5);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16}) {
    const std::string bytes = Request(values, dtype).SerializeAsString();
    for (size_t each = 1; each <= bytes.size(); ++each) {
      QueryRows rows;
      v1::BatchSearchRequest decoded;
      ASSERT_THAT(rows.Decode(Sliced(bytes, each), &decoded), IsOk());
      EXPECT_EQ(decoded.collection(), "docs");
      EXPECT_EQ(decoded.limit(), 3u);
      EXPECT_TRUE(decoded.plan().rescore());
      EXPECT_TRUE(decoded.queries().data().empty());
      ASSERT_THAT(rows.CheckShape(decoded.queries().dtype(), kSchema), IsOk());
      ASSERT_EQ(rows.count(), 5u);
      QueryRows::Space space;
      std::vector<float> all;
      for (uint32_t i = 0; i < rows.count(); ++i) {
        const std::span<const float> query = rows.At(i, &space);
        all.insert(all.end(), query.begin(), query.end());
      }
      EXPECT_THAT(all, ElementsAreArray(values)) << each;
    }
  }
}

TEST(QueryRowsTest, MergesRepeatedFieldsAsProtobufDoes) {
  const std::vector<float> second = Values(2);
  v1::BatchSearchRequest dtype_only;
  dtype_only.mutable_queries()->set_dtype(v1::DTYPE_F32);
  const std::string bytes = Request({9, 9, 9, 9, 9, 9, 9, 9}, Dtype::kF16).SerializeAsString() +
                            Request(second, Dtype::kF32).SerializeAsString() +
                            dtype_only.SerializeAsString();
  v1::BatchSearchRequest expected;
  ASSERT_TRUE(expected.ParseFromString(bytes));
  QueryRows rows;
  v1::BatchSearchRequest decoded;
  ASSERT_THAT(rows.Decode(Sliced(bytes, 50), &decoded), IsOk());
  ASSERT_THAT(rows.CheckShape(decoded.queries().dtype(), kSchema), IsOk());
  ASSERT_EQ(rows.count(), 2u);
  QueryRows::Space space;
  const std::span<const float> query = rows.At(1, &space);
  EXPECT_EQ(std::memcmp(query.data(), expected.queries().data().data() + 32, 32), 0);
}

TEST(QueryRowsTest, RefusesWhatIsNoSuchMessage) {
  const std::string bytes = Request(Values(4), Dtype::kF32).SerializeAsString();
  // Cut anywhere but between fields, it is no message; protobuf is the judge.
  int refused = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    v1::BatchSearchRequest judge;
    const bool valid = judge.ParseFromString(bytes.substr(0, n));
    QueryRows rows;
    v1::BatchSearchRequest decoded;
    const absl::Status status = rows.Decode(Sliced(bytes.substr(0, n), 16), &decoded);
    if (valid) {
      EXPECT_THAT(status, IsOk()) << n;
    } else {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("are no nestor.v1.BatchSearchRequest")))
          << n;
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(QueryRowsTest, RefusesUnknownFieldsInsideTheQueriesToo) {
  std::string bytes = Request(Values(1), Dtype::kF32).SerializeAsString();
  bytes += std::string("\x12\x02\x78\x01", 4);  // queries { 15: 1 }
  QueryRows rows;
  v1::BatchSearchRequest decoded;
  EXPECT_THAT(rows.Decode(Sliced(bytes, 64), &decoded),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("queries: field number 15")));
}

TEST(QueryRowsTest, ChecksTheLength) {
  v1::BatchSearchRequest request = Request(Values(1), Dtype::kF32);
  request.mutable_queries()->mutable_data()->pop_back();
  QueryRows rows;
  v1::BatchSearchRequest decoded;
  ASSERT_THAT(rows.Decode(Sliced(request.SerializeAsString(), 64), &decoded), IsOk());
  EXPECT_THAT(rows.CheckShape(decoded.queries().dtype(), kSchema),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("31 bytes, not a multiple of the 32")));
}

TEST(QueryRowsTest, GivesTheTokensOfEachQueryHoweverTheMessageIsCut) {
  const MultiSpec multi{{.token = {.dim = kDim, .nesting = {kDim}, .metric = Metric::kDot}}, {}};
  const PointSchema schema(kSchema, &multi);
  const std::vector<float> values = Values(6);
  const std::vector<uint32_t> counts = {3, 1, 2};
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16}) {
    const std::string bytes = Request(values, dtype).SerializeAsString();
    for (size_t each = 1; each <= bytes.size(); ++each) {
      QueryRows rows;
      v1::BatchSearchRequest decoded;
      ASSERT_THAT(rows.Decode(Sliced(bytes, each), &decoded), IsOk());
      ASSERT_THAT(rows.CheckShape(decoded.queries().dtype(), schema, counts), IsOk());
      ASSERT_EQ(rows.count(), 3u);
      QueryRows::Space space;
      std::vector<float> all;
      for (uint32_t i = 0; i < rows.count(); ++i) {
        rows.Prefetch(i);
        const std::span<const float> query = rows.At(i, &space);
        ASSERT_EQ(query.size(), counts[i] * kDim);
        all.insert(all.end(), query.begin(), query.end());
      }
      EXPECT_THAT(all, ElementsAreArray(values)) << each;
    }
  }
}

}  // namespace
}  // namespace nestor
