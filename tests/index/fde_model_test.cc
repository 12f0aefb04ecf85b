// What is refused, the final sketch, and the stored form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/multi/stored_fde.h"
#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kDim = 16;
constexpr FdeSpec kSpec = {.dim = kDim, .repetitions = 6, .k_sim = 3, .d_proj = 4};

FdeSpec Sketched() {
  FdeSpec spec = kSpec;
  spec.sketch_repetitions = 3;
  spec.sketch_dim = 40;
  return spec;
}

TEST(FdeSpecTest, RefusesWithValueAndLimit) {
  const auto refused = [](auto change) {
    FdeSpec spec = Sketched();
    change(&spec);
    const absl::Status status = ValidateFde(spec);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(FdeModel::Draw(spec).status(), status);
    return std::string(status.message());
  };
  EXPECT_TRUE(ValidateFde(kSpec).ok());
  EXPECT_TRUE(ValidateFde(Sketched()).ok());
  EXPECT_THAT(refused([](FdeSpec* s) { s->dim = 0; }), HasSubstr("dim must be 1..1024, not 0"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->dim = 1025; }), HasSubstr("1..1024, not 1025"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->repetitions = 0; }), HasSubstr("1..1024, not 0"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->k_sim = 13; }), HasSubstr("k_sim must be 0..12, not 13"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->d_proj = 0; }), HasSubstr("d_proj must be 1..16"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->d_proj = 17; }), HasSubstr("not 17"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->projection = FdeProjection::kIdentity; }),
              HasSubstr("d_proj must be 16 (the tokens' dim), not 4"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->projection = FdeProjection(4); }),
              HasSubstr("projection 4"));
  EXPECT_THAT(refused([](FdeSpec* s) { *s = {.dim = 64, .repetitions = 33, .k_sim = 12}; }),
              HasSubstr("is 1081344 dims, the limit is 1048576"));
  EXPECT_THAT(refused([](FdeSpec* s) {
                *s = {.dim = 1024, .repetitions = 1024, .k_sim = 3, .d_proj = 64};
              }),
              HasSubstr("would have 70254592 values, the limit is 16777216"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->sketch_dim = 0; }), HasSubstr("must both be set"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->sketch_repetitions = 4; }),
              HasSubstr("must divide the 6 repetitions"));
  EXPECT_THAT(refused([](FdeSpec* s) { s->sketch_dim = 97; }),
              HasSubstr("1..96 (the dims of 3 repetitions), not 97"));
  EXPECT_EQ((FdeSpec{.dim = 128}.dims()), 10240u);
}

TEST(FdeModelTest, RefusesOtherMatrices) {
  const FdeMatrices good = DrawFdeMatrices(Sketched());
  EXPECT_TRUE(FdeModel::Make(Sketched(), good).ok());
  const auto refused = [&](auto change) {
    FdeMatrices matrices = good;
    change(&matrices);
    const absl::Status status = FdeModel::Make(Sketched(), matrices).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused([](FdeMatrices* m) { m->hyperplanes.pop_back(); }),
              HasSubstr("hyperplanes have 287 values, expected 288"));
  EXPECT_THAT(refused([](FdeMatrices* m) { m->projections.push_back(0); }),
              HasSubstr("projections have 385 values, expected 384"));
  EXPECT_THAT(refused([](FdeMatrices* m) { m->projections[7] = NAN; }), HasSubstr("nan"));
  EXPECT_THAT(refused([](FdeMatrices* m) { m->hyperplanes[7] = 2e15f; }), HasSubstr("1e+15"));
  EXPECT_THAT(refused([](FdeMatrices* m) { m->sketch[3] = 80; }),
              HasSubstr("names dim 40, it has 40 dims"));
  EXPECT_THAT(refused([](FdeMatrices* m) { m->sketch.clear(); }), HasSubstr("expected 192"));
}

TEST(FdeModelTest, RefusesBadInput) {
  const auto model = DrawOrDie(Sketched());
  std::vector<float> fde(model->spec().dims());
  TokenMaker maker(kDim);
  const std::vector<float> good = maker.Make(3);
  const auto refused = [&](std::span<const float> tokens, const FdeOptions& options) {
    const absl::Status status = model->Encode(tokens, options, fde.data());
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  for (const FdeSide side : {FdeSide::kQuery, FdeSide::kDocument}) {
    EXPECT_THAT(refused({}, {.side = side}), HasSubstr("no tokens"));
    EXPECT_THAT(refused(std::span(good).first(47), {.side = side}),
                HasSubstr("47 values of tokens are not a multiple of their dim 16"));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::infinity(), 3e38f}) {
      std::vector<float> tokens = good;
      tokens[37] = bad;
      EXPECT_THAT(refused(tokens, {.side = side}), HasSubstr("token 2 has"));
      if (bad == 3e38f) continue;
      EXPECT_THAT(refused(tokens, {.side = side}), HasSubstr("at position 5"));
    }
    EXPECT_THAT(refused(good, {.side = side, .repetitions = 4}),
                HasSubstr("1..6 repetitions and a multiple of 3, not 4"));
    EXPECT_THAT(refused(good, {.side = side, .repetitions = 9}), HasSubstr("not 9"));
  }
  EXPECT_THAT(refused(good, {.fill_empty = true}), HasSubstr("fill_empty is for documents"));
  const std::vector<float> weights = {1, 2, NAN};
  EXPECT_THAT(refused(good, {.weights = weights}), HasSubstr("the weight of token 2 is nan"));
  EXPECT_THAT(refused(good, {.weights = std::span(weights).first(2)}),
              HasSubstr("2 weights for 3 tokens"));
  EXPECT_THAT(refused(good, {.side = FdeSide::kDocument, .weights = weights}),
              HasSubstr("weights are for a query"));
}

// A token of zeros is in block 0, the product with no hyperplane being above zero.
TEST(FdeModelTest, ZerosAreInBlockZero) {
  FdeSpec spec = kSpec;
  spec.fill_empty = true;
  const auto model = DrawOrDie(spec);
  const std::vector<float> zeros(kDim);
  for (const float value : DocumentFde(*model, zeros)) ASSERT_EQ(value, 0);
  std::vector<float> tokens = TokenMaker(kDim).Make(1);
  const std::vector<float> one = QueryFde(*model, tokens);
  tokens.insert(tokens.end(), zeros.begin(), zeros.end());
  EXPECT_EQ(QueryFde(*model, tokens), one);
}

// Blocks that hold no token take the nearest token, the first of equals.
TEST(FdeModelTest, FillsFromTheNearestToken) {
  for (const uint32_t k_sim : {1, 3, 6}) {
    for (const size_t n : {1, 2, 5, 30}) {
      FdeSpec spec = kSpec;
      spec.k_sim = k_sim;
      spec.fill_empty = true;
      const auto model = DrawOrDie(spec);
      const std::vector<float> tokens = TokenMaker(kDim, n).Make(n);
      const std::vector<float> filled = DocumentFde(*model, tokens);
      const std::vector<float> unfilled = DocumentFde(*model, tokens, {.fill_empty = false});
      // Of each token its own encoding: the one block that is not zero is where it lies.
      std::vector<std::vector<float>> ones;
      for (size_t t = 0; t < n; ++t) {
        ones.push_back(
            DocumentFde(*model, std::span(tokens).subspan(t * kDim, kDim), {.fill_empty = false}));
      }
      for (uint32_t r = 0; r < spec.repetitions; ++r) {
        const auto block = [&](const std::vector<float>& fde, uint32_t b) {
          return std::span(fde).subspan(r * spec.repetition_dims() + b * spec.d_proj, spec.d_proj);
        };
        std::vector<uint32_t> block_of(n);
        std::vector<bool> occupied(spec.blocks());
        for (size_t t = 0; t < n; ++t) {
          while (Dot(block(ones[t], block_of[t]), block(ones[t], block_of[t])) == 0) ++block_of[t];
          occupied[block_of[t]] = true;
        }
        for (uint32_t b = 0; b < spec.blocks(); ++b) {
          size_t nearest = 0;
          for (size_t t = 1; t < n; ++t) {
            if (std::popcount(block_of[t] ^ b) < std::popcount(block_of[nearest] ^ b)) nearest = t;
          }
          const auto expected =
              occupied[b] ? block(unfilled, b) : block(ones[nearest], block_of[nearest]);
          const auto got = block(filled, b);
          ASSERT_TRUE(std::equal(got.begin(), got.end(), expected.begin()))
              << "k_sim " << k_sim << ", " << n << " tokens, block " << b;
        }
      }
    }
  }
}

TEST(FdeModelTest, SketchesEachGroup) {
  const auto model = DrawOrDie(Sketched());
  const auto plain = DrawOrDie(kSpec);
  ASSERT_EQ(model->spec().dims(), 80u);
  const std::vector<float> tokens = TokenMaker(kDim).Make(9);
  for (const bool query : {true, false}) {
    const std::vector<float> before =
        query ? QueryFde(*plain, tokens) : DocumentFde(*plain, tokens);
    std::vector<double> expected(80);
    for (size_t i = 0; i < before.size(); ++i) {
      const uint32_t entry = model->matrices().sketch[i];
      expected[i / 96 * 40 + entry / 2] += entry % 2 == 0 ? before[i] : -before[i];
    }
    const std::vector<float> sketched =
        query ? QueryFde(*model, tokens) : DocumentFde(*model, tokens);
    for (size_t i = 0; i < 80; ++i) ASSERT_NEAR(sketched[i], expected[i], 1e-5);
    const std::vector<float> prefix = query ? QueryFde(*model, tokens, {.repetitions = 3})
                                            : DocumentFde(*model, tokens, {.repetitions = 3});
    EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), sketched.begin()));
    EXPECT_EQ(prefix.size(), 40u);
  }
}

TEST(StoredFdeTest, ComesBack) {
  FdeSpec count_sketch = Sketched();
  count_sketch.projection = FdeProjection::kCountSketch;
  count_sketch.fill_empty = true;
  count_sketch.seed = ~uint64_t{0};
  FdeSpec identity = kSpec;
  identity.projection = FdeProjection::kIdentity;
  identity.d_proj = kDim;
  identity.k_sim = 0;
  const std::vector<float> tokens = TokenMaker(kDim).Make(9);
  for (const FdeSpec& spec : {kSpec, Sketched(), count_sketch, identity}) {
    const auto model = DrawOrDie(spec);
    const std::string bytes = SerializeFde(*model);
    const auto parsed = ParseFde(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ((*parsed)->spec(), spec);
    EXPECT_EQ((*parsed)->matrices(), model->matrices());
    EXPECT_EQ(SerializeFde(**parsed), bytes);
    EXPECT_EQ(DocumentFde(**parsed, tokens), DocumentFde(*model, tokens));
    EXPECT_GE((*parsed)->memory_bytes() + 64, bytes.size());
  }
}

TEST(StoredFdeTest, RefusesDamage) {
  const std::string good = SerializeFde(*DrawOrDie(kSpec));
  for (size_t i = 0; i < good.size(); i += i < 48 ? 1 : 97) {
    EXPECT_TRUE(absl::IsDataLoss(ParseFde(absl::string_view(good).substr(0, i)).status())) << i;
    for (const int bit : {0, 7}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ 1 << bit);
      EXPECT_TRUE(absl::IsDataLoss(ParseFde(bytes).status())) << i;
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(ParseFde(good + "x").status()));
  // With a checksum that fits.
  const auto forged = [&](size_t word, uint32_t value) {
    std::string bytes = good.substr(0, good.size() - 8);
    std::memcpy(bytes.data() + 4 * word, &value, 4);
    const uint64_t checksum = FdeChecksum(bytes);
    bytes.append(reinterpret_cast<const char*>(&checksum), 8);
    return std::string(ParseFde(bytes).status().message());
  };
  EXPECT_THAT(forged(0, 2), HasSubstr("version 2"));
  EXPECT_THAT(forged(2, 7), HasSubstr("bytes, expected"));
  EXPECT_THAT(forged(3, 13), HasSubstr("k_sim must be 0..12"));
  EXPECT_THAT(forged(4, 0x102), HasSubstr("projection 258"));
  EXPECT_THAT(forged(6, 2), HasSubstr("fill_empty 2"));
  EXPECT_THAT(forged(20, 0x7fc00000), HasSubstr("nan"));
  // The checksum is 64-bit FNV-1a.
  EXPECT_EQ(FdeChecksum(""), 0xcbf29ce484222325u);
  EXPECT_EQ(FdeChecksum("foobar"), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace nestor
