// One encoder of the protocol: the base and query vectors that it made, the labels, and the nearest
// rows by its full dims. A set is a folder with the nested encoder `mrl`, the rigid ones
// `rr<dim>` trained at one dim each, and labels:
//   <name>.base.f16bin  <name>.query.f16bin  base.labels.ibin  query.labels.ibin
// Immutable.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_ENCODER_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_ENCODER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/dataset.h"
#include "client/bench/replicate/scores.h"

namespace nestor {

class Encoder {
 public:
  static absl::StatusOr<std::unique_ptr<Encoder>> Load(const std::string& dir,
                                                       const std::string& name,
                                                       std::vector<uint32_t> nesting, int threads);

  const std::string& name() const { return set_->files().name; }
  const Dataset& set() const { return *set_; }
  uint32_t dim() const { return set_->dim(); }
  uint64_t rows() const { return set_->base().rows(); }
  // The first `dim` dims of every base row or query, each of unit length.
  std::vector<float> UnitRows(uint32_t dim) const;
  std::vector<float> UnitQueries(uint32_t dim) const;
  // Of answers with k ids a query.
  Scores Score(std::span<const uint64_t> ids, uint32_t k) const;

 private:
  explicit Encoder(std::unique_ptr<Dataset> set) : set_(std::move(set)) {}

  std::unique_ptr<Dataset> set_;
  std::vector<uint32_t> truth_;  // queries x truth_depth_
  uint32_t truth_depth_ = 0;
};

// All encoders of a set.
struct EncoderSet {
  std::unique_ptr<Encoder> nested;              // mrl
  std::vector<std::unique_ptr<Encoder>> rigid;  // by ascending dim; the last one has all dims
  const Encoder& widest() const { return *rigid.back(); }
  // The rigid one of so many dims, or null.
  const Encoder* Rigid(uint32_t dim) const;
};

// Rigid encoders are looked for at every dim of the nesting. NotFound where there is none at its
// last.
absl::StatusOr<EncoderSet> LoadEncoders(const std::string& dir,
                                        const std::vector<uint32_t>& nesting, int threads);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_ENCODER_H_
