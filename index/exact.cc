#include "index/exact.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nestor {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename Stored>
const Stored* const* As(const void* const* pointers) {
  return reinterpret_cast<const Stored* const*>(pointers);
}

void FloatSums(const Kernels& kernels, Dtype dtype, bool distance, const float* query,
               const void* const* rows, size_t n, size_t dim, float* sums) {
  switch (dtype) {
    case Dtype::kF32:
      return (distance ? kernels.l2s_f32 : kernels.dots_f32)(query, As<float>(rows), n, dim, sums);
    case Dtype::kF16:
      return (distance ? kernels.l2s_f16 : kernels.dots_f16)(query, As<uint16_t>(rows), n, dim,
                                                             sums);
    case Dtype::kBf16:
      return (distance ? kernels.l2s_bf16 : kernels.dots_bf16)(query, As<uint16_t>(rows), n, dim,
                                                               sums);
    case Dtype::kI8:
      return (distance ? kernels.l2s_i8f : kernels.dots_i8f)(query, As<int8_t>(rows), n, dim, sums);
  }
}

}  // namespace

ExactScorer::ExactScorer(const SearchContext& context, uint32_t dim, StageBuffers* buffers,
                         Candidates* candidates)
    : context_(context),
      dim_(dim),
      nesting_(static_cast<size_t>(NestingIndex(context.schema, dim))),
      buffers_(buffers),
      candidates_(candidates),
      threshold_(-kInfinity),
      cut_at_(context.query.limit + std::clamp<size_t>(context.query.limit, 256, 4096)) {
  const float* q = context.query.vector.data();
  query_norm_ = std::sqrt(context.kernels.dot_f64(q, q, dim));
  // A float sum in 16 lanes or more: each lane adds dim / 16 terms, the lanes are added up in at
  // most 16 steps, a term is rounded up to three times; all relative to sums of absolute values.
  // 2^-24 is half an ulp; the factor 2 is slack.
  relative_error_ = 2 * (static_cast<float>(dim) / 16 + 20) * 0x1p-24f;
  candidates_->size = 0;
}

float ExactScorer::LowestKey(float key) const {
  // Twice the error: the key at the border may be too high by one, another too low by one.
  switch (context_.schema.metric) {
    case Metric::kCosine:
      return key - 2 * relative_error_ * static_cast<float>(query_norm_);
    case Metric::kDot:
      return key - 2 * relative_error_ * static_cast<float>(query_norm_) * largest_norm_;
    case Metric::kL2:
      return key * (1 + 3 * relative_error_);  // keys are negative squared distances
  }
  return -kInfinity;
}

absl::Status ExactScorer::FetchVectors(std::span<const uint32_t> slots) {
  buffers_->pointers.resize(std::max(buffers_->pointers.size(), slots.size()));
  const void** pointers = buffers_->pointers.data();
  if (context_.rows.exact_in_memory()) {
    for (size_t i = 0; i < slots.size(); ++i) pointers[i] = context_.rows.exact(slots[i]);
    return absl::OkStatus();
  }
  if (context_.query.source == nullptr) {
    return absl::FailedPreconditionError(
        "exact vectors are in the store, and the search was given none");
  }
  const size_t bytes = context_.schema.dim * DtypeBytes(context_.schema.dtype);
  buffers_->fetch_rows.clear();
  for (uint32_t slot : slots) buffers_->fetch_rows.push_back(context_.rows.row(slot));
  buffers_->gathered.resize(std::max(buffers_->gathered.size(), slots.size() * bytes));
  absl::Status status =
      context_.query.source->Fetch(buffers_->fetch_rows, buffers_->gathered.data());
  if (!status.ok()) return status;
  store_reads_ += slots.size();
  ++fetches_;
  for (size_t i = 0; i < slots.size(); ++i) pointers[i] = buffers_->gathered.data() + i * bytes;
  return absl::OkStatus();
}

bool ExactScorer::FindFetched() {
  if (fetches_ != 1) return false;
  const size_t bytes = context_.schema.dim * DtypeBytes(context_.schema.dtype);
  // The candidates are in the order in which they were added.
  size_t at = 0;
  for (size_t i = 0; i < candidates_->size; ++i, ++at) {
    const uint64_t row = context_.rows.row(candidates_->slots[i]);
    while (buffers_->fetch_rows[at] != row) ++at;
    buffers_->pointers[i] = buffers_->gathered.data() + at * bytes;
  }
  return true;
}

absl::Status ExactScorer::Add(std::span<const uint32_t> slots) {
  if (slots.empty()) return absl::OkStatus();
  if (absl::Status s = FetchVectors(slots); !s.ok()) return s;
  const size_t n = slots.size();
  buffers_->sums.resize(std::max(buffers_->sums.size(), n));
  float* sums = buffers_->sums.data();
  const Metric metric = context_.schema.metric;
  FloatSums(context_.kernels, context_.schema.dtype, metric == Metric::kL2,
            context_.query.vector.data(), buffers_->pointers.data(), n, dim_, sums);
  candidates_->Reserve(candidates_->size + n);
  for (size_t i = 0; i < n; ++i) {
    float key = sums[i];
    if (metric == Metric::kL2) {
      key = -key;
    } else {
      const float aux = context_.rows.aux(slots[i])[nesting_];
      if (metric == Metric::kCosine) {
        key *= aux;
      } else {
        largest_norm_ = std::max(largest_norm_, aux);
      }
    }
    if (key < threshold_) continue;
    const size_t out = candidates_->size++;
    candidates_->keys[out] = key;
    candidates_->slots[out] = slots[i];
  }
  if (candidates_->size >= cut_at_) Cut();
  return absl::OkStatus();
}

void ExactScorer::Cut() {
  const size_t limit = context_.query.limit;
  if (candidates_->size <= limit) return;
  threshold_ = LowestKey(
      SelectThreshold(context_.kernels, candidates_->keys.data(), candidates_->size, limit));
  size_t out = 0;
  for (size_t i = 0; i < candidates_->size; ++i) {
    candidates_->keys[out] = candidates_->keys[i];
    candidates_->slots[out] = candidates_->slots[i];
    out += candidates_->keys[i] >= threshold_ ? 1 : 0;
  }
  candidates_->size = out;
  // Many equal keys (duplicates) may all have to stay.
  cut_at_ = std::max(cut_at_, 2 * out);
}

double ExactScorer::ScoreF64(const std::byte* vector) {
  const float* query = context_.query.vector.data();
  const float* values = reinterpret_cast<const float*>(vector);
  if (context_.schema.dtype != Dtype::kF32 ||
      reinterpret_cast<uintptr_t>(vector) % alignof(float) != 0) {
    buffers_->decoded.resize(context_.schema.dim);
    DecodeVector(context_.schema.dtype, vector, dim_, buffers_->decoded.data());
    values = buffers_->decoded.data();
  }
  const Kernels& kernels = context_.kernels;
  switch (context_.schema.metric) {
    case Metric::kDot:
      return kernels.dot_f64(query, values, dim_);
    case Metric::kCosine:
      return kernels.dot_f64(query, values, dim_) /
             (query_norm_ * std::sqrt(kernels.dot_f64(values, values, dim_)));
    case Metric::kL2:
      return kernels.l2_f64(query, values, dim_);
  }
  return 0;
}

absl::Status ExactScorer::Finish(std::vector<Hit>* hits) {
  Cut();
  const std::span<const uint32_t> slots(candidates_->slots.data(), candidates_->size);
  if (!FindFetched()) {
    if (absl::Status s = FetchVectors(slots); !s.ok()) return s;
  }
  std::vector<ScoredSlot>& scored = buffers_->scored;
  scored.clear();
  for (size_t i = 0; i < slots.size(); ++i) {
    scored.push_back({ScoreF64(static_cast<const std::byte*>(buffers_->pointers[i])), slots[i]});
  }
  const bool ascending = context_.schema.metric == Metric::kL2;
  const auto better = [&](const ScoredSlot& a, const ScoredSlot& b) {
    if (a.score != b.score) return ascending ? a.score < b.score : a.score > b.score;
    return context_.rows.IdLess(a.slot, b.slot);
  };
  const size_t limit = std::min<size_t>(context_.query.limit, scored.size());
  std::partial_sort(scored.begin(), scored.begin() + static_cast<ptrdiff_t>(limit), scored.end(),
                    better);
  hits->clear();
  for (size_t i = 0; i < limit; ++i)
    hits->push_back({scored[i].slot, static_cast<float>(scored[i].score)});
  return absl::OkStatus();
}

}  // namespace nestor
