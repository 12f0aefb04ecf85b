// The int8 codes of one document's tokens, as MaxSim stages read them: what is in memory of it.
// Immutable, shared by the generations of an index.
#ifndef NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_
#define NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_

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

  TokenCodes codes() const;
  // Asks for what a search is about to read: the codes of short documents, the begin of long ones.
  void Prefetch() const;
  size_t tokens() const { return scales_.size(); }
  size_t bytes() const;
  // Over its tokens: the greatest length, and that of what the codes lack.
  float longest() const { return longest_; }
  float error() const { return error_; }

 private:
  struct alignas(64) Line {
    int8_t values[64];
  };

  std::vector<Line> blocks_;
  std::vector<float> scales_;
  float longest_ = 0;
  float error_ = 0;
};

// Whether values of the schema are their own codes.
bool HasExactCodes(const TokenSchema& schema);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_BLOCK_H_
