// Bytes of the store's records: little-endian base-128 varints, length-prefixed strings. The
// decoder checks every bound and remembers the first failure, so that a parser may read on and ask
// once at the end.
#ifndef NESTOR_SERVER_STORAGE_CODEC_H_
#define NESTOR_SERVER_STORAGE_CODEC_H_

#include <bit>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nestor {

class Encoder {
 public:
  void Byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      Byte(static_cast<uint8_t>(value) | 0x80);
      value >>= 7;
    }
    Byte(static_cast<uint8_t>(value));
  }
  // Zigzag: small magnitudes are short.
  void Signed(int64_t value) {
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void Double(double value) {
    const uint64_t bits = std::bit_cast<uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) Byte(static_cast<uint8_t>(bits >> shift));
  }
  void String(absl::string_view value) {
    Varint(value.size());
    out_.append(value.data(), value.size());
  }
  void Raw(absl::string_view value) { out_.append(value.data(), value.size()); }

  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class Decoder {
 public:
  // `what` names the record in messages; both views outlive the decoder.
  Decoder(absl::string_view what, absl::string_view bytes) : what_(what), rest_(bytes) {}

  bool ok() const { return error_.empty(); }
  size_t remaining() const { return rest_.size(); }

  uint8_t Byte() {
    if (rest_.empty()) {
      Fail("ends too early");
      return 0;
    }
    const uint8_t value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      if (!ok()) return 0;
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    Fail("has a varint over 64 bits");
    return 0;
  }
  // Fails above `limit`.
  uint64_t Varint(uint64_t limit, absl::string_view field) {
    const uint64_t value = Varint();
    if (value > limit) {
      Fail(absl::StrCat("has ", field, " ", value, ", limit ", limit));
      return 0;
    }
    return value;
  }
  uint32_t Varint32(absl::string_view field) {
    return static_cast<uint32_t>(Varint(0xffffffffu, field));
  }
  int64_t Signed() {
    const uint64_t value = Varint();
    return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  double Double() {
    uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 8) bits |= static_cast<uint64_t>(Byte()) << shift;
    return std::bit_cast<double>(bits);
  }
  // Borrows from the record.
  absl::string_view String(absl::string_view field) {
    const uint64_t size = Varint();
    if (size > rest_.size()) {
      Fail(absl::StrCat("has ", field, " of ", size, " bytes where ", rest_.size(), " are left"));
      return {};
    }
    const absl::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }
  // A number of elements of at least one byte each: bounded by what is left, so that it may size a
  // vector.
  size_t Count(absl::string_view field) {
    const uint64_t count = Varint();
    if (count > rest_.size()) {
      Fail(absl::StrCat("has ", count, " ", field, " in ", rest_.size(), " bytes"));
      return 0;
    }
    return count;
  }
  // An enum numbered 1..last.
  template <typename E>
  E Enum(E last, absl::string_view field) {
    const uint8_t value = Byte();
    if (ok() && (value == 0 || value > static_cast<uint8_t>(last))) {
      Fail(absl::StrCat("has unknown ", field, " ", value));
    }
    return ok() ? static_cast<E>(value) : last;
  }
  // Whether this tag comes next; it stays.
  bool Tells(uint8_t tag) const {
    return !rest_.empty() && static_cast<uint8_t>(rest_.front()) == tag;
  }
  void Expect(uint8_t tag) {
    const uint8_t value = Byte();
    if (ok() && value != tag) Fail(absl::StrCat("starts with tag ", value, ", expected ", tag));
  }

  void Fail(absl::string_view why) {
    if (!ok()) return;
    error_ = absl::StrCat(why);
    rest_ = {};
  }
  absl::Status status() const {
    return ok() ? absl::OkStatus() : absl::DataLossError(absl::StrCat(what_, " record ", error_));
  }
  // Also fails where bytes are left over.
  absl::Status Finish() {
    if (!rest_.empty()) Fail(absl::StrCat("has ", rest_.size(), " bytes too many"));
    return status();
  }

 private:
  absl::string_view what_;
  absl::string_view rest_;
  std::string error_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_CODEC_H_
