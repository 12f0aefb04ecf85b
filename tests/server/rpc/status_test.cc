#include "server/rpc/status.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::HasSubstr;

// The details of a gRPC status.
struct Details {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  google::rpc::RetryInfo retry;
  bool has_info = false;
  bool has_bad = false;
  bool has_retry = false;
};

Details DetailsOf(const grpc::Status& status) {
  google::rpc::Status parsed;
  EXPECT_TRUE(parsed.ParseFromString(status.error_details()));
  EXPECT_EQ(parsed.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(parsed.message(), status.error_message());
  Details details;
  for (const auto& any : parsed.details()) {
    details.has_info |= any.UnpackTo(&details.info);
    details.has_bad |= any.UnpackTo(&details.bad);
    details.has_retry |= any.UnpackTo(&details.retry);
  }
  return details;
}

TEST(StatusTest, EveryCodeSurvivesTheWayThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "because of 7");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_THAT(FromGrpcStatus(wire), StatusIs(status.code(), "because of 7"));
    const Details details = DetailsOf(wire);
    EXPECT_TRUE(details.has_info);
    EXPECT_EQ(details.info.reason(), absl::StatusCodeToString(status.code()));
    EXPECT_EQ(details.info.domain(), "nestor");
    EXPECT_EQ(details.has_retry, absl::IsResourceExhausted(status) || absl::IsUnavailable(status));
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(StatusTest, FieldErrorsNameTheFieldFromTheRequestOn) {
  const absl::Status deep = FieldError("nesting[2]", "is 12, the limit is 8");
  const absl::Status status = AtField("spec", deep);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "spec.nesting[2]: is 12, the limit is 8"));
  const Details details = DetailsOf(ToGrpcStatus(status));
  ASSERT_TRUE(details.has_bad);
  ASSERT_EQ(details.bad.field_violations_size(), 1);
  EXPECT_EQ(details.bad.field_violations(0).field(), "spec.nesting[2]");
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
}

TEST(StatusTest, IndexesJoinWithoutADot) {
  EXPECT_EQ(AtField("ids", FieldError("[3]", "bad")).message(), "ids[3]: bad");
  EXPECT_EQ(AtField("id", FieldError("", "bad")).message(), "id: bad");
}

TEST(StatusTest, OtherCodesKeepTheirMessage) {
  const absl::Status missing = absl::NotFoundError("no collection \"x\"");
  EXPECT_EQ(AtField("collection", missing), missing);
  EXPECT_EQ(AtField("vector", absl::OutOfRangeError("70000 overflows f16")).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(StatusTest, ReasonAndDelayAreDetails) {
  const absl::Status status =
      WithReason("QUEUE_FULL",
                 WithRetry(std::chrono::milliseconds(1250), absl::ResourceExhaustedError("full")));
  const Details details = DetailsOf(ToGrpcStatus(status));
  EXPECT_EQ(details.info.reason(), "QUEUE_FULL");
  EXPECT_EQ(details.retry.retry_delay().seconds(), 1);
  EXPECT_EQ(details.retry.retry_delay().nanos(), 250'000'000);
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
  // The reason stays when the field is named later.
  const absl::Status at =
      AtField("limit", WithReason("REPLY_TOO_LARGE", absl::InvalidArgumentError("5")));
  EXPECT_EQ(DetailsOf(ToGrpcStatus(at)).info.reason(), "REPLY_TOO_LARGE");
}

}  // namespace
}  // namespace nestor
