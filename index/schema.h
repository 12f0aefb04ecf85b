// What a collection's vectors are (VectorSchema) and how they are to be indexed (IndexSpec). Plain
// values; enum numbers are written to disk and never change.
#ifndef NESTOR_INDEX_SCHEMA_H_
#define NESTOR_INDEX_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/codes/spec.h"

namespace nestor {

// COSINE and DOT: larger is better. L2: the squared distance, smaller is better.
enum class Metric : uint8_t { kCosine = 1, kDot = 2, kL2 = 3 };
enum class Dtype : uint8_t { kF32 = 1, kF16 = 2, kBf16 = 3, kI8 = 4 };
// How shells are stored in memory; int8 carries one scale per row and shell.
enum class ShellCodec : uint8_t { kInt8 = 1, kF16 = 2, kF32 = 3 };
// Where the vectors as sent are read from in rescore and exact search.
enum class ExactVectors : uint8_t { kMemory = 1, kStore = 2 };

inline constexpr uint32_t kMaxDim = 16384;
inline constexpr uint32_t kMaxNesting = 16;
// Between two nesting dims that follow each other, and of a shell: sums of its int8 products are
// 32-bit numbers.
inline constexpr uint32_t kMaxShellDims = 65536;
inline constexpr uint32_t kMaxLists = 65536;
inline constexpr size_t kMaxCodes = 4;

struct VectorSchema {
  uint32_t dim = 0;
  std::vector<uint32_t> nesting;  // ascending prefix lengths; the last is dim
  Metric metric = Metric::kCosine;
  Dtype dtype = Dtype::kF32;

  bool operator==(const VectorSchema&) const = default;
};

inline constexpr uint32_t kMinGraphDegree = 4;
inline constexpr uint32_t kMaxGraphDegree = 128;
inline constexpr uint32_t kMaxEf = 10000;

// A graph on the int8 codes of x[:dim] (graph/graph.h). 0 = choose.
struct GraphSpec {
  uint32_t dim = 0;              // a multiple of 64, or the vectors' dim
  uint32_t degree = 0;           // links of a node, 4..128
  uint32_t ef_construction = 0;  // nodes among which its links are chosen, up to 10,000

  bool operator==(const GraphSpec&) const = default;
};

// Where the lists' centroids are from. Numbers are on disk.
enum class CentroidOrigin : uint8_t {
  kTrained = 1,   // each build trains or averages them anew
  kImported = 2,  // learnt elsewhere: builds keep them
};

struct IndexSpec {
  uint32_t coarse_dim = 0;  // prefix that chooses lists, one of the nesting; 0 = choose
  uint32_t lists = 0;       // 0 = choose; lowered to rows / 39, but for own_lists()
  std::vector<uint32_t>
      shells;  // ascending upper bounds out of the nesting, the last is dim; empty = choose
  ShellCodec codec = ShellCodec::kInt8;
  ExactVectors exact_vectors = ExactVectors::kMemory;
  // Shells up to this nesting dim, one of their bounds, are in memory: coarse, scan and refine end
  // there, and rescore reads the rest with the exact vectors of the survivors. 0 = all shells.
  uint32_t memory_dim = 0;
  std::optional<GraphSpec> graph;  // absent = no graph
  // The graph is the only source of candidates: one list, whose first shell is the graph's prefix
  // and is not kept a second time.
  bool no_lists = false;
  // Of every row beside its shells, to be scanned in their place; at most kMaxCodes, all different.
  std::vector<OpqSpec> codes;
  // Where set, rows lie in the lists that this attribute of theirs names, 0..lists - 1; `lists` is
  // given then, and stays as it is. Empty = rows lie in the lists of their nearest centroids.
  std::string list_attribute;
  // Imported: lists and coarse_dim are theirs, given, and stay as they are.
  CentroidOrigin centroids = CentroidOrigin::kTrained;

  // Whether the numbers of lists are the caller's, and mean the same after the next build.
  bool own_lists() const {
    return !list_attribute.empty() || centroids == CentroidOrigin::kImported;
  }

  bool operator==(const IndexSpec&) const = default;
};

size_t DtypeBytes(Dtype dtype);
absl::string_view Name(Metric metric);     // "cosine", "dot", "l2"
absl::string_view Name(Dtype dtype);       // "f32", "f16", "bf16", "i8"
absl::string_view Name(ShellCodec codec);  // "int8", "f16", "f32"
absl::StatusOr<Metric> ParseMetric(absl::string_view name);
absl::StatusOr<Dtype> ParseDtype(absl::string_view name);
absl::StatusOr<ShellCodec> ParseShellCodec(absl::string_view name);

// InvalidArgument with the value and the limit.
absl::Status ValidateSchema(const VectorSchema& schema, uint32_t max_dim = kMaxDim);
absl::Status ValidateSpec(const IndexSpec& spec, const VectorSchema& schema);

// The spec with every 0 and empty field chosen for `rows` rows, and lists, unless they are the
// caller's, lowered to rows / 39 (one below 1,000 rows). `spec` must be valid.
IndexSpec ResolveSpec(const IndexSpec& spec, const VectorSchema& schema, uint64_t rows);

// The bounds of a resolved spec's shells that are in memory.
std::vector<uint32_t> ShellsInMemory(const IndexSpec& spec);

// Position of `dim` in schema.nesting, or -1.
int NestingIndex(const VectorSchema& schema, uint32_t dim);

// A vector of schema.dim values of schema.dtype, as float.
void DecodeVector(Dtype dtype, const std::byte* bytes, size_t n, float* out);
// Rounds to nearest even. OutOfRange names the first value that overflows the dtype (INT8: that is
// not an integer in -128..127).
absl::Status EncodeVector(Dtype dtype, const float* values, size_t n, std::byte* out);

// Refuses NaN, Inf, |x|^2 not finite in float; under COSINE also a prefix norm with norm^2 <
// FLT_MIN (semantics 5). `values` has schema.dim floats; `what` names the vector in the message.
absl::Status ValidateVector(const VectorSchema& schema, const float* values,
                            absl::string_view what);

}  // namespace nestor

#endif  // NESTOR_INDEX_SCHEMA_H_
