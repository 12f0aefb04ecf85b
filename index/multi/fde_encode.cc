// How an FdeModel encodes: the signs of all products with the hyperplanes first, then repetition by
// repetition the sum of each block's tokens, projected. (Projecting is linear: sums are fewer than
// tokens.)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/multi/fde_model.h"
#include "index/multi/tokens.h"

namespace nestor {
namespace {

constexpr float kLargestWeight = 1e15f;
constexpr uint32_t kNone = ~uint32_t{0};

size_t Blocks(size_t columns) { return (columns + kBlockRows - 1) / kBlockRows; }

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
  if (options.weights.size() != tokens) {
    return refuse("there are ", options.weights.size(), " weights for ", tokens, " tokens");
  }
  for (size_t i = 0; i < tokens; ++i) {
    if (!(std::fabs(options.weights[i]) <= kLargestWeight)) {
      return refuse("the weight of token ", i, " is ", options.weights[i], ", the limit is +-",
                    kLargestWeight);
    }
  }
  return absl::OkStatus();
}

// The signs of the products of tokens with the hyperplanes of some repetitions.
class Signs {
 public:
  Signs(const Kernels& kernels, const float* tokens, size_t n, uint32_t dim, const float* columns,
        uint32_t k_sim, uint32_t repetitions)
      : k_sim_(k_sim),
        words_(Blocks(size_t{repetitions} * k_sim)),
        // A block is read in 32 bits, from its first byte on.
        bits_(n * words_ + 2) {
    kernels.signs_f32(tokens, n, dim, columns, words_, bits_.data());
  }

  uint32_t BlockOf(size_t token, uint32_t repetition) const {
    const size_t first = size_t{repetition} * k_sim_;
    const char* row = reinterpret_cast<const char*>(bits_.data() + token * words_);
    uint32_t bits;
    std::memcpy(&bits, row + first / 8, sizeof(bits));
    return bits >> first % 8 & ((1u << k_sim_) - 1);
  }

 private:
  const uint32_t k_sim_;
  const size_t words_;  // of a token
  std::vector<uint16_t> bits_;
};

// The tokens of one repetition by block. Blocks that hold tokens are numbered as `parts` in the
// order of their first tokens.
class Parts {
 public:
  Parts(size_t tokens, uint32_t blocks) : part_of_block_(blocks, kNone), part_of_token_(tokens) {}

  void Split(const Signs& signs, uint32_t repetition) {
    for (const uint32_t block : blocks_) part_of_block_[block] = kNone;
    blocks_.clear();
    ends_.clear();
    const size_t n = part_of_token_.size();
    for (size_t i = 0; i < n; ++i) {
      const uint32_t block = signs.BlockOf(i, repetition);
      uint32_t& part = part_of_block_[block];
      if (part == kNone) {
        part = static_cast<uint32_t>(blocks_.size());
        blocks_.push_back(block);
        ends_.push_back(0);
      }
      part_of_token_[i] = part;
      ++ends_[part];
    }
    // Counts become starts, and starts ends, as the tokens are put in place.
    size_t start = 0;
    for (size_t& end : ends_) start += std::exchange(end, start);
    tokens_.resize(n);
    for (size_t i = 0; i < n; ++i) tokens_[ends_[part_of_token_[i]]++] = i;
  }

  size_t size() const { return blocks_.size(); }
  uint32_t block(size_t part) const { return blocks_[part]; }
  uint32_t part_of(uint32_t block) const { return part_of_block_[block]; }
  std::span<const size_t> tokens(size_t part) const {
    const size_t first = part == 0 ? 0 : ends_[part - 1];
    return std::span(tokens_).subspan(first, ends_[part] - first);
  }

 private:
  std::vector<uint32_t> part_of_block_;
  std::vector<uint32_t> part_of_token_;
  std::vector<uint32_t> blocks_;  // by part
  std::vector<size_t> ends_;      // by part, in tokens_
  std::vector<size_t> tokens_;    // by part, in their order
};

// For each block the part whose first token's signs differ from the block's in the fewest places,
// of equals the one with the first token. Parts are in the order of first tokens and spread from
// neighbour to neighbour: the nearest parts of a block are among those of its nearer neighbours.
void NearestParts(const Parts& parts, uint32_t k_sim, std::vector<uint32_t>* nearest) {
  const uint32_t blocks = 1u << k_sim;
  nearest->resize(blocks);
  for (uint32_t b = 0; b < blocks; ++b) (*nearest)[b] = parts.part_of(b);
  size_t reached = parts.size();
  std::vector<std::pair<uint32_t, uint32_t>> next;  // block, part
  while (reached < blocks) {
    next.clear();
    for (uint32_t b = 0; b < blocks; ++b) {
      if ((*nearest)[b] != kNone) continue;
      uint32_t part = kNone;
      for (uint32_t j = 0; j < k_sim; ++j) part = std::min(part, (*nearest)[b ^ 1u << j]);
      if (part != kNone) next.emplace_back(b, part);
    }
    for (const auto& [block, part] : next) (*nearest)[block] = part;
    reached += next.size();
  }
}

}  // namespace

absl::Status FdeModel::Encode(std::span<const float> tokens, const FdeOptions& options,
                              float* fde) const {
  if (const absl::Status valid = ValidateTokens(token_schema_, tokens); !valid.ok()) return valid;
  const size_t dim = spec_.dim;
  const size_t n = tokens.size() / dim;
  if (const absl::Status valid = CheckOptions(spec_, n, options); !valid.ok()) return valid;
  const uint32_t repetitions = options.repetitions == 0 ? spec_.repetitions : options.repetitions;
  const bool document = options.side == FdeSide::kDocument;
  const bool fill = document && options.fill_empty.value_or(spec_.fill_empty);
  const bool identity = spec_.projection == FdeProjection::kIdentity;
  const size_t d_proj = spec_.d_proj;

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

  Parts parts(n, spec_.blocks());
  const size_t projection_blocks = identity ? 0 : Blocks(d_proj);
  const size_t stride = identity ? dim : projection_blocks * kBlockRows;
  const size_t most = std::min<size_t>(n, spec_.blocks());
  std::vector<float> sums(most * dim), firsts(fill ? most * dim : 0);
  std::vector<float> projected(identity ? 0 : most * stride);
  std::vector<float> filling(identity ? 0 : firsts.size() / dim * stride);
  std::vector<const float*> rows(n);
  std::vector<uint32_t> nearest;
  // Where a sketch follows, a group of repetitions as it is before.
  const size_t group = size_t{spec_.sketch_repetitions} * spec_.repetition_dims();
  std::vector<float> unsketched(group);

  const auto project = [&](const std::vector<float>& from, size_t count, uint32_t repetition,
                           std::vector<float>* to) {
    if (identity) return from.data();
    const auto* columns = reinterpret_cast<const float*>(projections_.data()) +
                          repetition * projection_blocks * dim * kBlockRows;
    kernels_.multiply_f32(from.data(), count, dim, columns, projection_blocks, stride, to->data());
    return static_cast<const float*>(to->data());
  };

  for (uint32_t r = 0; r < repetitions; ++r) {
    float* out = group == 0 ? fde + size_t{r} * spec_.repetition_dims()
                            : unsketched.data() +
                                  size_t{r % spec_.sketch_repetitions} * spec_.repetition_dims();
    parts.Split(signs, r);
    for (size_t p = 0; p < parts.size(); ++p) {
      const std::span<const size_t> members = parts.tokens(p);
      for (size_t i = 0; i < members.size(); ++i) rows[i] = values + members[i] * dim;
      kernels_.sum_rows_f32(rows.data(), members.size(), dim, sums.data() + p * dim);
      if (fill) std::copy_n(rows[0], dim, firsts.data() + p * dim);
    }
    const float* blocks = project(sums, parts.size(), r, &projected);
    const float* fills = fill ? project(firsts, parts.size(), r, &filling) : nullptr;
    if (fill) NearestParts(parts, spec_.k_sim, &nearest);
    for (uint32_t b = 0; b < spec_.blocks(); ++b, out += d_proj) {
      const uint32_t part = parts.part_of(b);
      if (part != kNone) {
        const float* from = blocks + part * stride;
        const size_t count = document ? parts.tokens(part).size() : 1;
        const float share = 1 / static_cast<float>(count);
        for (size_t j = 0; j < d_proj; ++j) out[j] = from[j] * share;
      } else if (fill) {
        std::copy_n(fills + nearest[b] * stride, d_proj, out);
      } else {
        std::fill_n(out, d_proj, 0.0f);
      }
    }
    if (group == 0 || (r + 1) % spec_.sketch_repetitions != 0) continue;
    const uint32_t g = r / spec_.sketch_repetitions;
    float* sketched = fde + size_t{g} * spec_.sketch_dim;
    std::fill_n(sketched, spec_.sketch_dim, 0.0f);
    const uint32_t* entries = matrices_.sketch.data() + g * group;
    for (size_t c = 0; c < group; ++c) {
      const float value = unsketched[c];
      sketched[entries[c] / 2] += entries[c] % 2 == 0 ? value : -value;
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
