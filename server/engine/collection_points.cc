// Writing and reading points of a collection.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/engine/collection.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// Points that one step of a listing reads.
constexpr size_t kListPart = 256;
// Of a batch's FDEs, which are made before it is written, those that are kept until they are
// indexed.
constexpr size_t kKeptFdeBytes = 128 << 20;

absl::Status CheckBatchSize(absl::string_view what, size_t size) {
  if (size >= 1 && size <= kMaxBatchPoints) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(size, " ", what, " in one call, limit 1..", kMaxBatchPoints));
}

absl::Status AtPoint(size_t i, const PointId& id, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("point ", i, " (id ", FormatId(id), "): ", status.message()));
}

size_t IdBytes(const PointId& id) {
  const std::string* str = std::get_if<std::string>(&id);
  return str == nullptr ? sizeof(uint64_t) : str->size();
}

}  // namespace

absl::StatusOr<LogEntry> Collection::MakeUpsert(std::span<const PointInput> points,
                                                std::vector<PointCodec::Space>* spaces) const {
  const std::shared_ptr<const CollectionSpec> spec = this->spec();
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  const PointCodec& codec = generation->codec();
  const uint32_t dim = codec.schema().dim;
  size_t fde_bytes = 0;
  LogEntry entry;
  entry.codec = generation->points.shared_codec();
  spaces->resize(points.size());
  absl::flat_hash_set<PointId> ids;
  entry.ops.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    const PointInput& point = points[i];
    if (absl::Status status = ValidateId(id_kind_, point.id); !status.ok()) {
      return AtPoint(i, point.id, status);
    }
    if (!ids.insert(point.id).second) {
      return AtPoint(i, point.id, absl::InvalidArgumentError("the id is in the batch twice"));
    }
    LogOp op;
    op.kind = LogOp::Kind::kUpsert;
    op.id = point.id;
    absl::StatusOr<std::string> attributes =
        EncodeCheckedAttributes(spec->attributes, point.attributes);
    if (!attributes.ok()) return AtPoint(i, point.id, attributes.status());
    if (absl::Status status = CheckListAttribute(spec->index, point.attributes); !status.ok()) {
      return AtPoint(i, point.id, status);
    }
    op.attributes = *std::move(attributes);
    absl::StatusOr<EncodedPoint> encoded = codec.Encode(point.vector, &(*spaces)[i]);
    if (!encoded.ok()) return AtPoint(i, point.id, encoded.status());
    op.stored = encoded->stored;
    op.indexed = encoded->indexed;
    op.tokens = std::move(encoded->tokens);
    op.generation = generation->number;
    op.list =
        generation->ListOf(op.attributes, reinterpret_cast<const std::byte*>(op.indexed.data()));
    entry.bytes += op.stored.size() + op.attributes.size() + IdBytes(op.id) + 64;
    if (multi_) {
      entry.bytes += op.tokens->bytes() + dim;
      fde_bytes += op.indexed.size();
      if (fde_bytes > kKeptFdeBytes) {
        // The writer makes them again, one at a time.
        op.indexed = {};
        std::string().swap((*spaces)[i].indexed);
      }
    }
    entry.ops.push_back(std::move(op));
  }
  return entry;
}

absl::StatusOr<UpsertResult> Collection::Upsert(std::span<const PointInput> points) {
  if (absl::Status status = CheckBatchSize("points", points.size()); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<Writer::Written> written = TryUpsert(points);
    if (!written.ok()) return written.status();
    if (!written->stale) return UpsertResult{written->seq, written->upserted};
  }
}

absl::StatusOr<Writer::Written> Collection::TryUpsert(std::span<const PointInput> points) {
  std::vector<PointCodec::Space> spaces;
  absl::StatusOr<LogEntry> entry = MakeUpsert(points, &spaces);
  if (!entry.ok()) return entry.status();
  if (absl::Status status = context_->memory->Admit("the batch", entry->bytes); !status.ok()) {
    return status;
  }
  if (absl::Status status = context_->disk->Admit("the batch", entry->bytes); !status.ok()) {
    return status;
  }
  const std::shared_ptr<const CollectionSpec> spec = this->spec();
  const uint64_t growth = spec->memory_limit_bytes == 0 ? 0 : UpsertBytes(*entry);
  const uint64_t others = pending_bytes_.fetch_add(growth, std::memory_order_relaxed);
  const absl::Cleanup applied = [&] {
    pending_bytes_.fetch_sub(growth, std::memory_order_relaxed);
  };
  if (absl::Status status = AdmitMemory("the batch", growth, others); !status.ok()) return status;
  return writer_.Submit(*entry, spec->durability == Durability::kSync);
}

absl::StatusOr<DeleteResult> Collection::Delete(std::span<const PointId> ids) {
  if (absl::Status status = CheckBatchSize("ids", ids.size()); !status.ok()) return status;
  LogEntry entry;
  absl::flat_hash_set<PointId> seen;
  for (const PointId& id : ids) {
    if (absl::Status status = ValidateId(id_kind_, id); !status.ok()) return status;
    // The second deletion of an id finds nothing, so it is left out.
    if (!seen.insert(id).second) continue;
    LogOp op;
    op.kind = LogOp::Kind::kDelete;
    op.id = id;
    entry.bytes += IdBytes(id) + 64;
    entry.ops.push_back(std::move(op));
  }
  absl::StatusOr<Writer::Written> written =
      writer_.Submit(entry, spec()->durability == Durability::kSync);
  if (!written.ok()) return written.status();
  return DeleteResult{written->seq, written->deleted};
}

absl::Status Collection::ReadOutput(
    const Generation& generation, std::span<const uint32_t> slots, const PointOutput& output,
    absl::FunctionRef<void(size_t, std::string, Attributes)> set) const {
  const IvfIndex& index = *generation.index;
  const bool in_memory = slots.empty() || index.VectorAt(slots[0]) != nullptr;
  if (!output.attributes && (!output.vector || in_memory)) {
    for (size_t i = 0; output.vector && i < slots.size(); ++i) {
      set(i,
          std::string(reinterpret_cast<const char*>(index.VectorAt(slots[i])),
                      generation.codec().vector_bytes()),
          {});
    }
    return absl::OkStatus();
  }
  std::vector<uint64_t> rows;
  rows.reserve(slots.size());
  for (uint32_t slot : slots) rows.push_back(index.RowAt(slot));
  uint64_t token_bytes = 0;
  return generation.points.Read(rows, nullptr, [&](size_t i, const PointView& point) {
    if (multi_ && output.vector) {
      token_bytes += point.vector.size();
      if (token_bytes > output.max_token_bytes) {
        return absl::OutOfRangeError(absl::StrCat("the tokens of ", slots.size(),
                                                  " points take more than ", output.max_token_bytes,
                                                  " bytes, the limit of a reply"));
      }
    }
    Attributes attributes;
    if (output.attributes) {
      absl::StatusOr<Attributes> parsed = ParseAttributes(point.attributes);
      if (!parsed.ok()) return parsed.status();
      attributes = *std::move(parsed);
    }
    set(i, output.vector ? std::string(point.vector) : std::string(), std::move(attributes));
    return absl::OkStatus();
  });
}

absl::StatusOr<GetResult> Collection::Get(std::span<const PointId> ids, const PointOutput& output) {
  if (absl::Status status = CheckBatchSize("ids", ids.size()); !status.ok()) return status;
  for (const PointId& id : ids) {
    if (absl::Status status = ValidateId(id_kind_, id); !status.ok()) return status;
  }
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(0, {});
  if (!pinned.ok()) return pinned.status();
  const absl::Cleanup unpin = [&] { snapshots_.Unpin(pinned->ticket); };
  const Generation& generation = *pinned->generation;
  GetResult result;
  result.seq = pinned->seq;
  std::vector<uint32_t> slots;
  for (const PointId& id : ids) {
    const uint32_t slot = generation.ids.FindAt(id, pinned->seq, *generation.index);
    if (slot == kNoSlot) {
      result.missing.push_back(id);
    } else {
      slots.push_back(slot);
      Point point;
      point.id = id;
      point.seq = generation.index->BornAt(slot);
      result.found.push_back(std::move(point));
    }
  }
  absl::Status status =
      ReadOutput(generation, slots, output, [&](size_t i, std::string vector, Attributes values) {
        result.found[i].vector = std::move(vector);
        result.found[i].attributes = std::move(values);
      });
  if (!status.ok()) return status;
  return result;
}

// Reads one state of the store. That may be a write ahead of what is published, whose outcome is
// settled all the same, so the call waits for it: what a listing has shown, a later search shows
// too.
absl::StatusOr<ListResult> Collection::List(const ListRequest& request) {
  if (request.limit == 0 || request.limit > kMaxBatchPoints) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", request.limit, ", allowed are 1..", kMaxBatchPoints));
  }
  if (request.after.has_value()) {
    if (absl::Status status = ValidateId(id_kind_, *request.after); !status.ok()) return status;
  }
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(0, {});
  if (!pinned.ok()) return pinned.status();
  const absl::Cleanup unpin = [&] { snapshots_.Unpin(pinned->ticket); };

  const StoredPoints& stored = pinned->generation->points;
  const Store& store = *context_->store;
  const StoreSnapshot snapshot(context_->store);
  ListResult result;
  absl::StatusOr<std::optional<std::string>> value =
      store.Get(Family::kMeta, StateKey(uid_), &snapshot);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::DataLossError("the state record is missing");
  absl::StatusOr<StateRecord> state = ParseState(**value);
  if (!state.ok()) return state.status();
  result.seq = state->seq;

  Scan scan = store.NewScan(
      Family::kIds,
      request.after.has_value() ? KeyAfter(IdKey(uid_, *request.after)) : UidBegin(uid_),
      UidBegin(uid_ + 1), {.snapshot = &snapshot});
  uint64_t bytes = 0;
  while (scan.Valid() && !result.more) {
    std::vector<uint64_t> rows;
    const size_t part = std::min(kListPart, request.limit - result.points.size());
    for (; scan.Valid() && rows.size() < part; scan.Next()) {
      absl::StatusOr<uint64_t> row = ParseRow(scan.value());
      if (!row.ok()) return row.status();
      rows.push_back(*row);
    }
    std::vector<Point> points(rows.size());
    absl::Status status = stored.Read(rows, &snapshot, [&](size_t i, const PointView& view) {
      points[i].id = view.id;
      points[i].seq = view.seq;
      if (request.output.vector) points[i].vector = std::string(view.vector);
      if (request.output.attributes) {
        absl::StatusOr<Attributes> attributes = ParseAttributes(view.attributes);
        if (!attributes.ok()) return attributes.status();
        points[i].attributes = *std::move(attributes);
        bytes += view.attributes.size();
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    for (Point& point : points) {
      bytes += IdBytes(point.id) + point.vector.size();
      if (bytes > request.max_bytes && !result.points.empty()) {
        result.more = true;
        break;
      }
      result.points.push_back(std::move(point));
    }
    if (result.points.size() == request.limit) result.more = scan.Valid();
    if (result.points.size() == request.limit) break;
  }
  if (!scan.status().ok()) return scan.status();

  const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  absl::StatusOr<Snapshots::Pinned> published = snapshots_.Pin(result.seq, {.deadline = soon});
  if (!published.ok()) return published.status();
  snapshots_.Unpin(published->ticket);
  return result;
}

}  // namespace nestor
