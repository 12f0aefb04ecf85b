// An engine whose collection "docs" has an attribute "cell" by which points may name their lists.
#ifndef NESTOR_TESTS_SERVER_ENGINE_OWN_LISTS_FIXTURE_H_
#define NESTOR_TESTS_SERVER_ENGINE_OWN_LISTS_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {

inline constexpr uint32_t kLists = 12;
inline constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

// Knows what each point said last.
class OwnListsTest : public EngineTest {
 protected:
  static constexpr uint64_t kMost = 10'000;  // of points

  OwnListsTest() {
    CollectionUpdate update;
    update.add_attributes = {{"cell", AttributeType::kInt64}};
    EXPECT_TRUE(engine_->UpdateCollection("docs", update).ok());
  }

  static IndexSpec Spec(uint32_t lists = kLists) {
    IndexSpec spec;
    spec.lists = lists;
    spec.coarse_dim = 16;
    spec.list_attribute = "cell";
    return spec;
  }

  absl::Status Put(uint64_t first, uint64_t count, uint64_t version,
                   const std::function<std::optional<int64_t>(uint64_t)>& cell) {
    std::vector<std::vector<float>> vectors(count);
    std::vector<PointInput> points;
    for (uint64_t k = 0; k < count; ++k) {
      const uint64_t i = first + k;
      vectors[k] = MakeVector(spec_.schema, i * 1000 + version);
      PointInput point{MakeId(IdKind::kNum, i), vectors[k], {}};
      if (const auto list = cell(i)) point.attributes = {{"cell", *list}};
      points.push_back(std::move(point));
    }
    absl::Status status = engine_->Upsert("docs", points).status();
    if (!status.ok()) return status;
    for (uint64_t i = first; i < first + count; ++i) cells_[i] = cell(i);
    return status;
  }
  void Take(uint64_t first, uint64_t count) {
    std::vector<PointId> ids;
    for (uint64_t i = first; i < first + count; ++i) {
      ids.push_back(MakeId(IdKind::kNum, i));
      cells_.erase(i);
    }
    ASSERT_TRUE(engine_->Delete("docs", ids).ok());
  }
  Operation Build(const std::optional<IndexSpec>& spec) {
    return Await(*engine_, *engine_->BuildIndex("docs", spec));
  }

  SearchRequest Query(uint64_t seed, std::span<const uint32_t> lists, uint32_t limit = kMost) {
    vector_ = MakeVector(spec_.schema, seed);
    SearchRequest request;
    request.query = std::span<const float>(vector_);
    request.limit = limit;
    request.how = *ParsePlan("coarse=16:1,scan=32:10000,rescore");
    request.lists = lists;
    return request;
  }
  // Every point is in the list that it names, and those that name none are in one each.
  void Check() {
    std::map<uint64_t, int> nameless;
    for (const auto& [i, cell] : cells_) {
      if (!cell.has_value()) nameless[i] = 0;
    }
    uint64_t all = 0;
    for (uint32_t list = 0; list < kLists; ++list) {
      const uint32_t lists[] = {list};
      const absl::StatusOr<SearchReply> reply = Search(Query(7, lists));
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(std::get<Plan>(reply->how).coarse.probes, 1u);
      all += reply->hits.size();
      for (const SearchHit& hit : reply->hits) {
        const uint64_t i = std::get<uint64_t>(hit.id);
        ASSERT_TRUE(cells_.contains(i)) << i;
        if (const std::optional<int64_t> cell = cells_[i]) {
          ASSERT_EQ(*cell, list) << "point " << i;
        } else {
          ++nameless[i];
        }
      }
    }
    EXPECT_EQ(all, cells_.size());
    for (const auto& [i, times] : nameless) EXPECT_EQ(times, 1) << i;
  }

  // Not all lists have points.
  static std::optional<int64_t> CellOf(uint64_t i) {
    if (i % 8 == 0) return std::nullopt;
    return static_cast<int64_t>(i * 5 % 9);
  }

  std::map<uint64_t, std::optional<int64_t>> cells_;
  std::vector<float> vector_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ENGINE_OWN_LISTS_FIXTURE_H_
