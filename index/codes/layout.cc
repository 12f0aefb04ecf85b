#include "index/codes/layout.h"

#include <algorithm>
#include <cstring>

#include "index/kernels/kernels.h"

namespace nestor {
namespace {

// Where the first four bytes of a row's code lie; the next ones are a line further each.
size_t RowOffset(uint32_t position, size_t block_bytes) {
  return position / kBlockRows * block_bytes + position % kBlockRows * 4;
}

}  // namespace

void CodeLayout::Write(const uint8_t* code, uint32_t position, std::byte* blocks) const {
  std::byte* out = blocks + RowOffset(position, block_bytes());
  for (size_t i = 0; i < bytes_; i += 4, out += 64) {
    uint32_t word = 0;
    std::memcpy(&word, code + i, std::min<size_t>(4, bytes_ - i));
    std::memcpy(out, &word, sizeof(word));
  }
}

void CodeLayout::Read(const std::byte* blocks, uint32_t position, uint8_t* code) const {
  const std::byte* in = blocks + RowOffset(position, block_bytes());
  for (size_t i = 0; i < bytes_; i += 4, in += 64) {
    std::memcpy(code + i, in, std::min<size_t>(4, bytes_ - i));
  }
}

void CodeLayout::Copy(const std::byte* from, uint32_t position, std::byte* to, uint32_t at) const {
  const std::byte* in = from + RowOffset(position, block_bytes());
  std::byte* out = to + RowOffset(at, block_bytes());
  for (size_t g = 0; g < lines_; ++g) std::memcpy(out + g * 64, in + g * 64, 4);
}

}  // namespace nestor
