#include "server/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "google/rpc/error_details.pb.h"

namespace nestor {
namespace {

constexpr absl::string_view kFieldPayload = "nestor/field";
constexpr absl::string_view kReasonPayload = "nestor/reason";
constexpr absl::string_view kRetryPayload = "nestor/retry_millis";
constexpr char kDomain[] = "nestor";
// What a caller is told to wait where nothing better is known.
constexpr int64_t kDefaultRetryMillis = 100;

std::string Payload(const absl::Status& status, absl::string_view key) {
  const absl::optional<absl::Cord> cord = status.GetPayload(key);
  return cord.has_value() ? std::string(*cord) : std::string();
}

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view what) {
  absl::Status status = absl::InvalidArgumentError(field.empty() ? std::string(what)
                                                                 : absl::StrCat(field, ": ", what));
  status.SetPayload(kFieldPayload, absl::Cord(field));
  return status;
}

absl::Status AtField(absl::string_view field, const absl::Status& status) {
  if (!absl::IsInvalidArgument(status) && !absl::IsOutOfRange(status)) return status;
  const std::string inner = Payload(status, kFieldPayload);
  const std::string reason = Payload(status, kReasonPayload);
  absl::string_view what = status.message();
  std::string path(field);
  if (!inner.empty()) {
    what.remove_prefix(inner.size() + 2);
    absl::StrAppend(&path, inner.front() == '[' ? "" : ".", inner);
  }
  const absl::Status rooted = FieldError(path, what);
  return reason.empty() ? rooted : WithReason(reason, rooted);
}

absl::Status WithReason(absl::string_view reason, absl::Status status) {
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

absl::Status WithRetry(std::chrono::milliseconds delay, absl::Status status) {
  status.SetPayload(kRetryPayload, absl::Cord(absl::StrCat(delay.count())));
  return status;
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()));
  if (status.ok()) return out;

  google::rpc::ErrorInfo info;
  info.set_domain(kDomain);
  const std::string reason = Payload(status, kReasonPayload);
  info.set_reason(reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  out.add_details()->PackFrom(info);

  const std::string field = Payload(status, kFieldPayload);
  if (!field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(std::string(status.message()));
    out.add_details()->PackFrom(bad);
  }

  int64_t millis = 0;
  const bool delayed = absl::SimpleAtoi(Payload(status, kRetryPayload), &millis);
  if (delayed || absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    if (!delayed) millis = kDefaultRetryMillis;
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(millis / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(millis % 1000) * 1000000);
    out.add_details()->PackFrom(retry);
  }
  return out;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status details = ToRpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(details.code()), details.message(),
                      details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details()))
    return out;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) {
      if (info.reason() != absl::StatusCodeToString(out.code())) {
        out.SetPayload(kReasonPayload, absl::Cord(info.reason()));
      }
    } else if (detail.UnpackTo(&bad) && bad.field_violations_size() > 0) {
      out.SetPayload(kFieldPayload, absl::Cord(bad.field_violations(0).field()));
    } else if (detail.UnpackTo(&retry)) {
      const int64_t millis =
          retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1000000;
      out.SetPayload(kRetryPayload, absl::Cord(absl::StrCat(millis)));
    }
  }
  return out;
}

}  // namespace nestor
