// Models of encodings from the store.
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/multi/stored_fde.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

// What was accepted encodes tokens.
void Use(const FdeModel& model) {
  const FdeSpec& spec = model.spec();
  std::vector<float> tokens(size_t{3} * spec.dim);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<float>(i % 5) - 2;
  std::vector<float> fde(spec.dims());
  for (const FdeSide side : {FdeSide::kQuery, FdeSide::kDocument}) {
    Require(model.Encode(tokens, {.side = side}, fde.data()).ok(), "a model encodes");
    for (const float value : fde) Require(std::isfinite(value), "an encoding is finite");
  }
}

}  // namespace

// The first byte chooses: bytes with their checksum, or without, to which the right one is added.
bool FuzzFde(FuzzInput input) {
  if (input.empty()) return false;
  std::string bytes(ExactCopy(input.subspan(1)).text());
  if (static_cast<uint8_t>(input[0]) % 2 == 1) {
    const uint64_t checksum = FdeChecksum(bytes);
    bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  }
  const ExactCopy copy(AsBytes(bytes));
  const auto model = ParseFde(copy.text());
  if (!model.ok()) {
    Require(absl::IsDataLoss(model.status()), "a damaged model is DATA_LOSS");
    return false;
  }
  Require(SerializeFde(**model) == copy.text(), "a model comes back");
  Use(**model);
  return true;
}

}  // namespace nestor
