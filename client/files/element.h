// The type of one value in a vector file.
#ifndef NESTOR_CLIENT_FILES_ELEMENT_H_
#define NESTOR_CLIENT_FILES_ELEMENT_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace nestor {

enum class Element : uint8_t { kF32, kF16, kI8, kU8, kI32, kI64, kU64 };

constexpr size_t ElementBytes(Element element) {
  switch (element) {
    case Element::kI8:
    case Element::kU8:
      return 1;
    case Element::kF16:
      return 2;
    case Element::kF32:
    case Element::kI32:
      return 4;
    case Element::kI64:
    case Element::kU64:
      return 8;
  }
  return 0;
}

constexpr absl::string_view Name(Element element) {
  switch (element) {
    case Element::kF32:
      return "f32";
    case Element::kF16:
      return "f16";
    case Element::kI8:
      return "i8";
    case Element::kU8:
      return "u8";
    case Element::kI32:
      return "i32";
    case Element::kI64:
      return "i64";
    case Element::kU64:
      return "u64";
  }
  return "unknown";
}

constexpr bool IsInteger(Element element) {
  return element != Element::kF32 && element != Element::kF16;
}

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_ELEMENT_H_
