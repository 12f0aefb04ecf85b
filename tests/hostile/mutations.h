// Valid requests of every unary method and of StreamUpsert, and what a hostile client makes of
// them.
#ifndef NESTOR_TESTS_HOSTILE_MUTATIONS_H_
#define NESTOR_TESTS_HOSTILE_MUTATIONS_H_

#include <google/protobuf/message.h>

#include <random>
#include <string>
#include <vector>

namespace nestor {

struct RawCall {
  std::string method;                               // "/nestor.v1.SearchService/Search"
  const google::protobuf::Message* type = nullptr;  // of the request
  std::string bytes;
  bool stream = false;

  // Whether the bytes are such a request.
  bool Parses() const;
  // Its min_seq, 0 where it has none: the server may wait for that until the deadline.
  uint64_t MinSeq() const;
};

// All about the collection "hostile", of points as MakeUpsert makes them.
inline constexpr char kHostileCollection[] = "hostile";
inline constexpr uint32_t kHostileDim = 16;
std::vector<RawCall> ValidCalls();

// One of `calls`, damaged: such that it still is a request of its type, or such that it is not.
RawCall Mutate(const std::vector<RawCall>& calls, bool parses, std::mt19937_64* random);

}  // namespace nestor

#endif  // NESTOR_TESTS_HOSTILE_MUTATIONS_H_
