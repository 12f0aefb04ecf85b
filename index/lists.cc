#include "index/lists.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "index/kernels/kernels.h"
#include "index/rows.h"

namespace nestor {
namespace {

constexpr uint64_t kNeverDead = ~uint64_t{0};
constexpr uint32_t kMaxAppendedRows = 4096;
// A place has a word for run and position together.
constexpr uint32_t kMaxRunRows = Place::kMaxPositions;
constexpr size_t kSequenceBytes = 2 * sizeof(std::atomic<uint64_t>);

// Whole lines, so that the next run's arrays start on one.
size_t MarkBytes(uint32_t capacity) {
  return (capacity / kBlockRows * sizeof(uint16_t) + 63) / 64 * 64;
}

uint32_t RoundUpBlock(uint32_t rows) {
  return static_cast<uint32_t>((rows + kBlockRows - 1) / kBlockRows * kBlockRows);
}

std::unique_ptr<std::byte, FreeAligned> AllocateZeros(size_t bytes) {
  std::unique_ptr<std::byte, FreeAligned> memory(
      static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})));
  std::memset(memory.get(), 0, bytes);
  return memory;
}

}  // namespace

void Run::MarkDead(uint32_t position, uint64_t seq) {
  dead[position].store(seq, std::memory_order_release);
  marks[position / kBlockRows].fetch_or(static_cast<uint16_t>(1 << position % kBlockRows),
                                        std::memory_order_release);
  dead_count.fetch_add(1, std::memory_order_release);
}

Lists::Lists(uint32_t lists, const ShellLayout& layout, size_t nesting_dims, Metric metric,
             bool keep_shell)
    : layout_(layout),
      block_bytes_(keep_shell ? layout.block_bytes() : 0),
      aux_dims_(metric == Metric::kDot || !keep_shell ? 0 : nesting_dims),
      metric_(metric) {
  for (uint32_t l = 0; l < lists; ++l) heads_.emplace_back();
}

Lists::~Lists() {
  const auto free = [](Run* run) {
    while (run != nullptr) {
      const std::unique_ptr<Run> owned(run);
      run = run->next.load(std::memory_order_relaxed);
    }
  };
  for (Head& head : heads_) free(head.first.load(std::memory_order_relaxed));
  for (const Retired& retired : retired_) free(retired.first);
}

size_t Lists::StreamBytes(uint32_t capacity) const {
  const size_t blocks = capacity / kBlockRows;
  // 16 floats are a line, so every array starts on one.
  return blocks * block_bytes_ + capacity * sizeof(float) * (1 + aux_dims_) +
         capacity * sizeof(uint32_t) + MarkBytes(capacity);
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
  run->marks = reinterpret_cast<std::atomic<uint16_t>*>(p);
  p += MarkBytes(capacity);
  run->born = reinterpret_cast<std::atomic<uint64_t>*>(sequences);
  run->dead = run->born + capacity;
  return static_cast<size_t>(p - stream);
}

void Lists::Link(Head* head, Run* run) {
  head->capacity += run->capacity;
  if (head->last == nullptr) {
    head->first.store(run, std::memory_order_release);
  } else {
    head->last->next.store(run, std::memory_order_release);
  }
  head->last = run;
}

void Lists::Reserve(std::span<const uint32_t> counts) {
  size_t stream_bytes = 0;
  size_t rows = 0;
  for (uint32_t count : counts) {
    // Whole blocks: to split a list into runs changes nothing.
    stream_bytes += StreamBytes(RoundUpBlock(count));
    rows += RoundUpBlock(count);
  }
  if (rows == 0) return;
  PageBuffer stream(stream_bytes, /*huge=*/true);
  PageBuffer sequences(rows * kSequenceBytes, /*huge=*/true);
  std::byte* codes[kMaxCodes] = {};
  for (size_t c = 0; c < kMaxCodes; ++c) {
    if (!columns_[c].layout.has_value()) continue;
    // A column's bytes are those of its blocks of 16 rows.
    const size_t bytes = rows / kBlockRows * columns_[c].layout->bytes(kBlockRows);
    codes[c] = columns_[c].reserved.emplace_back(bytes, /*huge=*/true).data();
  }
  std::byte* p = stream.data();
  std::byte* s = sequences.data();
  for (uint32_t l = 0; l < counts.size(); ++l) {
    for (uint32_t left = counts[l]; left > 0;) {
      const uint32_t n = std::min(left, kMaxRunRows);
      auto run = std::make_unique<Run>();
      const uint32_t capacity = RoundUpBlock(n);
      p += Lay(run.get(), capacity, p, s);
      s += capacity * kSequenceBytes;
      for (size_t c = 0; c < kMaxCodes; ++c) {
        if (codes[c] == nullptr) continue;
        run->codes[c] = codes[c];
        codes[c] += columns_[c].layout->bytes(capacity);
      }
      Link(&heads_[l], run.release());
      left -= n;
    }
  }
  reserved_.push_back(std::move(stream));
  reserved_.push_back(std::move(sequences));
  capacity_rows_.fetch_add(rows, std::memory_order_relaxed);
}

Run* Lists::NewRun(uint32_t capacity) {
  const size_t stream_bytes = StreamBytes(capacity);
  const size_t bytes = stream_bytes + capacity * kSequenceBytes;
  auto run = std::make_unique<Run>();
  run->memory = AllocateZeros(bytes);
  Lay(run.get(), capacity, run->memory.get(), run->memory.get() + stream_bytes);
  for (size_t c = 0; c < kMaxCodes; ++c) {
    if (!columns_[c].layout.has_value()) continue;
    run->code_memory[c] = AllocateZeros(columns_[c].layout->bytes(capacity));
    run->codes[c] = run->code_memory[c].get();
  }
  capacity_rows_.fetch_add(capacity, std::memory_order_relaxed);
  return run.release();
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
  Run* run = NewRun(std::clamp(RoundUpBlock(head.capacity / 8), static_cast<uint32_t>(kBlockRows),
                               kMaxAppendedRows));
  Link(&head, run);
  *position = 0;
  return run;
}

void Lists::Rewrite(uint32_t list, uint64_t ticket,
                    absl::FunctionRef<bool(Run* run, uint32_t position)> keep,
                    absl::FunctionRef<void(uint32_t slot, Run* run, uint32_t position)> moved) {
  Head& head = heads_[list];
  Run* const old = head.first.load(std::memory_order_relaxed);
  if (old == nullptr) return;
  uint32_t kept = 0;
  for (Run* run = old; run != nullptr; run = run->next.load(std::memory_order_relaxed)) {
    const uint32_t count = run->count.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < count; ++i) kept += keep(run, i) ? 1 : 0;
  }
  Head next;
  uint32_t room = 0;
  for (Run* run = old; run != nullptr; run = run->next.load(std::memory_order_relaxed)) {
    const uint32_t count = run->count.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < count; ++i) {
      if (!keep(run, i)) continue;
      if (room == 0) {
        room = std::min(kept, kMaxRunRows);
        kept -= room;
        // With room for the next ones: a scan pays for each run of a chain.
        Link(&next, NewRun(std::min(RoundUpBlock(room + room / 8), kMaxRunRows)));
      }
      Run* to = next.last;
      const uint32_t at = to->count.load(std::memory_order_relaxed);
      CopyRow(*run, i, to, at);
      to->count.store(at + 1, std::memory_order_release);
      moved(to->slots[at], to, at);
      --room;
    }
  }
  head.last = next.last;
  head.capacity = next.capacity;
  head.first.store(next.first.load(std::memory_order_relaxed), std::memory_order_release);
  retired_.push_back({old, ticket});
}

void Lists::CopyRow(const Run& from, uint32_t position, Run* to, uint32_t at) const {
  const size_t unit = layout_.line_dims() * layout_.code_bytes();
  const size_t lines = block_bytes_ / layout_.line_bytes();
  const std::byte* in =
      from.shell + position / kBlockRows * block_bytes_ + position % kBlockRows * unit;
  std::byte* out = to->shell + at / kBlockRows * block_bytes_ + at % kBlockRows * unit;
  for (size_t line = 0; line < lines; ++line) {
    std::memcpy(out + line * layout_.line_bytes(), in + line * layout_.line_bytes(), unit);
  }
  to->scales[at] = from.scales[position];
  for (size_t d = 0; d < aux_dims_; ++d) {
    to->aux[d * to->capacity + at] = from.aux[d * from.capacity + position];
  }
  for (size_t c = 0; c < kMaxCodes; ++c) {
    if (!columns_[c].layout.has_value()) continue;
    const CodeColumn& column = *columns_[c].layout;
    column.layout.Copy(from.codes[c], position, to->codes[c], at);
    if (column.half_squares) {
      column.HalfSquares(*to, c)[at] = column.HalfSquares(from, c)[position];
    }
  }
  to->slots[at] = from.slots[position];
  const uint64_t born = from.born[position].load(std::memory_order_relaxed);
  const uint64_t dead = from.dead[position].load(std::memory_order_relaxed);
  to->born[at].store(born, std::memory_order_relaxed);
  to->dead[at].store(dead, std::memory_order_relaxed);
  if (dead != kNeverDead) to->MarkDead(at, dead);
  to->max_born.store(std::max(born, to->max_born.load(std::memory_order_relaxed)),
                     std::memory_order_relaxed);
}

void Lists::FreeRetired(uint64_t oldest) {
  for (; !retired_.empty() && retired_.front().ticket < oldest; retired_.pop_front()) {
    FreeChain(retired_.front().first);
  }
}

void Lists::FreeChain(Run* run) {
  while (run != nullptr) {
    const std::unique_ptr<Run> owned(run);
    run = run->next.load(std::memory_order_relaxed);
    capacity_rows_.fetch_sub(owned->capacity, std::memory_order_relaxed);
    for (size_t c = 0; c < kMaxCodes; ++c) {
      if (owned->codes[c] == nullptr || owned->code_memory[c] != nullptr) continue;
      ReleasePages(owned->codes[c], columns_[c].layout->bytes(owned->capacity));
    }
    if (owned->memory != nullptr) continue;
    ReleasePages(owned->shell, StreamBytes(owned->capacity));
    ReleasePages(reinterpret_cast<std::byte*>(owned->born), owned->capacity * kSequenceBytes);
  }
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

void Lists::FillCode(Run* run, uint32_t position, size_t column, const uint8_t* bytes,
                     float half_square) const {
  const CodeColumn& layout = *columns_[column].layout;
  layout.layout.Write(bytes, position, run->codes[column]);
  if (layout.half_squares) layout.HalfSquares(*run, column)[position] = half_square;
}

void Lists::ForEachRun(absl::FunctionRef<void(Run* run)> visit) {
  const auto chain = [&](Run* run) {
    for (; run != nullptr; run = run->next.load(std::memory_order_relaxed)) visit(run);
  };
  for (Head& head : heads_) chain(head.first.load(std::memory_order_relaxed));
  for (const Retired& retired : retired_) chain(retired.first);
}

size_t Lists::AddColumn(const CodeColumn& column) {
  size_t number = 0;
  while (number < kMaxCodes && columns_[number].layout.has_value()) ++number;
  if (number == kMaxCodes) return number;
  columns_[number].layout = column;
  size_t bytes = 0;
  ForEachRun([&](Run* run) { bytes += column.bytes(run->capacity); });
  if (bytes == 0) return number;
  std::byte* p = columns_[number].reserved.emplace_back(bytes, /*huge=*/true).data();
  ForEachRun([&](Run* run) {
    run->codes[number] = p;
    p += column.bytes(run->capacity);
  });
  return number;
}

void Lists::RemoveColumn(size_t column) {
  ForEachRun([column](Run* run) {
    run->codes[column] = nullptr;
    run->code_memory[column].reset();
  });
  columns_[column] = Column();
}

}  // namespace nestor
