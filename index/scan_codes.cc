#include "index/scan_codes.h"

#include "index/scan_lists.h"

namespace nestor {

absl::Status CodeScan::Run(const SearchContext& context, const CodeTable::Entry& entry,
                           std::span<const uint32_t> lists, uint32_t keep, StageBuffers* buffers,
                           Candidates* candidates, StageCost* cost) {
  const Code& code = *entry.code;
  const OpqSpec& spec = code.spec();
  const float* q = context.query.vector.data();
  query_.Prepare(code.quantizer(), code.of_residuals() ? Metric::kDot : code.metric(), q);
  list_terms_.assign(lists.size(), 0.0f);
  if (code.of_residuals()) {
    means_.clear();
    for (const uint32_t list : lists) means_.push_back(code.mean(list));
    context.kernels.dots_f32(q, means_.data(), lists.size(), spec.dim, list_terms_.data());
  }
  const CodeColumn& column = entry.layout;
  const size_t block_bytes = column.layout.block_bytes();
  const KeyKind key_kind = code.half_squares() ? KeyKind::kMinus : KeyKind::kSum;
  uint64_t rows_seen = 0;
  const absl::Status status = ScanLists(
      context, lists, keep, key_kind, buffers, candidates, &rows_seen,
      [&](const nestor::Run& run, size_t l, uint32_t first, uint32_t rows, bool, float* sums) {
        query_.Scan(context.kernels, run.codes[entry.column] + first / kBlockRows * block_bytes,
                    (rows + kBlockRows - 1) / kBlockRows, list_terms_[l], sums);
        const float* half_squares = column.HalfSquares(run, entry.column);
        return ScoredRows{.aux = half_squares == nullptr ? nullptr : half_squares + first,
                          .count = rows};
      });
  if (!status.ok()) return status;
  cost->in = rows_seen;
  cost->out = candidates->size;
  // Of the rotation, the centroids and the lists' means.
  const uint64_t products =
      uint64_t{spec.dim} * (spec.dim + spec.centroids() + (code.of_residuals() ? lists.size() : 0));
  cost->bytes = rows_seen * (spec.bytes + (code.half_squares() ? sizeof(float) : 0)) +
                products * sizeof(float);
  cost->multiply_adds = rows_seen * spec.subquantizers() + products;
  return absl::OkStatus();
}

}  // namespace nestor
