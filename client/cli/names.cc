#include "client/cli/names.h"

#include <cstdint>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/session.h"
#include "index/codes/spec.h"
#include "index/point_id.h"

namespace nestor {
namespace {

template <typename Enum>
using Word = std::pair<const char*, Enum>;

constexpr Word<v1::Metric> kMetrics[] = {
    {"cosine", v1::METRIC_COSINE}, {"dot", v1::METRIC_DOT}, {"l2", v1::METRIC_L2}};
constexpr Word<v1::Dtype> kDtypes[] = {{"f32", v1::DTYPE_F32},
                                       {"f16", v1::DTYPE_F16},
                                       {"bf16", v1::DTYPE_BF16},
                                       {"i8", v1::DTYPE_INT8}};
constexpr Word<v1::ShellCodec> kShellCodecs[] = {
    {"int8", v1::SHELL_CODEC_INT8}, {"f16", v1::SHELL_CODEC_F16}, {"f32", v1::SHELL_CODEC_F32}};
constexpr Word<v1::ExactVectors> kExactVectors[] = {{"memory", v1::EXACT_VECTORS_MEMORY},
                                                    {"store", v1::EXACT_VECTORS_STORE}};
constexpr Word<v1::Durability> kDurabilities[] = {{"sync", v1::DURABILITY_SYNC},
                                                  {"async", v1::DURABILITY_ASYNC}};
constexpr Word<v1::IdKind> kIdKinds[] = {{"num", v1::ID_KIND_NUM}, {"str", v1::ID_KIND_STR}};
constexpr Word<v1::VectorKind> kVectorKinds[] = {{"single", v1::VECTOR_KIND_SINGLE},
                                                 {"multi", v1::VECTOR_KIND_MULTI}};
constexpr Word<v1::FdeProjection> kFdeProjections[] = {
    {"identity", v1::FDE_PROJECTION_IDENTITY},
    {"dense", v1::FDE_PROJECTION_DENSE},
    {"count-sketch", v1::FDE_PROJECTION_COUNT_SKETCH}};
constexpr Word<v1::AttributeType> kAttributeTypes[] = {
    {"string", v1::ATTRIBUTE_TYPE_STRING},           {"int64", v1::ATTRIBUTE_TYPE_INT64},
    {"double", v1::ATTRIBUTE_TYPE_DOUBLE},           {"bool", v1::ATTRIBUTE_TYPE_BOOL},
    {"string-list", v1::ATTRIBUTE_TYPE_STRING_LIST}, {"timestamp", v1::ATTRIBUTE_TYPE_TIMESTAMP}};
constexpr Word<v1::CodeInput> kCodeInputs[] = {{"rows", v1::CODE_INPUT_ROWS},
                                               {"residuals", v1::CODE_INPUT_RESIDUALS}};
constexpr Word<v1::Index::State> kIndexStates[] = {{"unbuilt", v1::Index::STATE_UNBUILT},
                                                   {"building", v1::Index::STATE_BUILDING},
                                                   {"ready", v1::Index::STATE_READY}};
constexpr Word<v1::Collection::State> kCollectionStates[] = {
    {"loading", v1::Collection::STATE_LOADING}, {"ready", v1::Collection::STATE_READY}};

template <typename Enum>
absl::StatusOr<Enum> Find(std::span<const Word<Enum>> words, absl::string_view what,
                          absl::string_view name) {
  for (const auto& [word, value] : words) {
    if (name == word) return value;
  }
  return UsageError(
      absl::StrCat(what, " '", name, "' is none of ",
                   absl::StrJoin(words, ", ", [](std::string* out, const Word<Enum>& word) {
                     absl::StrAppend(out, word.first);
                   })));
}

template <typename Enum>
std::string NameOf(std::span<const Word<Enum>> words, Enum value) {
  for (const auto& [word, known] : words) {
    if (known == value) return word;
  }
  const int number = static_cast<int>(value);
  return number == 0 ? "unspecified" : absl::StrCat("unknown(", number, ")");
}

}  // namespace

absl::StatusOr<v1::Metric> MetricFromName(absl::string_view name) {
  return Find<v1::Metric>(kMetrics, "metric", name);
}
absl::StatusOr<v1::Dtype> DtypeFromName(absl::string_view name) {
  return Find<v1::Dtype>(kDtypes, "dtype", name);
}
absl::StatusOr<v1::ShellCodec> ShellCodecFromName(absl::string_view name) {
  return Find<v1::ShellCodec>(kShellCodecs, "codec", name);
}
absl::StatusOr<v1::ExactVectors> ExactVectorsFromName(absl::string_view name) {
  return Find<v1::ExactVectors>(kExactVectors, "place of exact vectors", name);
}
absl::StatusOr<v1::Durability> DurabilityFromName(absl::string_view name) {
  return Find<v1::Durability>(kDurabilities, "durability", name);
}
absl::StatusOr<v1::IdKind> IdKindFromName(absl::string_view name) {
  return Find<v1::IdKind>(kIdKinds, "id kind", name);
}
absl::StatusOr<v1::VectorKind> VectorKindFromName(absl::string_view name) {
  return Find<v1::VectorKind>(kVectorKinds, "kind", name);
}
absl::StatusOr<v1::FdeProjection> FdeProjectionFromName(absl::string_view name) {
  return Find<v1::FdeProjection>(kFdeProjections, "projection", name);
}
absl::StatusOr<v1::AttributeType> AttributeTypeFromName(absl::string_view name) {
  return Find<v1::AttributeType>(kAttributeTypes, "attribute type", name);
}
absl::StatusOr<v1::CodeInput> CodeInputFromName(absl::string_view name) {
  return Find<v1::CodeInput>(kCodeInputs, "input", name);
}

std::string ToName(v1::Metric value) { return NameOf<v1::Metric>(kMetrics, value); }
std::string ToName(v1::Dtype value) { return NameOf<v1::Dtype>(kDtypes, value); }
std::string ToName(v1::ShellCodec value) { return NameOf<v1::ShellCodec>(kShellCodecs, value); }
std::string ToName(v1::ExactVectors value) {
  return NameOf<v1::ExactVectors>(kExactVectors, value);
}
std::string ToName(v1::Durability value) { return NameOf<v1::Durability>(kDurabilities, value); }
std::string ToName(v1::IdKind value) { return NameOf<v1::IdKind>(kIdKinds, value); }
std::string ToName(v1::VectorKind value) { return NameOf<v1::VectorKind>(kVectorKinds, value); }
std::string ToName(v1::FdeProjection value) {
  return NameOf<v1::FdeProjection>(kFdeProjections, value);
}
std::string ToName(v1::AttributeType value) {
  return NameOf<v1::AttributeType>(kAttributeTypes, value);
}
std::string ToName(v1::CodeInput value) { return NameOf<v1::CodeInput>(kCodeInputs, value); }
std::string ToName(v1::Index::State value) { return NameOf<v1::Index::State>(kIndexStates, value); }
std::string ToName(v1::Collection::State value) {
  return NameOf<v1::Collection::State>(kCollectionStates, value);
}

absl::StatusOr<v1::PointId> IdFromText(absl::string_view text, v1::IdKind kind) {
  v1::PointId id;
  if (kind == v1::ID_KIND_STR) {
    if (text.empty() || text.size() > kMaxStringIdBytes) {
      return UsageError(
          absl::StrCat("id '", text, "' has ", text.size(), " bytes, not 1..", kMaxStringIdBytes));
    }
    id.set_str(std::string(text));
    return id;
  }
  uint64_t num = 0;
  if (!absl::SimpleAtoi(text, &num)) {
    return UsageError(absl::StrCat("id '", text, "' is no number in 0..2^64 - 1"));
  }
  id.set_num(num);
  return id;
}

std::string ToText(const v1::GraphSpec& graph) {
  return absl::StrCat(graph.dim(), " dims, degree ", graph.degree(), ", ef-construction ",
                      graph.ef_construction());
}

std::string ToText(const v1::CodeSpec& code) {
  return OpqName({code.dim(), code.bytes(), code.bits()});
}

std::string ToText(const v1::PointId& id) {
  return id.id_case() == v1::PointId::kStr ? id.str() : absl::StrCat(id.num());
}

}  // namespace nestor
