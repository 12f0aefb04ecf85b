// P2, P3, P4, P5 and P11: lists (findings.h).
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/bench/replicate/find_runs.h"
#include "client/bench/replicate/findings.h"

namespace nestor {
namespace {

constexpr double kHalfPoint = 0.005;
constexpr size_t kBudgets = 7;
constexpr size_t kLowBudgets = 3;

// What IVF of prefixes is a special case of.
Chosen Decoupled(std::span<const Trial> runs) {
  return OfMethods(runs, {Method::kIvf, Method::kAdannsIvf}, kNested);
}

// From twice the least cost on that all of them can be had for, each twice the one before.
std::vector<double> Doublings(std::initializer_list<Chosen> kinds, Cost cost) {
  double least = 0;
  for (const Chosen& kind : kinds) {
    double cheapest = std::numeric_limits<double>::infinity();
    for (const Trial* run : kind) cheapest = std::min(cheapest, cost(*run));
    least = std::max(least, cheapest);
  }
  std::vector<double> budgets;
  if (!std::isfinite(least) || least <= 0) return budgets;
  for (size_t i = 1; i <= kBudgets; ++i) budgets.push_back(std::ldexp(least, static_cast<int>(i)));
  return budgets;
}

void AddWinners(const std::string& at, std::initializer_list<const Trial*> winners,
                Finding* finding) {
  std::vector<std::string> texts;
  for (const Trial* run : winners) {
    if (run != nullptr) texts.push_back(Describe(*run));
  }
  finding->claims.push_back({.text = absl::StrCat(at, ": chosen"),
                             .figures = absl::StrJoin(texts, "; "),
                             .holds = true,
                             .decides = false});
}

}  // namespace

std::vector<double> Budgets(std::span<const Trial> runs) {
  return Doublings(
      {Decoupled(runs), OfMethods(runs, {Method::kIvf}, kNested), OfRigid(runs, Method::kIvf)},
      MultiplyAdds);
}

Finding ListsByOperations(std::span<const Trial> runs, const Grid& /*grid*/) {
  Finding finding{.id = "P2", .about = "lists at equal operations (AdANNS fig. 2)"};
  const Chosen decoupled = Decoupled(runs), rigid = OfRigid(runs, Method::kIvf);
  const Chosen prefixes = OfMethods(runs, {Method::kIvf}, kNested);
  const std::vector<double> budgets = Budgets(runs);
  for (size_t i = 0; i < budgets.size(); ++i) {
    const std::string at = absl::StrFormat("%.1f kMAC", budgets[i] / 1000);
    const Trial* adanns = Best(decoupled, Measure::kTop1, MultiplyAdds, budgets[i]);
    const Trial* mr = Best(prefixes, Measure::kTop1, MultiplyAdds, budgets[i]);
    const Trial* rr = Best(rigid, Measure::kTop1, MultiplyAdds, budgets[i]);
    AddWinners(at, {adanns, mr, rr}, &finding);
    finding.AddLabels(at + ": AdANNS-IVF >= IVF-MR", adanns, mr, Finding::How::kAtLeast,
                      Half::kOdd);
    finding.AddLabels(at + ": IVF-MR >= IVF-RR", mr, rr, Finding::How::kAtLeast, Half::kOdd);
    if (i < kLowBudgets) {
      finding.AddLabels(at + ": AdANNS-IVF > IVF-RR", adanns, rr, Finding::How::kAbove, Half::kOdd);
    }
  }
  size_t shorter = 0;
  const Chosen frontier = FrontierOf(decoupled, Measure::kTop1, MultiplyAdds);
  for (const Trial* run : frontier) shorter += static_cast<size_t>(run->coarse_dim < run->scan_dim);
  finding.Add("the frontier has points with d_c < d_s", shorter > 0,
              absl::StrCat(shorter, " of ", frontier.size()));
  return finding;
}

Finding ListsByLatency(std::span<const Trial> runs, const Grid& /*grid*/) {
  Finding finding{.id = "P3", .about = "lists at equal latency (AdANNS fig. 1a)"};
  const Chosen decoupled = Decoupled(runs), rigid = OfRigid(runs, Method::kIvf);
  const std::vector<double> budgets = Doublings({decoupled, rigid}, MedianLatency);
  for (const double budget : budgets) {
    const std::string at = absl::StrFormat("p50 %.1f us", budget * 1000);
    finding.AddLabels(
        at + ": AdANNS-IVF >= IVF-RR", Best(decoupled, Measure::kTop1, MedianLatency, budget),
        Best(rigid, Measure::kTop1, MedianLatency, budget), Finding::How::kAtLeast, Half::kOdd);
  }
  const Trial* best = Best(rigid, Measure::kTop1, MedianLatency);
  if (best == nullptr) return finding;
  const Trial* fastest = Cheapest(decoupled, Measure::kTop1,
                                  best->scores.Mean(Measure::kTop1, Half::kEven), MedianLatency);
  AddWinners("as good as the best IVF-RR", {fastest, best}, &finding);
  if (fastest == nullptr) {
    finding.Add("an AdANNS-IVF is as good as the best IVF-RR", false, "none is");
    return finding;
  }
  finding.AddLabels("the fastest AdANNS-IVF as good as the best IVF-RR", fastest, best,
                    Finding::How::kAtLeast, Half::kOdd);
  finding.Add("it is faster", fastest->p50_ms < best->p50_ms,
              absl::StrFormat("p50 %.1f us against %.1f us: %.1f x", fastest->p50_ms * 1000,
                              best->p50_ms * 1000, best->p50_ms / fastest->p50_ms));
  return finding;
}

Finding ClustersByDim(const ClusterTable& clusters) {
  Finding finding{.id = "P4", .about = "clusters by few dims (the paper's ablation)"};
  if (clusters.rows.empty()) return finding;
  const auto purest =
      std::max_element(clusters.rows.begin(), clusters.rows.end(),
                       [](const auto& a, const auto& b) { return a.purity < b.purity; });
  std::vector<std::string> purities;
  bool by_dim = true, by_probes = true;
  for (size_t i = 0; i < clusters.rows.size(); ++i) {
    const ClusterTable::Row& row = clusters.rows[i];
    purities.push_back(absl::StrFormat("%d: %.3f", row.dim, row.purity));
    by_probes = by_probes && std::is_sorted(row.agreement.begin(), row.agreement.end());
    for (size_t p = 0; i > 0 && p < row.agreement.size(); ++p) {
      by_dim = by_dim && row.agreement[p] >= clusters.rows[i - 1].agreement[p];
    }
  }
  finding.Add("the purest clusters are of a dim between the least and D",
              purest != clusters.rows.begin() && purest != clusters.rows.end() - 1,
              absl::StrCat(purest->dim, " of ", absl::StrJoin(purities, ", ")));
  const auto agreements = [&](size_t p) {
    std::vector<std::string> shares;
    for (const ClusterTable::Row& row : clusters.rows) {
      shares.push_back(absl::StrFormat("%d: %.3f", row.dim, row.agreement[p]));
    }
    return absl::StrCat("probes ", clusters.probes[p], ": ", absl::StrJoin(shares, ", "));
  };
  finding.Add("prefixes find the full vector's cluster the more often the longer they are", by_dim,
              agreements(0));
  finding.Add(".. and the more lists are probed", by_probes,
              agreements(clusters.probes.size() - 1));
  return finding;
}

Finding OneIndexManyDims(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P5", .about = "one index of D dims served at fewer (AdANNS-IVF-D)"};
  const auto run_at = [&](uint32_t dim, uint32_t probes) {
    const Method method = dim == grid.dim() ? Method::kIvf : Method::kAdannsIvfD;
    return First(Where(runs, [&](const Trial& run) {
      return run.encoder == kNested && run.method == method && run.scan_dim == dim &&
             run.coarse_dim == dim && run.lists == grid.MiddleLists() && run.probes == probes;
    }));
  };
  for (const uint32_t probes : grid.probes) {
    // The paper's figure has one probe.
    const bool decides = probes == grid.probes.front();
    const Trial* all = run_at(grid.dim(), probes);
    const Trial* shorter = nullptr;
    for (const uint32_t dim : grid.IndexNesting()) {
      const Trial* run = run_at(dim, probes);
      if (shorter != nullptr) {
        finding.AddMeasure(
            absl::StrCat("probes ", probes, ": ", dim, " dims >= ", shorter->scan_dim), run,
            shorter, Finding::How::kAtLeast, Measure::kTop1, Half::kAll, 0, decides);
      }
      shorter = run;
    }
    const Trial* eighth = run_at(grid.eighth(), probes);
    finding.AddMeasure(
        absl::StrCat("probes ", probes, ": D/8 = ", grid.eighth(), " dims >= D - 0.5 pp"), eighth,
        all, Finding::How::kAtLeast, Measure::kTop1, Half::kAll, kHalfPoint, decides);
    if (eighth == nullptr || all == nullptr) continue;
    finding.claims.push_back(
        {.text = absl::StrCat("probes ", probes, ": D/8 takes an eighth of the operations"),
         .figures = absl::StrFormat("%.1f x fewer", all->multiply_adds / eighth->multiply_adds),
         .holds = all->multiply_adds >= 7 * eighth->multiply_adds,
         .decides = decides});
  }
  return finding;
}

Finding DecoupledLists(std::span<const Trial> runs, const Grid& /*grid*/,
                       std::span<const ListEquality> equalities) {
  Finding finding{.id = "P11", .about = "decoupled lists against FAISS search_preassigned"};
  for (const ListEquality& e : equalities) {
    const std::string at = absl::StrCat("d_c=", e.coarse_dim, " d_s=", e.scan_dim,
                                        " lists=", e.lists, " probes=", e.probes);
    finding.Add(at + ": equals FAISS on the lists that Nestor probes", e.same == e.queries,
                absl::StrCat(e.same, " of ", e.queries, " queries"));
    const bool all = e.probes == e.lists;
    finding.claims.push_back({.text = at + (all ? ": equals FAISS's brute force over all lists"
                                                : ": .. and on those that FAISS chooses itself"),
                              .figures = absl::StrCat(e.same_own_lists, " of ", e.queries),
                              .holds = e.same_own_lists == e.queries,
                              .decides = all});
  }
  return finding;
}

}  // namespace nestor
