// A search engine under measurement: Nestor in this process, Nestor behind a server, a baseline in
// a child process. One pass at a time; a pass may run several threads of its own.
#ifndef NESTOR_CLIENT_BENCH_ENGINE_H_
#define NESTOR_CLIENT_BENCH_ENGINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/passes/pass.h"
#include "index/schema.h"

namespace nestor {

// What an engine is, once built.
struct EngineFacts {
  std::string name;                                           // "nestor", "hnswlib", ...
  std::vector<std::pair<std::string, uint64_t>> index_bytes;  // by part
  std::optional<double> build_s;                              // unknown of a server's
  std::vector<std::pair<std::string, double>> build_phases;   // seconds of each, in order
  std::string index;               // how it was built, for people: "lists=512 coarse_dim=64 ..."
  std::optional<GraphSpec> graph;  // Nestor's, as built
};

// What a stage did, per query.
struct StageMean {
  std::string name;
  uint32_t dim = 0;
  double in = 0, out = 0, bytes = 0, multiply_adds = 0, micros = 0;
  double store_reads = 0;  // vectors
};

struct EnginePass {
  Pass pass;
  std::string plan;               // what ran: the setting with what it left open filled in
  std::vector<StageMean> stages;  // empty where the engine does not count
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const EngineFacts& facts() const = 0;
  // What a comparison sweeps it over, from fast to thorough: what a sweep of plans is to Nestor.
  virtual std::vector<std::string> Settings(uint32_t /*k*/) const { return {}; }
  // Nestor: a plan, "default", "exact" or "exact=DIM"; hnswlib: "ef=N"; FAISS: "nprobe=N",
  // of PQ "nprobe=N,kfactor=N".
  virtual absl::StatusOr<EnginePass> Run(const std::string& setting,
                                         const PassOptions& options) = 0;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_ENGINE_H_
