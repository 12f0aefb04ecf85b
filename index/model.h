// The trained part of an AdANNS-IVF: centroids in coarse_dim dims and, for coarse dims above that
// (AdANNS-D), the mean of each list's members in all D dims. Immutable once made; shared by
// readers.
#ifndef NESTOR_INDEX_MODEL_H_
#define NESTOR_INDEX_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/plan.h"
#include "index/schema.h"

namespace nestor {

struct Model {
  uint32_t lists = 1;
  uint32_t coarse_dim = 0;       // 0 = untrained, one list
  std::vector<float> centroids;  // lists x coarse_dim; of unit length but under L2 and imported DOT
  std::vector<float> means;      // lists x dim; of the rows at the build, under COSINE of unit rows
  // Of the caller's lists, empty where all have one: those without a centroid (zeros), as no row
  // lay in them at the build. Nothing is near them; what comes to them later, because it names
  // them, is scanned by every search.
  std::vector<bool> no_centroid;
  Reach reach;  // zeros while untrained

  // One list, nothing trained.
  static std::shared_ptr<const Model> Untrained();

  bool trained() const { return coarse_dim != 0; }
  bool has_centroid(uint32_t list) const { return no_centroid.empty() || !no_centroid[list]; }
};

// Brings `lists` x `dim` centroids that were learnt elsewhere, dim being one of the nesting, into
// the form of a model's: under COSINE of unit length, which those that have it keep bit by bit.
// InvalidArgument: NaN, Inf, a squared norm that is not finite in float; under COSINE one below
// FLT_MIN.
absl::Status TakeCentroids(const VectorSchema& schema, uint32_t dim, std::vector<float>* centroids);

// Bytes for the store and back. Parse checks every size against the schema: DataLoss says what is
// wrong.
std::string SerializeModel(const Model& model);
absl::StatusOr<std::shared_ptr<const Model>> ParseModel(absl::string_view bytes,
                                                        const VectorSchema& schema);

}  // namespace nestor

#endif  // NESTOR_INDEX_MODEL_H_
