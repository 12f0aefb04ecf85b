#include "index/multi/stored_fde.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kNumbers = 9;
constexpr size_t kHeadBytes = kNumbers * sizeof(uint32_t) + sizeof(uint64_t);
constexpr size_t kTailBytes = sizeof(uint64_t);

template <typename T>
void Append(const std::vector<T>& values, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <typename T>
std::vector<T> Take(size_t n, absl::string_view* bytes) {
  std::vector<T> values(n);
  if (n > 0) std::memcpy(values.data(), bytes->data(), n * sizeof(T));
  bytes->remove_prefix(n * sizeof(T));
  return values;
}

}  // namespace

uint64_t FdeChecksum(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::string SerializeFde(const FdeModel& model) {
  const FdeSpec& spec = model.spec();
  const uint32_t numbers[] = {kVersion,
                              spec.dim,
                              spec.repetitions,
                              spec.k_sim,
                              static_cast<uint32_t>(spec.projection),
                              spec.d_proj,
                              spec.fill_empty ? 1u : 0u,
                              spec.sketch_repetitions,
                              spec.sketch_dim};
  static_assert(sizeof(numbers) == kNumbers * sizeof(uint32_t));
  std::string bytes(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  bytes.append(reinterpret_cast<const char*>(&spec.seed), sizeof(spec.seed));
  Append(model.matrices().hyperplanes, &bytes);
  Append(model.matrices().projections, &bytes);
  Append(model.matrices().sketch, &bytes);
  const uint64_t checksum = FdeChecksum(bytes);
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  return bytes;
}

absl::StatusOr<std::shared_ptr<const FdeModel>> ParseFde(absl::string_view bytes) {
  const auto damaged = [](const auto&... what) {
    return absl::DataLossError(absl::StrCat("an FDE model ", what...));
  };
  if (bytes.size() < kHeadBytes + kTailBytes) {
    return damaged("has ", bytes.size(), " bytes, fewer than its head");
  }
  uint32_t numbers[kNumbers];
  std::memcpy(numbers, bytes.data(), sizeof(numbers));
  if (numbers[0] != kVersion) {
    return damaged("has version ", numbers[0], "; this program knows version ", kVersion);
  }
  FdeSpec spec{.dim = numbers[1],
               .repetitions = numbers[2],
               .k_sim = numbers[3],
               .projection = static_cast<FdeProjection>(numbers[4] & 0xff),
               .d_proj = numbers[5],
               .fill_empty = numbers[6] == 1,
               .sketch_repetitions = numbers[7],
               .sketch_dim = numbers[8]};
  std::memcpy(&spec.seed, bytes.data() + sizeof(numbers), sizeof(spec.seed));
  if (numbers[4] > 0xff || numbers[6] > 1) {
    return damaged("names projection ", numbers[4], " and fill_empty ", numbers[6]);
  }
  if (const absl::Status valid = ValidateFde(spec); !valid.ok()) {
    return damaged("is invalid: ", valid.message());
  }
  const FdeMatrixSizes sizes(spec);
  const size_t expected =
      kHeadBytes + (sizes.hyperplanes + sizes.projections + sizes.sketch) * 4 + kTailBytes;
  if (bytes.size() != expected) {
    return damaged("has ", bytes.size(), " bytes, expected ", expected);
  }
  uint64_t checksum;
  std::memcpy(&checksum, bytes.data() + bytes.size() - kTailBytes, sizeof(checksum));
  if (checksum != FdeChecksum(bytes.substr(0, bytes.size() - kTailBytes))) {
    return damaged("is damaged: its checksum does not fit");
  }
  bytes.remove_prefix(kHeadBytes);
  FdeMatrices matrices;
  matrices.hyperplanes = Take<float>(sizes.hyperplanes, &bytes);
  matrices.projections = Take<float>(sizes.projections, &bytes);
  matrices.sketch = Take<uint32_t>(sizes.sketch, &bytes);
  auto model = FdeModel::Make(spec, std::move(matrices));
  if (!model.ok()) return damaged("is invalid: ", model.status().message());
  return model;
}

}  // namespace nestor
