#include "client/files/write_vectors.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/files/atomic_file.h"
#include "client/files/layout.h"
#include "client/files/npy_header.h"

namespace nestor {
namespace {

absl::Status Refuse(absl::string_view path, absl::string_view expected, absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat("write ", path, ": expected ", expected, ", found ", found));
}

absl::Status CheckShape(absl::string_view path, const FormatOfName& name, Element element,
                        uint64_t rows, uint64_t dim, uint64_t bytes) {
  if (name.element && *name.element != element) {
    return Refuse(path, absl::StrCat(absl::string_view(Name(*name.element)), " values"),
                  Name(element));
  }
  if (dim < 1 || dim > kMaxFileDim) {
    return Refuse(path, absl::StrCat("a dim of 1..", kMaxFileDim), absl::StrCat(dim));
  }
  uint64_t expected = 0;
  if (__builtin_mul_overflow(rows, dim * ElementBytes(element), &expected) || expected != bytes) {
    return Refuse(
        path,
        absl::StrCat(rows, " rows of ", dim, " ", absl::string_view(Name(element)), " values"),
        absl::StrCat(bytes, " bytes"));
  }
  if (name.format == FileFormat::kBin && rows > std::numeric_limits<uint32_t>::max()) {
    return Refuse(path, "at most 4294967295 rows", absl::StrCat(rows));
  }
  if (name.format == FileFormat::kBin && element == Element::kU64 && dim != 1) {
    return Refuse(path, "dim 1", absl::StrCat(dim));
  }
  if (name.format == FileFormat::kVecs && rows == 0) return Refuse(path, "at least 1 row", "0");
  return absl::OkStatus();
}

absl::Status AppendVecs(AtomicFile& file, uint32_t dim, size_t row_bytes,
                        std::span<const std::byte> values) {
  std::string buffer;
  constexpr size_t kBufferBytes = 1 << 20;
  for (; !values.empty(); values = values.subspan(row_bytes)) {
    buffer.append(reinterpret_cast<const char*>(&dim), sizeof(dim));
    buffer.append(reinterpret_cast<const char*>(values.data()), row_bytes);
    if (buffer.size() < kBufferBytes && values.size() > row_bytes) continue;
    if (absl::Status status = file.Append(buffer.data(), buffer.size()); !status.ok())
      return status;
    buffer.clear();
  }
  return absl::OkStatus();
}

absl::Status AppendAll(AtomicFile& file, FileFormat format, Element element, uint64_t rows,
                       uint32_t dim, std::span<const std::byte> values) {
  if (format == FileFormat::kVecs) {
    return AppendVecs(file, dim, dim * ElementBytes(element), values);
  }
  std::string header;
  if (format == FileFormat::kNpy) {
    header = FormatNpyHeader(element, rows, dim);
  } else {
    const uint32_t shape[2] = {static_cast<uint32_t>(rows), dim};
    header.assign(reinterpret_cast<const char*>(shape), sizeof(shape));
  }
  if (absl::Status status = file.Append(header.data(), header.size()); !status.ok()) return status;
  return file.Append(values.data(), values.size());
}

}  // namespace

absl::Status WriteVectors(const std::string& path, Element element, uint64_t rows, uint64_t dim,
                          std::span<const std::byte> values) {
  const absl::StatusOr<FormatOfName> name = FormatFromName(path);
  if (!name.ok()) return name.status();
  if (absl::Status status = CheckShape(path, *name, element, rows, dim, values.size());
      !status.ok()) {
    return status;
  }
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status =
          AppendAll(*file, name->format, element, rows, static_cast<uint32_t>(dim), values);
      !status.ok()) {
    return status;
  }
  return file->Commit();
}

}  // namespace nestor
