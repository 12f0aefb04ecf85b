// libFuzzer's way into one target, which the build names.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nestor::NESTOR_FUZZ_TARGET({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
