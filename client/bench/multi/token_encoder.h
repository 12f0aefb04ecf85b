// What an index takes of a token matrix: a vector whose products rank documents about as MaxSim
// does. Immutable; any thread.
#ifndef NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENCODER_H_
#define NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENCODER_H_

#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/multi/fde_model.h"
#include "index/schema.h"

namespace nestor {

class TokenEncoder {
 public:
  virtual ~TokenEncoder() = default;
  virtual const VectorSchema& schema() const = 0;
  // n x dim floats to schema().dim floats.
  virtual absl::Status Encode(std::span<const float> tokens, FdeSide side, float* out) const = 0;
};

// Fixed dimensional encodings, with the nesting that a collection would choose.
class FdeEncoder : public TokenEncoder {
 public:
  static absl::StatusOr<std::unique_ptr<FdeEncoder>> Make(const FdeSpec& spec);

  const VectorSchema& schema() const override { return schema_; }
  absl::Status Encode(std::span<const float> tokens, FdeSide side, float* out) const override {
    return model_->Encode(tokens, {.side = side}, out);
  }

 private:
  FdeEncoder(VectorSchema schema, std::shared_ptr<const FdeModel> model)
      : schema_(std::move(schema)), model_(std::move(model)) {}

  const VectorSchema schema_;
  const std::shared_ptr<const FdeModel> model_;
};

// The mean of the tokens.
class MeanEncoder : public TokenEncoder {
 public:
  explicit MeanEncoder(uint32_t dim)
      : schema_{.dim = dim, .nesting = {dim}, .metric = Metric::kDot} {}

  const VectorSchema& schema() const override { return schema_; }
  absl::Status Encode(std::span<const float> tokens, FdeSide side, float* out) const override;

 private:
  const VectorSchema schema_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_TOKEN_ENCODER_H_
