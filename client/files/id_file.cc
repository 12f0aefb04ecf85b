#include "client/files/id_file.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/files/line_reader.h"
#include "client/files/printable.h"
#include "client/files/vector_file.h"

namespace nestor {
namespace {

absl::StatusOr<IdColumn> ReadBinary(const std::string& path, IdKind kind) {
  if (kind != IdKind::kNum) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": holds numbers, but the ids are strings; expected a text file, one id a line"));
  }
  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->dim() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected one id a row, found ", file->dim()));
  }
  IdColumn ids;
  ids.nums.resize(file->rows());
  for (uint64_t row = 0; row < file->rows(); ++row) {
    if (absl::Status status = file->ReadIds(row, {&ids.nums[row], 1}); !status.ok()) return status;
  }
  return ids;
}

absl::StatusOr<IdColumn> ReadText(const std::string& path, IdKind kind) {
  absl::StatusOr<LineReader> lines = LineReader::Open(path);
  if (!lines.ok()) return lines.status();
  IdColumn ids;
  std::string line;
  while (true) {
    const absl::StatusOr<bool> more = lines->Next(&line);
    if (!more.ok()) return more.status();
    if (!*more) return ids;
    if (kind == IdKind::kStr) {
      if (line.empty() || line.size() > kMaxStringIdBytes) {
        return lines->Error(absl::StrCat("expected an id of 1..", kMaxStringIdBytes,
                                         " bytes, found ", line.size()));
      }
      ids.strs.push_back(line);
      continue;
    }
    uint64_t id = 0;
    if (line.empty() || !absl::ascii_isdigit(line[0]) || !absl::ascii_isdigit(line.back()) ||
        !absl::SimpleAtoi(line, &id)) {
      return lines->Error(
          absl::StrCat("expected an id of 0..18446744073709551615, found '", Printable(line), "'"));
    }
    ids.nums.push_back(id);
  }
}

}  // namespace

absl::StatusOr<IdColumn> ReadIdFile(const std::string& path, IdKind kind) {
  for (absl::string_view ending : {".u64bin", ".ibin", ".npy"}) {
    if (absl::EndsWith(path, ending)) return ReadBinary(path, kind);
  }
  return ReadText(path, kind);
}

}  // namespace nestor
