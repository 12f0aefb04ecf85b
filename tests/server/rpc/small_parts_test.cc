// Page tokens, operation ids, request counters, unknown fields.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "nestor/v1/point.pb.h"
#include "nestor/v1/search.pb.h"
#include "server/rpc/convert_operation.h"
#include "server/rpc/page_token.h"
#include "server/rpc/request_counters.h"
#include "server/rpc/unknown_fields.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::HasSubstr;

TEST(IndexInfoTest, TiersAddUpMemoryAndStore) {
  IndexInfo info;
  info.rows = 10;
  info.memory.first_shell = 1280;
  info.memory.codes = 320;
  info.id_map_bytes = 400;
  info.store_vector_bytes = 30720;
  info.spec.memory_dim = 128;
  v1::Index message;
  FromIndexInfo(info, &message);
  EXPECT_EQ(message.spec().memory_dim(), 128u);
  ASSERT_EQ(message.tiers_size(), 2);
  EXPECT_EQ(message.tiers(0).kind(), v1::Tier::KIND_MEMORY);
  EXPECT_EQ(message.tiers(0).bytes(), 2000u);
  EXPECT_EQ(message.tiers(0).bytes_per_row(), 200);
  EXPECT_EQ(message.tiers(1).kind(), v1::Tier::KIND_STORE);
  EXPECT_EQ(message.tiers(1).bytes(), 30720u);
  EXPECT_EQ(message.tiers(1).bytes_per_row(), 3072);
}

TEST(PageTokenTest, TokensGiveBackTheirEntry) {
  EXPECT_EQ(*NameOfToken(TokenOfName("books")), "books");
  EXPECT_EQ(*PointOfToken(TokenOfPoint(uint64_t{0})), PointId(uint64_t{0}));
  EXPECT_EQ(*PointOfToken(TokenOfPoint(std::string("n:7"))), PointId(std::string("n:7")));
  EXPECT_EQ(*OperationOfToken(TokenOfOperation(17)), 17u);
}

TEST(PageTokenTest, AnythingElseIsRefused) {
  for (const char* token :
       {"x", "n:", "n:-1", "n:+1", "n: 1", "n:01", "s:", "c:a", "n:99999999999999999999"}) {
    EXPECT_THAT(PointOfToken(token),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")))
        << token;
  }
  EXPECT_THAT(NameOfToken("n:1"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("n:1")));
  EXPECT_THAT(OperationOfToken("o:x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("o:x")));
  EXPECT_EQ(*ToPageSize(0), 100u);
  EXPECT_EQ(*ToPageSize(10000), 10000u);
  EXPECT_THAT(ToPageSize(10001),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_size: 10001 is not in 0..10000"));
}

TEST(OperationTest, NumbersAndIdsAgree) {
  EXPECT_EQ(FromOperationId(*ToOperationId(17)), 17u);
  EXPECT_THAT(ToOperationId(0), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id: 0")));
  EXPECT_EQ(FromOperationId("17"), 0u);
}

TEST(OperationTest, FailedOnesCarryTheirError) {
  Operation operation;
  operation.id = "op-3";
  operation.kind = "build_index";
  operation.collection = "books";
  operation.state = OperationState::kAborted;
  operation.fraction = 0.5;
  operation.eta_seconds = 4;
  operation.created_micros = 100;
  operation.ended_micros = 200;
  operation.error = absl::AbortedError("a restart interrupted it");
  v1::Operation message;
  FromOperation(operation, &message);
  EXPECT_EQ(message.id(), 3u);
  EXPECT_EQ(message.kind(), v1::Operation::KIND_BUILD_INDEX);
  EXPECT_EQ(message.state(), v1::Operation::STATE_ABORTED);
  EXPECT_FALSE(message.has_eta_seconds()) << "it has ended";
  EXPECT_EQ(message.error().code(), 10);
  EXPECT_EQ(message.error().message(), "a restart interrupted it");

  operation.state = OperationState::kRunning;
  operation.error = absl::OkStatus();
  message.Clear();
  FromOperation(operation, &message);
  EXPECT_EQ(message.eta_seconds(), 4);
  EXPECT_EQ(message.progress(), 0.5);
  EXPECT_FALSE(message.has_error());
}

TEST(RequestCountersTest, CountsByMethodAndStatusInOrderOfNames) {
  RequestCounters counters;
  counters.Record(Method::kSearch, absl::StatusCode::kOk);
  counters.Record(Method::kSearch, absl::StatusCode::kOk);
  counters.Record(Method::kSearch, absl::StatusCode::kInvalidArgument);
  counters.Record(Method::kGetStats, static_cast<absl::StatusCode>(99));
  std::vector<std::string> lines;
  counters.Visit([&](Method method, absl::StatusCode code, uint64_t count) {
    lines.push_back(std::string(FullName(method)) + " " + absl::StatusCodeToString(code) + " " +
                    std::to_string(count));
  });
  EXPECT_THAT(lines, testing::ElementsAre("nestor.v1.AdminService/GetStats UNKNOWN 1",
                                          "nestor.v1.SearchService/Search INVALID_ARGUMENT 1",
                                          "nestor.v1.SearchService/Search OK 2"));
}

TEST(RequestCountersTest, NamesStandInOrder) {
  for (int i = 1; i < kMethods; ++i) {
    EXPECT_LT(FullName(static_cast<Method>(i - 1)), FullName(static_cast<Method>(i)));
  }
}

TEST(TimeHistogramTest, QuantilesAreWithinABucket) {
  TimeHistogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  for (int i = 1; i <= 1000; ++i) histogram.Record(i);
  histogram.Record(-1);
  EXPECT_EQ(histogram.count(), 1001u);
  EXPECT_NEAR(histogram.Quantile(0.5), 500, 500 * 0.07);
  EXPECT_NEAR(histogram.Quantile(0.99), 990, 990 * 0.07);
}

TEST(UnknownFieldsTest, AreFoundWhereverTheyAre) {
  v1::UpsertPointsRequest request;
  for (int i = 0; i < 3; ++i)
    request.add_points()->mutable_vector()->mutable_floats()->add_values(1);
  EXPECT_THAT(RefuseUnknownFields(request), IsOk());
  v1::Vector* vector = request.mutable_points(2)->mutable_vector();
  vector->GetReflection()->MutableUnknownFields(vector)->AddVarint(33, 1);
  EXPECT_THAT(RefuseUnknownFields(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "points[2].vector: field number 33 is not supported by this version"));

  v1::SearchRequest search;
  search.GetReflection()->MutableUnknownFields(&search)->AddLengthDelimited(5, "filter");
  EXPECT_THAT(RefuseUnknownFields(search),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("field number 5 ")));
}

}  // namespace
}  // namespace nestor
