#include "client/bench/replicate/encoder.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/bench/float_rows.h"
#include "index/codes/quantizer.h"
#include "index/ground_truth.h"

namespace nestor {
namespace {

std::vector<float> UnitPrefixes(const FloatRows& rows, uint32_t dim) {
  std::vector<float> row(rows.dim), out(rows.rows * dim);
  for (uint64_t i = 0; i < rows.rows; ++i) {
    rows.read(i, 1, row.data());
    PrepareRow(Metric::kCosine, row.data(), dim, /*mean=*/nullptr, out.data() + i * dim);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Encoder>> Encoder::Load(const std::string& dir,
                                                       const std::string& name,
                                                       std::vector<uint32_t> nesting, int threads) {
  const std::string stem = absl::StrCat(dir, "/", name);
  DatasetFiles files{.name = name,
                     .base = stem + ".base.f16bin",
                     .queries = stem + ".query.f16bin",
                     .base_labels = dir + "/base.labels.ibin",
                     .query_labels = dir + "/query.labels.ibin",
                     .metric = Metric::kCosine,
                     .nesting = std::move(nesting)};
  absl::StatusOr<std::unique_ptr<Dataset>> set =
      Dataset::Load(std::move(files), /*k=*/1, threads, nullptr);
  if (!set.ok()) return set.status();
  std::unique_ptr<Encoder> encoder(new Encoder(*std::move(set)));
  encoder->truth_depth_ = static_cast<uint32_t>(std::min<uint64_t>(kShortAnswer, encoder->rows()));
  absl::StatusOr<GroundTruth> truth = ComputeGroundTruth(
      RowsOf(encoder->set().base()), RowsOf(encoder->set().query_file()),
      {.metric = Metric::kCosine, .k = encoder->truth_depth_, .threads = threads});
  if (!truth.ok()) return truth.status();
  encoder->truth_ = std::move(truth->rows);
  return encoder;
}

std::vector<float> Encoder::UnitRows(uint32_t dim) const {
  return UnitPrefixes(RowsOf(set_->base()), dim);
}

std::vector<float> Encoder::UnitQueries(uint32_t dim) const {
  return UnitPrefixes(RowsOf(set_->query_file()), dim);
}

Scores Encoder::Score(std::span<const uint64_t> ids, uint32_t k) const {
  return ScoreAnswers(
      {.queries = set_->queries(),
       .k = k,
       .ids = ids,
       .rows = rows(),
       .truth = truth_,
       .truth_depth = truth_depth_},
      [this](uint32_t query, uint64_t id) { return set_->grader().SameLabel(query, id); });
}

const Encoder* EncoderSet::Rigid(uint32_t dim) const {
  for (const std::unique_ptr<Encoder>& encoder : rigid) {
    if (encoder->dim() == dim) return encoder.get();
  }
  return nullptr;
}

absl::StatusOr<EncoderSet> LoadEncoders(const std::string& dir,
                                        const std::vector<uint32_t>& nesting, int threads) {
  EncoderSet encoders;
  absl::StatusOr<std::unique_ptr<Encoder>> nested = Encoder::Load(dir, "mrl", nesting, threads);
  if (!nested.ok()) return nested.status();
  encoders.nested = *std::move(nested);
  for (const uint32_t dim : nesting) {
    const std::string name = absl::StrCat("rr", dim);
    const bool last = dim == nesting.back();
    // The last one is needed, so opening it says what is wrong.
    if (!last && !std::filesystem::exists(absl::StrCat(dir, "/", name, ".base.f16bin"))) continue;
    absl::StatusOr<std::unique_ptr<Encoder>> rigid =
        Encoder::Load(dir, name, last ? nesting : std::vector<uint32_t>{dim}, threads);
    if (!rigid.ok()) return rigid.status();
    if ((*rigid)->dim() != dim || (*rigid)->rows() != encoders.nested->rows() ||
        (*rigid)->set().queries() != encoders.nested->set().queries()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "encoder ", name, " has ", (*rigid)->rows(), " rows and ", (*rigid)->set().queries(),
          " queries of ", (*rigid)->dim(), " dims, mrl has ", encoders.nested->rows(), " and ",
          encoders.nested->set().queries()));
    }
    encoders.rigid.push_back(*std::move(rigid));
  }
  return encoders;
}

}  // namespace nestor
