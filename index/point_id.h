// The caller's name of a point: a number or a string, one kind per collection. Ordering is numeric
// or bytewise; it breaks ties between equal scores.
#ifndef NESTOR_INDEX_POINT_ID_H_
#define NESTOR_INDEX_POINT_ID_H_

#include <cstdint>
#include <string>
#include <variant>

namespace nestor {

enum class IdKind : uint8_t { kNum = 1, kStr = 2 };  // on disk, never renumber

using PointId = std::variant<uint64_t, std::string>;

inline constexpr size_t kMaxStringIdBytes = 256;

}  // namespace nestor

#endif  // NESTOR_INDEX_POINT_ID_H_
