#include "server/storage/verify_records.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "index/graph/stored_graph.h"
#include "index/model.h"
#include "index/multi/stored_fde.h"
#include "index/stored_code.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "server/storage/store_rep.h"

namespace nestor {
namespace {

using Visit = absl::FunctionRef<absl::Status(absl::string_view key, absl::string_view value)>;

absl::Status ForEach(ReadOnlyDb* db, Family family, absl::string_view begin, const std::string& end,
                     Visit visit) {
  const rocksdb::Slice bound(end);
  const std::unique_ptr<rocksdb::Iterator> scan = db->Scan(family, begin, &bound);
  for (; scan->Valid(); scan->Next()) {
    absl::Status status = visit(ToView(scan->key()), ToView(scan->value()));
    if (!status.ok()) return status;
  }
  return ToStatus(absl::StrCat("cannot scan ", FamilyName(family)), scan->status());
}

absl::Status CheckFormat(ReadOnlyDb* db) {
  const absl::StatusOr<std::string> value = db->Get(Family::kMeta, FormatKey());
  if (absl::IsNotFound(value.status())) return absl::DataLossError("the format version is missing");
  if (!value.ok()) return value.status();
  const absl::StatusOr<uint32_t> version = ParseFormatVersion(*value);
  if (!version.ok()) return version.status();
  if (*version >= kOldestFormatVersion && *version <= kFormatVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the data has format version ", *version,
                                                    ", this program reads ", kFormatVersion));
}

// One collection, whose records the passes below check against each other.
class Collection {
 public:
  Collection(ReadOnlyDb* db, uint32_t uid, CollectionSpec spec)
      : db_(db), uid_(uid), spec_(std::move(spec)) {}

  absl::Status Verify(VerifyReport* report) {
    absl::Status status = ReadState();
    if (status.ok()) status = ReadFde();
    if (status.ok()) status = ReadIds();
    if (status.ok()) status = ReadPoints();
    if (status.ok()) status = ReadGeneration();
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("collection \"", spec_.name, "\": ", status.message()));
    }
    ++report->collections;
    report->points += rows_.size();
    return absl::OkStatus();
  }

 private:
  absl::Status ReadState() {
    const absl::StatusOr<std::string> value = db_->Get(Family::kMeta, StateKey(uid_));
    if (absl::IsNotFound(value.status())) {
      return absl::DataLossError("the state record is missing");
    }
    if (!value.ok()) return value.status();
    const absl::StatusOr<StateRecord> state = ParseState(*value);
    if (!state.ok()) return state.status();
    state_ = *state;
    return absl::OkStatus();
  }

  absl::Status ReadIds() {
    absl::Status status =
        ForEach(db_, Family::kIds, UidBegin(uid_), UidBegin(uid_ + 1),
                [this](absl::string_view key, absl::string_view value) -> absl::Status {
                  const absl::StatusOr<uint64_t> row = ParseRow(value);
                  if (!row.ok()) return row.status();
                  if (*row >= state_.next_row) {
                    return absl::DataLossError(absl::StrCat(
                        "an id names row ", *row, ", above the next row ", state_.next_row));
                  }
                  rows_.push_back(*row);
                  return absl::OkStatus();
                });
    std::sort(rows_.begin(), rows_.end());
    if (const auto twice = std::adjacent_find(rows_.begin(), rows_.end());
        status.ok() && twice != rows_.end()) {
      return absl::DataLossError(absl::StrCat("two ids name row ", *twice));
    }
    return status;
  }

  // Of token matrices.
  absl::Status ReadFde() {
    if (!spec_.multi.has_value()) return absl::OkStatus();
    const absl::StatusOr<std::string> value = db_->Get(Family::kMeta, FdeKey(uid_));
    if (absl::IsNotFound(value.status())) return absl::DataLossError("the FDE model is missing");
    if (!value.ok()) return value.status();
    return ParseFde(*value).status();
  }

  absl::Status ReadPoints() {
    size_t next = 0;  // of the rows that ids name, the first not met yet
    absl::Status status = ForEach(
        db_, Family::kPoints, UidBegin(uid_), UidBegin(uid_ + 1),
        [&](absl::string_view key, absl::string_view value) -> absl::Status {
          const absl::StatusOr<uint64_t> row = ParsePointKey(key);
          if (!row.ok()) return row.status();
          if (next < rows_.size() && rows_[next] < *row) return Missing(rows_[next]);
          const bool live = next < rows_.size() && rows_[next] == *row;
          if (live) ++next;
          absl::Status checked = CheckPoint(value, live);
          if (checked.ok()) return checked;
          return absl::Status(checked.code(), absl::StrCat("row ", *row, ": ", checked.message()));
        });
    if (status.ok() && next < rows_.size()) return Missing(rows_[next]);
    return status;
  }

  static absl::Status Missing(uint64_t row) {
    return absl::DataLossError(absl::StrCat("an id names row ", row, ", which is missing"));
  }

  absl::Status CheckVector(absl::string_view bytes) const {
    if (spec_.multi.has_value()) {
      return TokenSet::FromStored(spec_.multi->tokens, bytes).status();
    }
    const size_t expected = spec_.schema.dim * DtypeBytes(spec_.schema.dtype);
    if (bytes.size() == expected) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("the vector has ", bytes.size(), " bytes, expected ", expected));
  }

  absl::Status CheckPoint(absl::string_view value, bool live) const {
    const absl::StatusOr<PointView> point = ParsePoint(value);
    if (!point.ok()) return point.status();
    if (absl::Status status = CheckVector(point->vector); !status.ok()) return status;
    if (live && point->seq > state_.seq) {
      return absl::DataLossError(
          absl::StrCat("sequence ", point->seq, " lies above the last, ", state_.seq));
    }
    return ParseAttributes(point->attributes).status();
  }

  absl::Status ReadGeneration() {
    const absl::StatusOr<std::string> value = db_->Get(Family::kMeta, GenerationKey(uid_));
    if (absl::IsNotFound(value.status())) return absl::OkStatus();  // never built
    if (!value.ok()) return value.status();
    const absl::StatusOr<GenerationRecord> record = ParseGeneration(*value);
    if (!record.ok()) return record.status();
    const uint32_t generation = record->generation;
    const absl::StatusOr<std::string> bytes = db_->Get(Family::kModels, ModelKey(uid_, generation));
    if (absl::IsNotFound(bytes.status())) {
      return absl::DataLossError(
          absl::StrCat("the model of generation ", generation, " is missing"));
    }
    if (!bytes.ok()) return bytes.status();
    const absl::StatusOr<std::shared_ptr<const Model>> model = ParseModel(*bytes, spec_.schema);
    if (!model.ok()) return model.status();
    absl::Status status = ReadCodes(*record, (*model)->lists);
    if (status.ok()) status = ReadPostings(generation, (*model)->lists);
    if (status.ok()) status = ReadGraph(generation);
    return status;
  }

  // Of the generation: every code that it names, and no other.
  absl::Status ReadCodes(const GenerationRecord& record, uint32_t lists) {
    std::vector<OpqSpec> missing = record.spec.codes;
    const std::string first = KeyAfter(ModelKey(uid_, record.generation));
    absl::Status status =
        ForEach(db_, Family::kModels, first, GenerationBegin(uid_, record.generation + 1),
                [&](absl::string_view key, absl::string_view value) -> absl::Status {
                  const absl::StatusOr<OpqSpec> code = ParseCodeKey(key);
                  if (!code.ok()) return code.status();
                  if (std::erase(missing, *code) == 0) {
                    return absl::DataLossError(absl::StrCat("a code is stored that generation ",
                                                            record.generation,
                                                            " does not have: ", OpqName(*code)));
                  }
                  return ParseCode(value, spec_.schema.metric, *code, lists).status();
                });
    if (!status.ok() || missing.empty()) return status;
    return absl::DataLossError(absl::StrCat("the code ", OpqName(missing.front()),
                                            " of generation ", record.generation, " is missing"));
  }

  absl::Status ReadPostings(uint32_t generation, uint32_t lists) {
    return ForEach(db_, Family::kPostings, GenerationBegin(uid_, generation),
                   GenerationBegin(uid_, generation + 1),
                   [&](absl::string_view key, absl::string_view value) -> absl::Status {
                     const absl::StatusOr<PostingKeyParts> posting = ParsePostingKey(key);
                     if (!posting.ok()) return posting.status();
                     if (posting->list < lists) return absl::OkStatus();
                     return absl::DataLossError(absl::StrCat("row ", posting->row, " lies in list ",
                                                             posting->list, " of ", lists));
                   });
  }

  absl::Status ReadGraph(uint32_t generation) {
    const absl::StatusOr<std::string> bytes =
        db_->Get(Family::kGraphs, GraphHeadKey(uid_, generation));
    if (absl::IsNotFound(bytes.status())) return absl::OkStatus();  // none, or not stored yet
    if (!bytes.ok()) return bytes.status();
    const absl::StatusOr<StoredGraph::Head> head = ParseHead(*bytes, spec_.schema);
    if (!head.ok()) return head.status();
    StoredGraph graph{.head = *head};
    return ForEach(db_, Family::kGraphs, GraphBlockKey(uid_, generation, 0),
                   GenerationBegin(uid_, generation + 1),
                   [&](absl::string_view key, absl::string_view value) -> absl::Status {
                     const absl::StatusOr<uint32_t> block = ParseGraphBlockKey(key);
                     if (!block.ok()) return block.status();
                     return graph.Add(*block, value);
                   });
  }

  ReadOnlyDb* const db_;
  const uint32_t uid_;
  const CollectionSpec spec_;
  StateRecord state_;
  std::vector<uint64_t> rows_;  // that ids name, ascending
};

absl::Status CheckMeta(absl::string_view key, absl::string_view value,
                       std::vector<std::pair<uint32_t, CollectionSpec>>* collections) {
  const absl::StatusOr<MetaKeyParts> parts = ParseMetaKey(key);
  if (!parts.ok()) return parts.status();
  switch (parts->kind) {
    case MetaKind::kFormat:
      return ParseFormatVersion(value).status();
    case MetaKind::kNextUid:
      return ParseNextUid(value).status();
    case MetaKind::kOperation:
      if (absl::Status status = ParseOperationKey(key).status(); !status.ok()) return status;
      return ParseOperation(value).status();
    case MetaKind::kCollection: {
      absl::StatusOr<CollectionRecord> record = ParseCollection(value);
      if (!record.ok()) return record.status();
      collections->emplace_back(parts->uid, std::move(record->spec));
      return absl::OkStatus();
    }
    case MetaKind::kState:
      return ParseState(value).status();
    case MetaKind::kGeneration:
      return ParseGeneration(value).status();
    case MetaKind::kFde:
      return ParseFde(value).status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status VerifyRecords(ReadOnlyDb* db, VerifyReport* report) {
  if (absl::Status status = CheckFormat(db); !status.ok()) return status;
  std::vector<std::pair<uint32_t, CollectionSpec>> collections;
  absl::Status status = ForEach(db, Family::kMeta, "", std::string(8, '\xff'),
                                [&](absl::string_view key, absl::string_view value) {
                                  return CheckMeta(key, value, &collections);
                                });
  if (!status.ok()) return status;
  for (auto& [uid, spec] : collections) {
    status = Collection(db, uid, std::move(spec)).Verify(report);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace nestor
