// Limits of the API (semantics 18), advertised by GetServerInfo. Those of schemas and plans are the
// index library's, those of attributes and names the engine's.
#ifndef NESTOR_SERVER_RPC_LIMITS_H_
#define NESTOR_SERVER_RPC_LIMITS_H_

#include <cstdint>

namespace nestor {

inline constexpr uint64_t kMaxMessageBytes = 64u << 20;
// Of a token matrix as stored: it and what comes with it fit into a message.
inline constexpr uint64_t kMaxPointBytes = kMaxMessageBytes - (1u << 20);
inline constexpr uint32_t kMaxBatch = 10000;        // points, ids or queries
inline constexpr uint32_t kMaxBatchHits = 1000000;  // queries x limit
inline constexpr uint32_t kMaxPageSize = 10000;
inline constexpr uint32_t kDefaultPageSize = 100;
inline constexpr uint32_t kMaxRefineStages = 16;
inline constexpr uint32_t kMaxCollections = 1000;
inline constexpr uint32_t kMaxOperations = 1000;  // as many finished ones the engine keeps

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_LIMITS_H_
