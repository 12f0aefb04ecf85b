// Models of encodings from the store; token matrices from outside and from the store.
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/multi/stored_fde.h"
#include "index/multi/token_set.h"
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
  const auto drawn = FdeModel::Draw((*model)->spec());
  Require(drawn.ok(), "what was stored can be drawn");
  Use(**drawn);
  Use(**model);
  return true;
}

// The first byte chooses the dtypes that come and are stored, the metric, and the way in; the rest
// are packed values of tokens of 3 dims.
bool FuzzTokens(FuzzInput input) {
  if (input.empty()) return false;
  const uint32_t choice = static_cast<uint8_t>(input[0]);
  const auto wire = static_cast<Dtype>(1 + choice % 4);
  const TokenSchema schema = {
      .token = {.dim = 3,
                .nesting = {2, 3},
                .metric = (choice & 16) != 0 ? Metric::kCosine : Metric::kDot,
                .dtype = static_cast<Dtype>(1 + choice / 4 % 4)},
      .max_tokens = 50};
  const bool from_store = (choice & 32) != 0;
  const ExactCopy copy(input.subspan(1));
  const auto set = from_store ? TokenSet::FromStored(schema, copy.text())
                              : TokenSet::FromWire(schema, wire, copy.text());
  if (!set.ok()) {
    const absl::Status& status = set.status();
    Require(from_store ? absl::IsDataLoss(status)
                       : absl::IsInvalidArgument(status) || absl::IsOutOfRange(status),
            "bad tokens are INVALID_ARGUMENT or OUT_OF_RANGE, from the store DATA_LOSS");
    return false;
  }
  Require(set->size() >= 1 && set->size() <= schema.max_tokens, "1 to max_tokens tokens");
  for (const float value : set->values()) Require(std::isfinite(value), "values are finite");
  const auto again = TokenSet::FromStored(schema, set->stored());
  Require(again.ok() && again->values() == set->values() && again->stored() == set->stored(),
          "what is stored reads the same");
  return true;
}

}  // namespace nestor
