// What is fuzzed: one function for each kind of input that comes from outside or from disk. A
// function reads the bytes as Nestor does and checks what must hold of whatever was accepted; it
// aborts where that does not hold. libFuzzer calls one of them (entry.cc); corpus_test calls all on
// the committed corpus. One thread.
#ifndef NESTOR_TESTS_FUZZ_TARGETS_H_
#define NESTOR_TESTS_FUZZ_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace nestor {

using FuzzInput = std::span<const std::byte>;

// True where the input was accepted as valid. The first byte of an input chooses among variants,
// as each function says.
bool FuzzVectorFile(FuzzInput input);
bool FuzzNpyHeader(FuzzInput input);
bool FuzzIdFile(FuzzInput input);
bool FuzzJsonl(FuzzInput input);
bool FuzzRecords(FuzzInput input);
bool FuzzStoredGraph(FuzzInput input);
bool FuzzAdoptedGraph(FuzzInput input);
bool FuzzCode(FuzzInput input);
bool FuzzFde(FuzzInput input);
bool FuzzTokens(FuzzInput input);
bool FuzzPlan(FuzzInput input);
bool FuzzSchemaRequest(FuzzInput input);
bool FuzzPointRequest(FuzzInput input);
bool FuzzSearchRequest(FuzzInput input);

struct FuzzTarget {
  const char* name;  // of its program and of its folder in the corpus
  bool (*run)(FuzzInput);
};
inline constexpr FuzzTarget kFuzzTargets[] = {
    {"vector_file", FuzzVectorFile},
    {"npy_header", FuzzNpyHeader},
    {"id_file", FuzzIdFile},
    {"jsonl", FuzzJsonl},
    {"records", FuzzRecords},
    {"stored_graph", FuzzStoredGraph},
    {"adopted_graph", FuzzAdoptedGraph},
    {"code", FuzzCode},
    {"fde", FuzzFde},
    {"tokens", FuzzTokens},
    {"plan", FuzzPlan},
    {"schema_request", FuzzSchemaRequest},
    {"point_request", FuzzPointRequest},
    {"search_request", FuzzSearchRequest},
};

// Aborts with `what` unless `holds`.
void Require(bool holds, const char* what);

// A copy in memory of exactly its size, so that AddressSanitizer sees the first byte beyond it.
class ExactCopy {
 public:
  explicit ExactCopy(FuzzInput bytes) : bytes_(bytes.begin(), bytes.end()) {
    bytes_.shrink_to_fit();
  }
  std::span<const std::byte> bytes() const { return bytes_; }
  absl::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::vector<std::byte> bytes_;
};

inline std::span<const std::byte> AsBytes(absl::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace nestor

#endif  // NESTOR_TESTS_FUZZ_TARGETS_H_
