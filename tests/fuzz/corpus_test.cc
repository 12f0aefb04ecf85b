// The committed corpus: valid inputs, as today's code writes them; and what the targets make of
// inputs near them, without libFuzzer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "tests/fuzz/samples.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

std::filesystem::path Root() {
  return std::filesystem::path(NESTOR_SOURCE_DIR) / "tests/fuzz/corpus";
}

std::map<std::string, std::string> Committed() {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Root())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[std::filesystem::relative(entry.path(), Root()).string()] =
        std::string(std::istreambuf_iterator<char>(file), {});
  }
  return files;
}

class CorpusTest : public testing::TestWithParam<FuzzTarget> {
 protected:
  // Those of the target.
  std::map<std::string, std::string> Inputs() const {
    std::map<std::string, std::string> inputs;
    for (const auto& [name, bytes] : Committed()) {
      if (name.starts_with(std::string(GetParam().name) + "/")) inputs[name] = bytes;
    }
    return inputs;
  }
};

TEST(CorpusTest, IsWhatMakeCorpusWrites) {
  EXPECT_EQ(Committed(), MakeSamples()) << "run make_corpus tests/fuzz/corpus";
}

TEST_P(CorpusTest, IsValid) {
  const auto inputs = Inputs();
  EXPECT_FALSE(inputs.empty());
  for (const auto& [name, bytes] : inputs) EXPECT_TRUE(GetParam().run(AsBytes(bytes))) << name;
}

// The targets abort where something does not hold.
TEST_P(CorpusTest, DamagedInputsAreReadOrRefused) {
  std::mt19937 random(1);
  int refused = 0;
  for (const auto& [name, bytes] : Inputs()) {
    for (size_t length = 0; length < bytes.size(); ++length) {
      GetParam().run(AsBytes(absl::string_view(bytes).substr(0, length)));
    }
    for (int i = 0; i < 200; ++i) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
      refused += GetParam().run(AsBytes(damaged)) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(All, CorpusTest, testing::ValuesIn(kFuzzTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nestor
