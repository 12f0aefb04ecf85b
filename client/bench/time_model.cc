#include "client/bench/time_model.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "index/base/pages.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nestor {
namespace {

constexpr double kStreamFactor = 2.5;
constexpr double kMicrosPerRow = 0.15;
constexpr double kFixedMicros = 12;

uint64_t SumWords(const uint64_t* words, size_t n) {
  return std::accumulate(words, words + n, uint64_t{0});
}

#if defined(__x86_64__)
// Four sums in registers: the loads bound the loop, not the additions.
__attribute__((target("avx2"))) uint64_t SumWordsAvx2(const uint64_t* words, size_t n) {
  const auto* lines = reinterpret_cast<const __m256i*>(words);
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (size_t i = 0; i + 4 <= n / 4; i += 4) {
    a = _mm256_add_epi64(a, _mm256_loadu_si256(lines + i));
    b = _mm256_add_epi64(b, _mm256_loadu_si256(lines + i + 1));
    c = _mm256_add_epi64(c, _mm256_loadu_si256(lines + i + 2));
    d = _mm256_add_epi64(d, _mm256_loadu_si256(lines + i + 3));
  }
  const __m256i sum = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  uint64_t lanes[4];
  std::memcpy(lanes, &sum, sizeof(lanes));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
#endif

double StreamingRead(uint64_t bytes) {
  auto* sum = SumWords;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) sum = SumWordsAvx2;
#endif
  // Huge pages, as the index has them.
  PageBuffer memory(bytes, /*huge=*/true);
  std::memset(memory.data(), 1, bytes);
  const auto* words = reinterpret_cast<const uint64_t*>(memory.data());
  const size_t n = bytes / sizeof(uint64_t);
  volatile uint64_t sink = sum(words, n);
  double best = 0;
  // The best of several tries: what disturbs a read only slows it.
  for (int attempt = 0; attempt < 5; ++attempt) {
    const uint64_t repeats = std::max<uint64_t>(1, (uint64_t{128} << 20) / bytes);
    const auto begin = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < repeats; ++i) sink = sink + sum(words, n);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(repeats * bytes) / seconds.count());
  }
  return best;
}

// Of the first CPU. From sysfs, as sysconf adds up the L3s of all sockets on some machines.
uint64_t CacheBytes(int level, uint64_t otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = absl::StrCat("/sys/devices/system/cpu/cpu0/cache/index", index, "/");
    int found = 0;
    uint64_t kibibytes = 0;
    std::ifstream(folder + "level") >> found;
    if (found == level && std::ifstream(folder + "size") >> kibibytes) return kibibytes << 10;
  }
  return otherwise;
}

}  // namespace

std::vector<MemoryLevel> MeasureLevels() {
  const uint64_t l2 = CacheBytes(2, 1 << 20);
  const uint64_t l3 = CacheBytes(3, 32 << 20);
  std::vector<MemoryLevel> levels = {
      {.name = "L2", .bytes = l2, .bytes_per_second = StreamingRead(l2 / 2)}};
  if (l3 > l2) {
    // Outside L2, but small: other tenants may hold most of L3.
    levels.push_back(
        {.name = "L3", .bytes = l3, .bytes_per_second = StreamingRead(std::min(4 * l2, l3))});
  }
  levels.push_back(
      {.name = "DRAM",
       .bytes = std::numeric_limits<uint64_t>::max(),
       .bytes_per_second = StreamingRead(std::clamp<uint64_t>(4 * l3, 256 << 20, 1 << 30))});
  return levels;
}

const MemoryLevel& LevelOf(const std::vector<MemoryLevel>& levels, uint64_t bytes) {
  for (const MemoryLevel& level : levels) {
    if (bytes <= level.bytes) return level;
  }
  return levels.back();
}

Prediction Predict(const std::vector<MemoryLevel>& levels, const StreamedBytes& index,
                   const std::vector<StageMean>& stages) {
  Prediction prediction;
  double stream_micros = 0;
  for (const StageMean& stage : stages) {
    const bool coarse = stage.name == "coarse";
    if (!coarse && stage.name != "scan") {
      prediction.rows += stage.in;
      continue;
    }
    const double held = (coarse ? index.coarse_per_dim : index.scan_per_dim) * stage.dim;
    const MemoryLevel& level = LevelOf(levels, static_cast<uint64_t>(held));
    (coarse ? prediction.coarse_level : prediction.scan_level) = level.name;
    prediction.streamed_bytes += stage.bytes;
    stream_micros += 1e6 * stage.bytes / level.bytes_per_second;
  }
  prediction.micros =
      kStreamFactor * stream_micros + kMicrosPerRow * prediction.rows + kFixedMicros;
  return prediction;
}

}  // namespace nestor
