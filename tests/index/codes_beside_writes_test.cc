// Codes of residuals in many lists, while rows come and go, slots are used again and lists are
// rewritten: every snapshot shows its rows, each scored by its own code. ThreadSanitizer looks on.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/train_code.h"
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

  // Codes the rows of these slots of an index without deaths among them.
  static void PutCodes(IvfIndex* index, const Code& code, std::span<const uint32_t> slots) {
    std::vector<float> values(kDim), prepared;
    std::vector<uint8_t> bytes;
    for (const uint32_t slot : slots) {
      DecodeVector(Dtype::kF32, index->VectorAt(slot), kDim, values.data());
      const float half_square = code.Encode(values.data(), index->ListAt(slot), &prepared, &bytes);
      index->PutCode(slot, bytes.data(), half_square);
    }
  }

  // By point.
  std::map<uint64_t, float> Scores(const IvfIndex& index, size_t code, size_t query,
                                   uint64_t snapshot) const {
    const auto scores = ScoresBy(index, kCodes[code], query, snapshot);
    EXPECT_TRUE(scores.ok()) << scores.status();
    return scores.value_or(std::map<uint64_t, float>());
  }
  absl::StatusOr<std::map<uint64_t, float>> ScoresBy(const IvfIndex& index, const OpqSpec& code,
                                                     size_t query, uint64_t snapshot) const {
    SearchScratch scratch;
    SearchResult result;
    const SearchQuery q = QueryOf(queries_.row(query), schema_, kRows + kLater, snapshot);
    const auto plan =
        ParsePlan(absl::StrCat("coarse=16:", kLists, ",scan=", OpqName(code), ":", kRows + kLater));
    const absl::Status status = index.Search(q, *plan, &scratch, &result);
    if (!status.ok()) return status;
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
    while (checks.load() <= seen + kReaders && !HasFailure())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  Check(now.living, now.seq);
  EXPECT_GT(rewrites, 0u);
  EXPECT_LT(index_->slot_limit(), kRows + kWrites / 2) << "slots are used again";
}

// As the engine adds one: announced, trained beside everything, attached, the rows that were there
// coded in parts, published; and dropped.
TEST_P(CodesBesideWritesTest, ACodeComesAndGoes) {
  constexpr OpqSpec kComes{.dim = 32, .bytes = 4, .bits = 4};
  constexpr int kReaders = 2;
  constexpr int kRounds = 3;
  const auto assigned = [this](const IvfIndex& index) {
    std::vector<uint32_t> lists;
    for (uint64_t i = 0; i < kRows; ++i) lists.push_back(index.Assign(stored(i)));
    return lists;
  };
  const absl::StatusOr<std::shared_ptr<const Code>> code =
      TrainCode(schema_, index_->model(), MatrixSource(base_), assigned(*index_),
                {.spec = kComes, .iterations = 2});
  ASSERT_TRUE(code.ok()) << code.status();
  // What it scores of each point, from a twin that has had it all along.
  std::vector<std::map<uint64_t, float>> expected;
  {
    const std::unique_ptr<IvfIndex> twin = BuildByOneThread();
    ASSERT_TRUE(twin->BeginCode(kComes).ok());
    twin->AttachCode(*code);
    PutCodes(twin.get(), **code, twin->SlotsAt(1));
    twin->PublishCode(1);
    for (uint64_t i = kRows; i < kRows + kLater; ++i) {
      ASSERT_TRUE(twin->Append(twin->Assign(stored(i)), PointId(i), i, 1, stored(i)).ok());
    }
    for (size_t q = 0; q < kQueries; ++q) expected.push_back(*ScoresBy(*twin, kComes, q, 1));
  }

  struct State {
    uint64_t seq = 1;
    uint64_t ticket = 0;
    std::set<uint64_t> living;
  };
  std::mutex writing;  // the writer's lock: `now`, slots, the index's writer
  std::mutex mutex;    // published, pinned
  State now;
  std::vector<uint32_t> slots(kRows + kLater, kNoSlot);
  std::vector<uint64_t> absent;
  for (uint32_t slot = 0; slot < kRows; ++slot) {
    const auto point = std::get<uint64_t>(index_->IdAt(slot));
    slots[point] = slot;
    now.living.insert(point);
  }
  for (uint64_t point = kRows; point < kRows + kLater; ++point) absent.push_back(point);
  auto published = std::make_shared<const State>(now);
  std::vector<std::shared_ptr<const State>> pinned(kReaders + 1);  // the last: who adds
  const auto pin = [&](size_t who) {
    std::lock_guard lock(mutex);
    return pinned[who] = published;
  };
  const auto unpin = [&](size_t who) {
    std::lock_guard lock(mutex);
    pinned[who] = nullptr;
  };
  std::atomic<bool> done{false};
  std::atomic<int> answered{0}, refused{0};
  std::vector<std::thread> threads;
  for (size_t r = 0; r < kReaders; ++r) {
    threads.emplace_back([&, r] {
      while (!done.load() && !HasFailure()) {
        const std::shared_ptr<const State> state = pin(r);
        Check(state->living, state->seq);
        for (size_t q = 0; q < kQueries; ++q) {
          const auto scores = ScoresBy(*index_, kComes, q, state->seq);
          if (!scores.ok()) {
            EXPECT_EQ(scores.status().code(), absl::StatusCode::kFailedPrecondition);
            refused.fetch_add(1);
            continue;
          }
          ASSERT_EQ(scores->size(), state->living.size());
          for (const auto& [point, score] : *scores) {
            ASSERT_EQ(score, expected[q].at(point)) << "point " << point;
          }
          answered.fetch_add(1);
        }
        unpin(r);
      }
    });
  }
  // Overwrites, publishes, reclaims.
  threads.emplace_back([&] {
    std::mt19937_64 random(7);
    uint64_t next_row = kRows;
    for (size_t i = 0; !done.load() && !HasFailure(); ++i) {
      std::lock_guard writer(writing);
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
      if (i % 20 != 0) continue;
      index_->ReclaimSlots(horizon);
      index_->FreeLists(oldest);
      while (index_->RewriteLists(100, now.ticket)) {
      }
    }
  });
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    {
      std::lock_guard writer(writing);
      ASSERT_TRUE(index_->BeginCode(kComes).ok());
    }
    index_->ReportCode(0.5);
    const int seen = refused.load();
    while (refused.load() <= seen && !HasFailure())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::shared_ptr<const State> state;
    {
      std::lock_guard writer(writing);
      index_->AttachCode(*code);
      state = pin(kReaders);
    }
    const std::vector<uint32_t> there = index_->SlotsAt(state->seq);
    ASSERT_EQ(there.size(), state->living.size());
    for (size_t i = 0; i < there.size(); i += 64) {
      const size_t n = std::min<size_t>(64, there.size() - i);
      std::lock_guard writer(writing);
      PutCodes(index_.get(), **code, std::span(there).subspan(i, n));
    }
    {
      std::lock_guard writer(writing);
      index_->PublishCode(state->seq);
    }
    unpin(kReaders);
    const int before = answered.load();
    while (answered.load() < before + 8 && !HasFailure())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::lock_guard writer(writing);
    ASSERT_TRUE(index_->DropCode(kComes, now.ticket).ok());
    // Who pins from here on does not find it.
    std::lock_guard lock(mutex);
    ++now.ticket;
    published = std::make_shared<const State>(now);
  }
  done.store(true);
  for (std::thread& thread : threads) thread.join();
  Check(now.living, now.seq);
  EXPECT_GE(answered.load(), kRounds * 8);
}

INSTANTIATE_TEST_SUITE_P(All, CodesBesideWritesTest, testing::ValuesIn(kMetrics),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace nestor
