// A file of vectors or ids, mapped read-only: n rows of `dim` values of one type. Checked as a
// whole when opened, so that reading rows cannot fail. Immutable: any thread may read.
#ifndef NESTOR_CLIENT_FILES_VECTOR_FILE_H_
#define NESTOR_CLIENT_FILES_VECTOR_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/files/element.h"
#include "client/files/layout.h"
#include "client/files/mapped_file.h"

namespace nestor {

class VectorFile {
 public:
  // The format follows from the name: fbin, f16bin, i8bin, u8bin, ibin, u64bin, fvecs, ivecs, npy.
  // NotFound if there is no such file, DataLoss if it ends early, InvalidArgument if its header
  // lies or says something else than the name.
  static absl::StatusOr<VectorFile> Open(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t rows() const { return layout_.rows; }
  uint32_t dim() const { return layout_.dim; }
  Element element() const { return layout_.element; }

  // The row's values as they lie in the file, dim() * ElementBytes(element()) bytes, aligned to
  // nothing. Requires row < rows().
  std::span<const std::byte> RowBytes(uint64_t row) const {
    return file_.bytes().subspan(layout_.first_row + row * layout_.stride, row_bytes());
  }
  size_t row_bytes() const { return layout_.dim * ElementBytes(layout_.element); }

  // The row as floats (integers rounded to the nearest). Requires row < rows(), out.size() ==
  // dim().
  void ReadF32(uint64_t row, std::span<float> out) const;

  // The row as ids or labels. InvalidArgument if the file holds floats or a value is negative.
  // Requires as above.
  absl::Status ReadIds(uint64_t row, std::span<uint64_t> out) const;

 private:
  VectorFile(std::string path, MappedFile file, const Layout& layout)
      : path_(std::move(path)), file_(std::move(file)), layout_(layout) {}

  std::string path_;
  MappedFile file_;
  Layout layout_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_VECTOR_FILE_H_
