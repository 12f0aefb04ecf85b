// MaxSim, also called Chamfer: the sum over a query's tokens of the largest product with one of a
// document's tokens, each times its weight. A query is prepared once and then scored against many
// documents. Immutable; any thread may score.
#ifndef NESTOR_INDEX_MULTI_MAXSIM_H_
#define NESTOR_INDEX_MULTI_MAXSIM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/kernels/kernels.h"
#include "index/multi/token_codes.h"

namespace nestor {

struct MaxSimOptions {
  std::span<const float> weights;  // of the query's tokens, one each; empty: all 1
  bool mean = false;               // the score is divided by the number of the query's tokens
  bool exact_int8 = false;         // the query's values are integers in -128..127: its own codes
};

// What a query token found: the first of the document's tokens with the largest product, and that
// product, without the weight.
struct TokenMatch {
  uint32_t token = 0;
  float product = 0;

  bool operator==(const TokenMatch&) const = default;
};

class MaxSimQuery {
 public:
  // `tokens`: n x dim floats. Scores are of the first `prefix` dims of both sides' tokens.
  // InvalidArgument: no tokens, values that are no multiple of dim or not finite, a prefix that is
  // not 1..dim, weights that are not one finite number per token.
  static absl::StatusOr<std::unique_ptr<const MaxSimQuery>> Make(std::span<const float> tokens,
                                                                 uint32_t dim, uint32_t prefix,
                                                                 const MaxSimOptions& options);

  size_t size() const { return weights_.size(); }  // query tokens

  // How far ScoreCodes may be from Score, at the whole dim, of a document whose tokens and whose
  // codes' errors have these lengths at most (TokenBlock).
  double CodeBound(double longest, double error) const {
    return error_lengths_ * longest + code_lengths_ * error;
  }

  // The document's tokens as n rows of dim floats, n >= 1; in f32. `matches` is empty or takes
  // size().
  double Score(const float* document, size_t n, std::span<TokenMatch> matches = {}) const;
  // By its codes, of the layout of dim; the query's tokens are coded likewise, each with its scale.
  double ScoreCodes(const TokenCodes& document, std::span<TokenMatch> matches = {}) const;

 private:
  struct alignas(64) Line {
    float values[16];
  };

  MaxSimQuery(std::span<const float> tokens, uint32_t dim, uint32_t prefix,
              const MaxSimOptions& options);

  const uint32_t dim_;
  const uint32_t prefix_;
  const TokenCodeLayout layout_;  // of a document of dim_
  const TokenCodeLayout prefix_layout_;
  const Kernels& kernels_ = ActiveKernels();
  std::vector<double> weights_;  // with the share of a mean
  std::vector<Line> columns_;    // as multiply_f32 reads them
  std::vector<int8_t> codes_;    // size() x 4 * groups of the prefix
  std::vector<int32_t> code_sums_;
  std::vector<float> scales_;
  // Sums over the query's tokens, by their weights: lengths of what their codes lack, and of the
  // codes.
  double error_lengths_ = 0;
  double code_lengths_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_MAXSIM_H_
