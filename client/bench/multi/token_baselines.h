// Searches of token matrices without encodings: brute force, and a search by each of the query's
// tokens.
#ifndef NESTOR_CLIENT_BENCH_MULTI_TOKEN_BASELINES_H_
#define NESTOR_CLIENT_BENCH_MULTI_TOKEN_BASELINES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/engine.h"
#include "client/bench/multi/coded_documents.h"
#include "index/ivf_index.h"

namespace nestor {

// MaxSim on the codes of all documents; with "keep=N" the best N are scored exactly. "codes" alone:
// none is.
class BruteForceEngine : public Engine {
 public:
  explicit BruteForceEngine(const CodedDocuments& documents);

  const EngineFacts& facts() const override { return facts_; }
  std::vector<std::string> Settings(uint32_t k) const override;
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

 private:
  const CodedDocuments& documents_;
  EngineFacts facts_;
};

// The single-vector heuristic: the nearest tokens of each query token by a graph over all tokens,
// the documents that they are of, each once, by MaxSim on codes and then exactly. "per_token=N".
class TokenHeuristicEngine : public Engine {
 public:
  static absl::StatusOr<std::unique_ptr<TokenHeuristicEngine>> Build(
      const CodedDocuments& documents, int threads, std::function<void(double fraction)> progress);

  const EngineFacts& facts() const override { return facts_; }
  std::vector<std::string> Settings(uint32_t k) const override;
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

 private:
  TokenHeuristicEngine(const CodedDocuments& documents, std::unique_ptr<IvfIndex> index);

  const CodedDocuments& documents_;
  const std::unique_ptr<IvfIndex> index_;
  std::vector<uint32_t> document_of_;  // by token
  EngineFacts facts_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_TOKEN_BASELINES_H_
