#include "server/rpc/convert_search.h"

#include <gtest/gtest.h>

#include <cstring>

#include "server/rpc/convert_query.h"
#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const VectorSchema kSchema = {
    .dim = 8, .nesting = {2, 4, 8}, .metric = Metric::kDot, .dtype = Dtype::kF16};
const IndexSpec kBuilt;

TEST(ConvertSearchTest, PlansSurviveTheRoundTrip) {
  for (const char* text : {"coarse=2:3,scan=4:100", "coarse=8:65536,scan=2:50,rescore",
                           "coarse=2:3,scan=opq4x2b4:100,refine=2:50",
                           "coarse=2:1,scan=2:90,refine=4:50,refine=8:20,rescore", "graph=8:200",
                           "graph=8:200:0.18,refine=8:20,rescore"}) {
    const auto plan = ParsePlan(text);
    ASSERT_THAT(plan, IsOk());
    v1::Plan message;
    FromPlan(*plan, &message);
    const auto back = ToPlan(message);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, *plan);
  }
}

TEST(ConvertSearchTest, IncompletePlansAreRefused) {
  v1::Plan plan;
  EXPECT_THAT(ToPlan(plan),
              StatusIs(absl::StatusCode::kInvalidArgument, "first: lists or graph must be set"));
  plan.mutable_lists();
  EXPECT_THAT(ToPlan(plan),
              StatusIs(absl::StatusCode::kInvalidArgument, "lists.coarse: must be set"));
  plan.mutable_lists()->mutable_coarse();
  EXPECT_THAT(ToPlan(plan), StatusIs(absl::StatusCode::kInvalidArgument,
                                     "lists.scan.what: dim or code must be set"));
  plan.mutable_lists()->mutable_scan()->set_code("pq4x2b4");
  EXPECT_THAT(ToPlan(plan),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::AllOf(HasSubstr("lists.scan.code: "), HasSubstr("'pq4x2b4'"))));
  plan.mutable_lists()->mutable_scan()->set_dim(2);
  for (int i = 0; i < 17; ++i) plan.add_refine();
  EXPECT_THAT(ToPlan(plan), StatusIs(absl::StatusCode::kInvalidArgument,
                                     "refine: has 17 stages, the limit is 16"));
}

TEST(ConvertSearchTest, HowIsCheckedAgainstTheSchema) {
  v1::SearchRequest request;
  request.set_limit(10);
  auto how = ToSearchHow(request, kSchema, kBuilt);
  ASSERT_THAT(how, IsOk());
  EXPECT_TRUE(std::holds_alternative<UseDefaultPlan>(*how));

  request.mutable_exact();
  how = ToSearchHow(request, kSchema, kBuilt);
  ASSERT_THAT(how, IsOk());
  EXPECT_EQ(std::get<ExactSearch>(*how).dim, 8u);
  request.mutable_exact()->set_dim(3);
  EXPECT_THAT(ToSearchHow(request, kSchema, kBuilt),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exact.dim: 3 is not")));

  FromPlan(*ParsePlan("coarse=2:3,scan=4:5"), request.mutable_plan());
  EXPECT_THAT(ToSearchHow(request, kSchema, kBuilt),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::StartsWith("plan: ")));
}

TEST(ConvertSearchTest, ListsAreOfAListsPlan) {
  v1::SearchRequest request;
  request.set_limit(10);
  request.add_lists(3);
  const IndexSpec built{.lists = 4, .graph = GraphSpec{.dim = 8}, .list_attribute = "cell"};
  EXPECT_THAT(ToSearchHow(request, kSchema, built), IsOk());
  EXPECT_THAT(CheckLists(request, built), IsOk());
  EXPECT_THAT(CheckLists(request, kBuilt),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("lists are the server's")));
  EXPECT_THAT(CheckLists(v1::SearchRequest(), kBuilt), IsOk());
  request.add_lists(4);
  EXPECT_THAT(CheckLists(request, built),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "lists: list 4 at position 1 of those named is not in 0..3"));
  FromPlan(*ParsePlan("coarse=2:3,scan=4:20"), request.mutable_plan());
  EXPECT_THAT(ToSearchHow(request, kSchema, built), IsOk());
  FromPlan(*ParsePlan("graph=8:20"), request.mutable_plan());
  EXPECT_THAT(ToSearchHow(request, kSchema, built),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "lists: go with a plan for lists; this one is for the graph"));
  request.mutable_exact();
  EXPECT_THAT(ToSearchHow(request, kSchema, built),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "lists: go with a plan for lists; the search is exact"));
}

TEST(ConvertSearchTest, ListsOfABatchAreCounted) {
  const IndexSpec built{.lists = 4, .list_attribute = "cell"};
  v1::BatchSearchRequest request;
  EXPECT_THAT(*ToListEnds(request, kBuilt, 2), ElementsAre());
  const auto refused = [&](const char* message) {
    EXPECT_THAT(ToListEnds(request, built, 2),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  request.add_lists(1);
  refused("list_counts: has 0 entries, the batch has 2 queries; one each");
  request.add_list_counts(1);
  refused("list_counts: has 1 entries, the batch has 2 queries");
  request.add_list_counts(2);
  refused("lists: has 1 entries, the sum of list_counts is 3");
  // As many as there are, modulo 2^32.
  request.set_list_counts(0, 0xffffffff);
  refused("lists: has 1 entries, the sum of list_counts is 4294967297");
  request.set_list_counts(0, 1);
  request.add_lists(3);
  request.add_lists(3);
  EXPECT_THAT(*ToListEnds(request, built, 2), ElementsAre(1, 3));
  EXPECT_THAT(ToListEnds(request, kBuilt, 2),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("lists are the server's")));
  request.set_lists(2, 4);
  refused("lists (of query 1): list 4 at position 1 of those named is not in 0..3");
  request.set_list_counts(0, 3);
  request.set_list_counts(1, 0);
  refused("lists (of query 0): list 4");
  request.set_lists(2, 0);
  refused("lists (of query 1): 0 lists are named, limit 1..65536");
}

TEST(ConvertSearchTest, PlansMustBeBuilt) {
  const auto how = [](const char* text, const IndexSpec& built) {
    v1::SearchRequest request;
    request.set_limit(10);
    FromPlan(*ParsePlan(text), request.mutable_plan());
    return ToSearchHow(request, kSchema, built).status();
  };
  const IndexSpec both{.graph = GraphSpec{.dim = 8}};
  const IndexSpec graph{.graph = GraphSpec{.dim = 8}, .no_lists = true};
  EXPECT_THAT(how("graph=8:20", both), IsOk());
  EXPECT_THAT(how("coarse=2:3,scan=4:20", both), IsOk());
  EXPECT_THAT(how("graph=8:20", graph), IsOk());
  EXPECT_THAT(how("coarse=2:3,scan=4:20", graph),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "plan coarse=2:3,scan=4:20 needs lists; the index has a graph only"));
  // Whether a code is there is known when it is searched.
  EXPECT_THAT(how("coarse=2:3,scan=opq8x2b4:20", both), IsOk());
  EXPECT_THAT(how("coarse=2:3,scan=opq8x3b4:20", both),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must divide its dim 8")));
  EXPECT_THAT(how("graph=8:20:0.1", IndexSpec()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "plan graph=8:20:0.1 needs a graph; the index has none"));
  EXPECT_THAT(how("graph=4:20", both),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "plan.graph.dim: 4 is not the dim of the graph, 8"));
}

TEST(ConvertSearchTest, QueriesAreFloatsOrDecoded) {
  v1::Vector message;
  for (int i = 0; i < 8; ++i) message.mutable_floats()->add_values(static_cast<float>(i));
  std::vector<float> buffer;
  auto query = ToQuery(message, kSchema, &buffer);
  ASSERT_THAT(query, IsOk());
  EXPECT_EQ(query->data(), message.floats().values().data());

  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  std::string halves(16, '\0');
  ASSERT_THAT(
      EncodeVector(Dtype::kF16, values.data(), 8, reinterpret_cast<std::byte*>(halves.data())),
      IsOk());
  FromStoredVector(kSchema, std::move(halves), &message);
  query = ToQuery(message, kSchema, &buffer);
  ASSERT_THAT(query, IsOk());
  EXPECT_THAT(std::vector<float>(query->begin(), query->end()), testing::ElementsAreArray(values));
}

TEST(ConvertSearchTest, PackedShapesKnowTheirNumber) {
  const auto shape = ToPackedShape(v1::DTYPE_F32, 64, kSchema);
  ASSERT_THAT(shape, IsOk());
  EXPECT_EQ(shape->count, 2u);
  EXPECT_EQ(shape->item_bytes(), 32u);
  EXPECT_THAT(ToPackedShape(v1::DTYPE_F32, 63, kSchema),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("63 bytes, not a multiple of the 32")));
  EXPECT_THAT(
      ToPackedShape(v1::DTYPE_F32, 0, kSchema),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds 0 vectors, not in 1..10000")));
}

TEST(ConvertSearchTest, RepliesThatCouldGetTooLongAreRefusedWithBothNumbers) {
  EXPECT_THAT(CheckReplyBytes(1 << 20, 64), IsOk());
  EXPECT_THAT(CheckReplyBytes(1 << 20, 65),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::AllOf(HasSubstr("68157440 bytes"), HasSubstr("67108864"))));
}

TEST(ConvertSearchTest, RepliesKeepOrderScoresAndCosts) {
  SearchReply reply;
  reply.hits.resize(2);
  reply.hits[0].id = uint64_t{4};
  reply.hits[0].score = 0.5f;
  reply.hits[0].seq = 11;
  reply.hits[1].id = uint64_t{2};
  reply.hits[1].score = 0.25f;
  reply.score_dim = 8;
  reply.seq = 12;
  reply.unbuilt = 3;
  reply.how = *ParsePlan("coarse=2:3,scan=4:100");
  reply.stages.push_back({.name = "scan",
                          .dim = 4,
                          .in = 9,
                          .out = 2,
                          .bytes = 72,
                          .multiply_adds = 36,
                          .store_reads = 5,
                          .micros = 1.5});
  v1::SearchResponse message;
  ASSERT_THAT(FromSearchReply(&reply, kSchema, {}, AttributeChoice(), &message), IsOk());
  ASSERT_EQ(message.hits_size(), 2);
  EXPECT_EQ(message.hits(0).id().num(), 4u);
  EXPECT_EQ(message.hits(0).score(), 0.5f);
  EXPECT_EQ(message.hits(0).seq(), 11u);
  EXPECT_EQ(message.hits(1).id().num(), 2u);
  EXPECT_EQ(message.score_dim(), 8u);
  EXPECT_EQ(message.seq(), 12u);
  EXPECT_EQ(message.unbuilt(), 3u);
  EXPECT_EQ(message.plan_used().lists().coarse().probes(), 3u);
  ASSERT_EQ(message.stages_size(), 1);
  EXPECT_EQ(message.stages(0).name(), "scan");
  EXPECT_EQ(message.stages(0).bytes(), 72u);
  EXPECT_EQ(message.stages(0).micros(), 1.5);
  EXPECT_EQ(message.stages(0).store_reads(), 5u);
}

}  // namespace
}  // namespace nestor
