// Words of the command line for the API's enums, and ids as text.
#ifndef NESTOR_CLIENT_CLI_NAMES_H_
#define NESTOR_CLIENT_CLI_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/types.pb.h"

namespace nestor {

// Parsers return a usage error that lists the words.
absl::StatusOr<v1::Metric> MetricFromName(absl::string_view name);              // cosine dot l2
absl::StatusOr<v1::Dtype> DtypeFromName(absl::string_view name);                // f32 f16 bf16 i8
absl::StatusOr<v1::ShellCodec> ShellCodecFromName(absl::string_view name);      // int8 f16 f32
absl::StatusOr<v1::ExactVectors> ExactVectorsFromName(absl::string_view name);  // memory store
absl::StatusOr<v1::Durability> DurabilityFromName(absl::string_view name);      // sync async
absl::StatusOr<v1::IdKind> IdKindFromName(absl::string_view name);              // num str
absl::StatusOr<v1::CodeInput> CodeInputFromName(absl::string_view name);        // rows residuals
absl::StatusOr<v1::VectorKind> VectorKindFromName(absl::string_view name);      // single multi
// identity dense count-sketch
absl::StatusOr<v1::FdeProjection> FdeProjectionFromName(absl::string_view name);
// string int64 double bool string-list timestamp
absl::StatusOr<v1::AttributeType> AttributeTypeFromName(absl::string_view name);

// The same words; "unspecified" for 0 and "unknown(N)" for what a newer server may say.
std::string ToName(v1::Metric value);
std::string ToName(v1::Dtype value);
std::string ToName(v1::ShellCodec value);
std::string ToName(v1::ExactVectors value);
std::string ToName(v1::Durability value);
std::string ToName(v1::IdKind value);
std::string ToName(v1::VectorKind value);
std::string ToName(v1::FdeProjection value);
std::string ToName(v1::AttributeType value);
std::string ToName(v1::CodeInput value);
std::string ToName(v1::Index::State value);       // unbuilt building ready
std::string ToName(v1::Collection::State value);  // loading ready
std::string ToText(const v1::GraphSpec& graph);   // "384 dims, degree 28, ef-construction 200"
std::string ToText(const v1::CodeSpec& code);     // "opq256x32b4"

// An id of the collection's kind; a usage error where NUM is not a number in 0..2^64 - 1 or STR is
// empty or over 256 bytes.
absl::StatusOr<v1::PointId> IdFromText(absl::string_view text, v1::IdKind kind);
std::string ToText(const v1::PointId& id);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_NAMES_H_
