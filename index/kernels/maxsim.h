// The largest products of each query token with a document's tokens in int8, an implementation per
// instruction set (kernels.h says what they compute).
#ifndef NESTOR_INDEX_KERNELS_MAXSIM_H_
#define NESTOR_INDEX_KERNELS_MAXSIM_H_

#include <cstddef>
#include <cstdint>

namespace nestor {

void MaxSimI8Scalar(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                    const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                    float* largest, uint32_t* tokens);
void MaxSimI8Avx2(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                  const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                  float* largest, uint32_t* tokens);
void MaxSimI8Avx512(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                    const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                    float* largest, uint32_t* tokens);

}  // namespace nestor

#endif  // NESTOR_INDEX_KERNELS_MAXSIM_H_
