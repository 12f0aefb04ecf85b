#include "server/engine/generation.h"

#include <optional>
#include <utility>

#include "server/engine/list_attribute.h"

namespace nestor {

uint32_t Generation::ListOf(absl::string_view attributes, const std::byte* vector) const {
  const IndexSpec& spec = index->spec();
  if (!spec.list_attribute.empty()) {
    const absl::StatusOr<std::optional<int64_t>> list =
        ListAttribute(attributes, spec.list_attribute);
    if (list.ok() && list->has_value() && **list >= 0 && **list < int64_t{spec.lists}) {
      return static_cast<uint32_t>(**list);
    }
  }
  return index->Assign(vector);
}

absl::StatusOr<uint32_t> Generation::Append(uint32_t list, const PointId& id, uint64_t row,
                                            uint64_t born, const std::byte* vector,
                                            std::shared_ptr<const TokenBlock> block) {
  absl::StatusOr<uint32_t> slot = index->Append(list, id, row, born, vector);
  if (!slot.ok()) return slot;
  if (tokens != nullptr) {
    tokens->Grow(index->slot_limit());
    tokens->Put(*slot, std::move(block));
  }
  ids.Put(id, *slot, born);
  return slot;
}

}  // namespace nestor
