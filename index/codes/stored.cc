#include "index/codes/stored.h"

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 4 * sizeof(uint32_t);

void Append(const std::vector<float>& values, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

}  // namespace

std::string SerializeOpq(const OpqQuantizer& quantizer) {
  const OpqSpec& spec = quantizer.spec();
  const uint32_t head[] = {kVersion, spec.dim, spec.bytes, spec.bits};
  std::string bytes(reinterpret_cast<const char*>(head), sizeof(head));
  Append(quantizer.rotation(), &bytes);
  Append(quantizer.centroids(), &bytes);
  return bytes;
}

absl::StatusOr<std::shared_ptr<const OpqQuantizer>> ParseOpq(absl::string_view bytes) {
  if (bytes.size() < kHeadBytes) {
    return absl::DataLossError(
        absl::StrCat("a code's quantizer has ", bytes.size(), " bytes, fewer than its head"));
  }
  uint32_t head[4];
  std::memcpy(head, bytes.data(), sizeof(head));
  if (head[0] != kVersion) {
    return absl::DataLossError(absl::StrCat("a code's quantizer has version ", head[0],
                                            "; this program knows version ", kVersion));
  }
  const OpqSpec spec{.dim = head[1], .bytes = head[2], .bits = head[3]};
  if (const absl::Status valid = ValidateOpq(spec); !valid.ok()) {
    return absl::DataLossError(absl::StrCat("a code's quantizer: ", valid.message()));
  }
  std::vector<float> rotation, centroids;
  const size_t rotation_n = size_t{spec.dim} * spec.dim;
  const size_t centroids_n = size_t{spec.dim} * spec.centroids();
  const size_t expected = kHeadBytes + (rotation_n + centroids_n) * sizeof(float);
  if (bytes.size() != expected) {
    return absl::DataLossError(absl::StrCat("the quantizer of ", OpqName(spec), " has ",
                                            bytes.size(), " bytes, expected ", expected));
  }
  rotation.resize(rotation_n);
  centroids.resize(centroids_n);
  const char* floats = bytes.data() + kHeadBytes;
  std::memcpy(rotation.data(), floats, rotation_n * sizeof(float));
  std::memcpy(centroids.data(), floats + rotation_n * sizeof(float), centroids_n * sizeof(float));
  auto quantizer = OpqQuantizer::Make(spec, rotation, centroids);
  if (!quantizer.ok()) {
    return absl::DataLossError(
        absl::StrCat("the quantizer of ", OpqName(spec), ": ", quantizer.status().message()));
  }
  return quantizer;
}

}  // namespace nestor
