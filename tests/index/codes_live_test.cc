// One writer appends codes to a run's blocks while readers scan them.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "index/base/pages.h"
#include "index/codes/query.h"
#include "tests/index/codes_testutil.h"

namespace nestor {
namespace {

TEST(CodesLiveTest, AppendedRowsAreScannedAtOnce) {
  for (const OpqSpec& spec : {OpqSpec{32, 8, 4}, OpqSpec{32, 4, 8}}) {
    const TrainedCode& t = Trained(Metric::kDot, spec);
    const CodeLayout layout(spec);
    const PageBuffer blocks(kTrainedRows / 16 * layout.block_bytes(), /*huge=*/false);
    const Matrix queries = MakeMatrix(t.matrix.schema, 2, 5);
    std::atomic<uint32_t> count{0};  // as a run's
    const auto read = [&](size_t j) {
      OpqQuery query;
      query.Prepare(*t.quantizer, Metric::kDot, queries.row(j));
      std::vector<float> sums(kTrainedRows);
      uint32_t seen = 0;
      while (seen < kTrainedRows) {
        seen = count.load(std::memory_order_acquire);
        query.Scan(ActiveKernels(), blocks.data(), (seen + 15) / 16, 0, sums.data());
        for (uint32_t i = 0; i < seen; ++i) {
          ASSERT_NEAR(sums[i], query.TableSum(t.code(i)), query.error()) << i << " of " << seen;
        }
      }
    };
    std::thread first(read, 0), second(read, 1);
    std::vector<uint8_t> code(spec.bytes);
    for (uint32_t i = 0; i < kTrainedRows; ++i) {
      t.quantizer->Encode(t.row(i), 1, code.data());
      layout.Write(code.data(), i, blocks.data());
      count.store(i + 1, std::memory_order_release);
    }
    first.join();
    second.join();
  }
}

}  // namespace
}  // namespace nestor
