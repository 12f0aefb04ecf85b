// Against what MUVERA's reference implementation printed, fed with the matrices that it drew
// (tests/data/README.md).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

using nlohmann::json;

constexpr uint32_t kDim = 16;

// The reference's block p holds the tokens with the signs p ^ (p >> 1), its first hyperplane being
// the most significant bit.
uint32_t OurBlock(uint32_t p, uint32_t k_sim) {
  const uint32_t signs = p ^ p >> 1;
  uint32_t block = 0;
  for (uint32_t j = 0; j < k_sim; ++j) block |= (signs >> (k_sim - 1 - j) & 1) << j;
  return block;
}

std::shared_ptr<const FdeModel> ModelOf(const json& config, uint32_t k_sim, uint32_t repetitions,
                                        uint32_t d_proj, bool fill) {
  FdeSpec spec{.dim = kDim,
               .repetitions = repetitions,
               .k_sim = k_sim,
               .projection = FdeProjection::kIdentity,
               .d_proj = d_proj,
               .fill_empty = fill};
  FdeMatrices matrices;
  matrices.hyperplanes.resize(size_t{repetitions} * k_sim * kDim);
  for (const json& entry : config.at("simhash_rep_dim_bit_value")) {
    const size_t row = entry[0].get<size_t>() * k_sim + entry[2].get<size_t>();
    matrices.hyperplanes.at(row * kDim + entry[1].get<size_t>()) = entry[3].get<float>();
  }
  if (!config.at("ams_rep_dim_out_sign").empty()) {
    spec.projection = FdeProjection::kCountSketch;
    matrices.projections.resize(size_t{repetitions} * d_proj * kDim);
    for (const json& entry : config.at("ams_rep_dim_out_sign")) {
      const size_t row = entry[0].get<size_t>() * d_proj + entry[2].get<size_t>();
      matrices.projections.at(row * kDim + entry[1].get<size_t>()) = entry[3].get<float>();
    }
  }
  auto model = FdeModel::Make(spec, matrices);
  EXPECT_TRUE(model.ok()) << model.status();
  return *model;
}

struct Golden {
  const char* config;
  uint32_t k_sim, repetitions, d_proj;
  bool fill;
};

class FdeGoldenTest : public testing::TestWithParam<Golden> {};

TEST_P(FdeGoldenTest, EqualsTheReference) {
  std::ifstream file(NESTOR_SOURCE_DIR "/tests/data/muvera/golden.json");
  const json golden = json::parse(file);
  const auto [name, k_sim, repetitions, d_proj, fill] = GetParam();
  const json& config = golden.at("configs").at(name);
  const auto model = ModelOf(config, k_sim, repetitions, d_proj, fill);
  int compared = 0;
  for (const auto& [input, rows] : golden.at("inputs").items()) {
    std::vector<float> tokens;
    for (const json& row : rows) {
      for (const json& value : row) tokens.push_back(value.get<float>());
    }
    for (const bool query : {true, false}) {
      const std::vector<float> fde = query ? QueryFde(*model, tokens) : DocumentFde(*model, tokens);
      const auto expected = config.at("outputs")
                                .at(input + (query ? ".query" : ".document"))
                                .get<std::vector<float>>();
      ASSERT_EQ(fde.size(), expected.size());
      const uint32_t blocks = model->spec().blocks();
      for (size_t i = 0; i < expected.size(); ++i) {
        const size_t block = i / d_proj % blocks;
        const size_t ours =
            i - block * d_proj + OurBlock(static_cast<uint32_t>(block), k_sim) * size_t{d_proj};
        ASSERT_NEAR(fde[ours], expected[i], 1e-6) << input << ", query " << query << ", dim " << i;
        compared += expected[i] != 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(compared, 100);
}

INSTANTIATE_TEST_SUITE_P(Configs, FdeGoldenTest,
                         testing::Values(Golden{"identity_fill", 3, 3, kDim, true},
                                         Golden{"identity_nofill", 3, 3, kDim, false},
                                         Golden{"ams_fill", 3, 3, 4, true},
                                         Golden{"k0_fill", 0, 2, kDim, true}),
                         [](const auto& info) { return std::string(info.param.config); });

}  // namespace
}  // namespace nestor
