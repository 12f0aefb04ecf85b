#include "tests/server/engine/history.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

uint64_t Mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

double Product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t d = 0; d < a.size(); ++d) sum += static_cast<double>(a[d]) * b[d];
  return sum;
}

}  // namespace

void History::Note(uint64_t seq, std::span<const uint64_t> points, uint64_t number) {
  MutexLock lock(&mutex_);
  for (const uint64_t point : points) versions_[point].push_back({seq, number});
}

History::State History::At(uint64_t seq) const {
  MutexLock lock(&mutex_);
  State state(versions_.size());
  for (size_t i = 0; i < state.size(); ++i) {
    const auto later = std::upper_bound(versions_[i].begin(), versions_[i].end(), seq,
                                        [](uint64_t s, const Version& v) { return s < v.seq; });
    if (later != versions_[i].begin()) state[i] = *(later - 1);
  }
  return state;
}

uint64_t History::Count(const State& state) {
  return static_cast<uint64_t>(
      std::count_if(state.begin(), state.end(), [](const Version& v) { return v.number != 0; }));
}

// Coordinates shrink, as nested ones do; norms differ by up to a factor of 4.
std::vector<float> History::VectorOf(uint64_t point, uint64_t number) const {
  uint64_t random = Mix(point * 0x10001 + Mix(number));
  const float length = 0.5f + 1.5f * static_cast<float>(random & 0xff) / 255;
  std::vector<float> vector(schema_.dim);
  for (uint32_t d = 0; d < schema_.dim; ++d) {
    random = Mix(random);
    const float uniform = static_cast<float>(random >> 40) * 0x1p-23f - 1;  // [-1, 1)
    vector[d] = length * uniform / (1.0f + 0.05f * static_cast<float>(d));
  }
  vector[0] += vector[0] < 0 ? -1.0f : 1.0f;  // no prefix is near zero
  return vector;
}

double History::Score(std::span<const float> query, std::span<const float> vector) const {
  switch (schema_.metric) {
    case Metric::kDot:
      return Product(query, vector);
    case Metric::kCosine:
      return Product(query, vector) / std::sqrt(Product(query, query) * Product(vector, vector));
    case Metric::kL2:
      break;
  }
  double sum = 0;
  for (size_t d = 0; d < query.size(); ++d) {
    const double difference = static_cast<double>(query[d]) - vector[d];
    sum += difference * difference;
  }
  return sum;
}

std::string History::Fault(const State& state, std::span<const float> query,
                           std::span<const SearchHit> hits) const {
  std::vector<bool> seen(state.size(), false);
  for (size_t i = 0; i < hits.size(); ++i) {
    const SearchHit& hit = hits[i];
    const uint64_t point = std::get<uint64_t>(hit.id);
    const std::string what = absl::StrCat("hit ", i, ", point ", point, " of sequence ", hit.seq);
    if (point >= state.size()) return absl::StrCat(what, ": there is no such point");
    if (seen[point]) return absl::StrCat(what, ": it is there twice");
    seen[point] = true;
    const Version& version = state[point];
    if (version.number == 0) return absl::StrCat(what, ": deleted at sequence ", version.seq);
    if (version.seq != hit.seq) return absl::StrCat(what, ": the version is that of ", version.seq);
    const double score = Score(query, VectorOf(point, version.number));
    if (std::fabs(hit.score - score) > 1e-5 * std::max(1.0, std::fabs(score))) {
      return absl::StrCat(what, ": score ", hit.score, ", its vector's is ", score);
    }
    if (i == 0) continue;
    const bool falls = schema_.metric == Metric::kL2 ? hit.score < hits[i - 1].score
                                                     : hit.score > hits[i - 1].score;
    if (falls) return absl::StrCat(what, ": out of order");
  }
  return "";
}

}  // namespace nestor
