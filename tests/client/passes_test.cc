// Passes and what travels through the pipe to nestor-baselines.
#include <memory>
#include <string>

#include "client/passes/pass.h"
#include "client/passes/wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Pass, HalvesAreDisjointAndComplete) {
  EXPECT_THAT(QueriesOf(Half::kEven, 5), ElementsAre(0, 2, 4));
  EXPECT_THAT(QueriesOf(Half::kOdd, 5), ElementsAre(1, 3));
  EXPECT_THAT(QueriesOf(Half::kAll, 3), ElementsAre(0, 1, 2));
}

TEST(Pass, AnswersEveryQueryOfTheHalfOnAllThreads) {
  const Answer answer = [](int, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
    ids[0] = 100 + q;
    scores[0] = static_cast<float>(q);
    return absl::OkStatus();
  };
  const absl::StatusOr<Pass> pass =
      RunPass({.half = Half::kOdd, .k = 2, .threads = 3, .min_runs = 7}, 6, true, answer);
  ASSERT_TRUE(pass.ok()) << pass.status();
  EXPECT_THAT(pass->ids, ElementsAre(101, kNoId, 103, kNoId, 105, kNoId));
  EXPECT_THAT(pass->scores, ElementsAre(1, 0, 3, 0, 5, 0));
  EXPECT_EQ(pass->queries, 3u);
  EXPECT_EQ(pass->answered, 9u);  // whole rounds of 3 queries, at least 7 runs
  EXPECT_THAT(pass->micros, SizeIs(9));
  EXPECT_GT(pass->qps(), 0);
}

TEST(Pass, AnswersTheHalfInBatches) {
  const AnswerBatch answer = [](int, std::span<const uint32_t> queries, std::span<uint64_t> ids) {
    EXPECT_LE(queries.size(), 2u);
    EXPECT_EQ(ids.size(), 2 * queries.size());
    for (size_t i = 0; i < queries.size(); ++i) ids[2 * i] = 100 + queries[i];
    return absl::OkStatus();
  };
  const absl::StatusOr<Pass> pass =
      RunBatches({.half = Half::kOdd, .k = 2, .threads = 3, .min_runs = 7}, 6, 2, answer);
  ASSERT_TRUE(pass.ok()) << pass.status();
  EXPECT_THAT(pass->ids, ElementsAre(101, kNoId, 103, kNoId, 105, kNoId));
  EXPECT_EQ(pass->queries, 3u);
  EXPECT_EQ(pass->answered, 9u);         // whole rounds of 3 queries, at least 7 of them
  EXPECT_THAT(pass->micros, SizeIs(6));  // two batches a round
  EXPECT_FALSE(RunBatches({}, 6, 0, answer).ok());
}

TEST(Pass, EndsAtTheFirstFailure) {
  const absl::StatusOr<Pass> pass =
      RunPass({.threads = 2}, 1000, false,
              [](int, uint32_t q, std::span<uint64_t>, std::span<float>) -> absl::Status {
                return q == 5 ? absl::InternalError("query 5") : absl::OkStatus();
              });
  EXPECT_EQ(pass.status(), absl::InternalError("query 5"));
  EXPECT_FALSE(RunPass({.half = Half::kOdd}, 1, false, nullptr).ok());
}

NextLine LinesOf(const std::string& text) {
  auto rest = std::make_shared<std::string>(text + "\n");
  return [rest]() -> absl::StatusOr<std::string> {
    const size_t end = rest->find('\n');
    if (end == std::string::npos) return absl::UnavailableError("the end");
    std::string line = rest->substr(0, end);
    rest->erase(0, end + 1);
    return line;
  };
}

TEST(Wire, CarriesRequestsAndReplies) {
  const PassRequest request{.setting = "ef=64",
                            .options = {.half = Half::kOdd, .k = 3, .threads = 2, .min_runs = 9}};
  const absl::StatusOr<PassRequest> read = ParsePassRequest(FormatPassRequest(request));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->setting, "ef=64");
  EXPECT_EQ(read->options.half, Half::kOdd);
  EXPECT_EQ(read->options.k, 3u);
  EXPECT_EQ(read->options.threads, 2);
  EXPECT_EQ(read->options.min_runs, 9u);
  EXPECT_EQ(*ParseBuildRequest(FormatBuildRequest(4)), 4);

  Pass pass{.k = 2,
            .queries = 3,
            .ids = {7, 8, 9, kNoId, kNoId, kNoId},
            .micros = {1.5f, 2, 3},
            .answered = 3,
            .wall_s = 0.25};
  const absl::StatusOr<Pass> back =
      ReadPassReply(LinesOf(FormatReply(absl::StatusOr<Pass>(pass))), 2);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->ids, pass.ids);
  EXPECT_EQ(back->micros, pass.micros);
  EXPECT_EQ(back->queries, 3u);
  EXPECT_EQ(back->qps(), 12);

  const BuildReply build{.seconds = 1.5, .bytes = {{"vectors", 100}, {"links", 7}}};
  const absl::StatusOr<BuildReply> built =
      ReadBuildReply(LinesOf(FormatReply(absl::StatusOr<BuildReply>(build))));
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_EQ(built->seconds, 1.5);
  EXPECT_EQ(built->bytes, build.bytes);
}

TEST(Wire, SaysWhatWasExpected) {
  const auto failed = FormatReply(absl::StatusOr<Pass>(absl::InternalError("no\nluck")));
  EXPECT_EQ(ReadPassReply(LinesOf(failed), 2).status(), absl::InternalError("no luck"));
  EXPECT_THAT(std::string(ReadPassReply(LinesOf("ok x y"), 2).status().message()),
              HasSubstr("ok WALL_SECONDS QUERIES"));
  EXPECT_FALSE(ReadPassReply(LinesOf("ok 1 2\n1 2\n1 2 3\n5"), 2).ok());  // 3 ids at k = 2
  EXPECT_FALSE(ReadPassReply(LinesOf("ok 1 2\n1 2"), 2).ok());            // cut short
  EXPECT_FALSE(ParsePassRequest("pass ef=1 most 10 1 1").ok());
  EXPECT_FALSE(ParsePassRequest("pass ef=1 odd 10 1").ok());
  EXPECT_FALSE(ParseBuildRequest("build 0").ok());
}

}  // namespace
}  // namespace nestor
