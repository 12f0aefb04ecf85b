// The readers of client/files.
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/files/id_file.h"
#include "client/files/jsonl.h"
#include "client/files/npy_header.h"
#include "client/files/timestamp.h"
#include "client/files/vector_file.h"
#include "client/files/write_vectors.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

// A directory in memory, if there is one: files are written and synced thousands of times a second.
class ScratchDir {
 public:
  ScratchDir() {
    const std::filesystem::path memory = "/dev/shm";
    const std::filesystem::path root =
        std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (root / "nestor_fuzz_XXXXXX").string();
    Require(mkdtemp(name.data()) != nullptr, "a scratch directory can be made");
    path_ = name;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string Path(absl::string_view name) const { return absl::StrCat(path_, "/", name); }
  std::string Write(absl::string_view name, absl::string_view text) const {
    const std::string path = Path(name);
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.close();
    Require(file.good(), "a scratch file can be written");
    return path;
  }

 private:
  std::string path_;
};

const ScratchDir& Scratch() {
  static const ScratchDir scratch;
  return scratch;
}

// All values, row by row.
std::vector<std::byte> ValuesOf(const VectorFile& file) {
  std::vector<std::byte> values;
  for (uint64_t row = 0; row < file.rows(); ++row) {
    const std::span<const std::byte> bytes = file.RowBytes(row);
    values.insert(values.end(), bytes.begin(), bytes.end());
  }
  return values;
}

}  // namespace

// The first byte chooses the name's ending; the rest is the file. What was read can be written, and
// reads the same again.
bool FuzzVectorFile(FuzzInput input) {
  constexpr const char* kEndings[] = {"fbin",   "f16bin", "i8bin", "u8bin", "ibin",
                                      "u64bin", "fvecs",  "ivecs", "npy"};
  if (input.empty()) return false;
  const std::string ending = kEndings[static_cast<size_t>(input[0]) % std::size(kEndings)];
  const ExactCopy copy(input.subspan(1));
  const auto layout = ReadLayout("in." + ending, copy.bytes());
  const auto file = VectorFile::Open(Scratch().Write("in." + ending, copy.text()));
  Require(layout.ok() == file.ok(), "a file opens iff its layout reads");
  if (!file.ok()) return false;
  const size_t end = layout->rows == 0 ? layout->first_row
                                       : layout->first_row + (layout->rows - 1) * layout->stride +
                                             file->row_bytes();
  Require(end == copy.bytes().size(), "the rows end where the file does");
  std::vector<float> floats(file->dim());
  std::vector<uint64_t> ids(file->dim());
  for (uint64_t row = 0; row < file->rows(); ++row) {
    file->ReadF32(row, floats);
    const bool read = file->ReadIds(row, ids).ok();
    Require(!read || IsInteger(file->element()), "ids are integers");
  }
  const std::vector<std::byte> values = ValuesOf(*file);
  const std::string written = Scratch().Path("out." + ending);
  Require(WriteVectors(written, file->element(), file->rows(), file->dim(), values).ok(),
          "what was read can be written");
  const auto again = VectorFile::Open(written);
  Require(again.ok() && again->rows() == file->rows() && again->dim() == file->dim() &&
              again->element() == file->element() && ValuesOf(*again) == values,
          "what was written reads the same");
  return true;
}

// A whole npy file.
bool FuzzNpyHeader(FuzzInput input) {
  const ExactCopy copy(input);
  const auto header = ParseNpyHeader("in.npy", copy.bytes());
  if (!header.ok()) return false;
  Require(header->data_offset <= copy.bytes().size(), "the values begin within the file");
  const std::string text = FormatNpyHeader(header->element, header->rows, header->dim);
  const auto again = ParseNpyHeader("out.npy", AsBytes(text));
  Require(again.ok() && again->element == header->element && again->rows == header->rows &&
              again->dim == header->dim && again->data_offset == text.size() &&
              text.size() % 64 == 0,
          "a header that is written reads the same");
  return true;
}

// The first byte chooses the name's ending and, by its bit 2, the kind of ids.
bool FuzzIdFile(FuzzInput input) {
  constexpr const char* kNames[] = {"ids.u64bin", "ids.ibin", "ids.npy", "ids.txt"};
  if (input.empty()) return false;
  const auto choice = static_cast<size_t>(input[0]);
  const bool numbers = (choice & 4) == 0;
  const ExactCopy copy(input.subspan(1));
  const auto ids = ReadIdFile(Scratch().Write(kNames[choice % 4], copy.text()),
                              numbers ? IdKind::kNum : IdKind::kStr);
  if (!ids.ok()) return false;
  Require(numbers ? ids->strs.empty() : ids->nums.empty(), "ids are of the kind asked for");
  for (const std::string& id : ids->strs) {
    Require(!id.empty() && id.size() <= kMaxStringIdBytes, "a string id has 1 to 256 bytes");
  }
  std::string lines;
  for (const uint64_t id : ids->nums) absl::StrAppend(&lines, id, "\n");
  const auto again = ReadIdFile(Scratch().Write("again.txt", lines), IdKind::kNum);
  Require(again.ok() && again->nums == ids->nums, "numbers in lines read the same");
  return true;
}

namespace {

const JsonlSchema& Schema() {
  static const JsonlSchema schema = {{"b", JsonlType::kBool},   {"d", JsonlType::kDouble},
                                     {"i", JsonlType::kInt64},  {"l", JsonlType::kStringList},
                                     {"s", JsonlType::kString}, {"t", JsonlType::kTimestamp}};
  return schema;
}

void CheckAttributes(const JsonlAttributes& attributes) {
  for (const auto& [name, value] : attributes) {
    const auto type = Schema().find(name);
    Require(type != Schema().end(), "attributes are in the schema");
    Require(value.index() == static_cast<size_t>(type->second), "values are of their type");
    const auto* time = std::get_if<JsonlTimestamp>(&value);
    if (time == nullptr) continue;
    const auto again = ParseTimestamp(FormatTimestamp(time->micros));
    Require(again.ok() && *again == time->micros, "a time that is written reads the same");
  }
}

// Whether the file could be read to its end.
template <typename Reader, typename Item, typename Check>
bool ReadAll(const std::string& path, const Check& check) {
  auto reader = Reader::Open(path, Schema());
  Require(reader.ok(), "the file opens");
  Item item;
  for (uint64_t line = 1;; ++line) {
    const absl::StatusOr<bool> more = reader->Next(&item);
    if (!more.ok()) return false;
    if (!*more) return line > 1;
    Require(reader->lines().line_number() == line, "each call reads a line");
    check(item);
  }
}

}  // namespace

// The first byte's lowest bit chooses between points and attributes; the rest is the file.
bool FuzzJsonl(FuzzInput input) {
  if (input.empty()) return false;
  const std::string path = Scratch().Write("in.jsonl", ExactCopy(input.subspan(1)).text());
  if ((input[0] & std::byte{1}) != std::byte{0}) {
    return ReadAll<JsonlAttributesReader, JsonlAttributes>(path, CheckAttributes);
  }
  return ReadAll<JsonlPointReader, JsonlPoint>(path, [](const JsonlPoint& point) {
    Require(!point.vector.empty() && std::all_of(point.vector.begin(), point.vector.end(),
                                                 [](float value) { return std::isfinite(value); }),
            "a vector holds finite numbers");
    const auto* id = point.id.has_value() ? std::get_if<std::string>(&*point.id) : nullptr;
    Require(id == nullptr || (!id->empty() && id->size() <= kMaxStringIdBytes),
            "a string id has 1 to 256 bytes");
    CheckAttributes(point.attributes);
  });
}

}  // namespace nestor
