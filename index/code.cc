#include "index/code.h"

#include <utility>

namespace nestor {

Code::Code(Metric metric, std::shared_ptr<const OpqQuantizer> quantizer, std::vector<float> means,
           CodeOrigin origin)
    : metric_(metric), quantizer_(std::move(quantizer)), means_(std::move(means)), origin_(origin) {
  if (!half_squares()) return;
  rotated_means_.resize(means_.size());
  quantizer_->Rotate(means_.data(), means_.size() / spec().dim, rotated_means_.data());
}

float Code::Encode(const float* vector, uint32_t list, std::vector<float>* prepared,
                   std::vector<uint8_t>* bytes) const {
  prepared->resize(spec().dim);
  bytes->resize(spec().bytes);
  PrepareRow(metric_, vector, spec().dim, mean(list), prepared->data());
  quantizer_->Encode(prepared->data(), 1, bytes->data());
  return half_squares() ? quantizer_->HalfSquare(bytes->data(), Of(rotated_means_, list)) : 0;
}

}  // namespace nestor
