// Quantizers from the store and from FAISS's files, and the names of codes.
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/codes/faiss_format.h"
#include "index/codes/quantizer.h"
#include "index/codes/spec.h"
#include "index/codes/stored.h"
#include "index/stored_code.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

// What was accepted codes vectors.
void Use(const OpqQuantizer& quantizer) {
  std::vector<float> vector(quantizer.spec().dim, 1);
  std::vector<uint8_t> code(quantizer.spec().bytes);
  quantizer.Encode(vector.data(), 1, code.data());
  quantizer.Decode(code.data(), vector.data());
  for (float value : vector) Require(std::isfinite(value), "a code decodes to finite values");
}

}  // namespace

// The first byte chooses the form; the rest is its bytes.
bool FuzzCode(FuzzInput input) {
  if (input.empty()) return false;
  const ExactCopy copy(input.subspan(1));
  const absl::string_view bytes = copy.text();
  switch (static_cast<uint8_t>(input[0]) % 4) {
    case 0: {
      const auto quantizer = ParseOpq(bytes);
      if (!quantizer.ok()) {
        Require(absl::IsDataLoss(quantizer.status()), "a damaged quantizer is DATA_LOSS");
        return false;
      }
      Require(SerializeOpq(**quantizer) == bytes, "a quantizer comes back");
      Use(**quantizer);
      return true;
    }
    case 1: {
      const auto quantizer = ParseFaissOpq(bytes);
      if (!quantizer.ok()) {
        Require(absl::IsInvalidArgument(quantizer.status()), "another file is INVALID_ARGUMENT");
        return false;
      }
      const auto again = ParseFaissOpq(FormatFaissOpq(**quantizer, Metric::kL2));
      Require(again.ok() && SerializeOpq(**again) == SerializeOpq(**quantizer),
              "a FAISS file that is written reads the same");
      Use(**quantizer);
      return true;
    }
    case 3: {
      // Of an index with two lists.
      const auto code = ParseCode(bytes, Metric::kL2, {.dim = 4, .bytes = 1, .bits = 4}, 2);
      if (!code.ok()) {
        Require(absl::IsDataLoss(code.status()), "a damaged code is DATA_LOSS");
        return false;
      }
      Require(SerializeCode(**code) == bytes, "a code comes back");
      Use((*code)->quantizer());
      return true;
    }
    default: {
      const auto spec = ParseOpqName(bytes);
      if (!spec.ok()) return false;
      Require(OpqName(*spec) == bytes, "a name comes back");
      return ValidateOpq(*spec).ok();
    }
  }
}

}  // namespace nestor
