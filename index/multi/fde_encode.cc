// How an FdeModel encodes: the signs of all products with the hyperplanes first, then repetition by
// repetition the sum of each block's tokens, projected. (Projecting is linear: sums are fewer than
// tokens.)
#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/multi/fde_model.h"
#include "index/multi/tokens.h"

namespace nestor {
namespace {

absl::Status CheckOptions(const FdeSpec& spec, size_t tokens, const FdeOptions& options) {
  const auto refuse = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("fde: ", parts...));
  };
  if (options.repetitions > spec.repetitions ||
      options.repetitions % spec.group_repetitions() != 0) {
    return refuse("a prefix must be of 1..", spec.repetitions, " repetitions and a multiple of ",
                  spec.group_repetitions(), ", not ", options.repetitions);
  }
  if (options.side == FdeSide::kQuery && options.fill_empty.value_or(false)) {
    return refuse("fill_empty is for documents: in a query a token would count several times");
  }
  if (options.weights.empty()) return absl::OkStatus();
  if (options.side == FdeSide::kDocument) return refuse("weights are for a query's tokens");
  return ValidateTokenWeights(options.weights, tokens);
}

// The signs of the products of tokens with the hyperplanes of some repetitions.
class Signs {
 public:
  Signs(const Kernels& kernels, const float* tokens, size_t n, uint32_t dim, const float* columns,
        uint32_t k_sim, uint32_t repetitions)
      : k_sim_(k_sim),
        bytes_((size_t{repetitions} * k_sim + 7) / 8),
        // A block is read in 32 bits, from its first byte on.
        bits_(n * bytes_ + sizeof(uint32_t)) {
    kernels.signs_f32(tokens, n, dim, columns, bytes_, bits_.data());
  }

  uint32_t BlockOf(size_t token, uint32_t repetition) const {
    const size_t first = size_t{repetition} * k_sim_;
    uint32_t bits;
    std::memcpy(&bits, bits_.data() + token * bytes_ + first / 8, sizeof(bits));
    return bits >> first % 8 & ((1u << k_sim_) - 1);
  }

 private:
  const uint32_t k_sim_;
  const size_t bytes_;  // of a token
  std::vector<uint8_t> bits_;
};

// The tokens of one repetition by block.
class Parts {
 public:
  Parts(const float* tokens, size_t n, size_t dim, uint32_t blocks)
      : tokens_(tokens), dim_(dim), block_of_(n), ends_(blocks), occupied_(blocks), rows_(n) {}

  void Split(const Signs& signs, uint32_t repetition) {
    std::fill(ends_.begin(), ends_.end(), 0);
    for (size_t i = 0; i < block_of_.size(); ++i) {
      block_of_[i] = signs.BlockOf(i, repetition);
      ++ends_[block_of_[i]];
    }
    // Counts become starts, and starts ends, as the tokens are put in place.
    size_ = 0;
    uint32_t start = 0;
    for (uint32_t b = 0; b < ends_.size(); ++b) {
      occupied_[size_] = b;
      size_ += ends_[b] != 0 ? 1 : 0;
      start += std::exchange(ends_[b], start);
    }
    for (size_t i = 0; i < block_of_.size(); ++i) {
      rows_[ends_[block_of_[i]]++] = tokens_ + i * dim_;
    }
  }

  // The blocks that hold tokens, ascending.
  std::span<const uint32_t> occupied() const { return std::span(occupied_).first(size_); }
  // A block's tokens, in their order.
  std::span<const float* const> tokens(uint32_t block) const {
    const size_t first = block == 0 ? 0 : ends_[block - 1];
    return std::span(rows_).subspan(first, ends_[block] - first);
  }

 private:
  const float* const tokens_;
  const size_t dim_;
  std::vector<uint32_t> block_of_;  // by token
  std::vector<uint32_t> ends_;      // by block, in rows_
  std::vector<uint32_t> occupied_;
  size_t size_ = 0;
  std::vector<const float*> rows_;  // by block
};

// For each block the occupied one that differs from it in the fewest signs, of equals the one with
// the first token. It spreads from neighbour to neighbour: what is nearest to a block is nearest to
// one of its nearer neighbours, too.
class Nearest {
 public:
  explicit Nearest(uint32_t k_sim) : k_sim_(k_sim), of_(size_t{1} << k_sim) {}

  void Find(const Parts& parts) {
    std::fill(of_.begin(), of_.end(), kNone);
    for (const uint32_t block : parts.occupied()) of_[block] = block;
    size_t reached = parts.occupied().size();
    while (reached < of_.size()) {
      next_.clear();
      for (uint32_t b = 0; b < of_.size(); ++b) {
        if (of_[b] != kNone) continue;
        uint32_t nearest = kNone;
        for (uint32_t j = 0; j < k_sim_; ++j) {
          const uint32_t other = of_[b ^ 1u << j];
          if (other == kNone) continue;
          if (nearest == kNone || parts.tokens(other)[0] < parts.tokens(nearest)[0]) {
            nearest = other;
          }
        }
        if (nearest != kNone) next_.emplace_back(b, nearest);
      }
      for (const auto& [block, nearest] : next_) of_[block] = nearest;
      reached += next_.size();
    }
  }

  uint32_t of(uint32_t block) const { return of_[block]; }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  const uint32_t k_sim_;
  std::vector<uint32_t> of_;
  std::vector<std::pair<uint32_t, uint32_t>> next_;  // block, its nearest
};

}  // namespace

absl::Status FdeModel::Encode(std::span<const float> tokens, const FdeOptions& options,
                              float* fde) const {
  if (const absl::Status valid = ValidateTokens(token_schema_, tokens); !valid.ok()) return valid;
  const size_t dim = spec_.dim, d_proj = spec_.d_proj;
  const size_t n = tokens.size() / dim;
  if (const absl::Status valid = CheckOptions(spec_, n, options); !valid.ok()) return valid;
  const uint32_t repetitions = options.repetitions == 0 ? spec_.repetitions : options.repetitions;
  const bool document = options.side == FdeSide::kDocument;
  const bool fill = document && options.fill_empty.value_or(spec_.fill_empty);
  const bool identity = spec_.projection == FdeProjection::kIdentity;

  const Signs signs(kernels_, tokens.data(), n, spec_.dim,
                    reinterpret_cast<const float*>(hyperplanes_.data()), spec_.k_sim, repetitions);
  // A weight does not move its token to another block.
  std::vector<float> weighted;
  const float* values = tokens.data();
  if (!options.weights.empty()) {
    weighted.resize(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) weighted[i] = tokens[i] * options.weights[i / dim];
    values = weighted.data();
  }
  Parts parts(values, n, dim, spec_.blocks());
  Nearest nearest(spec_.k_sim);
  const size_t most = std::min<size_t>(n, spec_.blocks());
  std::vector<float> sums(identity ? 0 : most * dim);
  std::vector<float> fillings(fill && !identity ? spec_.blocks() * d_proj : 0);
  std::vector<float*> outputs(most);
  // Where a sketch follows, a group of repetitions as it is before.
  std::vector<float> group(size_t{spec_.sketch_repetitions} * spec_.repetition_dims());

  std::fill_n(fde, spec_.dims_of(repetitions), 0.0f);
  for (uint32_t r = 0; r < repetitions; ++r) {
    const uint32_t in_group = r % spec_.group_repetitions();
    if (in_group == 0) std::fill(group.begin(), group.end(), 0.0f);
    float* out = (group.empty() ? fde + size_t{r} * spec_.repetition_dims()
                                : group.data() + size_t{in_group} * spec_.repetition_dims());
    const auto* projection =
        reinterpret_cast<const float*>(projections_.data() + r * projection_bytes_);
    parts.Split(signs, r);
    const std::span<const uint32_t> occupied = parts.occupied();
    for (size_t p = 0; p < occupied.size(); ++p) {
      const std::span<const float* const> rows = parts.tokens(occupied[p]);
      outputs[p] = out + occupied[p] * d_proj;
      kernels_.sum_rows_f32(rows.data(), rows.size(), dim,
                            document ? 1 / static_cast<float>(rows.size()) : 1.0f,
                            identity ? outputs[p] : sums.data() + p * dim);
    }
    if (!identity) {
      kernels_.multiply_f32(sums.data(), occupied.size(), dim, projection, d_proj, outputs.data());
    }
    if (fill && occupied.size() < spec_.blocks()) {
      nearest.Find(parts);
      // What an empty block takes is one token, not a mean.
      for (size_t p = 0; p < occupied.size() && !identity; ++p) {
        std::copy_n(parts.tokens(occupied[p])[0], dim, sums.data() + p * dim);
        outputs[p] = fillings.data() + occupied[p] * d_proj;
      }
      if (!identity) {
        kernels_.multiply_f32(sums.data(), occupied.size(), dim, projection, d_proj,
                              outputs.data());
      }
      for (uint32_t b = 0; b < spec_.blocks(); ++b) {
        const uint32_t from = nearest.of(b);
        if (from == b) continue;
        std::copy_n(identity ? parts.tokens(from)[0] : fillings.data() + from * d_proj, d_proj,
                    out + b * d_proj);
      }
    }
    if (!group.empty() && in_group + 1 == spec_.sketch_repetitions) {
      const uint32_t g = r / spec_.sketch_repetitions;
      Sketch(g, group, fde + size_t{g} * spec_.sketch_dim);
    }
  }
  return absl::OkStatus();
}

void FdeModel::Sketch(uint32_t g, const std::vector<float>& group, float* sketched) const {
  const uint32_t* entries = matrices_.sketch.data() + g * group.size();
  for (size_t c = 0; c < group.size(); ++c) {
    sketched[entries[c] / 2] += entries[c] % 2 == 0 ? group[c] : -group[c];
  }
}

}  // namespace nestor
