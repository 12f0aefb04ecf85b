#include "client/files/npy_header.h"

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/files/printable.h"

namespace nestor {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr std::pair<absl::string_view, Element> kDescrs[] = {
    {"<f4", Element::kF32}, {"<f2", Element::kF16}, {"|i1", Element::kI8},  {"|u1", Element::kU8},
    {"<i4", Element::kI32}, {"<i8", Element::kI64}, {"<u8", Element::kU64},
};

// The value of `key` in the header's dict, up to the comma or brace that ends it; nullopt if
// absent.
std::optional<absl::string_view> Field(absl::string_view dict, absl::string_view key) {
  const std::string quoted = absl::StrCat("'", key, "':");
  const size_t at = dict.find(quoted);
  if (at == absl::string_view::npos) return std::nullopt;
  absl::string_view rest = absl::StripLeadingAsciiWhitespace(dict.substr(at + quoted.size()));
  const size_t end = absl::StartsWith(rest, "(") ? rest.find(')') + 1 : rest.find_first_of(",}");
  if (end == 0 || end == absl::string_view::npos) return std::nullopt;
  return absl::StripAsciiWhitespace(rest.substr(0, end));
}

// "(3, 4)" -> {3, 4}; "(3,)" -> {3}.
std::optional<std::vector<uint64_t>> ParseShape(absl::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
  std::vector<uint64_t> shape;
  text = text.substr(1, text.size() - 2);
  if (!text.empty() && text.back() == ',') text.remove_suffix(1);
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    part = absl::StripAsciiWhitespace(part);
    uint64_t value = 0;
    if (!absl::ascii_isdigit(part.front()) || !absl::SimpleAtoi(part, &value)) return std::nullopt;
    shape.push_back(value);
  }
  return shape;
}

absl::Status Invalid(absl::string_view path, uint64_t offset, absl::string_view expected,
                     absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": offset ", offset, ": expected ", expected, ", found ", found));
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view path, std::span<const std::byte> file) {
  const absl::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.substr(0, kMagic.size()) != kMagic.substr(0, text.size())) {
    return Invalid(path, 0, "the npy magic \\x93NUMPY",
                   absl::StrCat("'", Printable(text.substr(0, kMagic.size())), "'"));
  }
  if (file.size() < 8) {
    return absl::DataLossError(
        absl::StrCat(path, ": offset 0: expected the npy magic and version, 8 bytes, found ",
                     file.size(), " bytes"));
  }
  const int major = static_cast<int>(file[6]);
  if (major < 1 || major > 3) return Invalid(path, 6, "npy version 1, 2 or 3", absl::StrCat(major));
  const size_t length_bytes = major == 1 ? 2 : 4;
  if (file.size() < 8 + length_bytes) {
    return absl::DataLossError(absl::StrCat(path, ": offset 8: expected a ", length_bytes,
                                            "-byte header length, found ", file.size() - 8,
                                            " bytes"));
  }
  uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, length_bytes);
  const uint64_t start = 8 + length_bytes;
  if (file.size() - start < length) {
    return absl::DataLossError(absl::StrCat(path, ": offset ", start, ": expected a header of ",
                                            length, " bytes, found ", file.size() - start));
  }
  const absl::string_view dict = text.substr(start, length);

  NpyHeader header;
  header.data_offset = start + length;
  const absl::string_view descr = Field(dict, "descr").value_or("nothing");
  const absl::string_view order = Field(dict, "fortran_order").value_or("nothing");
  const absl::string_view shape_text = Field(dict, "shape").value_or("nothing");
  bool known = false;
  for (const auto& [name, element] : kDescrs) {
    if (descr == absl::StrCat("'", name, "'")) {
      header.element = element;
      known = true;
    }
  }
  if (!known) {
    return Invalid(path, start, "descr <f4, <f2, |i1, |u1, <i4, <i8 or <u8", Printable(descr));
  }
  if (order != "False") {
    return Invalid(path, start, "fortran_order False", Printable(order));
  }
  const std::optional<std::vector<uint64_t>> shape = ParseShape(shape_text);
  if (!shape || shape->empty() || shape->size() > 2) {
    return Invalid(path, start, "a shape of one or two dimensions", Printable(shape_text));
  }
  header.rows = (*shape)[0];
  header.dim = shape->size() == 2 ? (*shape)[1] : 1;
  return header;
}

std::string FormatNpyHeader(Element element, uint64_t rows, uint64_t dim) {
  absl::string_view descr;
  for (const auto& [name, kind] : kDescrs) {
    if (kind == element) descr = name;
  }
  std::string dict = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (",
                                  rows, ", ", dim, "), }");
  constexpr size_t kPrefix = 10;  // magic, version 1.0, u16 length
  const size_t total = (kPrefix + dict.size() + 1 + 63) / 64 * 64;
  dict.append(total - kPrefix - dict.size() - 1, ' ');
  dict.push_back('\n');
  std::string header(kMagic);
  header.append(
      {'\x01', '\x00', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)});
  return header + dict;
}

}  // namespace nestor
