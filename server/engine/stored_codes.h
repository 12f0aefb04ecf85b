// The codes of a generation in the store: what was trained of each. The codes of rows are made
// again from the points at every load, as shells are.
#ifndef NESTOR_SERVER_ENGINE_STORED_CODES_H_
#define NESTOR_SERVER_ENGINE_STORED_CODES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "index/code_table.h"
#include "index/schema.h"
#include "server/storage/store.h"

namespace nestor {

// Those that the spec of the generation names, in that order. DataLoss where one is missing or
// damaged.
absl::StatusOr<std::vector<std::shared_ptr<const Code>>> ReadCodes(
    const Store& store, uint32_t uid, uint32_t generation, Metric metric,
    const std::vector<OpqSpec>& specs, uint32_t lists);

void PutCode(uint32_t uid, uint32_t generation, const Code& code, Batch* batch);
// All that are ready.
void PutCodes(uint32_t uid, uint32_t generation, const CodeTable& codes, Batch* batch);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_STORED_CODES_H_
