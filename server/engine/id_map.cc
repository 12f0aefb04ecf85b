#include "server/engine/id_map.h"

#include <utility>

#include "index/ivf_index.h"

namespace nestor {

void IdMap::Reserve(size_t points) {
  MutexLock lock(&mutex_);
  if (kind_ == IdKind::kNum) {
    nums_.reserve(points);
  } else {
    strs_.reserve(points);
  }
}

uint32_t IdMap::FindLocked(const PointId& id) const {
  if (kind_ == IdKind::kNum) {
    const auto it = nums_.find(std::get<uint64_t>(id));
    return it == nums_.end() ? kNoSlot : it->second;
  }
  const auto it = strs_.find(std::get<std::string>(id));
  return it == strs_.end() ? kNoSlot : it->second;
}

uint32_t IdMap::Find(const PointId& id) const {
  MutexLock lock(&mutex_);
  return FindLocked(id);
}

uint32_t IdMap::FindAt(const PointId& id, uint64_t seq, const IvfIndex& index) const {
  MutexLock lock(&mutex_);
  const uint32_t newest = FindLocked(id);
  if (newest != kNoSlot && index.BornAt(newest) <= seq) return newest;
  // Only a write that is newer than the snapshot leads here.
  for (const Past& past : past_) {
    if (past.dead > seq && past.id == id && index.BornAt(past.slot) <= seq) return past.slot;
  }
  return kNoSlot;
}

bool IdMap::Put(const PointId& id, uint32_t slot, uint64_t seq) {
  MutexLock lock(&mutex_);
  if (kind_ == IdKind::kNum) {
    const auto [it, fresh] = nums_.try_emplace(std::get<uint64_t>(id), slot);
    if (!fresh) past_.push_back({id, std::exchange(it->second, slot), seq});
    return fresh;
  }
  const std::string& str = std::get<std::string>(id);
  const auto [it, fresh] = strs_.try_emplace(str, slot);
  if (fresh) {
    string_bytes_ += str.size();
  } else {
    past_.push_back({id, std::exchange(it->second, slot), seq});
  }
  return fresh;
}

void IdMap::Erase(const PointId& id, uint64_t seq) {
  MutexLock lock(&mutex_);
  const uint32_t slot = FindLocked(id);
  if (slot == kNoSlot) return;
  past_.push_back({id, slot, seq});
  if (kind_ == IdKind::kNum) {
    nums_.erase(std::get<uint64_t>(id));
  } else {
    string_bytes_ -= std::get<std::string>(id).size();
    strs_.erase(std::get<std::string>(id));
  }
}

void IdMap::Forget(uint64_t horizon) {
  MutexLock lock(&mutex_);
  while (!past_.empty() && past_.front().dead <= horizon) past_.pop_front();
}

size_t IdMap::size() const {
  MutexLock lock(&mutex_);
  return nums_.size() + strs_.size();
}

size_t IdMap::EntryBytes() const {
  return 1 + (kind_ == IdKind::kNum ? sizeof(std::pair<uint64_t, uint32_t>)
                                    : sizeof(std::pair<std::string, uint32_t>));
}

uint64_t IdMap::TableBytes(size_t points) const {
  size_t capacity = 1;
  while (capacity - capacity / 8 < points) capacity = 2 * capacity + 1;
  return points == 0 ? 0 : capacity * EntryBytes();
}

uint64_t IdMap::bytes() const {
  MutexLock lock(&mutex_);
  return (nums_.capacity() + strs_.capacity()) * EntryBytes() + string_bytes_;
}

uint64_t IdMap::BytesAt(size_t points) const {
  MutexLock lock(&mutex_);
  return TableBytes(points) + string_bytes_;
}

uint64_t IdMap::string_bytes() const {
  MutexLock lock(&mutex_);
  return string_bytes_;
}

uint64_t IdMap::GrowthBytes(size_t points) const {
  MutexLock lock(&mutex_);
  const uint64_t now = (nums_.capacity() + strs_.capacity()) * EntryBytes();
  const uint64_t then = TableBytes(nums_.size() + strs_.size() + points);
  return then > now ? then - now : 0;
}

std::vector<uint32_t> IdMap::Slots() const {
  MutexLock lock(&mutex_);
  std::vector<uint32_t> slots;
  slots.reserve(nums_.size() + strs_.size());
  for (const auto& [id, slot] : nums_) slots.push_back(slot);
  for (const auto& [id, slot] : strs_) slots.push_back(slot);
  return slots;
}

}  // namespace nestor
