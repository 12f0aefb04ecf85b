// The specification of the int8 MaxSim, in portable C++.
#include "index/kernels/kernels.h"
#include "index/kernels/maxsim.h"

namespace nestor {

void MaxSimI8Scalar(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                    const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                    float* largest, uint32_t* tokens) {
  for (size_t q = 0; q < query_n; ++q) {
    const int8_t* row = query + q * groups * 4;
    for (size_t t = 0; t < n; ++t) {
      const int8_t* lane = base + t / kBlockRows * block_bytes + t % kBlockRows * 4;
      int32_t sum = 0;
      for (size_t d = 0; d < groups * 4; ++d) {
        sum += int32_t{row[d]} * lane[d / 4 * 64 + d % 4];
      }
      const float product = static_cast<float>(sum) * scales[t];
      if (t == 0 || product > largest[q]) {
        largest[q] = product;
        if (tokens != nullptr) tokens[q] = static_cast<uint32_t>(t);
      }
    }
  }
}

}  // namespace nestor
