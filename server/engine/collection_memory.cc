// The memory limit of a collection: what its index takes, and whether more may come.
#include <algorithm>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "index/memory_estimate.h"
#include "server/engine/collection.h"

namespace nestor {
namespace {

// What GetIndex reports of memory.
uint64_t UsedBytes(const Generation& generation) {
  return generation.index->Memory().Total() + generation.ids.bytes() +
         (generation.tokens == nullptr ? 0 : generation.tokens->bytes());
}

absl::Status Exceeds(absl::string_view what, uint64_t bytes, absl::string_view of, uint64_t used,
                     uint64_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, " takes ", bytes, " bytes; the collection uses ", used, of,
                   " and may use ", limit, " (memory_limit_bytes); delete points or raise it"));
}

}  // namespace

uint64_t Collection::UpsertBytes(const LogEntry& entry) const {
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  uint64_t bytes = entry.ops.size() * generation->index->row_bytes() +
                   generation->ids.GrowthBytes(entry.ops.size());
  for (const LogOp& op : entry.ops) {
    // In the index and in the map.
    if (const auto* id = std::get_if<std::string>(&op.id)) bytes += 2 * id->size();
    if (op.tokens != nullptr) bytes += op.tokens->bytes();
  }
  return bytes;
}

absl::Status Collection::AdmitMemory(absl::string_view what, uint64_t bytes,
                                     uint64_t others) const {
  const uint64_t limit = spec()->memory_limit_bytes;
  if (limit == 0) return absl::OkStatus();
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  const IvfIndex& index = *generation->index;
  // Another thread may be freeing room between the two looks.
  const uint64_t all = UsedBytes(*generation) + others;
  const uint64_t used = all - std::min(all, index.free_bytes());
  if (bytes <= limit && used <= limit - bytes) return absl::OkStatus();
  return Exceeds(what, bytes, " of memory", used, limit);
}

absl::Status Collection::AdmitCode(absl::string_view what, const OpqSpec& code) const {
  const Snapshots::Pinned state = snapshots_.Peek();
  const Generation& generation = *state.generation;
  const uint32_t lists = generation.index->model().lists;
  return AdmitMemory(what, EstimateCodeBytes(generation.schema().metric, code, lists, state.points),
                     pending_bytes_.load(std::memory_order_relaxed));
}

uint64_t Collection::EstimateIndex(const CollectionSpec& next) const {
  const IndexSpec chosen = multi_ ? ChooseForFdes(next.index, next.schema) : next.index;
  return EstimateIndexBytes(next.schema, chosen, id_kind_, points());
}

absl::Status Collection::AdmitBuild(absl::string_view what, const CollectionSpec& next) const {
  const uint64_t limit = spec()->memory_limit_bytes;
  if (limit == 0) return absl::OkStatus();
  const Snapshots::Pinned state = snapshots_.Peek();
  const Generation& generation = *state.generation;
  uint64_t bytes =
      EstimateIndex(next) + generation.ids.string_bytes() + generation.ids.BytesAt(state.points);
  if (generation.tokens != nullptr) bytes += generation.tokens->bytes();
  if (bytes <= limit) return absl::OkStatus();
  return Exceeds(what, bytes, " of memory now", UsedBytes(generation), limit);
}

}  // namespace nestor
