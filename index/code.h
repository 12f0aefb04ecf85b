// One code of an index: its quantizer and, where there are several lists, the mean of each list's
// rows in the code's dims, as PrepareRow makes them: what is coded then is a row minus that mean.
// (At equal bytes codes of residuals found more on both sets tried, text30k and wnh.) Immutable;
// shared by readers and the writer.
#ifndef NESTOR_INDEX_CODE_H_
#define NESTOR_INDEX_CODE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/codes/quantizer.h"
#include "index/schema.h"

namespace nestor {

// Where a code's rotation and codebooks are from, and what they were learnt on. Numbers are on
// disk.
enum class CodeOrigin : uint8_t {
  kTrained = 0,            // here, by each build, on residuals where there are several lists
  kGivenForResiduals = 1,  // elsewhere: builds keep them, with the means of their own lists
  kGivenForRows = 2,       // elsewhere: builds keep them; rows are coded whole, without means
};

// What a code is made of that was learnt elsewhere.
struct GivenCode {
  std::shared_ptr<const OpqQuantizer> quantizer;
  CodeOrigin origin = CodeOrigin::kGivenForResiduals;
};

class Code {
 public:
  // `means`: lists x the code's dim, or empty where there is one list or rows are coded whole.
  Code(Metric metric, std::shared_ptr<const OpqQuantizer> quantizer, std::vector<float> means,
       CodeOrigin origin = CodeOrigin::kTrained);

  const OpqSpec& spec() const { return quantizer_->spec(); }
  const OpqQuantizer& quantizer() const { return *quantizer_; }
  CodeOrigin origin() const { return origin_; }
  // For an index of other rows; of one that was given.
  GivenCode given() const { return {quantizer_, origin_}; }
  Metric metric() const { return metric_; }
  bool of_residuals() const { return !means_.empty(); }
  const std::vector<float>& means() const { return means_; }
  // Of the list; null where codes are not of residuals.
  const float* mean(uint32_t list) const { return Of(means_, list); }
  // Whether a row's key needs its HalfSquare beside its code.
  bool half_squares() const { return of_residuals() && metric_ == Metric::kL2; }

  // Codes a row of the list, of which at least the code's dims are given. Returns the HalfSquare,
  // or 0 where there is none. The buffers are the caller's, reused.
  float Encode(const float* vector, uint32_t list, std::vector<float>* prepared,
               std::vector<uint8_t>* bytes) const;

  // Of what was trained.
  size_t memory_bytes() const {
    return quantizer_->memory_bytes() + (means_.size() + rotated_means_.size()) * sizeof(float);
  }

 private:
  const float* Of(const std::vector<float>& means, uint32_t list) const {
    return means.empty() ? nullptr : means.data() + size_t{list} * spec().dim;
  }

  const Metric metric_;
  const std::shared_ptr<const OpqQuantizer> quantizer_;
  const std::vector<float> means_;
  const CodeOrigin origin_;
  std::vector<float> rotated_means_;  // where half squares need them
};

}  // namespace nestor

#endif  // NESTOR_INDEX_CODE_H_
