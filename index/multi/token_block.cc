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
  const uint32_t whole[] = {dim};
  std::span<const uint32_t> ends = whole;
  if (schema.token.metric == Metric::kCosine) ends = schema.token.nesting;
  block->n_ = n;
  block->blocks_.resize(layout.bytes(n) / sizeof(Line));
  block->scales_.resize(ends.size() * n);
  int8_t* const codes = block->blocks_[0].values;
  float* const scales = &block->scales_[(ends.size() - 1) * n];  // of all dims
  EncodeTokenCodes(layout, tokens.data(), n, HasExactCodes(schema), codes, scales);
  double longest = 0, error = 0;  // squared
  for (size_t t = 0; t < n; ++t) {
    const float* token = tokens.data() + t * dim;
    const int8_t* lane = codes + t / kBlockRows * layout.block_bytes() + t % kBlockRows * 4;
    double length = 0, lack = 0;
    int32_t squares = 0;  // of codes
    uint32_t d = 0;
    for (size_t entry = 0; entry < ends.size(); ++entry) {
      for (; d < ends[entry]; ++d) {
        const int8_t code = lane[size_t{d} / 4 * 4 * kBlockRows + d % 4];
        const double value = token[d];
        const double difference = value - code * double{scales[t]};
        length += value * value;
        lack += difference * difference;
        squares += code * code;
      }
      if (d == dim) continue;
      // The length of the codes, not of what they stand for: a prefix that is short beside its
      // token is rounded to few steps, and products above 1 would win. Zeros have no direction.
      block->scales_[entry * n + t] = squares == 0 ? 0 : 1 / std::sqrt(static_cast<float>(squares));
    }
    longest = std::max(longest, length);
    error = std::max(error, lack);
  }
  block->longest_ = static_cast<float>(std::sqrt(longest));
  block->error_ = static_cast<float>(std::sqrt(error));
  return block;
}

void TokenBlock::Prefetch(size_t entry) const {
  constexpr size_t kMostLines = 32;  // the hardware goes on by itself
  const size_t lines = std::min(blocks_.size(), kMostLines);
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(blocks_.data() + i);
  __builtin_prefetch(codes(entry).scales);
}

size_t TokenBlock::bytes() const {
  return sizeof(TokenBlock) + blocks_.size() * sizeof(Line) + scales_.size() * sizeof(float);
}

}  // namespace nestor
