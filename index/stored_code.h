// A code as bytes, for the store (which adds checksums). All numbers little-endian:
//   u32 lists, 0 where codes are not of residuals, and from bit 30 on CodeOrigin (0 before format
//   6) | f32 means[lists][dim] | quantizer (codes/stored.h)
#ifndef NESTOR_INDEX_STORED_CODE_H_
#define NESTOR_INDEX_STORED_CODE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/code.h"
#include "index/schema.h"

namespace nestor {

std::string SerializeCode(const Code& code);
// A code of this spec in an index with so many lists. DataLoss says what is wrong. Allocates no
// more than the bytes call for.
absl::StatusOr<std::shared_ptr<const Code>> ParseCode(absl::string_view bytes, Metric metric,
                                                      const OpqSpec& spec, uint32_t lists);

}  // namespace nestor

#endif  // NESTOR_INDEX_STORED_CODE_H_
