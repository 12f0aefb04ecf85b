// A query against the codes of one quantizer: rotated once, its products with all centroids in
// tables, which serve every list. A scan's sums with them are keys (larger is better):
//   DOT, COSINE    <q, x^>                  (x^ stands for the unit vector under COSINE)
//   L2             <q, x^> - |x^|^2 / 2     = (|q|^2 - |q - x^|^2) / 2, exactly: the halved squares
//                                           of the centroids are in the tables, as those of the
//                                           pieces of x^ add up to its own
// Where codes are of residuals x - mean, x^ = mean + r^, and the list's own term <q, mean> is added
// to all sums of a list: Prepare takes the metric DOT whatever the metric is, and under L2 the key
// is sum - |x^|^2 / 2 (KeyKind::kMinus) with HalfSquare of each row, 4 bytes: <mean, r^> depends on
// list and code. (Measured on L2 data: with |x|^2 / 2 of the exact row in its place, as shells
// have it, recall is lower: the errors of both terms no longer cancel.)
//
// 4 bits: entries are rounded to multiples of one step, 0..255 of them above the least of their
// sub-quantizer. A sum is off by at most error(). One thread; reused from query to query.
#ifndef NESTOR_INDEX_CODES_QUERY_H_
#define NESTOR_INDEX_CODES_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/codes/layout.h"
#include "index/codes/quantizer.h"
#include "index/kernels/kernels.h"
#include "index/schema.h"

namespace nestor {

class OpqQuery {
 public:
  // `query` has at least dim floats; under COSINE of any length.
  void Prepare(const OpqQuantizer& quantizer, Metric metric, const float* query);

  // Sums of the rows of `blocks` blocks (layout.h), each with list_term added: <q, mean> for codes
  // of residuals, else 0.
  void Scan(const Kernels& kernels, const std::byte* base, size_t blocks, float list_term,
            float* sums) const;

  // How far a sum of Scan (without a list term) is at most from TableSum: at 4 bits what the
  // rounding of the entries sums up to, at most half a step a sub-quantizer; at both what a float's
  // rounding adds.
  double error() const { return error_; }
  float step() const { return step_; }  // 0 at 8 bits
  // The sum of the entries that the code names, in double.
  double TableSum(const uint8_t* code) const;

 private:
  // The tables, step, bias and error of 4 bits, from the products.
  void RoundTables();

  OpqSpec spec_;
  CodeLayout layout_;
  std::vector<float> rotated_;
  std::vector<float> products_;  // sub-quantizers x centroids, then zeros for a whole line
  std::vector<float> lows_;      // 4 bits: the least entry of each sub-quantizer
  std::vector<uint8_t> tables_;  // 4 bits: as scan_opq4 reads them
  float step_ = 0;
  float bias_ = 0;
  double error_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_QUERY_H_
