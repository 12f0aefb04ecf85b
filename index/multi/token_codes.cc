#include "index/multi/token_codes.h"

#include <cstring>
#include <vector>

#include "index/shells.h"

namespace nestor {

void EncodeTokenCodes(const TokenCodeLayout& layout, const float* tokens, size_t n, bool exact_int8,
                      int8_t* blocks, float* scales) {
  std::memset(blocks, 0, layout.bytes(n));
  std::vector<int8_t> codes(layout.groups() * 4);
  for (size_t t = 0; t < n; ++t) {
    const float* token = tokens + t * layout.dim;
    if (exact_int8) {
      CopyInt8(token, layout.dim, codes.data());
      scales[t] = 1;
    } else {
      scales[t] = QuantizeInt8(token, layout.dim, codes.data());
    }
    int8_t* lane = blocks + t / kBlockRows * layout.block_bytes() + t % kBlockRows * 4;
    for (size_t g = 0; g < layout.groups(); ++g) {
      std::memcpy(lane + g * 4 * kBlockRows, codes.data() + g * 4, 4);
    }
  }
}

}  // namespace nestor
