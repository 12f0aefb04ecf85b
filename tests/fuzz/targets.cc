#include "tests/fuzz/targets.h"

#include <cstdio>
#include <cstdlib>

namespace nestor {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace nestor
