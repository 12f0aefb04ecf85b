// Codes of residuals in many lists, while rows come and go, slots are used again and lists are
// rewritten: every snapshot shows its rows, each scored by its own code. ThreadSanitizer looks on.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

constexpr uint32_t kRows = 1200;
constexpr uint32_t kLater = 1200;
constexpr uint32_t kLists = 12;
constexpr uint32_t kDim = 48;
constexpr size_t kQueries = 2;
const OpqSpec kCodes[] = {{.dim = 32, .bytes = 8, .bits = 4}, {.dim = 16, .bytes = 4, .bits = 8}};

class CodesBesideWritesTest : public testing::TestWithParam<Metric> {
 protected:
  CodesBesideWritesTest()
      : schema_{.dim = kDim, .nesting = {16, 32, kDim}, .metric = GetParam()},
        base_(MakeMatrix(schema_, kRows, 1)),
        later_(MakeMatrix(schema_, kLater, 5)),
        queries_(MakeMatrix(schema_, kQueries, 2)),
        index_(BuildByOneThread()) {
    // What the code of each row scores, from a twin of the index in which nothing changes.
    const std::unique_ptr<IvfIndex> twin = BuildByOneThread();
    for (uint64_t i = kRows; i < kRows + kLater; ++i) {
      EXPECT_TRUE(twin->Append(twin->Assign(stored(i)), PointId(i), i, /*born=*/1, stored(i)).ok());
    }
    for (size_t c = 0; c < std::size(kCodes); ++c) {
      for (size_t q = 0; q < kQueries; ++q) expected_.push_back(Scores(*twin, c, q, 1));
    }
    EXPECT_EQ(expected_[0].size(), kRows + kLater);
  }

  std::unique_ptr<IvfIndex> BuildByOneThread() const {
    IndexSpec spec{.coarse_dim = 16, .lists = kLists, .shells = {16, 32, kDim}};
    spec.codes.assign(std::begin(kCodes), std::end(kCodes));
    BuildOptions options{.threads = 1};
    options.code_iterations = 2;
    auto index = BuildIvfIndex(schema_, spec, IdKind::kNum, MatrixSource(base_), options);
    EXPECT_TRUE(index.ok()) << index.status();
    EXPECT_EQ((*index)->model().lists, kLists);
    return *std::move(index);
  }

  // Points are numbered: those of base_, then those of later_.
  const std::byte* stored(uint64_t point) const {
    return point < kRows ? base_.stored(point) : later_.stored(point - kRows);
  }

  // By point.
  std::map<uint64_t, float> Scores(const IvfIndex& index, size_t code, size_t query,
                                   uint64_t snapshot) const {
    SearchScratch scratch;
    SearchResult result;
    const SearchQuery q = QueryOf(queries_.row(query), schema_, kRows + kLater, snapshot);
    const auto plan = ParsePlan(
        absl::StrCat("coarse=16:", kLists, ",scan=", OpqName(kCodes[code]), ":", kRows + kLater));
    const absl::Status status = index.Search(q, *plan, &scratch, &result);
    EXPECT_TRUE(status.ok()) << status;
    std::map<uint64_t, float> scores;
    for (const Hit& hit : result.hits) {
      scores[std::get<uint64_t>(index.IdAt(hit.slot))] = hit.score;
    }
    EXPECT_EQ(scores.size(), result.hits.size()) << "a point comes once";
    return scores;
  }

  void Check(const std::set<uint64_t>& living, uint64_t snapshot) const {
    for (size_t c = 0; c < std::size(kCodes); ++c) {
      for (size_t q = 0; q < kQueries; ++q) {
        const std::map<uint64_t, float> scores = Scores(*index_, c, q, snapshot);
        ASSERT_EQ(scores.size(), living.size());
        for (const auto& [point, score] : scores) {
          ASSERT_TRUE(living.contains(point)) << point;
          ASSERT_EQ(score, expected_[c * kQueries + q].at(point))
              << "point " << point << ", code " << OpqName(kCodes[c]);
        }
      }
    }
  }

  const VectorSchema schema_;
  const Matrix base_;
  const Matrix later_;
  const Matrix queries_;
  const std::unique_ptr<IvfIndex> index_;
  std::vector<std::map<uint64_t, float>> expected_;  // [code][query]
};

TEST_P(CodesBesideWritesTest, ReadersSeeEachRowsOwnCode) {
  struct State {
    uint64_t seq = 1;
    uint64_t ticket = 0;
    std::set<uint64_t> living;
  };
  constexpr int kReaders = 2;
  constexpr size_t kWrites = 3000;
  State now;
  std::vector<uint32_t> slots(kRows + kLater, kNoSlot);
  std::vector<uint64_t> absent;
  for (uint32_t slot = 0; slot < kRows; ++slot) {
    const auto point = std::get<uint64_t>(index_->IdAt(slot));
    slots[point] = slot;
    now.living.insert(point);
  }
  for (uint64_t point = kRows; point < kRows + kLater; ++point) absent.push_back(point);
  std::mutex mutex;
  auto published = std::make_shared<const State>(now);
  std::vector<std::shared_ptr<const State>> pinned(kReaders);
  std::atomic<bool> done{false};
  std::atomic<int> checks{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < kReaders; ++r) {
    readers.emplace_back([&, r] {
      while (!done.load() && !HasFailure()) {
        std::shared_ptr<const State> state;
        {
          std::lock_guard lock(mutex);
          state = pinned[r] = published;
        }
        Check(state->living, state->seq);
        checks.fetch_add(1);
        std::lock_guard lock(mutex);
        pinned[r] = nullptr;
      }
    });
  }
  std::mt19937_64 random(7);
  uint64_t next_row = kRows;
  size_t rewrites = 0;
  for (size_t i = 0; i < kWrites && !HasFailure(); ++i) {
    // Any that is absent comes in the place of any that lives.
    std::swap(absent[random() % absent.size()], absent.back());
    const uint64_t comes = absent.back();
    auto goes = now.living.lower_bound(random() % (kRows + kLater));
    if (goes == now.living.end()) goes = now.living.begin();
    absent.back() = *goes;
    const auto slot = index_->Append(index_->Assign(stored(comes)), PointId(comes), next_row++,
                                     ++now.seq, stored(comes));
    ASSERT_TRUE(slot.ok());
    index_->MarkDead(slots[*goes], now.seq);
    slots[comes] = *slot;
    now.living.erase(goes);
    now.living.insert(comes);
    if (i % 20 != 0) continue;
    uint64_t horizon = now.seq, oldest = ++now.ticket;
    {
      std::lock_guard lock(mutex);
      published = std::make_shared<const State>(now);
      for (const auto& state : pinned) {
        if (state == nullptr) continue;
        horizon = std::min(horizon, state->seq);
        oldest = std::min(oldest, state->ticket);
      }
    }
    index_->ReclaimSlots(horizon);
    index_->FreeLists(oldest);
    while (index_->RewriteLists(100, now.ticket)) ++rewrites;
    if (i % 300 != 0) continue;
    // The readers let go of what they had.
    const int seen = checks.load();
    while (checks.load() <= seen + kReaders && !HasFailure()) std::this_thread::yield();
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  Check(now.living, now.seq);
  EXPECT_GT(rewrites, 0u);
  EXPECT_LT(index_->slot_limit(), kRows + kWrites / 2) << "slots are used again";
}

INSTANTIATE_TEST_SUITE_P(All, CodesBesideWritesTest, testing::ValuesIn(kMetrics),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace nestor
