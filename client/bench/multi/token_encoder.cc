#include "client/bench/multi/token_encoder.h"

#include <algorithm>

#include "index/multi/multi_spec.h"

namespace nestor {

absl::StatusOr<std::unique_ptr<FdeEncoder>> FdeEncoder::Make(const FdeSpec& spec) {
  absl::StatusOr<VectorSchema> schema = FdeSchema(spec, {});
  if (!schema.ok()) return schema.status();
  absl::StatusOr<std::shared_ptr<const FdeModel>> model = FdeModel::Draw(spec);
  if (!model.ok()) return model.status();
  return std::unique_ptr<FdeEncoder>(new FdeEncoder(*std::move(schema), *std::move(model)));
}

absl::Status MeanEncoder::Encode(std::span<const float> tokens, FdeSide /*side*/,
                                 float* out) const {
  std::fill_n(out, schema_.dim, 0.0f);
  const float share = static_cast<float>(schema_.dim) / static_cast<float>(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) out[i % schema_.dim] += tokens[i] * share;
  return absl::OkStatus();
}

}  // namespace nestor
