// The int8 codes of one document's tokens, as MaxSim stages read them: what is in memory of it.
// Under COSINE prefixes of tokens are compared at unit length (semantics 6), so that a token has a
// scale for each nesting dim, which divides by the length of that prefix. Immutable, shared by the
// generations of an index.
#ifndef NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_
#define NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/multi/token_codes.h"
#include "index/multi/token_set.h"

namespace nestor {

class TokenBlock {
 public:
  // `tokens`: n x dim floats, as TokenSet::values has them.
  static std::shared_ptr<const TokenBlock> Make(const TokenSchema& schema,
                                                std::span<const float> tokens);

  // To be compared in all dims.
  TokenCodes codes() const { return {blocks_[0].values, &scales_[scales_.size() - n_], n_}; }
  // .. in those of the schema's nesting[entry].
  TokenCodes codes(size_t entry) const {
    return {blocks_[0].values, &scales_[std::min(entry * n_, scales_.size() - n_)], n_};
  }
  // Asks for what a search in those dims is about to read: the codes of short documents, the begin
  // of long ones.
  void Prefetch(size_t entry) const;
  size_t tokens() const { return n_; }
  size_t bytes() const;
  // Over its tokens: the greatest length, and that of what the codes lack.
  float longest() const { return longest_; }
  float error() const { return error_; }

 private:
  struct alignas(64) Line {
    int8_t values[64];
  };

  std::vector<Line> blocks_;
  size_t n_ = 0;
  std::vector<float> scales_;  // n for each nesting dim under COSINE, else n
  float longest_ = 0;
  float error_ = 0;
};

// Whether values of the schema are their own codes.
bool HasExactCodes(const TokenSchema& schema);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_
