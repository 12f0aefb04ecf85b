#include "client/bench/suite.h"

#include <filesystem>

namespace nestor {
namespace {

const std::vector<uint32_t> kNesting = {8, 16, 32, 64, 128, 256, 512, 768};
// Of 128, 192, 256 and 384 dims for the graph the fastest at equal recall: 384, which the index
// chooses, on text30k and its like.
constexpr uint32_t kWnhGraphDim = 192;

}  // namespace

std::vector<DatasetFiles> SampleSets(const std::string& dir) {
  const std::string wnh = dir + "/wnh/", text = dir + "/text/";
  return {{.name = "wnh sample",
           .base = wnh + "base.f16bin",
           .queries = wnh + "query.f16bin",
           .truth = wnh + "gt.ids.ibin",
           .distances = wnh + "gt.dist.fbin",
           .base_labels = wnh + "base.labels.ibin",
           .query_labels = wnh + "query.labels.ibin",
           .metric = Metric::kL2,
           .nesting = kNesting},
          {.name = "text sample",
           .base = text + "base.f16bin",
           .queries = text + "query.f16bin",
           .truth = text + "gt.ids.ibin",
           .distances = text + "gt.dist.fbin",
           .metric = Metric::kDot,
           .nesting = kNesting}};
}

std::vector<DatasetFiles> FullSets(const std::string& dir, const std::string& scaled_dir) {
  const std::string wnh = dir + "/wnh/", text = dir + "/text30k/";
  std::vector<DatasetFiles> sets = {{.name = "wnh",
                                     .base = wnh + "mrl.base.f16bin",
                                     .queries = wnh + "mrl.query.f16bin",
                                     .truth = wnh + "mrl.gt_l2.ids.ibin",
                                     .distances = wnh + "mrl.gt_l2.dist.fbin",
                                     .base_labels = wnh + "base.labels.ibin",
                                     .query_labels = wnh + "query.labels.ibin",
                                     .metric = Metric::kL2,
                                     .nesting = kNesting,
                                     .graph_dim = kWnhGraphDim},
                                    {.name = "text30k",
                                     .base = text + "base.f16bin",
                                     .queries = text + "query.f16bin",
                                     .truth = text + "query.gt_ip.ids.ibin",
                                     .distances = text + "query.gt_ip.dist.fbin",
                                     .metric = Metric::kDot,
                                     .nesting = kNesting}};
  const std::vector<DatasetFiles> real = sets;
  const char* const names[] = {"wnh200k", "text200k"};
  for (size_t i = 0; i < real.size(); ++i) {
    const std::string stem = scaled_dir + "/" + names[i];
    if (!std::filesystem::exists(stem + ".fbin")) continue;
    sets.push_back({.name = std::string(names[i]) + " (synthetic, scaled)",
                    .base = stem + ".fbin",
                    .queries = real[i].queries,
                    .truth = stem + ".ids.ibin",
                    .distances = stem + ".dist.fbin",
                    .metric = real[i].metric,
                    .nesting = kNesting,
                    .graph_dim = real[i].graph_dim});
  }
  return sets;
}

}  // namespace nestor
