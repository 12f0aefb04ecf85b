#include "server/storage/keys.h"

#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

template <typename T>
void Put(std::string* key, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>(value >> shift));
  }
}

template <typename T>
T Get(absl::string_view key, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8) | static_cast<uint8_t>(key[at + i]);
  }
  return value;
}

std::string MetaKey(uint32_t uid, MetaKind kind) {
  std::string key;
  Put(&key, uid);
  Put(&key, static_cast<uint8_t>(kind));
  return key;
}

absl::Status Malformed(absl::string_view what, absl::string_view key, size_t expected) {
  return absl::DataLossError(absl::StrCat(what, " key 0x", absl::BytesToHexString(key), " has ",
                                          key.size(), " bytes, expected ", expected));
}

}  // namespace

absl::string_view FamilyName(Family family) {
  switch (family) {
    case Family::kMeta:
      return "meta";
    case Family::kIds:
      return "ids";
    case Family::kPoints:
      return "points";
    case Family::kPostings:
      return "postings";
    case Family::kModels:
      return "models";
    case Family::kGraphs:
      return "graphs";
  }
  return "";
}

std::string FormatKey() { return MetaKey(0, MetaKind::kFormat); }
std::string NextUidKey() { return MetaKey(0, MetaKind::kNextUid); }

std::string OperationKey(uint64_t number) {
  std::string key = MetaKey(0, MetaKind::kOperation);
  Put(&key, number);
  return key;
}
std::string OperationsBegin() { return MetaKey(0, MetaKind::kOperation); }
std::string OperationsEnd() { return MetaKey(0, MetaKind::kCollection); }

std::string CollectionKey(uint32_t uid) { return MetaKey(uid, MetaKind::kCollection); }
std::string StateKey(uint32_t uid) { return MetaKey(uid, MetaKind::kState); }
std::string GenerationKey(uint32_t uid) { return MetaKey(uid, MetaKind::kGeneration); }
std::string FdeKey(uint32_t uid) { return MetaKey(uid, MetaKind::kFde); }

std::string IdKey(uint32_t uid, const PointId& id) {
  std::string key;
  Put(&key, uid);
  if (const uint64_t* num = std::get_if<uint64_t>(&id)) {
    Put(&key, *num);
  } else {
    key.append(std::get<std::string>(id));
  }
  return key;
}

std::string PointKey(uint32_t uid, uint64_t row) {
  std::string key;
  Put(&key, uid);
  Put(&key, row);
  return key;
}

std::string PostingKey(uint32_t uid, uint32_t generation, uint32_t list, uint64_t row) {
  std::string key;
  key.reserve(20);
  Put(&key, uid);
  Put(&key, generation);
  Put(&key, list);
  Put(&key, row);
  return key;
}

std::string ModelKey(uint32_t uid, uint32_t generation) { return GenerationBegin(uid, generation); }

std::string CodeKey(uint32_t uid, uint32_t generation, const OpqSpec& code) {
  std::string key = GenerationBegin(uid, generation);
  Put(&key, code.dim);
  Put(&key, code.bytes);
  Put(&key, code.bits);
  return key;
}

std::string GraphHeadKey(uint32_t uid, uint32_t generation) {
  return GenerationBegin(uid, generation);
}

std::string GraphBlockKey(uint32_t uid, uint32_t generation, uint32_t block) {
  std::string key = GenerationBegin(uid, generation);
  Put(&key, block);
  return key;
}

std::string UidBegin(uint32_t uid) {
  std::string key;
  Put(&key, uid);
  return key;
}

std::string GenerationBegin(uint32_t uid, uint32_t generation) {
  std::string key;
  Put(&key, uid);
  Put(&key, generation);
  return key;
}

std::string KeyAfter(absl::string_view key) {
  std::string after(key);
  after.push_back('\0');
  return after;
}

absl::StatusOr<MetaKeyParts> ParseMetaKey(absl::string_view key) {
  if (key.size() < 5) return Malformed("meta", key, 5);
  MetaKeyParts parts;
  parts.uid = Get<uint32_t>(key, 0);
  const uint8_t kind = Get<uint8_t>(key, 4);
  if (kind < static_cast<uint8_t>(MetaKind::kFormat) ||
      kind > static_cast<uint8_t>(MetaKind::kFde)) {
    return absl::DataLossError(
        absl::StrCat("meta key 0x", absl::BytesToHexString(key), " has unknown kind ", kind));
  }
  parts.kind = static_cast<MetaKind>(kind);
  const size_t expected = parts.kind == MetaKind::kOperation ? 13 : 5;
  if (key.size() != expected) return Malformed("meta", key, expected);
  return parts;
}

absl::StatusOr<uint64_t> ParseOperationKey(absl::string_view key) {
  if (key.size() != 13) return Malformed("operation", key, 13);
  return Get<uint64_t>(key, 5);
}

absl::StatusOr<uint64_t> ParsePointKey(absl::string_view key) {
  if (key.size() != 12) return Malformed("point", key, 12);
  return Get<uint64_t>(key, 4);
}

absl::StatusOr<OpqSpec> ParseCodeKey(absl::string_view key) {
  if (key.size() != 20) return Malformed("code", key, 20);
  return OpqSpec{Get<uint32_t>(key, 8), Get<uint32_t>(key, 12), Get<uint32_t>(key, 16)};
}

absl::StatusOr<uint32_t> ParseGraphBlockKey(absl::string_view key) {
  if (key.size() != 12) return Malformed("graph block", key, 12);
  return Get<uint32_t>(key, 8);
}

absl::StatusOr<PostingKeyParts> ParsePostingKey(absl::string_view key) {
  if (key.size() != 20) return Malformed("posting", key, 20);
  return PostingKeyParts{Get<uint32_t>(key, 4), Get<uint32_t>(key, 8), Get<uint64_t>(key, 12)};
}

}  // namespace nestor
