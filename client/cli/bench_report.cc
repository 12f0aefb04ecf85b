#include "client/cli/bench_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

using Table = std::vector<std::vector<std::string>>;

std::string Number(std::optional<double> value) {
  return value ? FormatCount(static_cast<uint64_t>(*value + 0.5)) : "";
}

std::string Micros(double value) { return absl::StrFormat("%.1f", value); }
std::string Ratio(double value) { return absl::StrFormat("%.2fx", value); }

// Bytes per row of the named parts.
double PerRow(const BenchReport& report, const std::vector<std::string>& parts) {
  double bytes = 0;
  for (const auto& [part, size] : report.engines.front().index_bytes) {
    if (std::find(parts.begin(), parts.end(), part) != parts.end())
      bytes += static_cast<double>(size);
  }
  return bytes / static_cast<double>(report.rows);
}

std::string GraphMemoryText(const BenchReport& report) {
  const std::optional<GraphSpec>& graph = report.engines.front().graph;
  if (!graph || report.rows == 0) return "";
  const double bytes = PerRow(report, {"graph"});
  const double bound = graph->dim + 4.0 * graph->degree + 32;
  return absl::StrFormat("bytes per row: graph %.0f (%s graph dim + 4 x links + 32 = %.0f)\n",
                         bytes, bytes <= bound ? "within" : "above", bound);
}

// What was trained included.
std::string CodeMemoryText(const BenchReport& report) {
  const double codes = PerRow(report, {"codes"});
  return codes == 0 ? "" : absl::StrFormat("bytes per row: codes %.0f\n", codes);
}

std::string TokenMemoryText(const BenchReport& report) {
  const double tokens = PerRow(report, {"tokens"});
  return tokens == 0 ? "" : absl::StrFormat("bytes per row: codes of tokens %.0f\n", tokens);
}

std::string MemoryText(const BenchReport& report) {
  if (report.rows == 0) return "";
  const double shells = PerRow(report, {"first_shell", "later_shells", "norms_scales"});
  const double bound = 1.15 * (report.dim + 64);
  return absl::StrFormat(
             "bytes per row: shells, norms and scales %.0f (%s 1.15 x (D + 64) = %.0f); ids %.0f, "
             "map "
             "%.0f, sequences %.0f, model %.0f; exact vectors %.0f\n",
             shells, shells <= bound ? "within" : "above", bound, PerRow(report, {"ids"}),
             PerRow(report, {"map"}), PerRow(report, {"sequences"}), PerRow(report, {"model"}),
             PerRow(report, {"exact_vectors"})) +
         CodeMemoryText(report) + TokenMemoryText(report);
}

std::string HeadText(const BenchReport& report) {
  std::string text = absl::StrCat("== ", report.set, ": ");
  if (report.rows != 0) absl::StrAppend(&text, FormatCount(report.rows), " x ");
  absl::StrAppend(&text, report.dim, report.rows == 0 ? " dims, " : ", ", Name(report.metric), ", ",
                  FormatCount(report.queries), " queries, k ", report.k, ", ", report.threads,
                  report.threads == 1 ? " thread\n" : " threads\n");
  for (const EngineFacts& engine : report.engines) {
    uint64_t bytes = 0;
    for (const auto& part : engine.index_bytes) bytes += part.second;
    absl::StrAppend(&text, engine.name, ": ", engine.index, "; ", FormatBytes(bytes));
    if (engine.build_s) absl::StrAppend(&text, "; built in ", FormatSeconds(*engine.build_s));
    if (!engine.build_phases.empty()) {
      absl::StrAppend(&text, " (",
                      absl::StrJoin(engine.build_phases, ", ",
                                    [](std::string* out, const auto& phase) {
                                      absl::StrAppend(out, phase.first, " ",
                                                      FormatSeconds(phase.second));
                                    }),
                      ")");
    }
    text += "\n";
  }
  return text + MemoryText(report) + GraphMemoryText(report);
}

// What the stages took, without what is around them: a server's calls, say.
double StageMicros(const Measurement& m) {
  double micros = 0;
  for (const StageMean& stage : m.stages) micros += stage.micros;
  return micros;
}

// "nestor lists", "nestor graph", "hnswlib".
std::string EngineText(const std::string& engine, std::optional<Source> source) {
  return source ? absl::StrCat(engine, " ", Name(*source)) : engine;
}

// `like`: has what the table shows beside speed.
std::vector<std::string> Row(const Measurement& m, const Measurement& like) {
  std::vector<std::string> row = {EngineText(m.engine, m.source),
                                  m.plan,
                                  absl::StrFormat("%.4f", m.recall),
                                  Number(m.qps),
                                  Micros(m.p50_us),
                                  Micros(m.p99_us),
                                  m.stages.empty() ? "" : Micros(StageMicros(m)),
                                  Number(m.BytesPerQuery()),
                                  Number(m.MultiplyAdds())};
  if (like.accuracy_1nn) row.push_back(absl::StrFormat("%.4f", m.accuracy_1nn.value_or(0)));
  if (like.mrr) row.push_back(absl::StrFormat("%.4f", m.mrr.value_or(0)));
  return row;
}

std::vector<std::string> RowHead(uint32_t k, const Measurement& like) {
  std::vector<std::string> head = {"engine",    "plan",        absl::StrCat("recall@", k),
                                   "QPS",       "p50 us",      "p99 us",
                                   "stages us", "bytes/query", "multiply-adds"};
  if (like.accuracy_1nn) head.push_back("1-NN");
  if (like.mrr) head.push_back(absl::StrCat("MRR@", k));
  return head;
}

// Who may have a row at each recall.
std::vector<std::pair<std::string, std::optional<Source>>> Contenders(const BenchReport& report) {
  std::vector<std::pair<std::string, std::optional<Source>>> contenders;
  for (Source source : report.comparison.sources) contenders.emplace_back("nestor", source);
  for (const EngineFacts& engine : report.engines) {
    if (engine.name != "nestor") contenders.emplace_back(engine.name, std::nullopt);
  }
  return contenders;
}

std::string AtRecallText(const BenchReport& report) {
  if (report.comparison.at_recalls.empty()) return "";
  const Measurement like = report.comparison.default_plan.value_or(Measurement{});
  const std::vector<Source>& sources = report.comparison.sources;
  Table table(1, RowHead(report.k, like));
  table[0].insert(table[0].begin(), "target");
  for (Source source : sources) table[0].push_back(EngineText("nestor", source) + " is");
  for (const AtRecall& at : report.comparison.at_recalls) {
    const std::string target = absl::StrFormat("%.2f", at.recall);
    for (const auto& [engine, source] : Contenders(report)) {
      const Measurement* m = at.Find(engine, source);
      if (m == nullptr) {
        table.push_back({target, EngineText(engine, source), "none reaches it"});
        table.back().resize(table[0].size());
        continue;
      }
      std::vector<std::string> row = Row(*m, like);
      row.insert(row.begin(), target);
      for (Source s : sources) {
        const Measurement* nestor = at.Find("nestor", s);
        row.push_back(nestor != nullptr && nestor != m ? Ratio(nestor->qps / m->qps) : "");
      }
      table.push_back(std::move(row));
    }
  }
  if (report.comparison.default_plan) {
    std::vector<std::string> row = Row(*report.comparison.default_plan, like);
    row.insert(row.begin(), "default");
    row.resize(table[0].size());
    table.push_back(std::move(row));
  }
  return absl::StrCat(
      "fastest setting with the recall on the even queries, measured on the odd "
      "ones, engines alternating:\n",
      FormatTable(table));
}

std::string DefaultText(const BenchReport& report) {
  const std::optional<Measurement>& plan = report.comparison.default_plan;
  if (!plan) return "";
  for (const AtRecall& at : report.comparison.at_recalls) {
    double fastest = 0;
    for (const Measurement& m : at.fastest) {
      if (m.engine == "nestor") fastest = std::max(fastest, m.qps);
    }
    if (at.recall != 0.95 || fastest == 0) continue;
    return absl::StrFormat(
        "a search that names no plan: recall@%d %.4f at %.2f of the QPS of the fastest plan with "
        "0.95\n",
        report.k, plan->recall, plan->qps / fastest);
  }
  return "";
}

// The recalls for which the plan was chosen: "0.90 0.95".
std::string ChosenFor(const BenchReport& report, const Measurement& m) {
  std::string text;
  for (const AtRecall& at : report.comparison.at_recalls) {
    for (const Measurement& chosen : at.fastest) {
      if (chosen.engine == m.engine && chosen.setting == m.setting)
        absl::StrAppend(&text, text.empty() ? "" : " ", absl::StrFormat("%.2f", at.recall));
    }
  }
  return text;
}

std::string FrontierText(const BenchReport& report) {
  constexpr double kLeastRecall = 0.8;
  const Measurement kSpeedOnly;
  std::string text;
  for (Source source : report.comparison.sources) {
    Table table(1, RowHead(report.k, kSpeedOnly));
    table[0].push_back("best at");
    for (const Measurement& m : report.comparison.frontier) {
      if (m.recall < kLeastRecall || m.source != source) continue;
      table.push_back(Row(m, kSpeedOnly));
      table.back().push_back(ChosenFor(report, m));
    }
    if (table.size() == 1) continue;
    absl::StrAppend(
        &text, text.empty() ? "" : "\n",
        absl::StrFormat("frontier of the sweep of %s, even queries, recall@%d >= %.1f:\n",
                        Name(source), report.k, kLeastRecall),
        FormatTable(table));
  }
  return text;
}

std::string PlansText(const BenchReport& report) {
  const std::vector<Measurement>& plans = report.comparison.plans;
  if (plans.empty()) return "";
  Table table(1, RowHead(report.k, plans[0]));
  for (const Measurement& m : plans) table.push_back(Row(m, plans[0]));
  return absl::StrCat("plans given, all queries:\n", FormatTable(table));
}

// Nestor's rows: chosen, default, given.
std::vector<const Measurement*> NestorsRows(const BenchReport& report) {
  std::vector<const Measurement*> rows;
  for (const AtRecall& at : report.comparison.at_recalls) {
    for (const Measurement& m : at.fastest) {
      if (m.engine == "nestor") rows.push_back(&m);
    }
  }
  if (report.comparison.default_plan) rows.push_back(&*report.comparison.default_plan);
  for (const Measurement& m : report.comparison.plans) rows.push_back(&m);
  return rows;
}

// Where exact vectors are not in memory.
std::string ReadsText(const BenchReport& report) {
  Table table = {{"plan", "vectors read from the store, per query"}};
  for (const Measurement* m : NestorsRows(report)) {
    if (m->StoreReads().value_or(0) == 0) continue;
    table.push_back({m->plan, absl::StrFormat("%.1f", *m->StoreReads())});
  }
  return table.size() == 1 ? "" : FormatTable(table);
}

// Those whose time the model bounds.
std::vector<const Measurement*> Modelled(const BenchReport& report) {
  std::vector<const Measurement*> rows = NestorsRows(report);
  std::erase_if(rows, [](const Measurement* m) { return !HasBound(*m); });
  return rows;
}

std::string ModelText(const BenchReport& report) {
  const std::vector<const Measurement*> rows = Modelled(report);
  if (!report.local || rows.empty()) return "";
  std::string text = "streaming read:";
  for (const MemoryLevel& level : report.local->levels)
    absl::StrAppendFormat(&text, " %s %.1f GB/s", level.name, level.bytes_per_second / 1e9);
  absl::StrAppend(
      &text,
      "\nbound = 2.5 x (coarse and scan bytes / bandwidth of the level that holds them) "
      "+ 0.15 us per refined or rescored row + 12 us:\n");
  Table table = {{"plan", "coarse+scan bytes", "levels", "rows", "bound us", "us/query", ""}};
  for (const Measurement* m : rows) {
    const Prediction p = Predict(report.local->levels, report.local->streamed, m->stages);
    table.push_back({m->plan, Number(p.streamed_bytes),
                     absl::StrCat(p.coarse_level, "+", p.scan_level), Number(p.rows),
                     Micros(p.micros), Micros(m->MicrosPerQuery()),
                     m->MicrosPerQuery() <= p.micros ? "within" : "above"});
  }
  return text + FormatTable(table);
}

}  // namespace

bool HasBound(const Measurement& m) { return m.source == Source::kLists && !m.stages.empty(); }

std::string BenchText(const BenchReport& report) {
  std::string text = HeadText(report);
  for (const std::string& part : {AtRecallText(report), DefaultText(report), PlansText(report),
                                  ReadsText(report), FrontierText(report), ModelText(report)}) {
    if (!part.empty()) absl::StrAppend(&text, "\n", part);
  }
  return text;
}

}  // namespace nestor
