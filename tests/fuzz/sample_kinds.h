// The kinds of samples, a file each: samples_files.cc, samples_stored.cc, samples_requests.cc.
#ifndef NESTOR_TESTS_FUZZ_SAMPLE_KINDS_H_
#define NESTOR_TESTS_FUZZ_SAMPLE_KINDS_H_

#include <map>
#include <string>
#include <vector>

namespace nestor {

using Samples = std::map<std::string, std::string>;

void AddFileSamples(Samples* all);
void AddStoredSamples(Samples* all);
void AddRequestSamples(Samples* all);

template <typename T>
std::string RawBytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// The byte with which an input chooses a variant (targets.h).
inline std::string Choose(int variant) { return std::string(1, static_cast<char>(variant)); }

}  // namespace nestor

#endif  // NESTOR_TESTS_FUZZ_SAMPLE_KINDS_H_
