#include "server/rpc/request_counters.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace nestor {

absl::string_view FullName(Method method) {
  static constexpr std::array<absl::string_view, kMethods> kNames = {
      "nestor.v1.AdminService/CancelOperation",
      "nestor.v1.AdminService/GetOperation",
      "nestor.v1.AdminService/GetServerInfo",
      "nestor.v1.AdminService/GetStats",
      "nestor.v1.AdminService/ListOperations",
      "nestor.v1.CollectionService/CreateCollection",
      "nestor.v1.CollectionService/DeleteCollection",
      "nestor.v1.CollectionService/GetCollection",
      "nestor.v1.CollectionService/ListCollections",
      "nestor.v1.CollectionService/UpdateCollection",
      "nestor.v1.IndexService/AddCode",
      "nestor.v1.IndexService/BuildIndex",
      "nestor.v1.IndexService/DropCode",
      "nestor.v1.IndexService/ExportCode",
      "nestor.v1.IndexService/GetCentroids",
      "nestor.v1.IndexService/GetIndex",
      "nestor.v1.IndexService/ImportCode",
      "nestor.v1.MultiVectorService/EncodeFDE",
      "nestor.v1.MultiVectorService/EstimateFDE",
      "nestor.v1.PointService/CountPoints",
      "nestor.v1.PointService/DeletePoints",
      "nestor.v1.PointService/GetPoints",
      "nestor.v1.PointService/ListPoints",
      "nestor.v1.PointService/StreamUpsert",
      "nestor.v1.PointService/UpsertPoints",
      "nestor.v1.SearchService/BatchSearch",
      "nestor.v1.SearchService/Search",
  };
  return kNames[static_cast<size_t>(method)];
}

void TimeHistogram::Record(double micros) {
  const double octave = std::log2(std::max(micros, 0x1p-8)) + 8;
  const int bucket = std::min(static_cast<int>(octave * kPerOctave), kBuckets - 1);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
}

uint64_t TimeHistogram::count() const {
  uint64_t sum = 0;
  for (const auto& bucket : buckets_) sum += bucket.load(std::memory_order_relaxed);
  return sum;
}

double TimeHistogram::Quantile(double q) const {
  const double rank = q * static_cast<double>(count());
  uint64_t below = 0;
  for (int i = 0; i < kBuckets; ++i) {
    below += buckets_[i].load(std::memory_order_relaxed);
    if (below > 0 && static_cast<double>(below) >= rank) {
      return std::exp2((i + 0.5) / kPerOctave - 8);
    }
  }
  return 0;
}

void RequestCounters::Record(Method method, absl::StatusCode code) {
  const int number = static_cast<int>(code);
  const int known =
      number >= 0 && number < kCodes ? number : static_cast<int>(absl::StatusCode::kUnknown);
  counts_[static_cast<size_t>(method) * kCodes + known].fetch_add(1, std::memory_order_relaxed);
}

void RequestCounters::Visit(
    const std::function<void(Method, absl::StatusCode, uint64_t)>& visit) const {
  std::vector<absl::StatusCode> codes;
  for (int code = 0; code < kCodes; ++code) codes.push_back(static_cast<absl::StatusCode>(code));
  std::sort(codes.begin(), codes.end(), [](absl::StatusCode a, absl::StatusCode b) {
    return absl::StatusCodeToString(a) < absl::StatusCodeToString(b);
  });
  for (int method = 0; method < kMethods; ++method) {
    for (const absl::StatusCode code : codes) {
      const uint64_t count =
          counts_[method * kCodes + static_cast<int>(code)].load(std::memory_order_relaxed);
      if (count > 0) visit(static_cast<Method>(method), code, count);
    }
  }
}

}  // namespace nestor
