// Documents as the stages of a search read them: floats, and int8 codes of their tokens.
#ifndef NESTOR_CLIENT_BENCH_MULTI_CODED_DOCUMENTS_H_
#define NESTOR_CLIENT_BENCH_MULTI_CODED_DOCUMENTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "client/bench/multi/token_data.h"
#include "index/multi/token_block.h"

namespace nestor {

// Immutable; `data` outlives it.
class CodedDocuments {
 public:
  explicit CodedDocuments(const TokenData& data);

  const TokenData& data() const { return data_; }
  const TokenSchema& schema() const { return schema_; }
  const std::shared_ptr<const TokenBlock>& block(size_t document) const {
    return blocks_[document];
  }
  uint64_t bytes() const { return bytes_; }

 private:
  const TokenData& data_;
  const TokenSchema schema_;
  std::vector<std::shared_ptr<const TokenBlock>> blocks_;
  uint64_t bytes_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_CODED_DOCUMENTS_H_
