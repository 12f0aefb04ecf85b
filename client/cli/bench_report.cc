#include "client/cli/bench_report.h"

#include <algorithm>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/text.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

using Table = std::vector<std::vector<std::string>>;

std::string Number(std::optional<double> value) {
  return value ? FormatCount(static_cast<uint64_t>(*value + 0.5)) : "";
}

std::string Micros(double value) { return absl::StrFormat("%.1f", value); }
std::string Ratio(double value) { return absl::StrFormat("%.2fx", value); }

bool HasLabels(const BenchReport& report) {
  return report.comparison.default_plan && report.comparison.default_plan->accuracy_1nn;
}

// Bytes per row of the named parts.
double PerRow(const BenchReport& report, const std::vector<std::string>& parts) {
  double bytes = 0;
  for (const auto& [part, size] : report.engines.front().index_bytes) {
    if (std::find(parts.begin(), parts.end(), part) != parts.end())
      bytes += static_cast<double>(size);
  }
  return bytes / static_cast<double>(report.rows);
}

std::string MemoryText(const BenchReport& report) {
  if (report.rows == 0) return "";
  const double shells = PerRow(report, {"first_shell", "later_shells", "norms_scales"});
  const double bound = 1.15 * (report.dim + 64);
  return absl::StrFormat(
      "bytes per row: shells, norms and scales %.0f (%s 1.15 x (D + 64) = %.0f); ids %.0f, map "
      "%.0f, sequences %.0f, model %.0f; exact vectors %.0f\n",
      shells, shells <= bound ? "within" : "above", bound, PerRow(report, {"ids"}),
      PerRow(report, {"map"}), PerRow(report, {"sequences"}), PerRow(report, {"model"}),
      PerRow(report, {"exact_vectors"}));
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
    text += "\n";
  }
  return text + MemoryText(report);
}

// What the stages took, without what is around them: a server's calls, say.
double StageMicros(const Measurement& m) {
  double micros = 0;
  for (const StageMean& stage : m.stages) micros += stage.micros;
  return micros;
}

std::vector<std::string> Row(const Measurement& m, bool labels) {
  std::vector<std::string> row = {m.engine,
                                  m.plan,
                                  absl::StrFormat("%.4f", m.recall),
                                  Number(m.qps),
                                  Micros(m.p50_us),
                                  Micros(m.p99_us),
                                  m.stages.empty() ? "" : Micros(StageMicros(m)),
                                  Number(m.BytesPerQuery()),
                                  Number(m.MultiplyAdds())};
  if (labels) row.push_back(absl::StrFormat("%.4f", m.accuracy_1nn.value_or(0)));
  return row;
}

std::vector<std::string> RowHead(uint32_t k, bool labels) {
  std::vector<std::string> head = {"engine",    "plan",        absl::StrCat("recall@", k),
                                   "QPS",       "p50 us",      "p99 us",
                                   "stages us", "bytes/query", "multiply-adds"};
  if (labels) head.push_back("1-NN");
  return head;
}

std::string AtRecallText(const BenchReport& report) {
  if (report.comparison.at_recalls.empty()) return "";
  const bool labels = HasLabels(report);
  Table table(1, RowHead(report.k, labels));
  table[0].insert(table[0].begin(), "target");
  table[0].push_back("nestor is");
  for (const AtRecall& at : report.comparison.at_recalls) {
    const Measurement* nestor = nullptr;
    for (const Measurement& m : at.fastest) {
      if (m.engine == "nestor") nestor = &m;
      std::vector<std::string> row = Row(m, labels);
      row.insert(row.begin(), absl::StrFormat("%.2f", at.recall));
      row.push_back(nestor != nullptr && nestor != &m ? Ratio(nestor->qps / m.qps) : "");
      table.push_back(std::move(row));
    }
    for (const EngineFacts& engine : report.engines) {
      // Where plans were given, Nestor was not swept.
      if (engine.name == "nestor" && !report.comparison.plans.empty()) continue;
      if (std::none_of(at.fastest.begin(), at.fastest.end(),
                       [&](const Measurement& m) { return m.engine == engine.name; })) {
        table.push_back({absl::StrFormat("%.2f", at.recall), engine.name, "none reaches it"});
        table.back().resize(table[0].size());
      }
    }
  }
  if (report.comparison.default_plan) {
    std::vector<std::string> row = Row(*report.comparison.default_plan, labels);
    row.insert(row.begin(), "default");
    row.emplace_back();
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
    if (at.recall != 0.95 || at.fastest.empty() || at.fastest[0].engine != "nestor") continue;
    return absl::StrFormat(
        "a search that names no plan: recall@%d %.4f at %.2f of the QPS of the fastest plan with "
        "0.95\n",
        report.k, plan->recall, plan->qps / at.fastest[0].qps);
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
  Table table(1, RowHead(report.k, false));
  table[0].push_back("best at");
  for (const Measurement& m : report.comparison.frontier) {
    if (m.recall < kLeastRecall) continue;
    table.push_back(Row(m, false));
    table.back().push_back(ChosenFor(report, m));
  }
  if (table.size() == 1) return "";
  return absl::StrFormat("frontier of the sweep, even queries, recall@%d >= %.1f:\n%s", report.k,
                         kLeastRecall, FormatTable(table));
}

std::string PlansText(const BenchReport& report) {
  const std::vector<Measurement>& plans = report.comparison.plans;
  if (plans.empty()) return "";
  const bool labels = plans[0].accuracy_1nn.has_value();
  Table table(1, RowHead(report.k, labels));
  for (const Measurement& m : plans) table.push_back(Row(m, labels));
  return absl::StrCat("plans given, all queries:\n", FormatTable(table));
}

// Nestor's rows whose time the model bounds: chosen, default, given.
std::vector<const Measurement*> Modelled(const BenchReport& report) {
  std::vector<const Measurement*> rows;
  for (const AtRecall& at : report.comparison.at_recalls) {
    for (const Measurement& m : at.fastest) {
      if (m.engine == "nestor") rows.push_back(&m);
    }
  }
  if (report.comparison.default_plan) rows.push_back(&*report.comparison.default_plan);
  for (const Measurement& m : report.comparison.plans) rows.push_back(&m);
  std::erase_if(rows, [](const Measurement* m) {
    return m->stages.empty() || m->stages[0].name != "coarse";
  });
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

Json Optional(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Json RowJson(const BenchReport& report, const Measurement& m) {
  Json json;
  json["set"] = report.set;
  json["engine"] = m.engine;
  json["plan"] = m.plan;
  json["k"] = m.k;
  json["recall"] = m.recall;
  json["qps"] = m.qps;
  json["p50_us"] = m.p50_us;
  json["p99_us"] = m.p99_us;
  json["bytes_per_query"] = Optional(m.BytesPerQuery());
  json["multiply_adds"] = Optional(m.MultiplyAdds());
  for (const EngineFacts& engine : report.engines) {
    if (engine.name != m.engine) continue;
    json["index_bytes"] = Json::object();
    for (const auto& [part, bytes] : engine.index_bytes) json["index_bytes"][part] = bytes;
    json["build_s"] = Optional(engine.build_s);
    json["index"] = engine.index;
  }
  json["threads"] = m.threads;
  if (m.accuracy_1nn) json["accuracy_1nn"] = *m.accuracy_1nn;
  json["queries"] = m.queries;
  json["half"] = std::string(Name(m.half));
  json["passes"] = m.passes;
  json["target"] = nullptr;
  json["default"] = m.setting == "default";
  json["frontier"] = false;
  if (report.local && !m.stages.empty() && m.stages[0].name == "coarse") {
    json["bound_us"] = Predict(report.local->levels, report.local->streamed, m.stages).micros;
    json["us_per_query"] = m.MicrosPerQuery();
  }
  if (m.stages.empty()) return json;
  json["stages"] = Json::array();
  for (const StageMean& stage : m.stages) {
    json["stages"].push_back({{"name", stage.name},
                              {"dim", stage.dim},
                              {"in", stage.in},
                              {"out", stage.out},
                              {"bytes", stage.bytes},
                              {"multiply_adds", stage.multiply_adds},
                              {"us", stage.micros}});
  }
  return json;
}

}  // namespace

std::string BenchText(const BenchReport& report) {
  std::string text = HeadText(report);
  for (const std::string& part : {AtRecallText(report), DefaultText(report), PlansText(report),
                                  FrontierText(report), ModelText(report)}) {
    if (!part.empty()) absl::StrAppend(&text, "\n", part);
  }
  return text;
}

std::string BenchSummary(const std::vector<BenchReport>& reports) {
  std::vector<std::string> baselines;
  for (const BenchReport& report : reports) {
    for (const EngineFacts& engine : report.engines) {
      if (engine.name != "nestor" &&
          std::find(baselines.begin(), baselines.end(), engine.name) == baselines.end()) {
        baselines.push_back(engine.name);
      }
    }
  }
  const auto cell = [](const Measurement* m) {
    return m == nullptr ? std::string("-")
                        : absl::StrFormat("%s (%.3f)", Number(m->qps), m->recall);
  };
  std::string text = "| set | recall >= | nestor QPS (recall) |";
  std::string line = "|---|---|---|";
  for (const std::string& name : baselines) {
    absl::StrAppend(&text, " ", name, " | ratio |");
    line += "---|---|";
  }
  absl::StrAppend(&text, " plan |\n", line, "---|\n");
  for (const BenchReport& report : reports) {
    for (const AtRecall& at : report.comparison.at_recalls) {
      const auto find = [&](const std::string& name) -> const Measurement* {
        for (const Measurement& m : at.fastest) {
          if (m.engine == name) return &m;
        }
        return nullptr;
      };
      const Measurement* nestor = find("nestor");
      absl::StrAppend(&text, "| ", report.set, " | ", absl::StrFormat("%.2f", at.recall), " | ",
                      cell(nestor), " |");
      for (const std::string& name : baselines) {
        const Measurement* other = find(name);
        absl::StrAppend(&text, " ", cell(other), " | ",
                        nestor && other ? Ratio(nestor->qps / other->qps) : "-", " |");
      }
      absl::StrAppend(&text, " ", nestor ? nestor->plan : "-", " |\n");
    }
    const std::optional<Measurement>& unnamed = report.comparison.default_plan;
    if (!unnamed) continue;
    absl::StrAppend(&text, "| ", report.set, " | no plan | ", cell(&*unnamed), " |");
    for (size_t i = 0; i < baselines.size(); ++i) text += " - | - |";
    absl::StrAppend(&text, " ", unnamed->plan, " |\n");
  }
  return text;
}

std::string MachineText() {
  std::string model = "unknown CPU";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const std::pair<std::string, std::string> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(field.first) != "model name") continue;
    model = std::string(absl::StripAsciiWhitespace(field.second));
    break;
  }
  return absl::StrCat(model, ", ", std::max(1u, std::thread::hardware_concurrency()), " CPUs, ",
                      Name(ActiveKernels().level));
}

std::vector<Json> BenchJson(const BenchReport& report) {
  std::vector<Json> lines;
  const Comparison& comparison = report.comparison;
  for (const AtRecall& at : comparison.at_recalls) {
    for (const Measurement& m : at.fastest) {
      lines.push_back(RowJson(report, m));
      lines.back()["target"] = at.recall;
    }
  }
  if (comparison.default_plan) lines.push_back(RowJson(report, *comparison.default_plan));
  for (const Measurement& m : comparison.plans) lines.push_back(RowJson(report, m));
  for (const auto* frontier : {&comparison.frontier, &comparison.baseline_frontiers}) {
    for (const Measurement& m : *frontier) {
      lines.push_back(RowJson(report, m));
      lines.back()["frontier"] = true;
    }
  }
  return lines;
}

}  // namespace nestor
