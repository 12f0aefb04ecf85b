#include "index/schema.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/half.h"
#include "index/kernels/kernels.h"
#include "index/own_lists.h"

namespace nestor {
namespace {

// FAISS asks for 39 points per centroid at least.
constexpr uint64_t kRowsPerList = 39;
constexpr uint64_t kMinRowsToTrain = 1000;
constexpr uint32_t kGraphDim = 384;
// With 64 bytes a cache line, the tail of a record and 28 links fill two of them.
constexpr uint32_t kGraphDegree = 28;
constexpr uint32_t kEfConstruction = 200;

// The nesting dim closest to `wanted` that is at least it; dim if all are smaller.
uint32_t NestingAtLeast(const VectorSchema& schema, uint32_t wanted) {
  for (uint32_t d : schema.nesting) {
    if (d >= wanted) return d;
  }
  return schema.dim;
}

}  // namespace

size_t DtypeBytes(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return 4;
    case Dtype::kF16:
    case Dtype::kBf16:
      return 2;
    case Dtype::kI8:
      return 1;
  }
  return 0;
}

absl::string_view Name(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return "cosine";
    case Metric::kDot:
      return "dot";
    case Metric::kL2:
      return "l2";
  }
  return "unknown";
}

absl::string_view Name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return "f32";
    case Dtype::kF16:
      return "f16";
    case Dtype::kBf16:
      return "bf16";
    case Dtype::kI8:
      return "i8";
  }
  return "unknown";
}

absl::string_view Name(ShellCodec codec) {
  switch (codec) {
    case ShellCodec::kInt8:
      return "int8";
    case ShellCodec::kF16:
      return "f16";
    case ShellCodec::kF32:
      return "f32";
  }
  return "unknown";
}

absl::StatusOr<Metric> ParseMetric(absl::string_view name) {
  for (Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    if (name == Name(metric)) return metric;
  }
  return absl::InvalidArgumentError(absl::StrCat("metric '", name, "' is none of cosine, dot, l2"));
}

absl::StatusOr<Dtype> ParseDtype(absl::string_view name) {
  for (Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8}) {
    if (name == Name(dtype)) return dtype;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("dtype '", name, "' is none of f32, f16, bf16, i8"));
}

absl::StatusOr<ShellCodec> ParseShellCodec(absl::string_view name) {
  for (ShellCodec codec : {ShellCodec::kInt8, ShellCodec::kF16, ShellCodec::kF32}) {
    if (name == Name(codec)) return codec;
  }
  return absl::InvalidArgumentError(absl::StrCat("codec '", name, "' is none of int8, f16, f32"));
}

absl::Status ValidateSchema(const VectorSchema& schema, uint32_t max_dim) {
  if (schema.dim < 1 || schema.dim > max_dim) {
    return absl::InvalidArgumentError(absl::StrCat("dim ", schema.dim, " is outside 1..", max_dim));
  }
  if (schema.nesting.empty() || schema.nesting.size() > kMaxNesting) {
    return absl::InvalidArgumentError(
        absl::StrCat("nesting has ", schema.nesting.size(), " entries, outside 1..", kMaxNesting));
  }
  uint32_t previous = 0;
  for (uint32_t d : schema.nesting) {
    if (d <= previous) {
      return absl::InvalidArgumentError(absl::StrCat("nesting ", absl::StrJoin(schema.nesting, ","),
                                                     " does not ascend at ", d, " after ",
                                                     previous));
    }
    previous = d;
  }
  if (previous != schema.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("nesting ends in ", previous, ", it must end in dim ", schema.dim));
  }
  return absl::OkStatus();
}

int NestingIndex(const VectorSchema& schema, uint32_t dim) {
  const auto it = std::find(schema.nesting.begin(), schema.nesting.end(), dim);
  return it == schema.nesting.end() ? -1 : static_cast<int>(it - schema.nesting.begin());
}

namespace {

absl::Status ValidateGraphSpec(const GraphSpec& graph, const VectorSchema& schema) {
  if (graph.dim > schema.dim || (graph.dim % 64 != 0 && graph.dim != schema.dim)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "graph_dim ", graph.dim,
        " is neither a multiple of 64 below the vectors' dim nor that dim, ", schema.dim));
  }
  if (graph.dim > kMaxShellDims) {
    return absl::InvalidArgumentError(
        absl::StrCat("graph_dim ", graph.dim, " is over ", kMaxShellDims));
  }
  if (graph.degree != 0 && (graph.degree < kMinGraphDegree || graph.degree > kMaxGraphDegree)) {
    return absl::InvalidArgumentError(absl::StrCat("graph degree ", graph.degree, " is outside ",
                                                   kMinGraphDegree, "..", kMaxGraphDegree));
  }
  if (graph.ef_construction > kMaxEf) {
    return absl::InvalidArgumentError(
        absl::StrCat("ef_construction ", graph.ef_construction, " is over ", kMaxEf));
  }
  return absl::OkStatus();
}

absl::Status ValidateCodes(const IndexSpec& spec, const VectorSchema& schema) {
  if (spec.codes.empty()) return absl::OkStatus();
  if (spec.codes.size() > kMaxCodes) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.codes.size(), " codes are over ", kMaxCodes));
  }
  if (spec.no_lists) {
    return absl::InvalidArgumentError(absl::StrCat("code ", OpqName(spec.codes.front()),
                                                   " needs lists; the index is to have none"));
  }
  for (auto code = spec.codes.begin(); code != spec.codes.end(); ++code) {
    if (absl::Status s = ValidateOpq(*code, schema); !s.ok()) return s;
    if (std::find(spec.codes.begin(), code, *code) != code) {
      return absl::InvalidArgumentError(
          absl::StrCat("code ", OpqName(*code), " is named more than once"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateMemoryDim(const IndexSpec& spec, const VectorSchema& schema) {
  if (spec.memory_dim == 0) return absl::OkStatus();
  // Its shells may begin with the graph's prefix, which need not be in the nesting.
  const bool of_graph = spec.no_lists && spec.memory_dim == spec.graph->dim;
  if (NestingIndex(schema, spec.memory_dim) < 0 && !of_graph) {
    return absl::InvalidArgumentError(absl::StrCat("memory_dim ", spec.memory_dim,
                                                   " is not in the nesting ",
                                                   absl::StrJoin(schema.nesting, ",")));
  }
  if (spec.shells.empty() || spec.no_lists ||
      std::find(spec.shells.begin(), spec.shells.end(), spec.memory_dim) != spec.shells.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("memory_dim ", spec.memory_dim,
                                                 " is none of the bounds of the shells ",
                                                 absl::StrJoin(spec.shells, ",")));
}

// About twice as long, but no longer than a shell may be.
uint32_t NextShell(const VectorSchema& schema, uint32_t bound) {
  const uint32_t next = NestingAtLeast(schema, 2 * bound);
  if (next - bound <= kMaxShellDims) return next;
  return *std::prev(
      std::upper_bound(schema.nesting.begin(), schema.nesting.end(), bound + kMaxShellDims));
}

void ResolveGraph(const VectorSchema& schema, GraphSpec* graph) {
  // Half of the vector, up to 384 dims: a search is bound by cache misses, of which longer codes
  // have hardly more, and shorter ones rank worse (shared/reference/performance.md, section 8).
  if (graph->dim == 0) graph->dim = std::min(kGraphDim, std::max(64u, schema.dim / 2 / 64 * 64));
  if (graph->dim > schema.dim) graph->dim = schema.dim;
  if (graph->degree == 0) graph->degree = kGraphDegree;
  if (graph->ef_construction == 0) graph->ef_construction = kEfConstruction;
}

}  // namespace

absl::Status ValidateSpec(const IndexSpec& spec, const VectorSchema& schema) {
  if (spec.coarse_dim != 0 && NestingIndex(schema, spec.coarse_dim) < 0) {
    return absl::InvalidArgumentError(absl::StrCat("coarse_dim ", spec.coarse_dim,
                                                   " is not in the nesting ",
                                                   absl::StrJoin(schema.nesting, ",")));
  }
  if (spec.lists > kMaxLists) {
    return absl::InvalidArgumentError(absl::StrCat("lists ", spec.lists, " is over ", kMaxLists));
  }
  if (spec.graph.has_value()) {
    if (absl::Status s = ValidateGraphSpec(*spec.graph, schema); !s.ok()) return s;
  } else if (spec.no_lists) {
    return absl::InvalidArgumentError("an index without lists needs a graph");
  }
  if (absl::Status s = ValidateOwnLists(spec, schema.dim); !s.ok()) return s;
  if (absl::Status s = ValidateCodes(spec, schema); !s.ok()) return s;
  uint32_t previous = 0;
  for (uint32_t bound : spec.shells) {
    if (bound <= previous) {
      return absl::InvalidArgumentError(absl::StrCat("shells ", absl::StrJoin(spec.shells, ","),
                                                     " do not ascend at ", bound, " after ",
                                                     previous));
    }
    if (NestingIndex(schema, bound) < 0 && !(spec.no_lists && bound == spec.graph->dim)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "shell bound ", bound, " is not in the nesting ", absl::StrJoin(schema.nesting, ",")));
    }
    if (bound - previous > kMaxShellDims) {
      return absl::InvalidArgumentError(absl::StrCat("the shell from ", previous, " to ", bound,
                                                     " has over ", kMaxShellDims, " dims"));
    }
    previous = bound;
  }
  if (!spec.shells.empty() && previous != schema.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("shells end in ", previous, ", they must end in dim ", schema.dim));
  }
  return ValidateMemoryDim(spec, schema);
}

IndexSpec ResolveSpec(const IndexSpec& spec, const VectorSchema& schema, uint64_t rows) {
  IndexSpec resolved = spec;
  if (resolved.graph.has_value()) ResolveGraph(schema, &*resolved.graph);
  if (resolved.coarse_dim == 0) resolved.coarse_dim = NestingAtLeast(schema, 128);
  if (resolved.no_lists || (rows < kMinRowsToTrain && !resolved.own_lists())) {
    resolved.lists = 1;
  } else if (!resolved.own_lists()) {
    uint64_t lists = resolved.lists;
    // Many small lists suit an int8 scan whose routing costs little: measured best at 4 to 5
    // sqrt(rows).
    if (lists == 0) lists = static_cast<uint64_t>(4.5 * std::sqrt(static_cast<double>(rows)));
    lists = std::min({lists, rows / kRowsPerList, uint64_t{kMaxLists}});
    resolved.lists = static_cast<uint32_t>(std::max<uint64_t>(lists, 1));
  }
  if (resolved.shells.empty()) {
    // A shell shorter than a cache line or two wastes reads: bounds at 128, 256, .. and D.
    for (uint32_t bound = NestingAtLeast(schema, 128); bound < schema.dim;
         bound = NextShell(schema, bound)) {
      resolved.shells.push_back(bound);
    }
    resolved.shells.push_back(schema.dim);
  }
  const auto bound_at_memory_dim =
      std::lower_bound(resolved.shells.begin(), resolved.shells.end(), resolved.memory_dim);
  if (resolved.memory_dim != 0 && *bound_at_memory_dim != resolved.memory_dim) {
    resolved.shells.insert(bound_at_memory_dim, resolved.memory_dim);
  }
  if (resolved.no_lists) {
    // The first shell is what the graph holds.
    std::erase_if(resolved.shells, [&](uint32_t bound) { return bound <= resolved.graph->dim; });
    resolved.shells.insert(resolved.shells.begin(), resolved.graph->dim);
    if (resolved.memory_dim != 0) {
      resolved.memory_dim = std::max(resolved.memory_dim, resolved.graph->dim);
    }
  }
  return resolved;
}

std::vector<uint32_t> ShellsInMemory(const IndexSpec& spec) {
  std::vector<uint32_t> bounds = spec.shells;
  if (spec.memory_dim != 0) {
    std::erase_if(bounds, [&](uint32_t bound) { return bound > spec.memory_dim; });
  }
  return bounds;
}

void DecodeVector(Dtype dtype, const std::byte* bytes, size_t n, float* out) {
  const Kernels& kernels = ActiveKernels();
  switch (dtype) {
    case Dtype::kF32:
      std::memcpy(out, bytes, n * sizeof(float));
      return;
    case Dtype::kF16:
      return kernels.widen_f16(reinterpret_cast<const uint16_t*>(bytes), n, out);
    case Dtype::kBf16:
      return kernels.widen_bf16(reinterpret_cast<const uint16_t*>(bytes), n, out);
    case Dtype::kI8:
      return kernels.widen_i8(reinterpret_cast<const int8_t*>(bytes), n, out);
  }
}

absl::Status EncodeVector(Dtype dtype, const float* values, size_t n, std::byte* out) {
  for (size_t i = 0; i < n; ++i) {
    const float v = values[i];
    bool fits = true;
    switch (dtype) {
      case Dtype::kF32:
        std::memcpy(out + 4 * i, &v, 4);
        break;
      case Dtype::kF16:
      case Dtype::kBf16: {
        const uint16_t bits = dtype == Dtype::kF16 ? FloatToHalf(v) : FloatToBf16(v);
        const float back = dtype == Dtype::kF16 ? HalfToFloat(bits) : Bf16ToFloat(bits);
        fits = !std::isfinite(v) || std::isfinite(back);
        std::memcpy(out + 2 * i, &bits, 2);
        break;
      }
      case Dtype::kI8: {
        fits = v >= -128 && v <= 127 && v == std::nearbyint(v);
        out[i] = static_cast<std::byte>(static_cast<int8_t>(fits ? v : 0));
        break;
      }
    }
    if (!fits) {
      return absl::OutOfRangeError(
          absl::StrCat("value ", v, " at position ", i, " does not fit ", Name(dtype)));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateVector(const VectorSchema& schema, const float* values,
                            absl::string_view what) {
  const Kernels& kernels = ActiveKernels();
  std::span<const uint32_t> bounds = schema.nesting;
  if (schema.metric != Metric::kCosine) bounds = bounds.last(1);
  double squared = 0;
  uint32_t d = 0;
  for (uint32_t bound : bounds) {
    squared += kernels.dot_f64(values + d, values + d, bound - d);
    d = bound;
    // Squares of floats do not overflow a double: only a value that is not finite makes this.
    if (!std::isfinite(squared)) {
      const float* bad = std::find_if_not(values, values + bound,
                                          [](float value) { return std::isfinite(value); });
      return absl::InvalidArgumentError(absl::StrCat(what, " has ", *bad, " at position ",
                                                     bad - values, "; values must be finite"));
    }
    if (schema.metric == Metric::kCosine && squared < FLT_MIN) {
      return absl::InvalidArgumentError(absl::StrCat(what, " has squared norm ", squared,
                                                     " over its first ", bound,
                                                     " dims; cosine needs at least ", FLT_MIN));
    }
  }
  if (squared > FLT_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has squared norm ", squared, ", above the largest float ", FLT_MAX));
  }
  return absl::OkStatus();
}

}  // namespace nestor
