// Attributes of a point: named, typed values that the collection's schema declares. Plain values.
#ifndef NESTOR_SERVER_STORAGE_ATTRIBUTE_H_
#define NESTOR_SERVER_STORAGE_ATTRIBUTE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace nestor {

// Enum numbers are written to disk and never change.
enum class AttributeType : uint8_t {
  kString = 1,
  kInt64 = 2,
  kDouble = 3,
  kBool = 4,
  kStringList = 5,
  kTimestamp = 6,
};

struct Timestamp {
  int64_t micros = 0;  // since 1970-01-01 UTC
  bool operator==(const Timestamp&) const = default;
};

// The alternatives stand in the order of AttributeType: index() + 1 is the type's number.
using AttributeValue =
    std::variant<std::string, int64_t, double, bool, std::vector<std::string>, Timestamp>;

inline AttributeType TypeOf(const AttributeValue& value) {
  return static_cast<AttributeType>(value.index() + 1);
}

struct Attribute {
  std::string name;
  AttributeValue value;
  bool operator==(const Attribute&) const = default;
};

// An attribute that is not in the list is null. Names are unique; stored and returned ascending by
// name.
using Attributes = std::vector<Attribute>;

// What a collection declares.
struct AttributeField {
  std::string name;
  AttributeType type = AttributeType::kString;
  bool operator==(const AttributeField&) const = default;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_ATTRIBUTE_H_
