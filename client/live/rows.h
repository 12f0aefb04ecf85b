// Vectors of a file as the source of a build.
#ifndef NESTOR_CLIENT_LIVE_ROWS_H_
#define NESTOR_CLIENT_LIVE_ROWS_H_

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "index/build.h"

namespace nestor {

// Rows of a file, f32, in a chosen order; ids are their numbers in the file.
class Rows : public BuildSource {
 public:
  Rows(const std::vector<float>& values, uint32_t dim, std::vector<uint32_t> order)
      : values_(values), dim_(dim), order_(std::move(order)) {}
  uint64_t size() const override { return order_.size(); }
  Row At(uint64_t i) const override {
    return {.id = uint64_t{order_[i]}, .row = order_[i], .born = 1};
  }
  absl::Status Read(uint64_t i, uint64_t n, std::byte* out) const override {
    for (uint64_t j = i; j < i + n; ++j, out += dim_ * sizeof(float)) {
      std::memcpy(out, Vector(order_[j]), dim_ * sizeof(float));
    }
    return absl::OkStatus();
  }
  const float* Vector(uint32_t row) const { return values_.data() + size_t{row} * dim_; }

 private:
  const std::vector<float>& values_;
  const uint32_t dim_;
  const std::vector<uint32_t> order_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIVE_ROWS_H_
