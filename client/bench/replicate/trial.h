// One row of the protocol's table: a method with its settings on all queries, what it cost and how
// well it answered.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_TRIAL_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_TRIAL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/bench/local_engine.h"
#include "client/bench/replicate/encoder.h"
#include "client/bench/replicate/scores.h"

namespace nestor {

enum class Method : uint8_t {
  kExact,         // brute force on the first scan_dim dims
  kIvf,           // lists chosen and scanned by the same dims
  kAdannsIvf,     // by different ones
  kAdannsIvfD,    // lists built at all dims, chosen and scanned by fewer
  kOpq,           // all rows by an OPQ code of all dims
  kAdannsOpq,     // of fewer dims
  kIvfOpq,        // an OPQ code of all dims inside lists of all dims
  kAdannsIvfOpq,  // of other dims
  kAdaptive,      // a shortlist by few dims, ranked again by all
  kFunnel,        // .. by more dims in turn, of fewer rows each time
  kGraphOpq,      // FAISS's HNSW over OPQ codes, then exact vectors
};
const char* Name(Method method);  // "IVF", "AdANNS-IVF", ..

struct Trial {
  // What was run; 0 and empty: does not apply.
  std::string encoder;
  // COSINE: every prefix of unit length. DOT: prefixes of unit vectors, as they are. L2: raw ones.
  Metric metric = Metric::kCosine;
  Method method = Method::kExact;
  uint32_t coarse_dim = 0, scan_dim = 0;
  uint32_t lists = 0, probes = 0;
  uint32_t code_bytes = 0;
  uint32_t keep = 0;   // rows that are ranked again
  std::string rerank;  // the dims that they are ranked by, "16-32-768"
  std::string plan;
  uint64_t rows = 0;  // of the base
  uint32_t k = 0;     // length of the answers

  // Per query.
  double rows_scanned = 0;
  double multiply_adds = 0;
  double vector_reads = 0;  // exact vectors that a store would be asked for
  double p50_ms = 0, p99_ms = 0;
  uint64_t memory_bytes = 0;  // floats or codes, ids, centroids, rotations: what a scan needs

  Scores scores;
};

// An index of the encoder's rows: floats, or the codes.
struct IndexPlan {
  uint32_t coarse_dim = 0;
  uint32_t lists = 1;
  std::vector<OpqSpec> codes;
  int code_iterations = 50;
  uint64_t code_rows = 65536;
  int threads = 1;
};
absl::StatusOr<std::unique_ptr<LocalEngine>> BuildIndex(const Encoder& encoder,
                                                        const IndexPlan& plan);

// Fills what is measured into `run` and returns it. `plan` as LocalEngine::Run takes it. One
// thread, one query at a time.
absl::StatusOr<Trial> Measured(const Encoder& encoder, LocalEngine& engine, const std::string& plan,
                               uint32_t k, Trial run);

// How many hits to ask for so that every measure can be taken.
uint32_t LongAnswer(const Encoder& encoder);

// The p-th part of the values, 0..1, by rank. Requires some.
double Quantile(std::vector<float> values, double p);

// Told what begins.
using Told = std::function<void(absl::string_view what)>;

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_TRIAL_H_
