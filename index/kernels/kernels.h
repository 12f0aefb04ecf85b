// The inner loops, one implementation per instruction set, chosen once at run time. scalar.cc is
// the specification; the other levels give equal int8 results (and equal float sums from them) and
// float results equal within rounding. The f64 kernels and the products of matrices sum in a fixed
// order and are bit-equal on all levels.
//
// Layout of an interleaved shell: blocks of 16 rows. int8: a block is a sequence of 64-byte lines,
// line g holding dims 4g .. 4g+3 of row 0, then of row 1, .., row 15. f16 and f32: line g holds dim
// g of the 16 rows (32 and 64 bytes). So a prefix of the shell is a prefix of each block, and a
// scan needs no horizontal sums. Pointers to blocks are 64-byte aligned (f16: 32); row pointers
// need no alignment.
#ifndef NESTOR_INDEX_KERNELS_KERNELS_H_
#define NESTOR_INDEX_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace nestor {

enum class SimdLevel : uint8_t { kScalar = 0, kAvx2 = 1, kAvx512 = 2 };

inline constexpr size_t kBlockRows = 16;
inline constexpr size_t kBlockColumns = 8;  // of multiply_f32

// How a row's sum becomes its key (larger is better): DOT key = sum; COSINE key = sum * aux with
// aux = 1 / |x[:d]|; L2 key = sum - aux with aux = |x[:d]|^2 / 2.
enum class KeyKind : uint8_t { kSum = 0, kTimes = 1, kMinus = 2 };

struct Kernels {
  SimdLevel level;

  // --- Scans of interleaved blocks: sums[16 b + r] = product with the query prefix, for b <
  // blocks. --- int8: sums = float(integer sum) * (query_scale * scales[16 b + r]). `query` has 4 *
  // groups codes; group g of them meets group places[g] of the block, or g where places is null.
  void (*scan_i8)(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
                  const uint32_t* places, size_t groups, float query_scale, const float* scales,
                  float* sums);
  void (*scan_f16)(const uint16_t* base, size_t block_bytes, size_t blocks, const float* query,
                   size_t dims, float* sums);
  void (*scan_f32)(const float* base, size_t block_bytes, size_t blocks, const float* query,
                   size_t dims, float* sums);

  // --- Scans of blocks of OPQ codes (codes/layout.h), a block being `lines` lines: sums[16 b + r]
  // for b < blocks. --- 4 bits: the low nibble of byte j of line g is looked up in the 16 entries
  // at tables + 128 g + 16 j, the high one in those 64 further on: sums = float(integer sum) * step
  // + bias, equal on all levels. At most 4,096 lines.
  void (*scan_opq4)(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                    float step, float bias, float* sums);
  // 8 bits: byte j of line g is looked up in the 256 entries at tables + 256 (4 g + j); sums = sum
  // of the entries + bias, equal on all levels.
  void (*scan_opq8)(const uint8_t* base, size_t lines, size_t blocks, const float* tables,
                    float bias, float* sums);

  // --- Dot products with rows given by pointer, later rows prefetched while earlier ones are
  // summed. --- The first, for nodes and shells in int8, gives exact integer sums: n <= 16,384
  // keeps them below 2^31. It leaves prefetching to its caller.
  void (*dots_i8)(const int8_t* query, const int8_t* const* rows, size_t rows_n, size_t n,
                  int32_t* sums);
  void (*dots_f32)(const float* query, const float* const* rows, size_t rows_n, size_t n,
                   float* sums);
  void (*dots_f16)(const float* query, const uint16_t* const* rows, size_t rows_n, size_t n,
                   float* sums);
  void (*dots_bf16)(const float* query, const uint16_t* const* rows, size_t rows_n, size_t n,
                    float* sums);
  void (*dots_i8f)(const float* query, const int8_t* const* rows, size_t rows_n, size_t n,
                   float* sums);

  // --- Squared distances sum (q - x)^2 with rows given by pointer. ---
  void (*l2s_f32)(const float* query, const float* const* rows, size_t rows_n, size_t n,
                  float* sums);
  void (*l2s_f16)(const float* query, const uint16_t* const* rows, size_t rows_n, size_t n,
                  float* sums);
  void (*l2s_bf16)(const float* query, const uint16_t* const* rows, size_t rows_n, size_t n,
                   float* sums);
  void (*l2s_i8f)(const float* query, const int8_t* const* rows, size_t rows_n, size_t n,
                  float* sums);

  // --- The largest products of query tokens with a document's. --- The document: n >= 1 tokens in
  // blocks as scan_i8 reads them (behind token n anything), the query: query_n rows of 4 * groups
  // codes, groups <= 256, and the sum of each row's codes. largest[q] = the largest float(integer
  // sum) * scales[t], tokens[q] the first t that has it; `tokens` may be null.
  void (*maxsim_i8)(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                    const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                    float* largest, uint32_t* tokens);

  // --- Products of n rows (n x dims) with columns in blocks of 8: line g of a block holds dims 2g
  // and 2g + 1 of column 0, then of column 1, .., column 7 (in the last line zeros where dims is
  // odd). A product is the sum of two sums of fused multiply-adds, of the even and of the odd dims
  // in order: bit-equal on all levels. --- products[i][c] for i < n and c < columns_n.
  void (*multiply_f32)(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t columns_n, float* const* products);
  // Bit c of bits[blocks i + b]: whether the product with column 8 b + c is above zero.
  void (*signs_f32)(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint8_t* bits);
  // largest[c] = the largest product of the rows (`stride` floats apart) with column c < columns_n,
  // tokens[c] the first row that has it; `tokens` may be null. n >= 1; both have room for whole
  // blocks of columns.
  void (*maxsim_f32)(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t columns_n, float* largest, uint32_t* tokens);
  // sums[j] = factor * the sum of rows[i][j] for i < n, in this order: bit-equal on all levels.
  // n >= 1
  void (*sum_rows_f32)(const float* const* rows, size_t n, size_t dims, float factor, float* sums);

  // --- To floats, exactly. ---
  void (*widen_f16)(const uint16_t* values, size_t n, float* out);
  void (*widen_bf16)(const uint16_t* values, size_t n, float* out);
  void (*widen_i8)(const int8_t* values, size_t n, float* out);

  // --- f64, bit-equal on all levels. ---
  double (*dot_f64)(const float* a, const float* b, size_t n);
  double (*l2_f64)(const float* a, const float* b, size_t n);

  // --- Selection ---
  // Writes key, sum and position of each row i < n with key > threshold, in order; returns how
  // many. The outputs need room for n + 16 entries. `aux` is not read for kSum.
  size_t (*filter)(const float* sums, const float* aux, KeyKind kind, size_t n, float threshold,
                   float* keys, float* kept_sums, uint32_t* positions);
  size_t (*count_greater)(const float* keys, size_t n, float pivot);
  void (*min_max)(const float* keys, size_t n, float* min, float* max);  // n >= 1
};

// The kernels of this process: the best level that the CPU and the OS support, or the one that the
// environment variable NESTOR_SIMD (scalar, avx2, avx512) names if it is supported, read once.
const Kernels& ActiveKernels();

// For tests and benchmarks.
bool Supported(SimdLevel level);
const Kernels& KernelsOf(SimdLevel level);  // must be supported
const char* Name(SimdLevel level);

// The value t such that fewer than k of the keys are greater than t and at least k are >= t, or any
// t with exactly k greater keys. 1 <= k <= n. Keys are not NaN.
float SelectThreshold(const Kernels& kernels, const float* keys, size_t n, size_t k);

// Defined by the files of this folder.
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace nestor

#endif  // NESTOR_INDEX_KERNELS_KERNELS_H_
