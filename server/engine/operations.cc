#include "server/engine/operations.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/engine/clock.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

std::optional<uint64_t> ParseId(absl::string_view id) {
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&id, "op-") || !absl::SimpleAtoi(id, &number)) return std::nullopt;
  return number;
}

absl::Status NotFound(absl::string_view id) {
  return absl::NotFoundError(absl::StrCat("no operation \"", id, "\""));
}

OperationRecord ToRecord(const Operation& operation) {
  OperationRecord record;
  record.kind = operation.kind;
  record.collection = operation.collection;
  record.collection_uid = operation.collection_uid;
  record.state = static_cast<uint8_t>(operation.state);
  record.created_micros = operation.created_micros;
  record.started_micros = operation.started_micros;
  record.ended_micros = operation.ended_micros;
  record.error_code = static_cast<uint32_t>(operation.error.code());
  record.error_message = std::string(operation.error.message());
  return record;
}

Operation FromRecord(uint64_t number, const OperationRecord& record) {
  Operation operation;
  operation.id = Operations::Id(number);
  operation.kind = record.kind;
  operation.collection = record.collection;
  operation.collection_uid = record.collection_uid;
  operation.state = static_cast<OperationState>(record.state);
  operation.fraction = operation.state == OperationState::kSucceeded ? 1 : 0;
  operation.created_micros = record.created_micros;
  operation.started_micros = record.started_micros;
  operation.ended_micros = record.ended_micros;
  operation.error =
      absl::Status(static_cast<absl::StatusCode>(record.error_code), record.error_message);
  return operation;
}

}  // namespace

std::string Operations::Id(uint64_t number) { return absl::StrCat("op-", number); }

absl::StatusOr<std::unique_ptr<Operations>> Operations::Load(Store* store) {
  std::unique_ptr<Operations> operations(new Operations(store));
  MutexLock lock(&operations->mutex_);
  Scan scan = store->NewScan(Family::kMeta, OperationsBegin(), OperationsEnd());
  for (; scan.Valid(); scan.Next()) {
    absl::StatusOr<uint64_t> number = ParseOperationKey(scan.key());
    if (!number.ok()) return number.status();
    absl::StatusOr<OperationRecord> record = ParseOperation(scan.value());
    if (!record.ok()) return record.status();
    operations->entries_[*number].operation = FromRecord(*number, *record);
    operations->next_ = *number + 1;
  }
  if (!scan.status().ok()) return scan.status();
  for (auto& [number, entry] : operations->entries_) {
    Operation& operation = entry.operation;
    if (IsFinal(operation.state)) continue;
    operation.state = OperationState::kAborted;
    operation.ended_micros = NowMicros();
    operation.error = absl::AbortedError("interrupted by a restart of the server; start it again");
    if (absl::Status status = operations->Save(number, operation); !status.ok()) return status;
  }
  return operations;
}

absl::Status Operations::Save(uint64_t number, const Operation& operation) {
  Batch batch(store_);
  batch.Put(Family::kMeta, OperationKey(number), EncodeOperation(ToRecord(operation)));
  return store_->Write(std::move(batch), /*sync=*/true);
}

void Operations::DropOldest() {
  for (auto it = entries_.begin(); entries_.size() > kKept && it != entries_.end();) {
    if (!IsFinal(it->second.operation.state)) {
      ++it;
      continue;
    }
    Batch batch(store_);
    batch.Delete(Family::kMeta, OperationKey(it->first));
    // Where this fails, the next open reads one more.
    store_->Write(std::move(batch), /*sync=*/false).IgnoreError();
    it = entries_.erase(it);
  }
}

absl::StatusOr<uint64_t> Operations::Create(absl::string_view kind, absl::string_view collection,
                                            uint32_t uid, Origin origin) {
  MutexLock lock(&mutex_);
  for (auto& [number, entry] : entries_) {
    if (entry.operation.collection_uid == uid && !IsFinal(entry.operation.state)) {
      if (origin == Origin::kCaller && entry.origin == Origin::kUpkeep) {
        entry.cancel = true;
        continue;
      }
      return absl::FailedPreconditionError(absl::StrCat("collection \"", collection, "\" has ",
                                                        entry.operation.kind, " operation ",
                                                        entry.operation.id, " that has not ended"));
    }
  }
  const uint64_t number = next_;
  Entry entry;
  entry.origin = origin;
  entry.operation.id = Id(number);
  entry.operation.kind = std::string(kind);
  entry.operation.collection = std::string(collection);
  entry.operation.collection_uid = uid;
  entry.operation.created_micros = NowMicros();
  if (absl::Status status = Save(number, entry.operation); !status.ok()) return status;
  ++next_;
  entries_[number] = std::move(entry);
  DropOldest();
  return number;
}

void Operations::Start(uint64_t number) {
  MutexLock lock(&mutex_);
  Entry& entry = entries_[number];
  entry.operation.state = OperationState::kRunning;
  entry.operation.started_micros = NowMicros();
  entry.started = std::chrono::steady_clock::now();
}

bool Operations::Report(uint64_t number, absl::string_view phase, double fraction) {
  MutexLock lock(&mutex_);
  Entry& entry = entries_[number];
  Operation& operation = entry.operation;
  operation.phase = std::string(phase);
  operation.fraction = std::clamp(fraction, operation.fraction, 1.0);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - entry.started).count();
  if (operation.fraction >= 0.02) {
    operation.eta_seconds = elapsed * (1 - operation.fraction) / operation.fraction;
  }
  return !entry.cancel;
}

void Operations::Finish(uint64_t number, const absl::Status& status) {
  MutexLock lock(&mutex_);
  Operation& operation = entries_[number].operation;
  operation.ended_micros = NowMicros();
  operation.error = status;
  operation.phase.clear();
  operation.eta_seconds = -1;
  if (status.ok()) {
    operation.state = OperationState::kSucceeded;
    operation.fraction = 1;
  } else {
    operation.state =
        absl::IsCancelled(status) ? OperationState::kCancelled : OperationState::kFailed;
  }
  // Where this fails, the store refuses all writes, and the next open calls the operation ABORTED.
  Save(number, operation).IgnoreError();
}

absl::Status Operations::Cancel(absl::string_view id) {
  MutexLock lock(&mutex_);
  const std::optional<uint64_t> number = ParseId(id);
  const auto it = number.has_value() ? entries_.find(*number) : entries_.end();
  if (it == entries_.end()) return NotFound(id);
  if (IsFinal(it->second.operation.state)) {
    return absl::FailedPreconditionError(absl::StrCat("operation ", id, " has ended"));
  }
  it->second.cancel = true;
  return absl::OkStatus();
}

void Operations::CancelOf(uint32_t collection_uid) {
  MutexLock lock(&mutex_);
  for (auto& [number, entry] : entries_) {
    if (entry.operation.collection_uid == collection_uid) entry.cancel = true;
  }
}

bool Operations::cancelled(uint64_t number) const {
  MutexLock lock(&mutex_);
  const auto it = entries_.find(number);
  return it != entries_.end() && it->second.cancel;
}

absl::StatusOr<Operation> Operations::Get(absl::string_view id) const {
  MutexLock lock(&mutex_);
  const std::optional<uint64_t> number = ParseId(id);
  const auto it = number.has_value() ? entries_.find(*number) : entries_.end();
  if (it == entries_.end()) return NotFound(id);
  return it->second.operation;
}

std::vector<Operation> Operations::List() const {
  MutexLock lock(&mutex_);
  std::vector<Operation> operations;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    operations.push_back(it->second.operation);
  }
  return operations;
}

std::string Operations::Unfinished(uint32_t collection_uid, absl::string_view kind) const {
  MutexLock lock(&mutex_);
  for (const auto& [number, entry] : entries_) {
    const Operation& operation = entry.operation;
    if (operation.collection_uid == collection_uid && operation.kind == kind &&
        !IsFinal(operation.state)) {
      return operation.id;
    }
  }
  return "";
}

}  // namespace nestor
