#include "client/bench/multi/coded_documents.h"

namespace nestor {
namespace {

TokenSchema SchemaOf(const TokenData& data) {
  TokenSchema schema{.token = {.dim = data.documents.dim, .metric = Metric::kDot},
                     .max_tokens = kMaxTokens};
  for (const uint32_t dim : {32, 64, 96, 128, 256, 512}) {
    if (uint32_t{dim} < schema.token.dim) schema.token.nesting.push_back(dim);
  }
  schema.token.nesting.push_back(schema.token.dim);
  return schema;
}

}  // namespace

CodedDocuments::CodedDocuments(const TokenData& data) : data_(data), schema_(SchemaOf(data)) {
  for (size_t i = 0; i < data.documents.size(); ++i) {
    blocks_.push_back(TokenBlock::Make(schema_, data.documents[i]));
    bytes_ += blocks_.back()->bytes();
  }
}

}  // namespace nestor
