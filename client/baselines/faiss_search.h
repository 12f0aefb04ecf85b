// What the baselines of FAISS have in common.
#ifndef NESTOR_CLIENT_BASELINES_FAISS_SEARCH_H_
#define NESTOR_CLIENT_BASELINES_FAISS_SEARCH_H_

#include <faiss/Index.h>

#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace nestor {

// The ids.size() nearest rows of a query, best first, kNoId where there are fewer. Internal: FAISS
// threw.
absl::Status SearchFaiss(const faiss::Index& index, const float* query, std::span<uint64_t> ids);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BASELINES_FAISS_SEARCH_H_
