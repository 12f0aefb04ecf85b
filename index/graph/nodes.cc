#include "index/graph/nodes.h"

#include <new>

namespace nestor {
namespace {

constexpr size_t kMaxBlocks = kMaxNodes >> NodeStore::kBlockShift;

constexpr size_t RoundUp(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

NodeStore::NodeStore(uint32_t dim, uint32_t degree)
    : dim_(dim),
      degree_(degree),
      tail_offset_(RoundUp(dim, 16)),
      links_offset_(tail_offset_ + sizeof(NodeTail)),
      record_bytes_(RoundUp(links_offset_ + degree * sizeof(uint32_t), 64)),
      directory_(kMaxBlocks * sizeof(std::atomic<std::byte*>), /*huge=*/false),
      blocks_(reinterpret_cast<std::atomic<std::byte*>*>(directory_.data())) {}

NodeStore::~NodeStore() = default;

bool NodeStore::Grow(uint32_t n, bool bulk) {
  const uint32_t begin = limit();
  const uint64_t end = uint64_t{begin} + n;
  if (end > kMaxNodes) return false;
  for (uint64_t b = (uint64_t{begin} + kBlockNodes - 1) >> kBlockShift; b << kBlockShift < end;
       ++b) {
    const bool huge = b > 0 || (bulk && n >= kBlockNodes / 2);
    pages_.emplace_back(kBlockNodes * record_bytes_, huge);
    blocks_[b].store(pages_.back().data(), std::memory_order_release);
  }
  for (uint64_t node = begin; node < end; ++node) {
    const auto id = static_cast<uint32_t>(node);
    new (&tail(id)) NodeTail();
    for (uint32_t i = 0; i < degree_; ++i) {
      links(id)[i].store(kNoNode, std::memory_order_relaxed);
    }
  }
  limit_.store(static_cast<uint32_t>(end), std::memory_order_release);
  return true;
}

}  // namespace nestor
