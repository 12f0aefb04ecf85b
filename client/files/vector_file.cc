#include "client/files/vector_file.h"

#include <cassert>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "index/half.h"

namespace nestor {
namespace {

template <typename T>
T Load(const std::byte* bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void ToFloat(const std::byte* bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(Load<T>(bytes, i));
}

// Position of the first negative value, out.size() if there is none.
template <typename T>
size_t ToIds(const std::byte* bytes, std::span<uint64_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const T value = Load<T>(bytes, i);
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) return i;
    }
    out[i] = static_cast<uint64_t>(value);
  }
  return out.size();
}

}  // namespace

absl::StatusOr<VectorFile> VectorFile::Open(const std::string& path) {
  if (const auto name = FormatFromName(path); !name.ok()) return name.status();
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<Layout> layout = ReadLayout(path, file->bytes());
  if (!layout.ok()) return layout.status();
  return VectorFile(path, *std::move(file), *layout);
}

void VectorFile::ReadF32(uint64_t row, std::span<float> out) const {
  assert(row < rows() && out.size() == dim());
  const std::byte* bytes = RowBytes(row).data();
  switch (element()) {
    case Element::kF32:
      std::memcpy(out.data(), bytes, out.size_bytes());
      return;
    case Element::kF16:
      for (size_t i = 0; i < out.size(); ++i) out[i] = HalfToFloat(Load<uint16_t>(bytes, i));
      return;
    case Element::kI8:
      return ToFloat<int8_t>(bytes, out);
    case Element::kU8:
      return ToFloat<uint8_t>(bytes, out);
    case Element::kI32:
      return ToFloat<int32_t>(bytes, out);
    case Element::kI64:
      return ToFloat<int64_t>(bytes, out);
    case Element::kU64:
      return ToFloat<uint64_t>(bytes, out);
  }
}

absl::Status VectorFile::ReadIds(uint64_t row, std::span<uint64_t> out) const {
  assert(row < rows() && out.size() == dim());
  const std::byte* bytes = RowBytes(row).data();
  size_t good = 0;
  switch (element()) {
    case Element::kF32:
    case Element::kF16:
      return absl::InvalidArgumentError(absl::StrCat(
          path_, ": expected integers, found ", absl::string_view(Name(element())), " values"));
    case Element::kI8:
      good = ToIds<int8_t>(bytes, out);
      break;
    case Element::kU8:
      good = ToIds<uint8_t>(bytes, out);
      break;
    case Element::kI32:
      good = ToIds<int32_t>(bytes, out);
      break;
    case Element::kI64:
      good = ToIds<int64_t>(bytes, out);
      break;
    case Element::kU64:
      good = ToIds<uint64_t>(bytes, out);
      break;
  }
  if (good == out.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path_, ": row ", row, ", value ", good,
                                                 ": expected an id of 0 or more, found a negative "
                                                 "number"));
}

}  // namespace nestor
