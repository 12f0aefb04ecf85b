// The fuzzers' kernels: index/kernels/dispatch.cc asks the CPU in words that clang-14 lacks, and
// the scalar code is the specification anyway.
#include "index/kernels/kernels.h"

namespace nestor {

const Kernels& ActiveKernels() { return kScalarKernels; }

}  // namespace nestor
