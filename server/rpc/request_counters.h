// Counts finished calls by method and status, and times searches. Lock-free; any thread.
#ifndef NESTOR_SERVER_RPC_REQUEST_COUNTERS_H_
#define NESTOR_SERVER_RPC_REQUEST_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nestor {

enum class Method : uint8_t {
  kCancelOperation,
  kGetOperation,
  kGetServerInfo,
  kGetStats,
  kListOperations,
  kCreateCollection,
  kDeleteCollection,
  kGetCollection,
  kListCollections,
  kUpdateCollection,
  kAddCode,
  kBuildIndex,
  kDropCode,
  kExportCode,
  kGetCentroids,
  kGetIndex,
  kImportCode,
  kEncodeFde,
  kEstimateFde,
  kCountPoints,
  kDeletePoints,
  kGetPoints,
  kListPoints,
  kStreamUpsert,
  kUpsertPoints,
  kBatchSearch,
  kSearch,
};
inline constexpr int kMethods = static_cast<int>(Method::kSearch) + 1;

// "nestor.v1.SearchService/Search". The methods stand in the order of these names.
absl::string_view FullName(Method method);

// Times in buckets that are 1/8 of a power of two wide: quantiles are right within 7 %.
class TimeHistogram {
 public:
  void Record(double micros);
  uint64_t count() const;
  // Microseconds, 0 where nothing was recorded. 0 <= q <= 1.
  double Quantile(double q) const;

 private:
  static constexpr int kPerOctave = 8;
  static constexpr int kBuckets = 40 * kPerOctave;  // 2^-8 us .. 2^32 us
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
};

class RequestCounters {
 public:
  void Record(Method method, absl::StatusCode code);
  // Calls `visit` for every pair that happened, ordered by method, then by the status' name.
  void Visit(const std::function<void(Method, absl::StatusCode, uint64_t)>& visit) const;

  // Searches that succeeded: from the handler's entry to a search thread; to Finish; and that less
  // the time in the stages.
  TimeHistogram search_queue_micros;
  TimeHistogram search_micros;
  TimeHistogram search_overhead_micros;

 private:
  static constexpr int kCodes = 17;  // canonical codes, 0..16
  std::array<std::atomic<uint64_t>, kMethods * kCodes> counts_{};
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_REQUEST_COUNTERS_H_
