// Brute force, adaptive retrieval and funnels (methods.h).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/methods.h"

namespace nestor {
namespace {

absl::Status RunExact(const Encoder& encoder, const std::vector<uint32_t>& dims,
                      LocalEngine& engine, std::vector<Trial>* runs) {
  for (const uint32_t dim : dims) {
    absl::StatusOr<Trial> run =
        Measured(encoder, engine, absl::StrCat("exact=", dim), LongAnswer(encoder),
                 {.method = Method::kExact, .scan_dim = dim});
    if (!run.ok()) return run.status();
    run->memory_bytes = run->rows * (dim * sizeof(float) + sizeof(uint64_t));
    runs->push_back(*std::move(run));
  }
  return absl::OkStatus();
}

// A shortlist by `dim` dims, ranked again by all of them.
absl::Status RunAdaptive(const Encoder& encoder, const Grid& grid, uint32_t dim,
                         LocalEngine& engine, std::vector<Trial>* runs) {
  const uint32_t keep = static_cast<uint32_t>(std::min<uint64_t>(grid.shortlist, encoder.rows()));
  absl::StatusOr<Trial> run =
      Measured(encoder, engine,
               absl::StrCat("coarse=", dim, ":1,scan=", dim, ":", keep, ",refine=", grid.dim(), ":",
                            std::min(keep, kShortAnswer)),
               std::min(keep, kShortAnswer),
               {.method = Method::kAdaptive,
                .scan_dim = dim,
                .keep = keep,
                .rerank = absl::StrCat(grid.dim())});
  if (!run.ok()) return run.status();
  run->memory_bytes = run->rows * (grid.dim() * sizeof(float) + sizeof(uint64_t));
  runs->push_back(*std::move(run));
  return absl::OkStatus();
}

// The same by the next longer dims in turn, the last of them all dims; each time fewer rows go on.
absl::Status RunFunnel(const Encoder& encoder, const Grid& grid, uint32_t dim, LocalEngine& engine,
                       std::vector<Trial>* runs) {
  std::vector<uint32_t> longer;
  for (const uint32_t d : grid.nesting) {
    if (d > dim && d < grid.dim()) longer.push_back(d);
  }
  // The paper's cascade has as many stages as counts, its last one all dims.
  if (longer.size() > grid.funnel.size() - 1) longer.resize(grid.funnel.size() - 1);
  longer.push_back(grid.dim());
  Trial run{.method = Method::kFunnel, .scan_dim = dim, .keep = grid.shortlist};
  std::string plan = absl::StrCat("coarse=", dim, ":1,scan=", dim, ":", grid.shortlist);
  const size_t skipped = grid.funnel.size() - longer.size();
  for (size_t i = 0; i < longer.size(); ++i) {
    absl::StrAppend(&plan, ",refine=", longer[i], ":", grid.funnel[skipped + i]);
    absl::StrAppend(&run.rerank, i == 0 ? "" : "-", longer[i]);
  }
  absl::StatusOr<Trial> done = Measured(encoder, engine, plan, grid.funnel.back(), std::move(run));
  if (!done.ok()) return done.status();
  done->memory_bytes = done->rows * (grid.dim() * sizeof(float) + sizeof(uint64_t));
  runs->push_back(*std::move(done));
  return absl::OkStatus();
}

}  // namespace

absl::Status RunExactAndCascades(const EncoderSet& encoders, const Grid& grid, const Told& told,
                                 std::vector<Trial>* runs) {
  std::vector<const Encoder*> all = {encoders.nested.get()};
  for (const std::unique_ptr<Encoder>& rigid : encoders.rigid) all.push_back(rigid.get());
  for (const Encoder* encoder : all) {
    told(absl::StrCat("exact ", encoder->name()));
    const absl::StatusOr<std::unique_ptr<LocalEngine>> engine =
        BuildIndex(*encoder, {.threads = grid.threads});
    if (!engine.ok()) return engine.status();
    if (absl::Status s = RunExact(*encoder, encoder->set().nesting(), **engine, runs); !s.ok()) {
      return s;
    }
    if (encoder != encoders.nested.get()) continue;
    for (const uint32_t dim : grid.nesting) {
      if (dim == grid.dim()) break;
      if (absl::Status s = RunAdaptive(*encoder, grid, dim, **engine, runs); !s.ok()) return s;
      if (absl::Status s = RunFunnel(*encoder, grid, dim, **engine, runs); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
