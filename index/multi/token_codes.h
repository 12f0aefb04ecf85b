// A document's tokens in int8, as maxsim_i8 scans them: blocks of 16 tokens, a 64-byte line holding
// 4 dims of each (the layout of an interleaved shell, kernels.h), so that the first dims of all
// tokens are a prefix of each block. A scale per token. Plain functions on the caller's memory.
#ifndef NESTOR_INDEX_MULTI_TOKEN_CODES_H_
#define NESTOR_INDEX_MULTI_TOKEN_CODES_H_

#include <cstddef>
#include <cstdint>

#include "index/kernels/kernels.h"

namespace nestor {

// How much memory the codes of n tokens take.
struct TokenCodeLayout {
  explicit TokenCodeLayout(uint32_t token_dim) : dim(token_dim) {}
  size_t groups() const { return (size_t{dim} + 3) / 4; }
  size_t block_bytes() const { return groups() * 4 * kBlockRows; }
  size_t bytes(size_t n) const { return (n + kBlockRows - 1) / kBlockRows * block_bytes(); }

  uint32_t dim;
};

// One document's. The blocks are 64-byte aligned.
struct TokenCodes {
  const int8_t* blocks = nullptr;
  const float* scales = nullptr;  // n
  size_t n = 0;                   // at least 1
};

// Codes n tokens of layout.dim floats: signed, scale = max|x| / 127, nearest even; a token of zeros
// has scale 0. `exact_int8`: the values are integers in -128..127 and are their codes, with
// scale 1. Writes all layout.bytes(n) of `blocks` and n scales.
void EncodeTokenCodes(const TokenCodeLayout& layout, const float* tokens, size_t n, bool exact_int8,
                      int8_t* blocks, float* scales);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_CODES_H_
