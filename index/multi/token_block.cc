#include "index/multi/token_block.h"

#include <algorithm>
#include <cmath>

namespace nestor {

bool HasExactCodes(const TokenSchema& schema) {
  return schema.token.dtype == Dtype::kI8 && schema.token.metric != Metric::kCosine;
}

std::shared_ptr<const TokenBlock> TokenBlock::Make(const TokenSchema& schema,
                                                   std::span<const float> tokens) {
  const uint32_t dim = schema.token.dim;
  const TokenCodeLayout layout(dim);
  const size_t n = tokens.size() / dim;
  auto block = std::make_shared<TokenBlock>();
  block->blocks_.resize(layout.bytes(n) / sizeof(Line));
  block->scales_.resize(n);
  int8_t* const codes = block->blocks_[0].values;
  EncodeTokenCodes(layout, tokens.data(), n, HasExactCodes(schema), codes, block->scales_.data());
  double longest = 0, error = 0;  // squared
  for (size_t t = 0; t < n; ++t) {
    const float* token = tokens.data() + t * dim;
    const int8_t* lane = codes + t / kBlockRows * layout.block_bytes() + t % kBlockRows * 4;
    double length = 0, lack = 0;
    for (uint32_t d = 0; d < dim; ++d) {
      const double code = lane[size_t{d} / 4 * 4 * kBlockRows + d % 4];
      const double value = token[d];
      const double difference = value - code * block->scales_[t];
      length += value * value;
      lack += difference * difference;
    }
    longest = std::max(longest, length);
    error = std::max(error, lack);
  }
  block->longest_ = static_cast<float>(std::sqrt(longest));
  block->error_ = static_cast<float>(std::sqrt(error));
  return block;
}

TokenCodes TokenBlock::codes() const {
  return {.blocks = blocks_[0].values, .scales = scales_.data(), .n = scales_.size()};
}

void TokenBlock::Prefetch() const {
  constexpr size_t kMostLines = 32;  // the hardware goes on by itself
  const size_t lines = std::min(blocks_.size(), kMostLines);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(blocks_.data() + i);
  __builtin_prefetch(scales_.data());
}

size_t TokenBlock::bytes() const {
  return sizeof(TokenBlock) + blocks_.size() * sizeof(Line) + scales_.size() * sizeof(float);
}

}  // namespace nestor
