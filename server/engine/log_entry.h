// What one write asks for: the unit of the log, and all that Apply knows of it. Its values are
// fixed before it is logged (vectors encoded, attributes checked), so that applying it needs no
// clock, no randomness and no schema, and a replicated log can carry the same entries: what is not
// stored of them follows from what is.
#ifndef NESTOR_SERVER_ENGINE_LOG_ENTRY_H_
#define NESTOR_SERVER_ENGINE_LOG_ENTRY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "index/multi/token_block.h"
#include "index/point_id.h"

namespace nestor {

class PointCodec;

struct LogOp {
  enum class Kind : uint8_t { kUpsert, kDelete };
  Kind kind = Kind::kUpsert;
  PointId id;
  // Of an upsert, borrowed until the write is acknowledged: the vector, or tokens, as stored; the
  // vector that the index takes, or nothing where the entry's codec is to make it of `stored` again
  // when it is applied; the tokens' codes.
  absl::string_view stored;
  absl::string_view indexed;
  std::shared_ptr<const TokenBlock> tokens;
  std::string attributes;  // encoded

  // Hint, no part of the entry's meaning: the list that the point belongs to in `generation`, found
  // by the caller's thread so that the writer need not. Where `indexed` is nothing, an op for
  // another generation has to be made again.
  uint32_t generation = 0;
  uint32_t list = 0;
};

struct LogEntry {
  std::vector<LogOp> ops;  // ids are unique
  // What made the ops' `indexed`; null where none is an upsert. No part of the entry's meaning: its
  // ops can be made again for another.
  std::shared_ptr<const PointCodec> codec;
  uint64_t bytes = 0;  // about, of the whole entry
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_LOG_ENTRY_H_
