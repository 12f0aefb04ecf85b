// Products and sums of many rows, an implementation per instruction set (kernels.h says what they
// compute).
#ifndef NESTOR_INDEX_KERNELS_MULTIPLY_H_
#define NESTOR_INDEX_KERNELS_MULTIPLY_H_

#include <cstddef>
#include <cstdint>

namespace nestor {

void MultiplyF32Scalar(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t columns_n, float* const* products);
void MultiplyF32Avx2(const float* rows, size_t n, size_t dims, const float* columns,
                     size_t columns_n, float* const* products);
void MultiplyF32Avx512(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t columns_n, float* const* products);

void SignsF32Scalar(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint8_t* bits);
void SignsF32Avx2(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                  uint8_t* bits);
void SignsF32Avx512(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint8_t* bits);

void MaxSimF32Scalar(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t columns_n, float* largest, uint32_t* tokens);
void MaxSimF32Avx2(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                   size_t columns_n, float* largest, uint32_t* tokens);
void MaxSimF32Avx512(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t columns_n, float* largest, uint32_t* tokens);

void SumRowsF32Scalar(const float* const* rows, size_t n, size_t dims, float factor, float* sums);
void SumRowsF32Avx2(const float* const* rows, size_t n, size_t dims, float factor, float* sums);
void SumRowsF32Avx512(const float* const* rows, size_t n, size_t dims, float factor, float* sums);

}  // namespace nestor

#endif  // NESTOR_INDEX_KERNELS_MULTIPLY_H_
