// What the points of a collection are: vectors, or matrices of token vectors, found by their FDEs.
// Borrows both schemas. A plain value.
#ifndef NESTOR_SERVER_RPC_POINT_SCHEMA_H_
#define NESTOR_SERVER_RPC_POINT_SCHEMA_H_

#include <optional>

#include "index/multi/token_set.h"
#include "index/schema.h"
#include "server/storage/collection_spec.h"

namespace nestor {

struct PointSchema {
  // Implicit: most of what is converted does not care which kind it is.
  PointSchema(const VectorSchema& schema, const MultiSpec* multi = nullptr)  // NOLINT
      : indexed(schema), tokens(multi == nullptr ? nullptr : &multi->tokens) {}
  PointSchema(const CollectionSpec& spec)  // NOLINT
      : PointSchema(spec.schema, spec.multi.has_value() ? &*spec.multi : nullptr) {}

  bool multi() const { return tokens != nullptr; }
  // Of what is stored and sent: a vector, or one token.
  const VectorSchema& item() const { return tokens == nullptr ? indexed : tokens->token; }

  const VectorSchema& indexed;
  const TokenSchema* tokens;  // null: not MULTI
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_POINT_SCHEMA_H_
