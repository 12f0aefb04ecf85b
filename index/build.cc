#include "index/build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/code.h"
#include "index/reach.h"
#include "index/sample.h"
#include "index/train.h"
#include "index/train_code.h"

namespace nestor {
namespace {

// Rows that are read at a time: so many, or fewer of what is long (FDEs).
constexpr uint64_t kChunkRows = 4096;
constexpr uint64_t kChunkBytes = 32 << 20;
// k-means hardly gains from more rows a centroid than this.
constexpr uint64_t kTrainRowsPerList = 128;
// The share of a build's time that each phase is over at, about.
constexpr double kTrained = 0.6;
constexpr double kAssigned = 0.8;
constexpr double kCodesTrained = 0.85;  // where there are codes
constexpr double kEncoded = 0.9;

// Copies x[:dim] of n rows, of unit length under COSINE.
void TakePrefixes(const VectorSchema& schema, const float* vectors, uint64_t n, uint32_t dim,
                  float* out) {
  for (uint64_t i = 0; i < n; ++i) {
    const float* x = vectors + i * schema.dim;
    float scale = 1;
    if (schema.metric == Metric::kCosine) {
      double square = 0;
      for (uint32_t d = 0; d < dim; ++d) square += static_cast<double>(x[d]) * x[d];
      scale = static_cast<float>(1 / std::sqrt(square));
    }
    for (uint32_t d = 0; d < dim; ++d) out[i * dim + d] = x[d] * scale;
  }
}

// By list; of one that has rows: the caller's lists may be many, and most of them empty.
using ListSums = std::vector<std::vector<double>>;

class Builder {
 public:
  Builder(const VectorSchema& schema, const IndexSpec& spec, IdKind id_kind,
          const BuildSource& source, const BuildOptions& options)
      : schema_(schema),
        spec_(ResolveSpec(spec, schema, source.size())),
        id_kind_(id_kind),
        source_(source),
        options_(options),
        vector_bytes_(schema.dim * DtypeBytes(schema.dtype)),
        chunk_rows_(std::clamp<uint64_t>(kChunkBytes / vector_bytes_, 1, kChunkRows)) {
    kmeans_.dim = spec_.coarse_dim;
    kmeans_.clusters = spec_.lists;
    kmeans_.metric = schema.metric;
    kmeans_.threads = options.threads;
    kmeans_.seed = options.seed;
  }

  absl::StatusOr<std::unique_ptr<IvfIndex>> Build() {
    assigned_.assign(source_.size(), 0);
    auto model = std::make_shared<Model>();
    if (named()) {
      if (absl::Status s = ReadLists(); !s.ok()) return s;
    }
    if (spec_.lists > 1) {
      model->lists = spec_.lists;
      model->coarse_dim = spec_.coarse_dim;
      const absl::Status s = spec_.centroids == CentroidOrigin::kImported ? Import(model.get())
                             : named()                                    ? Average(model.get())
                                                                          : Train(model.get());
      if (!s.ok()) return s;
      if (absl::Status s = Assign(model.get()); !s.ok()) return s;
    }
    std::vector<std::shared_ptr<const Code>> codes;
    for (size_t c = 0; c < spec_.codes.size(); ++c) {
      absl::StatusOr<std::shared_ptr<const Code>> code = TrainCodeOf(c, *model);
      if (!code.ok()) return code.status();
      codes.push_back(*std::move(code));
    }
    std::unique_ptr<IvfIndex> index =
        IvfIndex::Create(schema_, spec_, id_kind_, model, std::move(codes));
    if (absl::Status s = Fill(index.get()); !s.ok()) return s;
    if (spec_.graph.has_value()) {
      absl::Status linked = index->LinkGraph(options_.threads, [this](double fraction) {
        return Report("link", kEncoded + (1 - kEncoded) * fraction);
      });
      if (!linked.ok()) return linked;
    }
    if (model->trained() && source_.size() > 0) {
      if (!Report("measure", kEncoded)) return Cancelled();
      const absl::StatusOr<Reach> reach = MeasureReach(*index, source_, slots_, options_.threads);
      if (!reach.ok()) return reach.status();
      model->reach = *reach;
    }
    return index;
  }

 private:
  // Whether rows name their lists.
  bool named() const { return !spec_.list_attribute.empty(); }
  bool Report(const char* phase, double fraction) {
    return !options_.progress || options_.progress(phase, fraction);
  }
  static absl::Status Cancelled() { return absl::CancelledError("the build was cancelled"); }

  // Decodes rows i .. i + n - 1 into decoded_.
  absl::Status Read(uint64_t i, uint64_t n) {
    bytes_.resize(n * vector_bytes_);
    decoded_.resize(n * schema_.dim);
    if (absl::Status s = source_.Read(i, n, bytes_.data()); !s.ok()) return s;
    DecodeVector(schema_.dtype, bytes_.data(), n * schema_.dim, decoded_.data());
    return absl::OkStatus();
  }

  absl::Status Train(Model* model) {
    std::vector<float> sample;
    const uint64_t wanted = std::min(source_.size(), spec_.lists * kTrainRowsPerList);
    sample.reserve(wanted * spec_.coarse_dim);
    const absl::Status sampled = ReadSample(
        source_, schema_, wanted, [this] { return Report("train", 0); },
        [&](uint64_t /*first*/, uint64_t n, const float* values) {
          sample.resize(sample.size() + n * spec_.coarse_dim);
          TakePrefixes(schema_, values, n, spec_.coarse_dim,
                       sample.data() + sample.size() - n * spec_.coarse_dim);
        });
    if (!sampled.ok()) return sampled;
    kmeans_.progress = [this](double fraction) { return Report("train", kTrained * fraction); };
    absl::StatusOr<std::vector<float>> centroids = TrainKMeans(kmeans_, sample);
    if (!centroids.ok()) return centroids.status();
    model->centroids = *std::move(centroids);
    return absl::OkStatus();
  }

  absl::Status Import(Model* model) {
    if (options_.centroids.size() != size_t{spec_.lists} * spec_.coarse_dim) {
      return absl::InternalError(absl::StrCat(options_.centroids.size(),
                                              " values of centroids for ", spec_.lists,
                                              " lists of ", spec_.coarse_dim, " dims"));
    }
    model->centroids.assign(options_.centroids.begin(), options_.centroids.end());
    return absl::OkStatus();
  }

  // The lists that rows name; kNearest, where they name none, stands until Assign.
  absl::Status ReadLists() {
    for (uint64_t i = 0; i < source_.size(); i += chunk_rows_) {
      if (!Report("read lists", 0)) return Cancelled();
      const uint64_t n = std::min(chunk_rows_, source_.size() - i);
      if (absl::Status s = source_.ReadLists(i, n, spec_, &assigned_[i]); !s.ok()) return s;
    }
    if (spec_.lists == 1) std::fill(assigned_.begin(), assigned_.end(), 0);
    return absl::OkStatus();
  }

  // Centroids of the lists that rows name: the means of these rows, as k-means would have them.
  absl::Status Average(Model* model) {
    const uint32_t dim = spec_.coarse_dim;
    ListSums sums(spec_.lists);
    std::vector<uint64_t> counts(spec_.lists, 0);
    std::vector<float> prefixes;
    for (uint64_t i = 0; i < source_.size(); i += chunk_rows_) {
      const double fraction = static_cast<double>(i) / static_cast<double>(source_.size());
      if (!Report("average", kTrained * fraction)) return Cancelled();
      const uint64_t n = std::min(chunk_rows_, source_.size() - i);
      if (absl::Status s = Read(i, n); !s.ok()) return s;
      prefixes.resize(n * dim);
      TakePrefixes(schema_, decoded_.data(), n, dim, prefixes.data());
      for (uint64_t j = 0; j < n; ++j) {
        const uint32_t list = assigned_[i + j];
        if (list == BuildSource::kNearest) continue;
        ++counts[list];
        std::vector<double>& sum = sums[list];
        sum.resize(dim, 0.0);
        for (uint32_t d = 0; d < dim; ++d) sum[d] += prefixes[j * dim + d];
      }
    }
    model->centroids.resize(size_t{spec_.lists} * dim, 0.0f);
    for (uint32_t l = 0; l < spec_.lists; ++l) {
      const std::vector<double>& sum = sums[l];
      double scale = static_cast<double>(counts[l]);
      if (schema_.metric != Metric::kL2) {
        scale = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
      }
      // No rows, or rows that cancel each other out and so have no direction.
      if (scale == 0) {
        model->no_centroid.resize(spec_.lists);
        model->no_centroid[l] = true;
        continue;
      }
      for (uint32_t d = 0; d < dim; ++d) {
        model->centroids[size_t{l} * dim + d] = static_cast<float>(sum[d] / scale);
      }
    }
    return absl::OkStatus();
  }

  // The lists of rows i .. i + n - 1, decoded, which are those of their nearest centroids where the
  // rows themselves name none.
  absl::Status AssignRows(const Model& model, uint64_t i, uint64_t n) {
    const uint32_t dim = spec_.coarse_dim;
    std::vector<uint64_t> open;  // that name none
    for (uint64_t j = i; j < i + n; ++j) {
      if (!named() || assigned_[j] == BuildSource::kNearest) open.push_back(j);
    }
    if (open.empty()) return absl::OkStatus();
    prefixes_.resize(open.size() * dim);
    for (size_t k = 0; k < open.size(); ++k) {
      TakePrefixes(schema_, decoded_.data() + (open[k] - i) * schema_.dim, 1, dim,
                   prefixes_.data() + k * dim);
    }
    nearest_.assign(open.size(), 0);
    if (!near_.empty()) {
      KMeansOptions options = kmeans_;
      options.clusters = static_cast<uint32_t>(near_.size());
      absl::Status status = AssignToCentroids(
          options, near_.size() == model.lists ? model.centroids : near_centroids_,
          prefixes_.data(), open.size(), &nearest_);
      if (!status.ok()) return status;
    }
    for (size_t k = 0; k < open.size(); ++k) {
      assigned_[open[k]] = near_.empty() ? 0 : near_[static_cast<size_t>(nearest_[k])];
    }
    return absl::OkStatus();
  }

  // Assigns every row and averages the lists.
  absl::Status Assign(Model* model) {
    for (uint32_t l = 0; l < model->lists; ++l) {
      if (model->has_centroid(l)) near_.push_back(l);
    }
    if (near_.size() < model->lists) {
      for (const uint32_t l : near_) {
        const auto first = model->centroids.begin() + ptrdiff_t{l} * spec_.coarse_dim;
        near_centroids_.insert(near_centroids_.end(), first, first + spec_.coarse_dim);
      }
    }
    ListSums sums(spec_.lists);
    std::vector<uint64_t> counts(spec_.lists, 0);
    for (uint64_t i = 0; i < source_.size(); i += chunk_rows_) {
      const double fraction = static_cast<double>(i) / static_cast<double>(source_.size());
      if (!Report("assign", kTrained + (kAssigned - kTrained) * fraction)) return Cancelled();
      const uint64_t n = std::min(chunk_rows_, source_.size() - i);
      if (absl::Status s = Read(i, n); !s.ok()) return s;
      if (absl::Status s = AssignRows(*model, i, n); !s.ok()) return s;
      for (uint64_t j = 0; j < n; ++j) {
        const uint32_t list = assigned_[i + j];
        ++counts[list];
        const float* x = decoded_.data() + j * schema_.dim;
        std::vector<double>& sum = sums[list];
        sum.resize(schema_.dim, 0.0);
        double scale = 1;
        if (schema_.metric == Metric::kCosine) {
          double square = 0;
          for (uint32_t d = 0; d < schema_.dim; ++d) square += static_cast<double>(x[d]) * x[d];
          scale = 1 / std::sqrt(square);
        }
        for (uint32_t d = 0; d < schema_.dim; ++d) sum[d] += scale * x[d];
      }
    }
    model->means.resize(size_t{spec_.lists} * schema_.dim);
    for (uint32_t l = 0; l < spec_.lists; ++l) {
      // An empty list's mean stays zero but for its centroid, so that it can still be compared.
      for (uint32_t d = 0; d < schema_.dim; ++d) {
        model->means[size_t{l} * schema_.dim + d] =
            counts[l] != 0         ? static_cast<float>(sums[l][d] / static_cast<double>(counts[l]))
            : d < spec_.coarse_dim ? model->centroids[size_t{l} * spec_.coarse_dim + d]
                                   : 0.0f;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Code>> TrainCodeOf(size_t c, const Model& model) {
    CodeTraining training{.spec = spec_.codes[c],
                          .rows = options_.code_rows,
                          .iterations = options_.code_iterations,
                          .threads = options_.threads,
                          .seed = options_.seed};
    for (const GivenCode& given : options_.given_codes) {
      if (given.quantizer->spec() == training.spec) training.given = given;
    }
    training.progress = [this, c](double of_this) {
      return Report("train codes", kAssigned + (kCodesTrained - kAssigned) *
                                                   (static_cast<double>(c) + of_this) /
                                                   static_cast<double>(spec_.codes.size()));
    };
    return TrainCode(schema_, model, source_, assigned_, training);
  }

  absl::Status Fill(IvfIndex* index) {
    std::vector<uint32_t> counts(spec_.lists, 0);
    for (uint32_t list : assigned_) ++counts[list];
    std::vector<uint32_t> next = index->Reserve(counts);
    slots_.resize(source_.size());
    for (uint64_t i = 0; i < source_.size(); ++i) slots_[i] = next[assigned_[i]]++;

    const double begun = spec_.codes.empty() ? kAssigned : kCodesTrained;
    const uint64_t chunks = (source_.size() + chunk_rows_ - 1) / chunk_rows_;
    std::atomic<uint64_t> next_chunk{0};
    std::atomic<bool> stop{false};
    std::vector<absl::Status> statuses(static_cast<size_t>(options_.threads));
    const auto work = [&](int thread) {
      std::vector<std::byte> bytes;
      for (uint64_t c = next_chunk++; c < chunks && !stop; c = next_chunk++) {
        if (thread == 0) {
          const double fraction = static_cast<double>(c) / static_cast<double>(chunks);
          if (!Report("encode", begun + (kEncoded - begun) * fraction)) statuses[0] = Cancelled();
        }
        const uint64_t first = c * chunk_rows_;
        const uint64_t n = std::min(chunk_rows_, source_.size() - first);
        bytes.resize(n * vector_bytes_);
        absl::Status& status = statuses[static_cast<size_t>(thread)];
        if (status.ok()) status = source_.Read(first, n, bytes.data());
        if (!status.ok()) {
          stop = true;
          return;
        }
        for (uint64_t j = 0; j < n; ++j) {
          const BuildSource::Row row = source_.At(first + j);
          index->Fill(slots_[first + j], row.id, row.row, row.born,
                      bytes.data() + j * vector_bytes_);
        }
      }
    };
    std::vector<std::thread> threads;
    for (int t = 1; t < options_.threads; ++t) threads.emplace_back(work, t);
    work(0);
    for (std::thread& thread : threads) thread.join();
    for (const absl::Status& status : statuses) {
      if (!status.ok()) return status;
    }
    index->Publish();
    return absl::OkStatus();
  }

  const VectorSchema schema_;
  const IndexSpec spec_;
  const IdKind id_kind_;
  const BuildSource& source_;
  const BuildOptions& options_;
  const size_t vector_bytes_;
  const uint64_t chunk_rows_;
  KMeansOptions kmeans_;
  std::vector<uint32_t> assigned_;     // list of each row
  std::vector<uint32_t> near_;         // the lists with a centroid
  std::vector<float> near_centroids_;  // theirs, where that is not all
  std::vector<float> prefixes_;
  std::vector<int64_t> nearest_;
  std::vector<uint32_t> slots_;  // place of each row
  std::vector<std::byte> bytes_;
  std::vector<float> decoded_;
};

}  // namespace

absl::Status BuildSource::ReadLists(uint64_t /*i*/, uint64_t /*n*/, const IndexSpec& spec,
                                    uint32_t* /*out*/) const {
  return absl::FailedPreconditionError(
      absl::StrCat("the rows have no attribute \"", spec.list_attribute, "\""));
}

absl::StatusOr<std::unique_ptr<IvfIndex>> BuildIvfIndex(const VectorSchema& schema,
                                                        const IndexSpec& spec, IdKind id_kind,
                                                        const BuildSource& source,
                                                        const BuildOptions& options) {
  return Builder(schema, spec, id_kind, source, options).Build();
}

}  // namespace nestor
