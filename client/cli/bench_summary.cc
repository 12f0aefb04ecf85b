// The table over all sets and the machine it was measured on.
#include <algorithm>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/bench_report.h"
#include "client/cli/text.h"
#include "index/kernels/kernels.h"

namespace nestor {

std::string BenchSummary(const std::vector<BenchReport>& reports) {
  std::vector<Source> sources;
  std::vector<std::string> baselines;
  const auto add = [](auto& all, const auto& one) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  };
  for (const BenchReport& report : reports) {
    for (Source source : report.comparison.sources) add(sources, source);
    for (const EngineFacts& engine : report.engines) {
      if (engine.name != "nestor") add(baselines, engine.name);
    }
  }
  const auto cell = [](const Measurement* m) {
    return m == nullptr
               ? std::string("-")
               : absl::StrFormat("%s (%.3f)", FormatCount(static_cast<uint64_t>(m->qps + 0.5)),
                                 m->recall);
  };
  const auto plan = [](const Measurement* m) { return m == nullptr ? "-" : m->plan; };
  std::vector<std::string> head = {"set", "recall >="};
  for (Source s : sources) head.push_back(absl::StrCat(Name(s), " QPS (recall)"));
  for (const std::string& name : baselines) {
    head.push_back(absl::StrCat(name, " QPS (recall)"));
    for (Source s : sources) head.push_back(absl::StrCat(Name(s), " is"));
  }
  for (Source s : sources) head.push_back(absl::StrCat(Name(s), " plan"));
  std::vector<std::vector<std::string>> table = {head,
                                                 std::vector<std::string>(head.size(), "---")};
  for (const BenchReport& report : reports) {
    for (const AtRecall& at : report.comparison.at_recalls) {
      std::vector<std::string> row = {report.set, absl::StrFormat("%.2f", at.recall)};
      for (Source s : sources) row.push_back(cell(at.Find("nestor", s)));
      for (const std::string& name : baselines) {
        const Measurement* other = at.Find(name, std::nullopt);
        row.push_back(cell(other));
        for (Source s : sources) {
          const Measurement* nestor = at.Find("nestor", s);
          row.push_back(nestor && other ? absl::StrFormat("%.2fx", nestor->qps / other->qps) : "-");
        }
      }
      for (Source s : sources) row.push_back(plan(at.Find("nestor", s)));
      table.push_back(std::move(row));
    }
    // No plan named: under the source that the default plan takes.
    const std::optional<Measurement>& unnamed = report.comparison.default_plan;
    if (!unnamed) continue;
    std::vector<std::string> row(head.size(), "-");
    row[0] = report.set;
    row[1] = "no plan";
    for (size_t s = 0; s < sources.size(); ++s) {
      if (unnamed->source != sources[s]) continue;
      row[2 + s] = cell(&*unnamed);
      row[head.size() - sources.size() + s] = unnamed->plan;
    }
    table.push_back(std::move(row));
  }
  std::string text;
  for (const std::vector<std::string>& row : table)
    absl::StrAppend(&text, "| ", absl::StrJoin(row, " | "), " |\n");
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

}  // namespace nestor
