#include "tests/server/orphans.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/storage/keys.h"
#include "server/storage/read_only_db.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// Of one collection.
struct Live {
  uint32_t generation = 0;       // 0: never built
  std::multiset<uint64_t> rows;  // that ids name
  std::set<uint64_t> listed;     // .. and postings
};

absl::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

uint32_t BigEndian(absl::string_view key, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4 && i < key.size(); ++i) {
    value = value << 8 | static_cast<uint8_t>(key[i]);
  }
  return value;
}

class Search {
 public:
  explicit Search(ReadOnlyDb* db) : db_(db) {}

  std::vector<std::string> Run() {
    // Collections first: everything else is theirs.
    Each(Family::kMeta, [this](absl::string_view key, absl::string_view) {
      const absl::StatusOr<MetaKeyParts> parts = ParseMetaKey(key);
      if (parts.ok() && parts->kind == MetaKind::kCollection) live_[parts->uid];
      return parts.ok() ? "" : "unreadable";
    });
    Each(Family::kMeta,
         [this](absl::string_view key, absl::string_view value) { return OfMeta(key, value); });
    EachLive(Family::kIds, [](Live* live, absl::string_view, absl::string_view value) {
      const absl::StatusOr<uint64_t> row = ParseRow(value);
      if (!row.ok()) return "unreadable";
      live->rows.insert(*row);
      return live->rows.count(*row) == 1 ? "" : "the second id of its row";
    });
    EachLive(Family::kPoints, [](Live* live, absl::string_view key, absl::string_view) {
      const absl::StatusOr<uint64_t> row = ParsePointKey(key);
      if (!row.ok()) return "unreadable";
      return live->rows.count(*row) == 1 ? "" : "no id names the row";
    });
    EachLive(Family::kPostings, &OfPostings);
    for (const Family family : {Family::kModels, Family::kGraphs}) {
      EachLive(family, [](Live* live, absl::string_view key, absl::string_view) {
        const bool current = live->generation != 0 && BigEndian(key, 4) == live->generation;
        return current ? "" : "its generation is not current";
      });
    }
    return std::move(found_);
  }

 private:
  // What is wrong with a key, or nothing.
  using Judge = std::function<std::string(absl::string_view key, absl::string_view value)>;
  using JudgeLive =
      std::function<std::string(Live* live, absl::string_view key, absl::string_view value)>;

  void Each(Family family, const Judge& judge) {
    const std::unique_ptr<rocksdb::Iterator> scan = db_->Scan(family, "", nullptr);
    for (; scan->Valid(); scan->Next()) {
      const std::string wrong = judge(View(scan->key()), View(scan->value()));
      if (wrong.empty()) continue;
      found_.push_back(absl::StrCat(FamilyName(family), " 0x",
                                    absl::BytesToHexString(View(scan->key())), ": ", wrong));
    }
    if (!scan->status().ok()) found_.push_back(scan->status().ToString());
  }
  void EachLive(Family family, const JudgeLive& judge) {
    Each(family, [&](absl::string_view key, absl::string_view value) -> std::string {
      const auto it = live_.find(BigEndian(key, 0));
      return it == live_.end() ? "its collection is not there" : judge(&it->second, key, value);
    });
  }

  std::string OfMeta(absl::string_view key, absl::string_view value) {
    const absl::StatusOr<MetaKeyParts> parts = ParseMetaKey(key);
    if (!parts.ok() || parts->uid == 0) return "";
    const auto it = live_.find(parts->uid);
    if (it == live_.end()) return "its collection is not there";
    if (parts->kind != MetaKind::kGeneration) return "";
    const absl::StatusOr<GenerationRecord> record = ParseGeneration(value);
    if (!record.ok()) return "unreadable";
    it->second.generation = record->generation;
    return "";
  }

  static std::string OfPostings(Live* live, absl::string_view key, absl::string_view) {
    const absl::StatusOr<PostingKeyParts> posting = ParsePostingKey(key);
    if (!posting.ok()) return "unreadable";
    if (live->generation == 0 || posting->generation != live->generation) {
      return "its generation is not current";
    }
    if (live->rows.count(posting->row) == 0) return "no id names the row";
    return live->listed.insert(posting->row).second ? "" : "the second posting of its row";
  }

  ReadOnlyDb* const db_;
  std::map<uint32_t, Live> live_;  // by uid
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> FindOrphans(const std::string& data_dir) {
  const absl::StatusOr<std::unique_ptr<ReadOnlyDb>> db = ReadOnlyDb::Open(
      {.data_dir = data_dir}, absl::StrCat(data_dir, "/rocksdb"), /*lenient=*/false);
  if (!db.ok()) return {db.status().ToString()};
  return Search(db->get()).Run();
}

}  // namespace nestor
