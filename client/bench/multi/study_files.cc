// Tables and charts of a study.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/multi/study.h"
#include "client/bench/plot.h"

namespace nestor {
namespace {

void AppendRun(absl::string_view set, const Measurement& m, std::string* csv) {
  absl::StrAppend(csv, set, ",", m.engine, ",", m.source ? Name(*m.source) : "", ",\"", m.plan,
                  "\",", Name(m.half), ",", m.queries);
  absl::StrAppendFormat(csv, ",%.4f,", m.recall);
  if (m.mrr) absl::StrAppendFormat(csv, "%.4f", *m.mrr);
  absl::StrAppendFormat(csv, ",%.1f,%.1f,%.1f", m.qps, m.p50_us, m.p99_us);
  if (m.stages.empty()) {
    *csv += ",,\n";
  } else {
    absl::StrAppendFormat(csv, ",%.0f,%.0f\n", *m.BytesPerQuery(), *m.MultiplyAdds());
  }
}

// What was chosen and the frontiers.
std::string RunsCsv(const Study& study) {
  std::string csv =
      "set,engine,source,plan,half,queries,recall10,mrr10,qps,p50_us,p99_us,bytes_per_query,"
      "multiply_adds\n";
  for (const AtRecall& at : study.comparison.at_recalls) {
    for (const Measurement& m : at.fastest) {
      AppendRun(absl::StrFormat("at %.2f", at.recall), m, &csv);
    }
  }
  if (study.comparison.default_plan) AppendRun("default", *study.comparison.default_plan, &csv);
  for (const Measurement& m : study.comparison.frontier) AppendRun("frontier", m, &csv);
  for (const Measurement& m : study.comparison.baseline_frontiers) AppendRun("frontier", m, &csv);
  for (const Measurement& m : study.quality) AppendRun("quality", m, &csv);
  return csv;
}

// Recall in so many candidates: of unfilled f32 encodings with the study's k_sim and d_proj, and of
// what does without.
Plot CandidatesPlot(const Study& study) {
  Plot plot{.title = "Candidates that hold the 10 best by MaxSim",
            .x_label = "candidates",
            .y_label = "recall@10",
            .log_x = true};
  for (const CandidateRow& row : study.candidates) {
    if (row.k_sim > 0 && (row.k_sim != study.fde.k_sim || row.d_proj != study.fde.d_proj ||
                          row.fill || row.codes != "f32")) {
      continue;
    }
    Series series{.name = row.k_sim > 0 ? absl::StrCat("FDE, ", row.dims, " dims") : row.source};
    for (size_t i = 0; i < std::size(CandidateRow::kCandidates); ++i) {
      series.points.push_back(
          {static_cast<double>(CandidateRow::kCandidates[i]), row.recall_at[i]});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot FrontierPlot(const Study& study) {
  constexpr double kLeastRecall = 0.7;
  Plot plot{.title = "Recall and speed, one thread",
            .x_label = "queries a second",
            .y_label = "recall@10",
            .log_x = true};
  std::map<std::string, Series> series;
  const auto add = [&](const std::vector<Measurement>& measured) {
    for (const Measurement& m : measured) {
      if (m.recall < kLeastRecall) continue;
      const std::string name = m.source && m.engine == study.engines[0].name
                                   ? absl::StrCat(m.engine, ", ", Name(*m.source))
                                   : m.engine;
      series[name].name = name;
      series[name].points.push_back({m.qps, m.recall});
    }
  };
  add(study.comparison.frontier);
  add(study.comparison.baseline_frontiers);
  for (auto& [name, one] : series) {
    std::sort(one.points.begin(), one.points.end(),
              [](const Series::Point& a, const Series::Point& b) { return a.x < b.x; });
    plot.series.push_back(std::move(one));
  }
  return plot;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> FilesOf(const Study& study) {
  std::vector<std::pair<std::string, std::string>> files;
  if (!study.engines.empty()) {
    files.emplace_back("runs.csv", RunsCsv(study));
    files.emplace_back("frontier.svg", SvgOf(FrontierPlot(study)));
  }
  if (!study.candidates.empty()) {
    files.emplace_back("candidates.csv", CandidatesCsv(study.candidates));
    files.emplace_back("candidates.svg", SvgOf(CandidatesPlot(study)));
  }
  return files;
}

}  // namespace nestor
