// What the tests of `nestor bench` share.
#ifndef NESTOR_TESTS_CLIENT_BENCH_TESTUTIL_H_
#define NESTOR_TESTS_CLIENT_BENCH_TESTUTIL_H_

#include <memory>
#include <string>
#include <utility>

#include "client/bench/dataset.h"
#include "client/bench/measure.h"
#include "client/bench/suite.h"
#include "gtest/gtest.h"

namespace nestor {

inline Measurement Measured(double recall, double qps, std::string setting = "") {
  return {.engine = "nestor",
          .setting = setting,
          .plan = setting,
          .recall = recall,
          .qps = qps,
          .steady_qps = 1000 - qps};
}

// The wnh sample: 6,000 rows, 300 queries, L2, labels.
inline const DatasetFiles kSampleFiles = SampleSets(NESTOR_SOURCE_DIR "/tests/data")[0];

inline std::unique_ptr<Dataset> Sample() {
  absl::StatusOr<std::unique_ptr<Dataset>> set = Dataset::Load(kSampleFiles, 10, 1, nullptr);
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

}  // namespace nestor

#endif  // NESTOR_TESTS_CLIENT_BENCH_TESTUTIL_H_
