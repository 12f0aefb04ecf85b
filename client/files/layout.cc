#include "client/files/layout.h"

#include <bit>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/files/npy_header.h"

namespace nestor {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

uint32_t ReadU32(std::span<const std::byte> file, uint64_t offset) {
  uint32_t value;
  std::memcpy(&value, file.data() + offset, sizeof(value));
  return value;
}

absl::Status Truncated(absl::string_view path, uint64_t offset, absl::string_view expected,
                       uint64_t found) {
  return absl::DataLossError(absl::StrCat(path, ": offset ", offset, ": expected ", expected,
                                          ", found ", found, " bytes"));
}

absl::Status Lie(absl::string_view path, uint64_t offset, absl::string_view expected,
                 absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": offset ", offset, ": expected ", expected, ", found ", found));
}

absl::Status CheckDim(absl::string_view path, uint64_t offset, uint64_t dim) {
  if (dim >= 1 && dim <= kMaxFileDim) return absl::OkStatus();
  return Lie(path, offset, absl::StrCat("a dim of 1..", kMaxFileDim), absl::StrCat(dim));
}

// The values of `layout` must fill the file from first_row to its end.
absl::Status CheckSize(absl::string_view path, const Layout& layout, uint64_t file_bytes) {
  const std::string values =
      absl::StrCat(layout.rows, " rows of ", layout.dim, " ", Name(layout.element), " values");
  uint64_t expected = 0;
  if (__builtin_mul_overflow(layout.rows, layout.stride, &expected)) {
    return Lie(path, layout.first_row, absl::StrCat(values, ", which is over 2^64 bytes"),
               absl::StrCat(file_bytes - layout.first_row, " bytes"));
  }
  const uint64_t found = file_bytes - layout.first_row;
  const std::string text = absl::StrCat(expected, " bytes (", values, ")");
  if (found < expected) return Truncated(path, layout.first_row, text, found);
  if (found > expected) return Lie(path, layout.first_row, text, absl::StrCat(found, " bytes"));
  return absl::OkStatus();
}

absl::StatusOr<Layout> ReadBin(absl::string_view path, std::span<const std::byte> file,
                               Element element) {
  constexpr uint64_t kHeaderBytes = 8;
  if (file.size() < kHeaderBytes) {
    return Truncated(path, 0, "a header of 8 bytes (u32 rows, u32 dim)", file.size());
  }
  const uint32_t dim = ReadU32(file, 4);
  if (absl::Status status = CheckDim(path, 4, dim); !status.ok()) return status;
  if (element == Element::kU64 && dim != 1) return Lie(path, 4, "dim 1", absl::StrCat(dim));
  const Layout layout{.element = element,
                      .rows = ReadU32(file, 0),
                      .dim = dim,
                      .first_row = kHeaderBytes,
                      .stride = dim * ElementBytes(element)};
  if (absl::Status status = CheckSize(path, layout, file.size()); !status.ok()) return status;
  return layout;
}

absl::StatusOr<Layout> ReadVecs(absl::string_view path, std::span<const std::byte> file,
                                Element element) {
  constexpr uint64_t kHeaderBytes = 4;
  if (file.size() < kHeaderBytes) return Truncated(path, 0, "a u32 dim", file.size());
  const uint32_t dim = ReadU32(file, 0);
  if (absl::Status status = CheckDim(path, 0, dim); !status.ok()) return status;
  const uint64_t row_bytes = dim * ElementBytes(element);
  Layout layout{.element = element,
                .dim = dim,
                .first_row = kHeaderBytes,
                .stride = kHeaderBytes + row_bytes};
  for (uint64_t offset = 0; offset < file.size(); offset += layout.stride, ++layout.rows) {
    const uint64_t left = file.size() - offset;
    if (left < kHeaderBytes) {
      return Truncated(path, offset, absl::StrCat("the u32 dim of row ", layout.rows), left);
    }
    if (const uint32_t row_dim = ReadU32(file, offset); row_dim != dim) {
      return Lie(path, offset, absl::StrCat("dim ", dim, " in row ", layout.rows, " as in row 0"),
                 absl::StrCat(row_dim));
    }
    if (left < layout.stride) {
      return Truncated(path, offset + kHeaderBytes,
                       absl::StrCat(row_bytes, " bytes (row ", layout.rows, ": ", dim, " ",
                                    Name(element), " values)"),
                       left - kHeaderBytes);
    }
  }
  return layout;
}

absl::StatusOr<Layout> ReadNpy(absl::string_view path, std::span<const std::byte> file) {
  const absl::StatusOr<NpyHeader> header = ParseNpyHeader(path, file);
  if (!header.ok()) return header.status();
  if (absl::Status status = CheckDim(path, 0, header->dim); !status.ok()) return status;
  const Layout layout{.element = header->element,
                      .rows = header->rows,
                      .dim = static_cast<uint32_t>(header->dim),
                      .first_row = header->data_offset,
                      .stride = header->dim * ElementBytes(header->element)};
  if (absl::Status status = CheckSize(path, layout, file.size()); !status.ok()) return status;
  return layout;
}

}  // namespace

absl::StatusOr<FormatOfName> FormatFromName(absl::string_view path) {
  if (absl::EndsWith(path, ".fbin")) return FormatOfName{FileFormat::kBin, Element::kF32};
  if (absl::EndsWith(path, ".f16bin")) return FormatOfName{FileFormat::kBin, Element::kF16};
  if (absl::EndsWith(path, ".i8bin")) return FormatOfName{FileFormat::kBin, Element::kI8};
  if (absl::EndsWith(path, ".u8bin")) return FormatOfName{FileFormat::kBin, Element::kU8};
  if (absl::EndsWith(path, ".ibin")) return FormatOfName{FileFormat::kBin, Element::kI32};
  if (absl::EndsWith(path, ".u64bin")) return FormatOfName{FileFormat::kBin, Element::kU64};
  if (absl::EndsWith(path, ".fvecs")) return FormatOfName{FileFormat::kVecs, Element::kF32};
  if (absl::EndsWith(path, ".ivecs")) return FormatOfName{FileFormat::kVecs, Element::kI32};
  if (absl::EndsWith(path, ".npy")) return FormatOfName{FileFormat::kNpy, std::nullopt};
  return absl::InvalidArgumentError(
      absl::StrCat(path,
                   ": unknown kind of vector file; known endings are .fbin .f16bin .i8bin "
                   ".u8bin .ibin .u64bin .fvecs .ivecs .npy"));
}

absl::StatusOr<Layout> ReadLayout(absl::string_view path, std::span<const std::byte> file) {
  const absl::StatusOr<FormatOfName> name = FormatFromName(path);
  if (!name.ok()) return name.status();
  switch (name->format) {
    case FileFormat::kBin:
      return ReadBin(path, file, *name->element);
    case FileFormat::kVecs:
      return ReadVecs(path, file, *name->element);
    case FileFormat::kNpy:
      return ReadNpy(path, file);
  }
  return absl::InternalError("unreachable file format");
}

}  // namespace nestor
