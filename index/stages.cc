#include "index/stages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/scan_lists.h"

namespace nestor {
namespace {

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
               uint32_t dims, const QueryCode::ScanCodes& prefix, const QueryCode& code,
               float* sums) {
  const ShellLayout& layout = context.layout;
  const std::byte* base = run.shell + first / kBlockRows * layout.block_bytes();
  const size_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  switch (layout.codec()) {
    case ShellCodec::kInt8:
      context.kernels.scan_i8(reinterpret_cast<const int8_t*>(base), layout.block_bytes(), blocks,
                              prefix.codes, prefix.places, prefix.groups, code.scale(0),
                              run.scales + first, sums);
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

}  // namespace

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
  QueryCode::ScanCodes prefix;
  if (layout.codec() == ShellCodec::kInt8) prefix = code->Prefix(layout, 0, first_dims);
  uint32_t visible[kChunkRows];
  float deep_aux[kChunkRows];
  uint64_t rows_seen = 0;
  const absl::Status status = ScanLists(
      context, lists, keep, context.key_kind, buffers, candidates, &rows_seen,
      [&](const Run& run, size_t, uint32_t first, uint32_t rows, bool all_visible, float* sums) {
        ScanChunk(context, run, first, rows, first_dims, prefix, *code, sums);
        ScoredRows scored{.count = rows};
        if (!deeper) {
          if (run.aux != nullptr) {
            scored.aux = run.aux + static_cast<size_t>(nesting) * run.capacity + first;
          }
          return scored;
        }
        const uint32_t* slots = run.slots + first;
        if (!all_visible) {
          // The slot of a row that nobody sees any more may be another row's by now.
          scored.count = 0;
          for (uint32_t i = 0; i < rows; ++i) {
            if (!Visible(run, first + i, context.query)) continue;
            sums[scored.count] = sums[i];
            visible[scored.count++] = slots[i];
          }
          slots = visible;
          scored.slots = visible;
        }
        AddDims(context, layout.end(0), dim, slots, scored.count, *code, buffers, sums);
        for (uint32_t i = 0; i < scored.count; ++i) {
          deep_aux[i] = context.rows.aux(slots[i])[nesting];
        }
        scored.aux = deep_aux;
        return scored;
      });
  if (!status.ok()) return status;
  const bool int8 = layout.codec() == ShellCodec::kInt8;
  cost->in = rows_seen;
  cost->out = candidates->size;
  // Without the groups that were left out.
  const size_t dims = prefix.places == nullptr ? dim : dim - first_dims + prefix.groups * 4;
  cost->multiply_adds = rows_seen * dims;
  cost->bytes = rows_seen * (dims * layout.code_bytes() + (int8 ? sizeof(float) : 0) +
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
