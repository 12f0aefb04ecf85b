// Token matrices as late-interaction models make them: unit tokens around a few topics that all
// matrices share (independent Gaussian tokens have no neighbours worth the name).
#ifndef NESTOR_TESTS_INDEX_FDE_TESTUTIL_H_
#define NESTOR_TESTS_INDEX_FDE_TESTUTIL_H_

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "index/multi/fde_model.h"

namespace nestor {

class TokenMaker {
 public:
  explicit TokenMaker(uint32_t dim, uint64_t seed = 1);
  // n unit tokens of a few topics, row by row.
  std::vector<float> Make(size_t n);

 private:
  const uint32_t dim_;
  std::mt19937_64 random_;
  std::vector<float> topics_;
};

// Sum over the query's tokens of the largest product with a document token, in double.
double Chamfer(std::span<const float> query, std::span<const float> document, uint32_t dim);

double Dot(std::span<const float> a, std::span<const float> b);

// These fail the test on an error.
std::shared_ptr<const FdeModel> DrawOrDie(const FdeSpec& spec);
std::vector<float> QueryFde(const FdeModel& model, std::span<const float> tokens,
                            FdeOptions options = {});
std::vector<float> DocumentFde(const FdeModel& model, std::span<const float> tokens,
                               FdeOptions options = {});

}  // namespace nestor

#endif  // NESTOR_TESTS_INDEX_FDE_TESTUTIL_H_
