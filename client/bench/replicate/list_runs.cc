// IVF, AdANNS-IVF and AdANNS-IVF-D (methods.h).
#include "absl/strings/str_cat.h"
#include "client/bench/replicate/methods.h"

namespace nestor {
namespace {

class ListRuns {
 public:
  ListRuns(const Grid& grid, const Told& told, std::vector<Trial>* runs)
      : grid_(grid), told_(told), runs_(runs) {}

  // Lists of the encoder by coarse_dim, scanned at each of the dims.
  absl::Status Build(const Encoder& encoder, uint32_t coarse_dim, uint32_t lists,
                     const std::vector<uint32_t>& scan_dims) {
    told_(absl::StrCat("lists ", encoder.name(), " by ", coarse_dim, " dims, ", lists));
    const absl::StatusOr<std::unique_ptr<LocalEngine>> engine =
        BuildIndex(encoder, {.coarse_dim = coarse_dim, .lists = lists, .threads = grid_.threads});
    if (!engine.ok()) return engine.status();
    for (const uint32_t scan_dim : scan_dims) {
      const Method method = scan_dim == coarse_dim ? Method::kIvf : Method::kAdannsIvf;
      absl::Status s = Probe(encoder, **engine, method, coarse_dim, scan_dim, lists);
      if (!s.ok()) return s;
    }
    if (coarse_dim != encoder.dim() || encoder.set().nesting().size() == 1) {
      return absl::OkStatus();
    }
    // Built at all dims, chosen and scanned by fewer.
    for (const uint32_t dim : encoder.set().nesting()) {
      if (dim == coarse_dim) continue;
      absl::Status s = Probe(encoder, **engine, Method::kAdannsIvfD, dim, dim, lists);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Probe(const Encoder& encoder, LocalEngine& engine, Method method,
                     uint32_t coarse_dim, uint32_t scan_dim, uint32_t lists) {
    for (const uint32_t probes : grid_.probes) {
      if (probes > lists) break;
      absl::StatusOr<Trial> run = Measured(
          encoder, engine,
          absl::StrCat("coarse=", coarse_dim, ":", probes, ",scan=", scan_dim, ":", kShortAnswer),
          kShortAnswer,
          {.method = method,
           .coarse_dim = coarse_dim,
           .scan_dim = scan_dim,
           .lists = lists,
           .probes = probes});
      if (!run.ok()) return run.status();
      run->memory_bytes = (size_t{lists} * coarse_dim + run->rows * scan_dim) * sizeof(float) +
                          run->rows * sizeof(uint64_t);
      runs_->push_back(*std::move(run));
    }
    return absl::OkStatus();
  }

  const Grid& grid_;
  const Told& told_;
  std::vector<Trial>* const runs_;
};

}  // namespace

absl::Status RunLists(const EncoderSet& encoders, const Grid& grid, const Told& told,
                      std::vector<Trial>* runs) {
  ListRuns list_runs(grid, told, runs);
  for (const uint32_t lists : grid.lists) {
    for (const std::unique_ptr<Encoder>& rigid : encoders.rigid) {
      absl::Status s = list_runs.Build(*rigid, rigid->dim(), lists, {rigid->dim()});
      if (!s.ok()) return s;
    }
    for (const uint32_t coarse_dim : grid.nesting) {
      absl::Status s = list_runs.Build(*encoders.nested, coarse_dim, lists, grid.nesting);
      if (!s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
