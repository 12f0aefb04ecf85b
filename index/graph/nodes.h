// The nodes of a graph, one contiguous record each, in whole cache lines: the int8 codes of the
// row's prefix, then the tail (scale, norm, slot, state), then the links. Scoring a node and
// expanding it each touch neighbouring lines only; scales in an array of their own cost a third of
// the speed (shared/reference/performance.md, section 8).
//
// Records lie in blocks that never move. One writer fills a record, then publishes its number
// through a link (release); a reader may touch a record once it has read its number from a link or
// the entry table (acquire).
#ifndef NESTOR_INDEX_GRAPH_NODES_H_
#define NESTOR_INDEX_GRAPH_NODES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "index/base/pages.h"

namespace nestor {

inline constexpr uint32_t kNoNode = 0xffffffffu;
inline constexpr uint32_t kMaxNodes = 1u << 30;  // the pool keeps two flags beside the number

struct NodeTail {
  float scale = 0;    // of the codes, with what the metric divides by (space.h)
  float norm = 0;     // space.h
  uint32_t slot = 0;  // of the row
  // Below kDead: the sequence that bore the row, as Graph::StateOf counts. From kDead on: the row
  // died, at the sequence of state - kDead. kFree: the node is not in use.
  std::atomic<uint32_t> state{kFree};

  static constexpr uint32_t kLookUp = (1u << 31) - 2;  // a sequence that does not fit
  static constexpr uint32_t kDead = 1u << 31;
  static constexpr uint32_t kFree = 0xffffffffu;

  static bool IsDead(uint32_t state) { return state >= kDead && state < kFree; }
};

class NodeStore {
 public:
  static constexpr uint32_t kBlockShift = 14;
  static constexpr uint32_t kBlockNodes = 1u << kBlockShift;

  NodeStore(uint32_t dim, uint32_t degree);
  ~NodeStore();

  // Makes room for `n` nodes from the limit on, links empty. False when numbers run out.
  bool Grow(uint32_t n, bool bulk);
  uint32_t limit() const { return limit_.load(std::memory_order_acquire); }

  uint32_t dim() const { return dim_; }
  uint32_t degree() const { return degree_; }
  size_t record_bytes() const { return record_bytes_; }
  size_t code_bytes() const { return tail_offset_; }

  int8_t* codes(uint32_t node) { return reinterpret_cast<int8_t*>(record(node)); }
  const int8_t* codes(uint32_t node) const { return reinterpret_cast<const int8_t*>(record(node)); }
  NodeTail& tail(uint32_t node) {
    return *reinterpret_cast<NodeTail*>(record(node) + tail_offset_);
  }
  const NodeTail& tail(uint32_t node) const {
    return *reinterpret_cast<const NodeTail*>(record(node) + tail_offset_);
  }
  // `degree` of them; kNoNode behind the last.
  std::atomic<uint32_t>* links(uint32_t node) {
    return reinterpret_cast<std::atomic<uint32_t>*>(record(node) + links_offset_);
  }
  const std::atomic<uint32_t>* links(uint32_t node) const {
    return reinterpret_cast<const std::atomic<uint32_t>*>(record(node) + links_offset_);
  }

  // By the codes of a node, where its record begins.
  const NodeTail& TailOf(const int8_t* codes) const {
    return *reinterpret_cast<const NodeTail*>(codes + tail_offset_);
  }
  // Asks the cache for what scoring reads. (Inlined by force: gcc takes a function that does
  // nothing but prefetch for one without effect, and drops calls of it.)
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Prefetch(const int8_t* codes) const {
    for (size_t at = 0; at <= tail_offset_; at += 64) __builtin_prefetch(codes + at);
  }
  // .. and for what expanding reads beyond that.
  ABSL_ATTRIBUTE_ALWAYS_INLINE void PrefetchLinks(const int8_t* codes) const {
    for (size_t at = tail_offset_ / 64 * 64 + 64; at < record_bytes_; at += 64) {
      __builtin_prefetch(codes + at);
    }
  }

 private:
  std::byte* record(uint32_t node) const {
    return blocks_[node >> kBlockShift].load(std::memory_order_relaxed) +
           size_t{node & (kBlockNodes - 1)} * record_bytes_;
  }

  const uint32_t dim_;
  const uint32_t degree_;
  const size_t tail_offset_;
  const size_t links_offset_;
  const size_t record_bytes_;
  std::atomic<uint32_t> limit_{0};
  PageBuffer directory_;
  std::atomic<std::byte*>* blocks_ = nullptr;  // in directory_
  std::vector<PageBuffer> pages_;              // the blocks' memory
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_NODES_H_
