// The settings that the protocol tries. Plain values.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_GRID_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_GRID_H_

#include <cstdint>
#include <vector>

#include "index/codes/spec.h"

namespace nestor {

struct Grid {
  std::vector<uint32_t> nesting;  // the dims that encoders were trained at; the last one is D
  std::vector<uint32_t> lists;    // ascending
  std::vector<uint32_t> probes;   // ascending
  std::vector<uint32_t> bytes;    // of codes, each twice the one before
  uint32_t shortlist = 200;       // rows that adaptive retrieval ranks again
  std::vector<uint32_t> funnel;   // rows scored at the second dim and so on; the last = answers
  // Of the training of codes, all alike. FAISS's own are 50 iterations and 65,536 rows; at 768 dims
  // an iteration takes two seconds, most of it in LAPACK.
  int code_iterations = 5;
  uint64_t code_rows = 10000;
  int threads = 1;  // of builds; queries are run by one

  uint32_t dim() const { return nesting.back(); }
  // D / 8, where P5 looks.
  uint32_t eighth() const { return (dim() + 7) / 8; }
  // The nesting and eighth().
  std::vector<uint32_t> IndexNesting() const;
  // Lists that P4 and codes inside lists use: the middle one.
  uint32_t MiddleLists() const { return lists[lists.size() / 2]; }
  // 8-bit codes of so many bytes that the dims of the nesting allow, dims ascending.
  std::vector<OpqSpec> Codes(uint32_t code_bytes) const;
};

// What 20,000 rows of 768 dims are tried with; lists and bytes that a smaller set cannot have are
// left out.
Grid GridOf(std::vector<uint32_t> nesting, uint64_t rows);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_GRID_H_
