// Valid inputs of every target, from which the fuzzers start. They are committed under corpus/, as
// make_corpus writes them; corpus_test says where they are out of date.
#ifndef NESTOR_TESTS_FUZZ_SAMPLES_H_
#define NESTOR_TESTS_FUZZ_SAMPLES_H_

#include <map>
#include <string>

namespace nestor {

// Path below corpus/, "vector_file/fbin" -> bytes.
std::map<std::string, std::string> MakeSamples();

}  // namespace nestor

#endif  // NESTOR_TESTS_FUZZ_SAMPLES_H_
