// Shells: the coordinates between two neighbouring bounds, [64,128) say. How rows and queries are
// coded shell by shell (semantics 8). Inner products add up over shells:
//   dot(q, x[:256]) = dot(q, x[:128]) + dot over the shell [128,256).
#ifndef NESTOR_INDEX_SHELLS_H_
#define NESTOR_INDEX_SHELLS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/schema.h"

namespace nestor {

// The geometry: bounds ascending, the last one = dims.
class ShellLayout {
 public:
  ShellLayout() = default;
  ShellLayout(std::vector<uint32_t> bounds, ShellCodec codec);

  size_t shells() const { return bounds_.size(); }
  uint32_t dim() const { return bounds_.back(); }
  uint32_t begin(size_t s) const { return s == 0 ? 0 : bounds_[s - 1]; }
  uint32_t end(size_t s) const { return bounds_[s]; }
  uint32_t width(size_t s) const { return end(s) - begin(s); }
  ShellCodec codec() const { return codec_; }
  size_t code_bytes() const { return code_bytes_; }  // of one coordinate
  // A shell's bytes in one row, rounded up to whole cache lines.
  size_t row_bytes(size_t s) const { return (width(s) * code_bytes_ + 63) / 64 * 64; }
  // The interleaved first shell: bytes of a block of 16 rows, and of one of its lines (kernels.h).
  size_t block_bytes() const;
  size_t line_dims() const { return codec_ == ShellCodec::kInt8 ? 4 : 1; }
  size_t line_bytes() const { return 16 * line_dims() * code_bytes_; }

 private:
  std::vector<uint32_t> bounds_;
  ShellCodec codec_ = ShellCodec::kInt8;
  size_t code_bytes_ = 1;
};

// Codes values[0..n) as int8: scale = max|v| / 127, nearest even; all zeros give scale 0. Returns
// the scale.
float QuantizeInt8(const float* values, size_t n, int8_t* codes);

// The scale-1 variant for values that are integers in -128..127 (dtype INT8: the bytes themselves).
void CopyInt8(const float* values, size_t n, int8_t* codes);

// A row's codes, shell by shell and row-major; reused from row to row.
class RowCode {
 public:
  // `exact_int8`: the vector's dtype is INT8, so that int8 codes are its bytes and scales are 1.
  RowCode(const ShellLayout* layout, bool exact_int8);
  void Encode(const float* vector);
  // Codes of shell s (int8, f16 bits or floats), row_bytes(s) of them, zero behind width(s).
  const std::byte* shell(size_t s) const { return bytes_.data() + offsets_[s]; }
  float scale(size_t s) const { return scales_[s]; }

 private:
  const ShellLayout* layout_;
  bool exact_int8_;
  std::vector<size_t> offsets_;
  std::vector<std::byte> bytes_;
  std::vector<float> scales_;
};

// A query's codes for the same layout. int8 shells are coded like a row's; f16 and f32 shells take
// the query's floats as they are.
class QueryCode {
 public:
  // The shells up to the one that holds dim `deepest` - 1. `integral`: the query is made of int8
  // values too, and is used exactly.
  void Encode(const ShellLayout& layout, const float* query, bool integral, uint32_t deepest);
  // Codes from dim `d` (inside shell s) on; int8 only.
  const int8_t* codes(const ShellLayout& layout, size_t s, uint32_t d) const {
    return codes_.data() + offsets_[s] + (d - layout.begin(s));
  }
  // What an interleaved scan of the first `dims` dims of shell s takes, `dims` up to a multiple of
  // 4 with zeros. Groups of zeros are left out where there are many: an FDE has no values in the
  // blocks that none of the query's tokens falls into.
  struct ScanCodes {
    const int8_t* codes = nullptr;
    const uint32_t* places = nullptr;  // of the groups in a block; null: one after the other
    size_t groups = 0;                 // of 4 dims
  };
  // Valid until the next call.
  ScanCodes Prefix(const ShellLayout& layout, size_t s, uint32_t dims);
  const float* values(uint32_t d) const { return query_ + d; }
  float scale(size_t s) const { return scales_[s]; }

 private:
  const float* query_ = nullptr;  // borrowed from Encode to the end of the search
  std::vector<size_t> offsets_;
  std::vector<int8_t> codes_;
  std::vector<int8_t> prefix_;
  std::vector<uint32_t> places_;
  std::vector<float> scales_;
};

// Whether all values are integers in -128..127.
bool IsIntegral(const float* values, size_t n);

// For each nesting dim d: |x[:d]|^2, summed in double.
void PrefixSquares(const VectorSchema& schema, const float* vector, double* squares);

// The number that turns a row's sum at a nesting dim into its key (kernels.h KeyKind), from the
// squared prefix norm: COSINE 1 / |x|, L2 |x|^2 / 2, DOT |x| (not used for keys; it bounds errors).
float AuxOf(Metric metric, double square);

}  // namespace nestor

#endif  // NESTOR_INDEX_SHELLS_H_
