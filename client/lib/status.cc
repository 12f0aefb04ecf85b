#include "client/lib/status.h"

#include <map>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace nestor {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";

template <typename Detail>
std::optional<Detail> FindDetail(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace

absl::Status ToAbslStatus(const grpc::Status& status) {
  google::rpc::Status rpc;
  if (!status.error_details().empty() && !rpc.ParseFromString(status.error_details())) rpc.Clear();
  rpc.set_code(status.error_code());
  rpc.set_message(status.error_message());
  return ToAbslStatus(rpc);
}

absl::Status ToAbslStatus(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  const bool canonical = status.code() > 0 && status.code() <= 16;
  absl::Status result(
      canonical ? static_cast<absl::StatusCode>(status.code()) : absl::StatusCode::kUnknown,
      status.message());
  if (status.details_size() > 0) {
    result.SetPayload(kPayloadUrl, absl::Cord(status.SerializeAsString()));
  }
  return result;
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  if (const auto payload = status.GetPayload(kPayloadUrl);
      payload.has_value() && !rpc.ParseFromString(std::string(*payload))) {
    rpc.Clear();
  }
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(std::string(status.message()));
  return rpc;
}

bool HasErrorInfo(const absl::Status& status) {
  return FindDetail<google::rpc::ErrorInfo>(ToRpcStatus(status)).has_value();
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto info = FindDetail<google::rpc::RetryInfo>(ToRpcStatus(status));
  if (!info.has_value()) return std::nullopt;
  return ToDuration(info->retry_delay());
}

std::string DescribeError(const absl::Status& status) {
  std::string text = absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
  const google::rpc::Status rpc = ToRpcStatus(status);
  if (const auto bad = FindDetail<google::rpc::BadRequest>(rpc)) {
    for (const auto& violation : bad->field_violations()) {
      absl::StrAppend(&text, "\n  field ", violation.field());
      // Often the only violation, and so the message itself.
      if (violation.description() != status.message()) {
        absl::StrAppend(&text, ": ", violation.description());
      }
    }
  }
  if (const auto info = FindDetail<google::rpc::ErrorInfo>(rpc)) {
    absl::StrAppend(&text, "\n  reason ", info->reason());
    // Protobuf's map has no order; people and tests want one.
    for (const auto& [key, value] :
         std::map<std::string, std::string>(info->metadata().begin(), info->metadata().end())) {
      absl::StrAppend(&text, ", ", key, "=", value);
    }
  }
  if (const auto delay = RetryDelay(status)) {
    absl::StrAppend(&text, "\n  retry after ", absl::FormatDuration(*delay));
  }
  return text;
}

}  // namespace nestor
