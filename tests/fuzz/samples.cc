#include "tests/fuzz/samples.h"

#include "tests/fuzz/sample_kinds.h"

namespace nestor {

std::map<std::string, std::string> MakeSamples() {
  Samples all;
  AddFileSamples(&all);
  AddStoredSamples(&all);
  AddRequestSamples(&all);
  return all;
}

}  // namespace nestor
