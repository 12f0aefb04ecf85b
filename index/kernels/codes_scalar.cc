// The scans of codes in portable C++: the specification of the 4-bit one, the only one of 8 bits.
#include "index/kernels/codes.h"
#include "index/kernels/kernels.h"

namespace nestor {

void ScanOpq4Scalar(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                    float step, float bias, float* sums) {
  for (size_t b = 0; b < blocks; ++b) {
    for (size_t r = 0; r < kBlockRows; ++r) {
      uint32_t sum = 0;
      for (size_t g = 0; g < lines; ++g) {
        const uint8_t* bytes = base + (b * lines + g) * 64 + r * 4;
        const uint8_t* table = tables + g * 128;
        for (size_t j = 0; j < 4; ++j) {
          sum += table[16 * j + (bytes[j] & 15)];
          sum += table[64 + 16 * j + (bytes[j] >> 4)];
        }
      }
      sums[b * kBlockRows + r] = static_cast<float>(sum) * step + bias;
    }
  }
}

void ScanOpq8(const uint8_t* base, size_t lines, size_t blocks, const float* tables, float bias,
              float* sums) {
  for (size_t b = 0; b < blocks; ++b) {
    // Two neighbouring rows at a time: eight sums that do not wait for each other.
    for (size_t r = 0; r < kBlockRows; r += 2) {
      float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
      for (size_t g = 0; g < lines; ++g) {
        uint64_t codes;
        __builtin_memcpy(&codes, base + (b * lines + g) * 64 + r * 4, sizeof(codes));
        const float* table = tables + g * 1024;
        s0 += table[codes & 255];
        s1 += table[256 + (codes >> 8 & 255)];
        s2 += table[512 + (codes >> 16 & 255)];
        s3 += table[768 + (codes >> 24 & 255)];
        s4 += table[codes >> 32 & 255];
        s5 += table[256 + (codes >> 40 & 255)];
        s6 += table[512 + (codes >> 48 & 255)];
        s7 += table[768 + (codes >> 56)];
      }
      sums[b * kBlockRows + r] = ((s0 + s1) + (s2 + s3)) + bias;
      sums[b * kBlockRows + r + 1] = ((s4 + s5) + (s6 + s7)) + bias;
    }
  }
}

}  // namespace nestor
