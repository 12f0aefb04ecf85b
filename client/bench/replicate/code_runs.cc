// OPQ codes of all rows and inside lists (methods.h).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/methods.h"

namespace nestor {
namespace {

// At most so many dims are tried for a code inside lists, from twice its bytes on.
constexpr size_t kDimsInLists = 3;

Method MethodOf(const Encoder& encoder, const OpqSpec& code, uint32_t coarse_dim) {
  const bool all_dims = code.dim == encoder.dim();
  if (coarse_dim == 0) return all_dims ? Method::kOpq : Method::kAdannsOpq;
  return all_dims && coarse_dim == encoder.dim() ? Method::kIvfOpq : Method::kAdannsIvfOpq;
}

// Runs by each of the codes; coarse_dim 0: of all rows.
absl::Status RunByCodes(const Encoder& encoder, const Grid& grid, uint32_t coarse_dim,
                        uint32_t lists, const std::vector<OpqSpec>& codes, const Told& told,
                        std::vector<Trial>* runs) {
  for (size_t first = 0; first < codes.size(); first += kMaxCodes) {
    const size_t n = std::min(kMaxCodes, codes.size() - first);
    const auto begin = codes.begin() + static_cast<ptrdiff_t>(first);
    IndexPlan plan{.coarse_dim = coarse_dim,
                   .lists = lists,
                   .codes = {begin, begin + static_cast<ptrdiff_t>(n)},
                   .code_iterations = grid.code_iterations,
                   .code_rows = grid.code_rows,
                   .threads = grid.threads};
    told(absl::StrCat("codes ", encoder.name(), " ", OpqName(plan.codes.front()), " .. ",
                      OpqName(plan.codes.back()), coarse_dim == 0 ? "" : " in lists"));
    const absl::StatusOr<std::unique_ptr<LocalEngine>> engine = BuildIndex(encoder, plan);
    if (!engine.ok()) return engine.status();
    for (const OpqSpec& code : plan.codes) {
      const bool flat = coarse_dim == 0;
      const uint32_t k = flat ? LongAnswer(encoder) : kShortAnswer;
      for (const uint32_t probes : flat ? std::vector<uint32_t>{1} : grid.probes) {
        if (probes > lists) break;
        absl::StatusOr<Trial> run =
            Measured(encoder, **engine,
                     absl::StrCat("coarse=", flat ? encoder.dim() : coarse_dim, ":", probes,
                                  ",scan=", OpqName(code), ":", k),
                     k,
                     {.method = MethodOf(encoder, code, coarse_dim),
                      .coarse_dim = coarse_dim,
                      .scan_dim = code.dim,
                      .lists = flat ? 0 : lists,
                      .probes = flat ? 0 : probes,
                      .code_bytes = code.bytes});
        if (!run.ok()) return run.status();
        const size_t trained = size_t{code.dim} * (code.dim + code.centroids()) +
                               (flat ? 0 : size_t{lists} * (coarse_dim + code.dim));
        run->memory_bytes = run->rows * (code.bytes + sizeof(uint64_t)) + trained * sizeof(float);
        runs->push_back(*std::move(run));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunCodes(const EncoderSet& encoders, const Grid& grid, const Told& told,
                      std::vector<Trial>* runs) {
  std::vector<OpqSpec> nested, widest;
  for (const uint32_t bytes : grid.bytes) {
    const std::vector<OpqSpec> codes = grid.Codes(bytes);
    nested.insert(nested.end(), codes.begin(), codes.end());
    if (codes.empty() || codes.back().dim != grid.dim()) continue;
    widest.push_back(codes.back());
  }
  if (absl::Status s =
          RunByCodes(encoders.widest(), grid, /*coarse_dim=*/0, /*lists=*/1, widest, told, runs);
      !s.ok()) {
    return s;
  }
  // A rigid encoder of fewer dims may be coded too: one byte for 4 dims, near the paper's best.
  for (const std::unique_ptr<Encoder>& rigid : encoders.rigid) {
    if (rigid->dim() == grid.dim()) continue;
    std::vector<OpqSpec> codes;
    for (const OpqSpec& code : nested) {
      if (code.dim == rigid->dim() && code.dim == 4 * code.bytes) codes.push_back(code);
    }
    if (codes.empty()) continue;
    absl::Status s = RunByCodes(*rigid, grid, /*coarse_dim=*/0, /*lists=*/1, codes, told, runs);
    if (!s.ok()) return s;
  }
  return RunByCodes(*encoders.nested, grid, /*coarse_dim=*/0, /*lists=*/1, nested, told, runs);
}

absl::Status RunCodesInLists(const EncoderSet& encoders, const Grid& grid, const Told& told,
                             std::vector<Trial>* runs) {
  const uint32_t lists = grid.MiddleLists();
  std::vector<OpqSpec> widest, fewer;
  for (const uint32_t bytes : grid.bytes) {
    const std::vector<OpqSpec> codes = grid.Codes(bytes);
    if (!codes.empty() && codes.back().dim == grid.dim()) widest.push_back(codes.back());
    size_t tried = 0;
    for (const OpqSpec& code : codes) {
      if (code.dim < 2 * bytes || code.dim == grid.dim() || tried == kDimsInLists) continue;
      fewer.push_back(code);
      ++tried;
    }
  }
  if (absl::Status s = RunByCodes(encoders.widest(), grid, grid.dim(), lists, widest, told, runs);
      !s.ok()) {
    return s;
  }
  // The third dim of the nesting: below, lists are coarser than they need be (P4).
  const uint32_t coarse_dim = grid.nesting[std::min<size_t>(2, grid.nesting.size() - 1)];
  return RunByCodes(*encoders.nested, grid, coarse_dim, lists, fewer, told, runs);
}

}  // namespace nestor
