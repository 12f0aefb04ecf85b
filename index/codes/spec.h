// What an OPQ code of a prefix is: its dims, its byte budget, the bits of a sub-quantizer, and the
// name that plans and commands give it, opq256x32b4. Plain values.
#ifndef NESTOR_INDEX_CODES_SPEC_H_
#define NESTOR_INDEX_CODES_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nestor {

struct VectorSchema;

// A rotation has dim * dim floats, and training it takes dim^3 steps.
inline constexpr uint32_t kMaxOpqDim = 4096;

struct OpqSpec {
  uint32_t dim = 0;    // of the prefix that is coded
  uint32_t bytes = 0;  // of a row's code
  uint32_t bits = 8;   // 4 or 8: 16 or 256 centroids a sub-quantizer

  uint32_t subquantizers() const { return 8 * bytes / bits; }
  uint32_t centroids() const { return 1u << bits; }  // of each
  uint32_t sub_dim() const { return dim / subquantizers(); }

  bool operator==(const OpqSpec&) const = default;
};

// InvalidArgument with the value and the limit: bits not 4 or 8, a dim of 0 or over 4,096, bytes of
// 0 or over dim, sub-quantizers that do not divide dim.
absl::Status ValidateOpq(const OpqSpec& spec);
// Also: dim not in the nesting.
absl::Status ValidateOpq(const OpqSpec& spec, const VectorSchema& schema);

// "no codes", "the code opq256x32b4", "the codes opq256x32b4, opq64x16b8".
std::string CodesText(const std::vector<OpqSpec>& codes);

// opq<dim>x<bytes>b<bits>
std::string OpqName(const OpqSpec& spec);
// Only what OpqName writes; the numbers are not validated beyond that.
absl::StatusOr<OpqSpec> ParseOpqName(absl::string_view name);

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_SPEC_H_
