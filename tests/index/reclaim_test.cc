// Rows come and go for long: slots are used again, lists rewritten, and every snapshot that a
// reader has sees its state all the while.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "index/graph/graph.h"
#include "index/ivf_index.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

constexpr uint32_t kRows = 600;
constexpr uint32_t kLimit = 10;

enum class Kind : uint8_t { kLists, kGraph, kBoth };

class ReclaimTest : public testing::TestWithParam<std::tuple<Kind, ShellCodec>> {
 protected:
  ReclaimTest()
      : schema_{.dim = 99,
                .nesting = {16, 30, 64, 99},
                .metric = Metric::kL2,
                .dtype = Dtype::kF32},
        base_(MakeMatrix(schema_, kRows, 1)),
        later_(MakeMatrix(schema_, 3000, 5)),
        queries_(MakeMatrix(schema_, 4, 2)) {
    IndexSpec spec{.coarse_dim = 16, .lists = 10, .shells = {30, 64, 99}};
    spec.codec = std::get<1>(GetParam());
    if (has_lists()) spec.codes = {{.dim = 64, .bytes = 16, .bits = 4}};
    if (has_graph()) spec.graph = GraphSpec{.dim = 64, .degree = 8, .ef_construction = 40};
    if (std::get<0>(GetParam()) == Kind::kGraph) {
      spec.no_lists = true;
      spec.lists = 0;
      spec.coarse_dim = 0;
    }
    index_ = BuildOrDie(base_, spec);
    for (uint32_t slot = 0; slot < index_->slot_limit(); ++slot) {
      living_.push_back({index_->RowAt(slot), base_.row(index_->RowAt(slot)), slot});
    }
  }

  bool has_graph() const { return std::get<0>(GetParam()) != Kind::kLists; }
  bool has_lists() const { return std::get<0>(GetParam()) != Kind::kGraph; }

  struct Living {
    uint64_t id = 0;
    const float* x = nullptr;
    uint32_t slot = kNoSlot;
  };

  void Replace(size_t victim, const Matrix& from, size_t row, bool hold = false) {
    ++seq_;
    const auto slot = index_->Append(index_->Assign(from.stored(row)), PointId(living_[victim].id),
                                     next_row_++, seq_, from.stored(row));
    ASSERT_TRUE(slot.ok());
    index_->MarkDead(living_[victim].slot, seq_, hold);
    living_[victim].x = from.row(row);
    living_[victim].slot = *slot;
  }
  void Erase(size_t victim) {
    index_->MarkDead(living_[victim].slot, ++seq_);
    living_[victim] = living_.back();
    living_.pop_back();
  }
  // As the engine's writer and keeper do it; no reader has a snapshot before `horizon`.
  void Sweep(uint64_t horizon, uint64_t oldest_ticket) {
    if (Graph* graph = index_->graph(); graph != nullptr) {
      graph->SetOldest(horizon);
      ASSERT_TRUE(graph->Repair({}).ok());
    }
    index_->ReclaimSlots(horizon);
    index_->FreeLists(oldest_ticket);
    while (index_->RewriteLists(100, ticket_++)) {
    }
  }

  // What all plans answer at a snapshot is what is there.
  void Check(const std::vector<Living>& living, uint64_t snapshot) {
    SearchScratch scratch;
    SearchResult result;
    for (size_t q = 0; q < queries_.rows(); ++q) {
      std::vector<std::pair<double, uint64_t>> expected;
      for (const Living& row : living) {
        expected.emplace_back(NaiveScore(Metric::kL2, queries_.row(q), row.x, 99), row.id);
      }
      std::sort(expected.begin(), expected.end());
      std::vector<uint64_t> ids;
      for (size_t i = 0; i < std::min<size_t>(kLimit, expected.size()); ++i) {
        ids.push_back(expected[i].second);
      }
      const SearchQuery query = QueryOf(queries_.row(q), schema_, kLimit, snapshot);
      ASSERT_TRUE(index_->SearchExact(query, 99, &scratch, &result).ok());
      ASSERT_EQ(NumericIds(*index_, result.hits), ids);
      // The second goes on into later shells before it looks at what is visible.
      for (const char* plan :
           {"coarse=16:10,scan=16:2000,refine=64:2000,rescore", "coarse=16:10,scan=64:2000,rescore",
            "coarse=16:10,scan=opq64x16b4:2000,refine=30:2000,rescore"}) {
        if (!has_lists()) break;
        ASSERT_TRUE(index_->Search(query, *ParsePlan(plan), &scratch, &result).ok());
        ASSERT_EQ(NumericIds(*index_, result.hits), ids) << plan;
      }
      if (!has_graph()) continue;
      ASSERT_TRUE(
          index_->Search(query, *ParsePlan("graph=64:5000,rescore"), &scratch, &result).ok());
      const std::vector<uint64_t> found = NumericIds(*index_, result.hits);
      if (!beside_.load()) {
        ASSERT_EQ(found, ids);
        continue;
      }
      // Links change under it: one in a thousand rows may be missed.
      const auto right = std::count_if(found.begin(), found.end(), [&](uint64_t id) {
        return std::find(ids.begin(), ids.end(), id) != ids.end();
      });
      ASSERT_GE(right, kLimit - 1);
    }
  }

  const VectorSchema schema_;
  const Matrix base_;
  const Matrix later_;
  const Matrix queries_;
  std::unique_ptr<IvfIndex> index_;
  std::vector<Living> living_;
  uint64_t seq_ = 1;
  uint64_t next_row_ = 10'000;
  uint64_t ticket_ = 0;
  std::atomic<bool> beside_{false};  // a writer is at work
};

TEST_P(ReclaimTest, TurnoversNeitherGrowItNorChangeItsAnswers) {
  const IndexMemory built = index_->Memory();
  std::mt19937_64 random(4);
  for (size_t i = 0; i < later_.rows(); ++i) {
    Replace(random() % living_.size(), later_, i);
    if (i % 50 == 49) {
      Sweep(seq_, ticket_);
      if (i % 250 == 249) Check(living_, seq_);
    }
  }
  // Five turnovers. 50 rows and a twelfth of each list may be dead, and lists grow by 16 rows.
  EXPECT_LE(index_->slot_limit(), kRows + 120u);
  Sweep(seq_, ticket_);
  Sweep(seq_, ticket_);
  EXPECT_LE(index_->Memory().sequences, built.sequences * 3 / 2);
  EXPECT_LE(index_->Memory().graph, built.graph * 7 / 4) << "nodes of 50 rows wait for their use";
}

TEST_P(ReclaimTest, WhatASnapshotShowsIsNotReclaimed) {
  const std::vector<Living> before = living_;
  const uint64_t snapshot = seq_;
  for (size_t i = 0; i < 400; ++i) Replace(i, later_, i);
  const uint32_t slots = index_->slot_limit();
  for (int i = 0; i < 3; ++i) Sweep(snapshot, ticket_);
  EXPECT_EQ(index_->free_slots(), 0u);
  Check(before, snapshot);
  // A row at the horizon is gone, the one after it is not.
  Sweep(snapshot + 1, ticket_);
  ++seq_;
  Sweep(snapshot + 1, ticket_);
  EXPECT_EQ(index_->free_slots(), has_graph() ? 0u : 1u);
  Check(living_, seq_);
  // After the last reader all come back, with the next write where there is a graph.
  Sweep(seq_, ticket_);
  Replace(0, later_, 500);
  Sweep(seq_, ticket_);
  EXPECT_GE(index_->free_slots(), 398u);
  Check(living_, seq_);
  for (size_t i = 0; i < 390; ++i) Replace(i, later_, 600 + i);
  EXPECT_EQ(index_->slot_limit(), slots) << "free slots are taken first";
  Check(living_, seq_);
}

TEST_P(ReclaimTest, HeldRowsKeepTheirSlots) {
  std::vector<Living> held;
  for (size_t i = 0; i < 100; ++i) {
    held.push_back(living_[i]);
    held.back().id = index_->RowAt(living_[i].slot);
    Replace(i, later_, i, /*hold=*/true);
  }
  // Others come and go beside them.
  for (size_t i = 0; i < 1500; ++i) {
    Replace(100 + i % 100, later_, 100 + i);
    if (i % 50 == 49) Sweep(seq_, ticket_);
  }
  EXPECT_LE(index_->slot_limit(), kRows + 100u + 120u);
  for (const Living& row : held) {
    EXPECT_EQ(index_->RowAt(row.slot), row.id);
    EXPECT_EQ(index_->IdAt(row.slot), PointId(row.id)) << "as MakeMatrix names them";
    EXPECT_EQ(std::memcmp(index_->VectorAt(row.slot), row.x, 99 * sizeof(float)), 0);
  }
  Check(living_, seq_);
  index_->ReleaseHeld(seq_);
  Sweep(seq_, ticket_);
  Replace(0, later_, 2000);
  Sweep(seq_, ticket_);
  EXPECT_GE(index_->free_slots() + kRows + 1, index_->slot_limit()) << "all but what lives";
  Check(living_, seq_);
}

TEST_P(ReclaimTest, DeletedToTheLastAndFilledAgain) {
  const size_t bytes = index_->Memory().sequences;
  while (!living_.empty()) Erase(living_.size() - 1);
  Sweep(seq_, ticket_);
  ++seq_;
  Sweep(seq_, ticket_);
  Sweep(seq_, ticket_);
  Check(living_, seq_);
  EXPECT_EQ(index_->free_slots(), kRows);
  EXPECT_LE(index_->Memory().sequences, bytes / 2) << "places of the lists are given back";
  for (size_t i = 0; i < kRows; ++i) {
    const auto slot = index_->Append(index_->Assign(later_.stored(i)), PointId(uint64_t{i}),
                                     next_row_++, ++seq_, later_.stored(i));
    ASSERT_TRUE(slot.ok());
    living_.push_back({i, later_.row(i), *slot});
  }
  EXPECT_EQ(index_->slot_limit(), kRows);
  Check(living_, seq_);
}

// Readers pin what is published, search it and compare with what was there then, while the writer
// goes on. ThreadSanitizer looks on.
TEST_P(ReclaimTest, ReadersBesideIt) {
  struct State {
    uint64_t seq = 0;
    uint64_t ticket = 0;
    std::vector<Living> living;
  };
  constexpr int kReaders = 2;
  beside_ = true;
  std::mutex mutex;
  auto published = std::make_shared<const State>(State{seq_, ticket_, living_});
  std::vector<std::shared_ptr<const State>> pinned(kReaders);
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  std::atomic<int> checks{0};
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
  for (size_t i = 0; (i < later_.rows() || checks.load() < 20) && !HasFailure(); ++i) {
    Replace(random() % living_.size(), later_, i % later_.rows());
    uint64_t horizon = 0, oldest = 0;
    {
      std::lock_guard lock(mutex);
      // The engine takes a ticket of its own for what is retired from here on.
      published = std::make_shared<const State>(State{seq_, ++ticket_, living_});
      horizon = seq_;
      oldest = ticket_;
      for (const auto& state : pinned) {
        if (state == nullptr) continue;
        horizon = std::min(horizon, state->seq);
        oldest = std::min(oldest, state->ticket);
      }
    }
    if (i % 20 == 0) Sweep(horizon, oldest);
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  beside_ = false;
  Sweep(seq_, ticket_);
  Replace(0, later_, 0);
  Sweep(seq_, ticket_);
  Check(living_, seq_);
  EXPECT_GE(index_->free_slots() + kRows + 1, index_->slot_limit()) << "all but what lives";
}

std::string CaseName(const testing::TestParamInfo<ReclaimTest::ParamType>& info) {
  constexpr const char* kKinds[] = {"lists", "graph", "both"};
  constexpr const char* kCodecs[] = {"", "int8", "f16", "f32"};
  return std::string(kKinds[static_cast<int>(std::get<0>(info.param))]) + "_" +
         kCodecs[static_cast<int>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(All, ReclaimTest,
                         testing::Combine(testing::Values(Kind::kLists, Kind::kGraph, Kind::kBoth),
                                          testing::Values(ShellCodec::kInt8, ShellCodec::kF16)),
                         CaseName);

}  // namespace
}  // namespace nestor
