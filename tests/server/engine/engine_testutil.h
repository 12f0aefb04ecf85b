// A collection's worth of test data with the model that the engine is checked against.
#ifndef NESTOR_TESTS_SERVER_ENGINE_ENGINE_TESTUTIL_H_
#define NESTOR_TESTS_SERVER_ENGINE_ENGINE_TESTUTIL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/engine.h"
#include "tests/server/temp_dir.h"

namespace nestor {

// A vector that `seed` decides: nested (coordinates shrink), fit for every dtype (integers under
// INT8).
std::vector<float> MakeVector(const VectorSchema& schema, uint64_t seed);

// The i-th id of a kind; ids of one kind are in this order.
PointId MakeId(IdKind kind, uint64_t i);

CollectionSpec MakeSpec(Metric metric, Dtype dtype, IdKind id_kind = IdKind::kNum);
// The same of token matrices, whose FDEs have the dims and the nesting of MakeSpec's vectors.
CollectionSpec MakeMultiSpec(Metric metric, Dtype dtype);

std::unique_ptr<Engine> OpenOrDie(const EngineOptions& options);

// Waits for the operation's end.
Operation Await(const Engine& engine, const std::string& id);

// What a collection should hold: an engine of one std::map. Version v of point i has MakeVector(i *
// 1000 + v), or some tokens that are likewise known, and attributes that name v.
class Oracle {
 public:
  explicit Oracle(const CollectionSpec& spec) : spec_(spec) {}

  const CollectionSpec& spec() const { return spec_; }
  const std::map<uint64_t, uint64_t>& versions() const { return versions_; }

  // Through the engine, in batches; fails the test on an error.
  void Upsert(Engine* engine, uint64_t first, uint64_t count, uint64_t version);
  void Delete(Engine* engine, uint64_t first, uint64_t count);
  // Only here, where the engine is told by someone else.
  void Note(uint64_t i, uint64_t version) { versions_[i] = version; }

  // Count, list, get and exact search show these points in these versions and nothing else.
  void Check(const Engine& engine) const;

  // Of a token matrix all values.
  std::vector<float> VectorOf(uint64_t i, uint64_t version) const;
  // As a request has it; borrows.
  VectorInput InputOf(const std::vector<float>& vector) const;
  void SetQuery(const std::vector<float>& vector, SearchRequest* request) const;
  Attributes AttributesOf(uint64_t i, uint64_t version) const;

 private:
  void CheckPoints(const Engine& engine) const;
  void CheckSearch(const Engine& engine) const;
  const VectorSchema& schema() const {  // of a vector, or of a token
    return spec_.multi.has_value() ? spec_.multi->tokens.token : spec_.schema;
  }

  const CollectionSpec spec_;
  std::map<uint64_t, uint64_t> versions_;  // point -> version
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ENGINE_ENGINE_TESTUTIL_H_
