// What the points of a multi-vector collection are: token matrices, found by their FDEs, which are
// vectors like any other (dot products, one nesting dim after each of some prefixes of
// repetitions). Plain values.
#ifndef NESTOR_INDEX_MULTI_MULTI_SPEC_H_
#define NESTOR_INDEX_MULTI_MULTI_SPEC_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/multi/fde_spec.h"
#include "index/multi/token_set.h"
#include "index/schema.h"

namespace nestor {

struct MultiSpec {
  TokenSchema tokens;
  FdeSpec fde;  // of tokens of that dim

  bool operator==(const MultiSpec&) const = default;
};

// InvalidArgument with the value and the limit.
absl::Status ValidateMultiSpec(const MultiSpec& spec);

// The schema of such FDEs. `prefixes`: repetitions after which a nesting dim ends, ascending, whole
// groups, the last is all of them; empty: 1/16, 1/8, 1/4, 1/2 of them and all, or 16 equal parts of
// long FDEs. The spec must be valid. InvalidArgument: other prefixes, more than kMaxNesting, or
// more than kMaxShellDims between two of them.
absl::StatusOr<VectorSchema> FdeSchema(const FdeSpec& spec, std::span<const uint32_t> prefixes);

// The spec with a graph's dim chosen where it is 0: an eighth of an FDE, as its prefixes say less
// than those of a nested vector. `schema`: of the FDEs.
IndexSpec ChooseForFdes(const IndexSpec& spec, const VectorSchema& schema);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_MULTI_SPEC_H_
