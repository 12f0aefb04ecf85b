// Blocks of 16 rows' codes, as a scan streams them: line g of 64 bytes holds bytes 4g .. 4g+3 of
// the code of row 0, then of row 1, .., row 15 (an int8 shell of as many dims lies in the same
// way). No byte belongs to two rows, so one writer may write a row while others scan its block and
// ignore that row. A code that does not fill its last four bytes has zeros there.
#ifndef NESTOR_INDEX_CODES_LAYOUT_H_
#define NESTOR_INDEX_CODES_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "index/codes/spec.h"

namespace nestor {

class CodeLayout {
 public:
  CodeLayout() = default;
  explicit CodeLayout(const OpqSpec& spec) : bytes_(spec.bytes), lines_((spec.bytes + 3) / 4) {}

  size_t bytes() const { return bytes_; }
  size_t lines() const { return lines_; }
  size_t block_bytes() const { return lines_ * 64; }
  size_t row_bytes() const { return lines_ * 4; }  // what a row takes in memory

  // The code (bytes() of it) of the row at `position`; `blocks` are 64-byte aligned.
  void Write(const uint8_t* code, uint32_t position, std::byte* blocks) const;
  void Read(const std::byte* blocks, uint32_t position, uint8_t* code) const;
  // From one run to another, or within one.
  void Copy(const std::byte* from, uint32_t position, std::byte* to, uint32_t at) const;

 private:
  size_t bytes_ = 0;
  size_t lines_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_LAYOUT_H_
