// The scans of OPQ codes, an implementation per instruction set (kernels.h says what they compute).
#ifndef NESTOR_INDEX_KERNELS_CODES_H_
#define NESTOR_INDEX_KERNELS_CODES_H_

#include <cstddef>
#include <cstdint>

namespace nestor {

void ScanOpq4Scalar(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                    float step, float bias, float* sums);
void ScanOpq4Avx2(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                  float step, float bias, float* sums);
// Needs VBMI beside what the level has (dispatch.cc).
void ScanOpq4Avx512(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                    float step, float bias, float* sums);

// On all levels: table lookups from memory are no faster as gathers (AVX2 and AVX-512, measured on
// Zen 5: 0.8 to 1.0 times the speed).
void ScanOpq8(const uint8_t* base, size_t lines, size_t blocks, const float* tables, float bias,
              float* sums);

}  // namespace nestor

#endif  // NESTOR_INDEX_KERNELS_CODES_H_
