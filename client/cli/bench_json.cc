// Measurements as JSON, an object each.
#include <utility>

#include "client/cli/bench_report.h"

namespace nestor {
namespace {

Json Optional(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Json RowJson(const BenchReport& report, const Measurement& m) {
  Json json;
  json["set"] = report.set;
  json["engine"] = m.engine;
  json["source"] = m.source ? Json(std::string(Name(*m.source))) : Json(nullptr);
  json["plan"] = m.plan;
  json["k"] = m.k;
  json["recall"] = m.recall;
  json["qps"] = m.qps;
  json["p50_us"] = m.p50_us;
  json["p99_us"] = m.p99_us;
  json["bytes_per_query"] = Optional(m.BytesPerQuery());
  json["multiply_adds"] = Optional(m.MultiplyAdds());
  json["store_reads"] = Optional(m.StoreReads());
  for (const EngineFacts& engine : report.engines) {
    if (engine.name != m.engine) continue;
    json["index_bytes"] = Json::object();
    for (const auto& [part, bytes] : engine.index_bytes) json["index_bytes"][part] = bytes;
    json["build_s"] = Optional(engine.build_s);
    json["index"] = engine.index;
  }
  json["threads"] = m.threads;
  if (m.accuracy_1nn) json["accuracy_1nn"] = *m.accuracy_1nn;
  if (m.mrr) json["mrr"] = *m.mrr;
  json["queries"] = m.queries;
  json["half"] = std::string(Name(m.half));
  json["passes"] = m.passes;
  json["target"] = nullptr;
  json["default"] = m.setting == "default";
  json["frontier"] = false;
  if (report.local && HasBound(m)) {
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
                              {"store_reads", stage.store_reads},
                              {"us", stage.micros}});
  }
  return json;
}

}  // namespace

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
