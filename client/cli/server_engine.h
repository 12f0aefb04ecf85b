// Nestor behind a server, for `nestor bench --collection`.
#ifndef NESTOR_CLIENT_CLI_SERVER_ENGINE_H_
#define NESTOR_CLIENT_CLI_SERVER_ENGINE_H_

#include <memory>
#include <string>
#include <vector>

#include "client/bench/dataset.h"
#include "client/bench/engine.h"
#include "client/bench/sweep.h"
#include "client/lib/client.h"
#include "nestor/v1/collection.pb.h"

namespace nestor {

class ServerEngine : public Engine {
 public:
  // `batch` 0: a Search per query; else a BatchSearch per `batch` queries. The collection is of the
  // set's kind, vectors or token matrices, and has numeric ids, as the truth names points by
  // number. Client and set outlive the engine.
  static absl::StatusOr<std::unique_ptr<ServerEngine>> Connect(Client& client,
                                                               const v1::CollectionSpec& collection,
                                                               const Dataset& set, uint32_t batch);

  const EngineFacts& facts() const override { return facts_; }
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

  // The k best of each of the set's queries by exact searches. InvalidArgument: fewer points.
  absl::StatusOr<TruthTable> Truth(uint32_t k, int threads);

  uint64_t rows() const { return index_.rows(); }
  // Dims of what the index holds: of a vector, or of an FDE.
  uint32_t dim() const { return nesting_.back(); }
  // The plans that the collection's index can run.
  PlanSpace Space(uint32_t k) const;

 private:
  ServerEngine(Client& client, const v1::CollectionSpec& collection, const Dataset& set,
               uint32_t batch);
  absl::StatusOr<EnginePass> RunSingly(const v1::SearchRequest& request,
                                       const PassOptions& options);
  absl::StatusOr<EnginePass> RunInBatches(const v1::BatchSearchRequest& request,
                                          const PassOptions& options);

  Client& client_;
  const std::string collection_;
  const Dataset& set_;
  const uint32_t batch_;
  const std::vector<uint32_t> nesting_;  // of what the index holds
  v1::Index index_;
  EngineFacts facts_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_SERVER_ENGINE_H_
