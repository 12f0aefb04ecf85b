// Nestor's stages over token matrices in this process: an index of their encodings, MaxSim on their
// codes, MaxSim exactly.
#ifndef NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENGINE_H_
#define NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENGINE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/engine.h"
#include "client/bench/multi/coded_documents.h"
#include "client/bench/multi/token_encoder.h"
#include "index/ivf_index.h"
#include "index/multi/token_rows.h"

namespace nestor {

struct TokenEngineOptions {
  std::string name = "nestor";
  IndexSpec spec;
  int threads = 1;  // of the build
  int code_iterations = 3;
  uint64_t code_rows = 4096;
  // What a comparison sweeps it over where it is not the first engine: plans.
  std::vector<std::string> settings;
  std::function<void(double fraction)> progress;
};

// Takes plans, "default" and "exact".
class TokenEngine : public Engine {
 public:
  static absl::StatusOr<std::unique_ptr<TokenEngine>> Build(const CodedDocuments& documents,
                                                            const TokenEncoder& encoder,
                                                            const TokenEngineOptions& options);

  const EngineFacts& facts() const override { return facts_; }
  std::vector<std::string> Settings(uint32_t) const override { return settings_; }
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

  const IvfIndex& index() const { return *index_; }

 private:
  TokenEngine(const CodedDocuments& documents, const TokenEncoder& encoder,
              std::unique_ptr<IvfIndex> index, std::vector<std::string> settings);

  const CodedDocuments& documents_;
  const TokenEncoder& encoder_;
  const std::unique_ptr<IvfIndex> index_;
  const std::vector<std::string> settings_;
  TokenRows rows_;
  EngineFacts facts_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENGINE_H_
