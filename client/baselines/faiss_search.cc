#include "client/baselines/faiss_search.h"

#include <exception>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/baselines/baseline.h"

namespace nestor {

absl::Status SearchFaiss(const faiss::Index& index, const float* query, std::span<uint64_t> ids) {
  using RowNumber = faiss::Index::idx_t;
  thread_local std::vector<RowNumber> rows;
  thread_local std::vector<float> scores;
  rows.resize(ids.size());
  scores.resize(ids.size());
  try {
    index.search(1, query, static_cast<RowNumber>(ids.size()), scores.data(), rows.data());
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("faiss: search failed: ", e.what()));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = rows[i] < 0 ? kNoId : static_cast<uint64_t>(rows[i]);
  }
  return absl::OkStatus();
}

}  // namespace nestor
