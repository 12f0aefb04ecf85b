#include "index/lists.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "index/kernels/kernels.h"

namespace nestor {
namespace {

constexpr uint64_t kNeverDead = ~uint64_t{0};
constexpr uint32_t kMaxRunRows = 4096;
constexpr size_t kSequenceBytes = 2 * sizeof(std::atomic<uint64_t>);

uint32_t RoundUpBlock(uint32_t rows) {
  return static_cast<uint32_t>((rows + kBlockRows - 1) / kBlockRows * kBlockRows);
}

}  // namespace

Lists::Lists(uint32_t lists, const ShellLayout& layout, size_t nesting_dims, Metric metric,
             bool keep_shell)
    : layout_(layout),
      block_bytes_(keep_shell ? layout.block_bytes() : 0),
      aux_dims_(metric == Metric::kDot || !keep_shell ? 0 : nesting_dims),
      metric_(metric) {
  for (uint32_t l = 0; l < lists; ++l) heads_.emplace_back();
}

Lists::~Lists() = default;

size_t Lists::StreamBytes(uint32_t capacity) const {
  const size_t blocks = capacity / kBlockRows;
  // 16 floats are a line, so every array starts on one.
  return blocks * block_bytes_ + capacity * sizeof(float) * (1 + aux_dims_) +
         capacity * sizeof(uint32_t);
}

size_t Lists::Lay(Run* run, uint32_t capacity, std::byte* stream, std::byte* sequences) const {
  run->capacity = capacity;
  std::byte* p = stream;
  run->shell = p;
  p += capacity / kBlockRows * block_bytes_;
  run->scales = reinterpret_cast<float*>(p);
  p += capacity * sizeof(float);
  run->aux = aux_dims_ == 0 ? nullptr : reinterpret_cast<float*>(p);
  p += aux_dims_ * capacity * sizeof(float);
  run->slots = reinterpret_cast<uint32_t*>(p);
  p += capacity * sizeof(uint32_t);
  run->born = reinterpret_cast<std::atomic<uint64_t>*>(sequences);
  run->dead = run->born + capacity;
  return static_cast<size_t>(p - stream);
}

void Lists::Reserve(std::span<const uint32_t> counts) {
  size_t stream_bytes = 0;
  size_t rows = 0;
  for (uint32_t count : counts) {
    stream_bytes += StreamBytes(RoundUpBlock(count));
    rows += RoundUpBlock(count);
  }
  if (rows == 0) return;
  PageBuffer stream(stream_bytes, /*huge=*/true);
  PageBuffer sequences(rows * kSequenceBytes, /*huge=*/true);
  std::byte* p = stream.data();
  std::byte* s = sequences.data();
  for (uint32_t l = 0; l < counts.size(); ++l) {
    if (counts[l] == 0) continue;
    Run* run = &runs_.emplace_back();
    const uint32_t capacity = RoundUpBlock(counts[l]);
    p += Lay(run, capacity, p, s);
    s += capacity * kSequenceBytes;
    heads_[l].last = run;
    heads_[l].capacity = capacity;
    heads_[l].first.store(run, std::memory_order_release);
  }
  reserved_.push_back(std::move(stream));
  reserved_.push_back(std::move(sequences));
  capacity_rows_.fetch_add(rows, std::memory_order_relaxed);
}

Run* Lists::RunToAppend(uint32_t list, uint32_t* position) {
  Head& head = heads_[list];
  if (head.last != nullptr) {
    const uint32_t count = head.last->count.load(std::memory_order_relaxed);
    if (count < head.last->capacity) {
      *position = count;
      return head.last;
    }
  }
  // Runs grow with their list: chains stay short and at most an eighth of the room is empty.
  const uint32_t capacity = std::min(
      std::max(RoundUpBlock(head.capacity / 8), static_cast<uint32_t>(kBlockRows)), kMaxRunRows);
  const size_t stream_bytes = StreamBytes(capacity);
  const size_t bytes = stream_bytes + capacity * kSequenceBytes;
  auto* memory = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}));
  appended_.emplace_back(memory);
  std::memset(memory, 0, bytes);
  Run* run = &runs_.emplace_back();
  Lay(run, capacity, memory, memory + stream_bytes);
  head.capacity += capacity;
  capacity_rows_.fetch_add(capacity, std::memory_order_relaxed);
  if (head.last == nullptr) {
    head.first.store(run, std::memory_order_release);
  } else {
    head.last->next.store(run, std::memory_order_release);
  }
  head.last = run;
  *position = 0;
  return run;
}

void Lists::Fill(Run* run, uint32_t position, uint32_t slot, uint64_t born, const RowCode& code,
                 const double* squares) const {
  const size_t unit = layout_.line_dims() * layout_.code_bytes();  // a row's bytes in one line
  const size_t lines = block_bytes_ / layout_.line_bytes();
  std::byte* out = run->shell + position / kBlockRows * block_bytes_ + position % kBlockRows * unit;
  const std::byte* codes = code.shell(0);
  // A row of codes is padded with zeros to whole lines of 64 bytes, so the last unit is whole as
  // well.
  for (size_t line = 0; line < lines; ++line) {
    std::memcpy(out + line * layout_.line_bytes(), codes + line * unit, unit);
  }
  run->scales[position] = code.scale(0);
  for (size_t d = 0; d < aux_dims_; ++d) {
    run->aux[d * run->capacity + position] = AuxOf(metric_, squares[d]);
  }
  run->slots[position] = slot;
  run->born[position].store(born, std::memory_order_relaxed);
  run->dead[position].store(kNeverDead, std::memory_order_relaxed);
}

}  // namespace nestor
