#include "index/stages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace nestor {
namespace {

// Rows whose sums are held at once; the threshold is looked at between chunks.
constexpr uint32_t kChunkRows = 256;
constexpr uint32_t kNoList = 0xffffffffu;

// How many candidates may gather before they are cut to `keep`: few enough that the threshold rises
// early.
size_t ShrinkAt(size_t keep) { return keep + std::clamp<size_t>(keep, 64, 4096); }

// Adds the product over [begin, end), all inside shell s, to the sums of n rows given by slot.
void AddShell(const SearchContext& context, size_t s, uint32_t begin, uint32_t end,
              const uint32_t* slots, size_t n, const QueryCode& code, StageBuffers* buffers,
              float* sums) {
  const ShellLayout& layout = context.layout;
  const size_t width = end - begin;
  buffers->pointers.resize(std::max(buffers->pointers.size(), n));
  const void** pointers = buffers->pointers.data();
  if (s > 0) {
    const size_t offset = (begin - layout.begin(s)) * layout.code_bytes();
    for (size_t i = 0; i < n; ++i) pointers[i] = context.rows.shell(slots[i], s) + offset;
  } else {
    // The rest of an interleaved shell: a coordinate in each line, gathered row by row.
    const size_t row_bytes = width * layout.code_bytes();
    buffers->gathered.resize(std::max(buffers->gathered.size(), n * row_bytes));
    const size_t unit = layout.line_dims();
    for (size_t i = 0; i < n; ++i) {
      const Place place = context.rows.place(slots[i]);
      const std::byte* block =
          place.run->shell + place.position / kBlockRows * layout.block_bytes();
      const size_t lane = place.position % kBlockRows * unit;
      std::byte* out = buffers->gathered.data() + i * row_bytes;
      for (uint32_t d = begin; d < end; ++d) {
        const size_t index = d / unit * kBlockRows * unit + lane + d % unit;
        std::memcpy(out + (d - begin) * layout.code_bytes(), block + index * layout.code_bytes(),
                    layout.code_bytes());
      }
      pointers[i] = out;
    }
  }
  if (layout.codec() == ShellCodec::kInt8) {
    buffers->int_sums.resize(std::max(buffers->int_sums.size(), n));
    int32_t* int_sums = buffers->int_sums.data();
    context.kernels.dots_i8(code.codes(layout, s, begin),
                            reinterpret_cast<const int8_t* const*>(pointers), n, width, int_sums);
    const float scale = code.scale(s);
    for (size_t i = 0; i < n; ++i) {
      sums[i] += static_cast<float>(int_sums[i]) * (scale * context.rows.scales(slots[i])[s]);
    }
    return;
  }
  float shell_sums[kChunkRows];
  for (size_t i = 0; i < n; i += kChunkRows) {
    const size_t m = std::min<size_t>(kChunkRows, n - i);
    if (layout.codec() == ShellCodec::kF16) {
      context.kernels.dots_f16(code.values(begin),
                               reinterpret_cast<const uint16_t* const*>(pointers + i), m, width,
                               shell_sums);
    } else {
      context.kernels.dots_f32(code.values(begin),
                               reinterpret_cast<const float* const*>(pointers + i), m, width,
                               shell_sums);
    }
    for (size_t j = 0; j < m; ++j) sums[i + j] += shell_sums[j];
  }
}

// The same over [begin, end) across shells.
void AddDims(const SearchContext& context, uint32_t begin, uint32_t end, const uint32_t* slots,
             size_t n, const QueryCode& code, StageBuffers* buffers, float* sums) {
  for (size_t s = 0; s < context.layout.shells(); ++s) {
    const uint32_t from = std::max(begin, context.layout.begin(s));
    const uint32_t to = std::min(end, context.layout.end(s));
    if (from < to) AddShell(context, s, from, to, slots, n, code, buffers, sums);
  }
}

void ScanChunk(const SearchContext& context, const Run& run, uint32_t first, uint32_t rows,
               uint32_t dims, const int8_t* prefix, const QueryCode& code, float* sums) {
  const ShellLayout& layout = context.layout;
  const std::byte* base = run.shell + first / kBlockRows * layout.block_bytes();
  const size_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  switch (layout.codec()) {
    case ShellCodec::kInt8:
      context.kernels.scan_i8(reinterpret_cast<const int8_t*>(base), layout.block_bytes(), blocks,
                              prefix, (dims + 3) / 4, code.scale(0), run.scales + first, sums);
      return;
    case ShellCodec::kF16:
      context.kernels.scan_f16(reinterpret_cast<const uint16_t*>(base), layout.block_bytes(),
                               blocks, code.values(0), dims, sums);
      return;
    case ShellCodec::kF32:
      context.kernels.scan_f32(reinterpret_cast<const float*>(base), layout.block_bytes(), blocks,
                               code.values(0), dims, sums);
      return;
  }
}

// Sums that no threshold lets pass, for the rows of a chunk that are dead at the snapshot: cheaper
// than to ask of each row that passes.
void DropDead(const Run& run, uint32_t first, uint32_t rows, uint64_t snapshot, float* sums) {
  for (uint32_t block = 0; block < rows; block += kBlockRows) {
    uint32_t marks = run.marks[(first + block) / kBlockRows].load(std::memory_order_acquire);
    for (; marks != 0; marks &= marks - 1) {
      const uint32_t i = block + static_cast<uint32_t>(std::countr_zero(marks));
      // The mark of a row behind the rows of this chunk falls on nothing.
      if (run.dead[first + i].load(std::memory_order_acquire) <= snapshot) {
        sums[i] = -std::numeric_limits<float>::infinity();
      }
    }
  }
}

}  // namespace

StopPoll::StopPoll(const SearchQuery& query)
    : query_(query),
      has_deadline_(query.deadline != std::chrono::steady_clock::time_point::max()) {}

absl::Status StopPoll::Check() {
  if (query_.cancelled != nullptr && query_.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("the search was cancelled by its caller");
  }
  // Reading the clock costs as much as a short list.
  if (has_deadline_ && calls_++ % 8 == 0 && std::chrono::steady_clock::now() >= query_.deadline) {
    return absl::DeadlineExceededError("the deadline passed during the search");
  }
  return absl::OkStatus();
}

absl::Status Scan(const SearchContext& context, std::span<const uint32_t> lists, uint32_t dim,
                  uint32_t keep, QueryCode* code, StageBuffers* buffers, Candidates* candidates,
                  StageCost* cost) {
  const ShellLayout& layout = context.layout;
  const uint32_t first_dims = std::min(dim, layout.end(0));
  const bool deeper = dim > layout.end(0);
  const int nesting = NestingIndex(context.schema, dim);
  const int8_t* prefix =
      layout.codec() == ShellCodec::kInt8 ? code->Prefix(layout, 0, first_dims) : nullptr;
  const size_t shrink_at = ShrinkAt(keep);
  // The filter writes whole vectors of 16 behind the last candidate.
  candidates->Reserve(shrink_at + kChunkRows + 16);
  candidates->size = 0;
  buffers->sums.resize(std::max<size_t>(buffers->sums.size(), 2 * kChunkRows));
  float* sums = buffers->sums.data();
  float* deep_aux = sums + kChunkRows;
  float threshold = -std::numeric_limits<float>::infinity();
  const uint32_t skip_list = context.query.skip_slot < context.rows.limit()
                                 ? context.rows.list(context.query.skip_slot)
                                 : kNoList;
  uint32_t visible[kChunkRows];
  uint64_t rows_seen = 0;
  StopPoll poll(context.query);
  for (size_t l = 0; l < lists.size(); ++l) {
    if (absl::Status s = poll.Check(); !s.ok()) return s;
    const uint32_t list = lists[l];
    if (l + 2 < lists.size()) context.lists.Prefetch(lists[l + 2]);
    for (const Run* run = context.lists.First(list); run != nullptr;
         run = run->next.load(std::memory_order_acquire)) {
      const uint32_t count = run->count.load(std::memory_order_acquire);
      const bool none_dead = run->dead_count.load(std::memory_order_acquire) == 0;
      // All but the dead are visible.
      const bool all_born =
          run->max_born.load(std::memory_order_relaxed) <= context.query.snapshot &&
          list != skip_list;
      const bool all_visible = none_dead && all_born;
      rows_seen += count;
      for (uint32_t first = 0; first < count; first += kChunkRows) {
        const uint32_t rows = std::min(kChunkRows, count - first);
        ScanChunk(context, *run, first, rows, first_dims, prefix, *code, sums);
        const uint32_t* slots = run->slots + first;
        uint32_t scanned = rows;
        bool all_seen = all_visible;
        const float* aux = nullptr;
        if (deeper) {
          if (!all_visible) {
            // The slot of a row that nobody sees any more may be another row's by now.
            scanned = 0;
            for (uint32_t i = 0; i < rows; ++i) {
              if (!Visible(*run, first + i, context.query)) continue;
              sums[scanned] = sums[i];
              visible[scanned++] = slots[i];
            }
            slots = visible;
            all_seen = true;
          }
          AddDims(context, layout.end(0), dim, slots, scanned, *code, buffers, sums);
          for (uint32_t i = 0; i < scanned; ++i) {
            deep_aux[i] = context.rows.aux(slots[i])[nesting];
          }
          aux = deep_aux;
        } else {
          if (run->aux != nullptr) {
            aux = run->aux + static_cast<size_t>(nesting) * run->capacity + first;
          }
          if (all_born && !none_dead) {
            DropDead(*run, first, rows, context.query.snapshot, sums);
            all_seen = true;
          }
        }
        const size_t base = candidates->size;
        uint32_t* positions = candidates->slots.data() + base;
        const size_t passed = context.kernels.filter(sums, aux, context.key_kind, scanned,
                                                     threshold, candidates->keys.data() + base,
                                                     candidates->sums.data() + base, positions);
        if (passed == 0) continue;
        if (all_seen) {
          for (size_t i = 0; i < passed; ++i) positions[i] = slots[positions[i]];
          candidates->size += passed;
        } else {
          for (size_t i = 0; i < passed; ++i) {
            const uint32_t position = first + positions[i];
            if (!Visible(*run, position, context.query)) continue;
            const size_t out = candidates->size++;
            candidates->keys[out] = candidates->keys[base + i];
            candidates->sums[out] = candidates->sums[base + i];
            candidates->slots[out] = run->slots[position];
          }
        }
        if (candidates->size >= shrink_at) threshold = candidates->KeepBest(context.kernels, keep);
      }
    }
  }
  candidates->KeepBest(context.kernels, keep);
  const bool int8 = layout.codec() == ShellCodec::kInt8;
  cost->in = rows_seen;
  cost->out = candidates->size;
  cost->multiply_adds = rows_seen * dim;
  cost->bytes = rows_seen * (size_t{dim} * layout.code_bytes() + (int8 ? sizeof(float) : 0) +
                             (context.key_kind == KeyKind::kSum ? 0 : sizeof(float)));
  return absl::OkStatus();
}

void Refine(const SearchContext& context, uint32_t done, uint32_t dim, uint32_t keep,
            QueryCode* code, StageBuffers* buffers, Candidates* candidates, StageCost* cost) {
  const size_t n = candidates->size;
  cost->in = n;
  if (dim > done) {
    // Scales and norms lie in the record's first line: ask for all of them before the first is
    // needed.
    for (size_t i = 0; i < n; ++i) __builtin_prefetch(context.rows.record(candidates->slots[i]));
    AddDims(context, done, dim, candidates->slots.data(), n, *code, buffers,
            candidates->sums.data());
    const size_t nesting = static_cast<size_t>(NestingIndex(context.schema, dim));
    switch (context.key_kind) {
      case KeyKind::kSum:
        std::copy_n(candidates->sums.begin(), n, candidates->keys.begin());
        break;
      case KeyKind::kTimes:
        for (size_t i = 0; i < n; ++i) {
          candidates->keys[i] =
              candidates->sums[i] * context.rows.aux(candidates->slots[i])[nesting];
        }
        break;
      case KeyKind::kMinus:
        for (size_t i = 0; i < n; ++i) {
          candidates->keys[i] =
              candidates->sums[i] - context.rows.aux(candidates->slots[i])[nesting];
        }
        break;
    }
    cost->bytes = n * ((dim - done) * context.layout.code_bytes() + context.rows.header_bytes());
    cost->multiply_adds = n * (dim - done);
  }
  candidates->KeepBest(context.kernels, keep);
  cost->out = candidates->size;
}

void HitsFromKeys(const SearchContext& context, uint32_t dim, const Candidates& candidates,
                  std::vector<Hit>* hits) {
  double square = 0;
  if (context.schema.metric != Metric::kDot) {
    square = context.kernels.dot_f64(context.query.vector.data(), context.query.vector.data(), dim);
  }
  hits->clear();
  for (size_t i = 0; i < candidates.size; ++i) {
    double score = candidates.keys[i];
    if (context.schema.metric == Metric::kCosine) score /= std::sqrt(square);
    // |q - x|^2 = |q|^2 - 2 (q.x - |x|^2 / 2), clamped: rounding must not make a distance negative.
    if (context.schema.metric == Metric::kL2) score = std::max(0.0, square - 2 * score);
    hits->push_back({candidates.slots[i], static_cast<float>(score)});
  }
  const bool ascending = context.schema.metric == Metric::kL2;
  std::sort(hits->begin(), hits->end(), [&](const Hit& a, const Hit& b) {
    if (a.score != b.score) return ascending ? a.score < b.score : a.score > b.score;
    return context.rows.IdLess(a.slot, b.slot);
  });
  if (hits->size() > context.query.limit) hits->resize(context.query.limit);
}

}  // namespace nestor
