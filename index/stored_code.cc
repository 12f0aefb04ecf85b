#include "index/stored_code.h"

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/codes/stored.h"

namespace nestor {
namespace {

constexpr uint32_t kOriginShift = 30;

}  // namespace

std::string SerializeCode(const Code& code) {
  const auto lists = static_cast<uint32_t>(code.means().size() / code.spec().dim);
  const uint32_t first = lists | static_cast<uint32_t>(code.origin()) << kOriginShift;
  std::string bytes(reinterpret_cast<const char*>(&first), sizeof(first));
  bytes.append(reinterpret_cast<const char*>(code.means().data()),
               code.means().size() * sizeof(float));
  bytes += SerializeOpq(code.quantizer());
  return bytes;
}

absl::StatusOr<std::shared_ptr<const Code>> ParseCode(absl::string_view bytes, Metric metric,
                                                      const OpqSpec& spec, uint32_t lists) {
  const auto damaged = [&](const auto&... what) {
    return absl::DataLossError(absl::StrCat("the code ", OpqName(spec), " ", what...));
  };
  uint32_t first = 0;
  if (bytes.size() < sizeof(first)) return damaged("has ", bytes.size(), " bytes");
  std::memcpy(&first, bytes.data(), sizeof(first));
  const uint32_t stored = first & ((1u << kOriginShift) - 1);
  const uint32_t number = first >> kOriginShift;
  if (number > static_cast<uint32_t>(CodeOrigin::kGivenForRows)) {
    return damaged("has origin ", number);
  }
  const auto origin = static_cast<CodeOrigin>(number);
  const uint32_t expected = lists > 1 && origin != CodeOrigin::kGivenForRows ? lists : 0;
  const size_t means_bytes = size_t{expected} * spec.dim * sizeof(float);
  if (bytes.size() < sizeof(first) + means_bytes) {
    return damaged("has ", bytes.size(), " bytes, fewer than the means of ", expected, " lists");
  }
  if (stored != expected) return damaged("has means of ", stored, " lists, not of ", expected);
  bytes.remove_prefix(sizeof(first));
  std::vector<float> means(size_t{expected} * spec.dim);
  if (!means.empty()) std::memcpy(means.data(), bytes.data(), means_bytes);
  for (const float v : means) {
    if (!std::isfinite(v)) return damaged("has a mean that is not finite");
  }
  bytes.remove_prefix(means_bytes);
  auto quantizer = ParseOpq(bytes);
  if (!quantizer.ok()) return quantizer.status();
  if ((*quantizer)->spec() != spec) {
    return damaged("has the quantizer of ", OpqName((*quantizer)->spec()));
  }
  return std::make_shared<const Code>(metric, *std::move(quantizer), std::move(means), origin);
}

}  // namespace nestor
