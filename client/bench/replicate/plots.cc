#include "client/bench/replicate/plots.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/find_runs.h"

namespace nestor {
namespace {

constexpr char kTop1Label[] = "top-1, %";

Series SeriesOf(std::string name, const Chosen& runs, Cost cost, Measure measure, Half half) {
  Series series{.name = std::move(name)};
  for (const Trial* run : runs) {
    if (cost(*run) <= 0) continue;
    series.points.push_back({cost(*run), 100 * run->scores.Mean(measure, half)});
  }
  std::stable_sort(series.points.begin(), series.points.end(),
                   [](const auto& a, const auto& b) { return a.x < b.x; });
  return series;
}

double ScanDim(const Trial& run) { return run.scan_dim; }

// The frontiers of the kinds of lists.
Plot ListPlot(std::span<const Trial> runs, std::string title, std::string label, Cost cost) {
  const auto frontier = [&](std::string name, const Chosen& of) {
    return SeriesOf(std::move(name), FrontierOf(of, Measure::kTop1, cost), cost, Measure::kTop1,
                    Half::kOdd);
  };
  return {.title = std::move(title),
          .x_label = std::move(label),
          .y_label = kTop1Label,
          .log_x = true,
          .series = {
              frontier("AdANNS-IVF", OfMethods(runs, {Method::kIvf, Method::kAdannsIvf}, kNested)),
              frontier("AdANNS-IVF-D", OfMethods(runs, {Method::kAdannsIvfD}, kNested)),
              frontier("IVF-MR", OfMethods(runs, {Method::kIvf}, kNested)),
              frontier("IVF-RR", OfRigid(runs, Method::kIvf)),
          }};
}

// Of every byte budget the run that does best on the even queries.
Series BestByBytes(std::string name, const Chosen& runs, const Grid& grid) {
  Chosen best;
  for (const uint32_t bytes : grid.bytes) {
    const Trial* run = Best(WithBytes(runs, bytes), Measure::kTop1, MultiplyAdds);
    if (run != nullptr) best.push_back(run);
  }
  return SeriesOf(std::move(name), best, CodeBytes, Measure::kTop1, Half::kOdd);
}

Plot BytesPlot(std::span<const Trial> runs, const Grid& grid) {
  const std::string widest = RigidName(grid.dim());
  return {.title = "Accuracy against bytes of a row's code",
          .x_label = "bytes",
          .y_label = kTop1Label,
          .log_x = true,
          .series = {
              BestByBytes("AdANNS-OPQ",
                          OfMethods(runs, {Method::kOpq, Method::kAdannsOpq}, kNested), grid),
              BestByBytes("OPQ-MR-D", OfMethods(runs, {Method::kOpq}, kNested), grid),
              BestByBytes("OPQ-RR-D", OfMethods(runs, {Method::kOpq}, widest), grid),
              BestByBytes("AdANNS-IVFOPQ", OfMethods(runs, {Method::kAdannsIvfOpq}, kNested), grid),
              BestByBytes("IVFOPQ-RR-D", OfMethods(runs, {Method::kIvfOpq}, widest), grid),
          }};
}

Plot DimPlot(std::span<const Trial> runs, const Grid& grid, Measure measure, std::string label) {
  Plot plot{.title = "OPQ of equal bytes by the dims that are coded",
            .x_label = "dims coded",
            .y_label = std::move(label),
            .log_x = true};
  const Chosen codes = OfMethods(runs, {Method::kOpq, Method::kAdannsOpq}, kNested);
  for (const uint32_t bytes : grid.bytes) {
    plot.series.push_back(SeriesOf(absl::StrCat(bytes, " bytes"), WithBytes(codes, bytes), ScanDim,
                                   measure, Half::kAll));
  }
  plot.series.push_back(SeriesOf("not coded", OfMethods(runs, {Method::kExact}, kNested), ScanDim,
                                 measure, Half::kAll));
  return plot;
}

Plot CascadePlot(std::span<const Trial> runs, const Grid& grid) {
  const auto series = [&](std::string name, const Chosen& of) {
    return SeriesOf(std::move(name), of, MultiplyAdds, Measure::kMap10, Half::kAll);
  };
  return {.title = "Adaptive retrieval and funnels",
          .x_label = "multiply-adds a query",
          .y_label = "mAP@10, %",
          .log_x = true,
          .series = {
              series("AR", OfMethods(runs, {Method::kAdaptive}, kNested)),
              series("funnel", OfMethods(runs, {Method::kFunnel}, kNested)),
              series("MR[:d], exact", OfMethods(runs, {Method::kExact}, kNested)),
              series("RR-d, exact", Where(runs,
                                          [&](const Trial& run) {
                                            return run.metric == Metric::kCosine &&
                                                   run.method == Method::kExact &&
                                                   run.encoder == RigidName(run.scan_dim);
                                          })),
          }};
}

}  // namespace

std::vector<std::pair<std::string, Plot>> PlotsOf(std::span<const Trial> runs, const Grid& grid) {
  return {
      {"operations.svg", ListPlot(runs, "Accuracy of lists against operations",
                                  "multiply-adds a query", MultiplyAdds)},
      {"latency.svg",
       ListPlot(runs, "Accuracy of lists against latency, one thread", "p50, ms", MedianLatency)},
      {"bytes.svg", BytesPlot(runs, grid)},
      {"dims.svg", DimPlot(runs, grid, Measure::kTop1, kTop1Label)},
      {"dims-map10.svg", DimPlot(runs, grid, Measure::kMap10, "mAP@10, %")},
      {"cascades.svg", CascadePlot(runs, grid)},
  };
}

}  // namespace nestor
