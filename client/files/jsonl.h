// JSON lines: one object a line, either a point {"id", "vector", "attributes"} or just the
// attributes of row i in line i. Both are read line by line; every error names the file and the
// line. Not thread-safe.
#ifndef NESTOR_CLIENT_FILES_JSONL_H_
#define NESTOR_CLIENT_FILES_JSONL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "client/files/line_reader.h"
#include "index/point_id.h"

namespace nestor {

enum class JsonlType : uint8_t { kString, kInt64, kDouble, kBool, kStringList, kTimestamp };

struct JsonlTimestamp {
  int64_t micros = 0;  // since 1970-01-01 UTC
  bool operator==(const JsonlTimestamp&) const = default;
};

// In the order of JsonlType.
using JsonlValue =
    std::variant<std::string, int64_t, double, bool, std::vector<std::string>, JsonlTimestamp>;

// Attribute name -> type. An attribute that is not named here is refused.
using JsonlSchema = std::map<std::string, JsonlType>;
// A null, like a missing name, is absent.
using JsonlAttributes = std::map<std::string, JsonlValue>;

struct JsonlPoint {
  std::optional<PointId> id;  // absent: the loader's default
  std::vector<float> vector;
  JsonlAttributes attributes;
};

class JsonlPointReader {
 public:
  static absl::StatusOr<JsonlPointReader> Open(const std::string& path, JsonlSchema schema);

  // False at the end. Refused: what is no JSON object, an empty line, any other key, an empty
  // string id or one over 256 bytes, a negative or fractional numeric id, a vector that is missing,
  // empty or holds anything but numbers that fit a float, an attribute that is unknown or not of
  // its type.
  absl::StatusOr<bool> Next(JsonlPoint* point);

  const LineReader& lines() const { return lines_; }

 private:
  JsonlPointReader(LineReader lines, JsonlSchema schema)
      : lines_(std::move(lines)), schema_(std::move(schema)) {}

  LineReader lines_;
  JsonlSchema schema_;
  std::string line_;
};

class JsonlAttributesReader {
 public:
  static absl::StatusOr<JsonlAttributesReader> Open(const std::string& path, JsonlSchema schema);

  // As JsonlPointReader::Next.
  absl::StatusOr<bool> Next(JsonlAttributes* attributes);

  const LineReader& lines() const { return lines_; }

 private:
  JsonlAttributesReader(LineReader lines, JsonlSchema schema)
      : lines_(std::move(lines)), schema_(std::move(schema)) {}

  LineReader lines_;
  JsonlSchema schema_;
  std::string line_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_JSONL_H_
