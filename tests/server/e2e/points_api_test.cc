// Collections and points through generated stubs: the happy paths.
#include <string>
#include <vector>

#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

using testing::ElementsAre;

TEST_F(ApiTest, CollectionsAreCreatedListedUpdatedAndDeleted) {
  v1::CreateCollectionRequest create = MakeCollection("b", 8);
  const v1::Collection made = Create(create);
  EXPECT_EQ(made.spec().dtype(), v1::DTYPE_F32) << "defaults are filled in";
  EXPECT_EQ(made.spec().id_kind(), v1::ID_KIND_NUM);
  EXPECT_EQ(made.state(), v1::Collection::STATE_READY);
  EXPECT_GT(made.uid(), 0u);
  EXPECT_EQ(made.rows(), 0u);

  v1::GetCollectionRequest get;
  get.set_name("b");
  v1::Collection got;
  ASSERT_THAT(
      CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection, get, &got),
      IsOk());
  EXPECT_EQ(got.SerializeAsString().size(), made.SerializeAsString().size());

  v1::ListCollectionsRequest list;
  list.set_page_size(1);
  std::vector<std::string> names;
  do {
    v1::ListCollectionsResponse page;
    ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::ListCollections,
                         list, &page),
                IsOk());
    ASSERT_EQ(page.collections_size(), 1);
    names.push_back(page.collections(0).spec().name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(names, ElementsAre("b", "c"));

  v1::UpdateCollectionRequest update;
  update.mutable_spec()->set_name("b");
  update.mutable_spec()->set_durability(v1::DURABILITY_ASYNC);
  (*update.mutable_spec()->mutable_attributes())["new"] = v1::ATTRIBUTE_TYPE_BOOL;
  v1::Collection updated;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::UpdateCollection,
                       update, &updated),
              IsOk());
  EXPECT_EQ(updated.spec().durability(), v1::DURABILITY_ASYNC);
  EXPECT_EQ(updated.spec().attributes().at("new"), v1::ATTRIBUTE_TYPE_BOOL);
  EXPECT_EQ(updated.spec().attributes_size(), 3);

  v1::DeleteCollectionRequest drop;
  drop.set_name("b");
  v1::DeleteCollectionResponse dropped;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::DeleteCollection,
                       drop, &dropped),
              IsOk());
  EXPECT_EQ(
      CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection, get, &got)
          .error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, PointsAreWrittenReadReplacedAndDeleted) {
  const v1::UpsertPointsResponse wrote = Upsert(0, 5);
  EXPECT_EQ(wrote.upserted(), 5u);
  EXPECT_GT(wrote.seq(), 0u);
  const v1::UpsertPointsResponse again = Upsert(2, 1, /*version=*/1);
  EXPECT_GT(again.seq(), wrote.seq());

  v1::GetPointsRequest get;
  get.set_collection("c");
  for (const uint64_t id : {2, 77, 0}) get.add_ids()->set_num(id);
  get.mutable_output()->add_attributes("*");
  get.mutable_output()->set_vectors(true);
  v1::GetPointsResponse got;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got),
              IsOk());
  ASSERT_EQ(got.points_size(), 2);
  EXPECT_EQ(got.points(0).id().num(), 2u);
  EXPECT_EQ(got.points(0).seq(), again.seq());
  EXPECT_EQ(got.points(0).attributes().at("n").int64_value(), 1);
  EXPECT_EQ(got.points(0).attributes().at("s").string_value(), "point 2");
  EXPECT_EQ(got.points(0).vector().packed().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(got.points(0).vector().packed().data(), Bytes(VectorOf(2, kDim, 1)));
  EXPECT_EQ(got.points(1).id().num(), 0u);
  EXPECT_EQ(got.points(1).seq(), wrote.seq());
  ASSERT_EQ(got.missing_size(), 1);
  EXPECT_EQ(got.missing(0).num(), 77u);

  get.clear_output();
  got.Clear();
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got),
              IsOk());
  EXPECT_FALSE(got.points(0).has_vector());
  EXPECT_EQ(got.points(0).attributes_size(), 0);

  v1::DeletePointsRequest drop;
  drop.set_collection("c");
  for (const uint64_t id : {1, 77}) drop.add_ids()->set_num(id);
  v1::DeletePointsResponse dropped;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::DeletePoints, drop, &dropped),
              IsOk());
  EXPECT_EQ(dropped.deleted(), 1u);
  EXPECT_GT(dropped.seq(), again.seq());
  const uint64_t seq = dropped.seq();
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::DeletePoints, drop, &dropped),
              IsOk());
  EXPECT_EQ(dropped.deleted(), 0u);
  EXPECT_GE(dropped.seq(), seq);

  v1::CountPointsRequest count;
  count.set_collection("c");
  v1::CountPointsResponse counted;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::CountPoints, count, &counted),
              IsOk());
  EXPECT_EQ(counted.count(), 4u);
}

TEST_F(ApiTest, ListingPagesThroughAllPointsInOrder) {
  Upsert(0, 25);
  v1::ListPointsRequest list;
  list.set_collection("c");
  list.set_page_size(10);
  list.mutable_output()->add_attributes("s");
  std::vector<uint64_t> ids;
  std::vector<int> pages;
  do {
    v1::ListPointsResponse page;
    ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
                IsOk());
    pages.push_back(page.points_size());
    for (const v1::Point& point : page.points()) {
      ids.push_back(point.id().num());
      EXPECT_EQ(point.attributes_size(), 1);
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(pages, ElementsAre(10, 10, 5));
  std::vector<uint64_t> wanted(25);
  for (uint64_t i = 0; i < 25; ++i) wanted[i] = i;
  EXPECT_EQ(ids, wanted);
}

TEST_F(ApiTest, PagesEndEarlyAndLongRepliesAreRefused) {
  constexpr uint64_t kPoints = 600;
  for (uint64_t first = 0; first < kPoints; first += 200) {
    v1::UpsertPointsRequest upsert = MakeUpsert("c", first, 200, kDim);
    for (v1::Point& point : *upsert.mutable_points()) {
      (*point.mutable_attributes())["s"].set_string_value(std::string(65536, 'x'));
    }
    v1::UpsertPointsResponse wrote;
    ASSERT_THAT(
        CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &wrote),
        IsOk());
  }
  v1::ListPointsRequest list;
  list.set_collection("c");
  list.set_page_size(1000);
  list.mutable_output()->add_attributes("*");
  uint64_t listed = 0;
  int pages = 0;
  do {
    v1::ListPointsResponse page;
    ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
                IsOk());
    for (const v1::Point& point : page.points()) EXPECT_EQ(point.id().num(), listed++);
    ++pages;
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(listed, kPoints);
  EXPECT_GT(pages, 1);

  v1::GetPointsRequest get;
  get.set_collection("c");
  get.mutable_output()->add_attributes("s");
  for (uint64_t i = 0; i < 2 * kPoints; ++i) get.add_ids()->set_num(i % kPoints);
  v1::GetPointsResponse got;
  const grpc::Status status =
      CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("of 1200 points take"));
  EXPECT_THAT(status.error_message(), testing::HasSubstr("67108864"));

  v1::SearchRequest search = MakeSearch("c", VectorOf(1, kDim), 600);
  search.mutable_exact();
  search.mutable_output()->add_attributes("s");
  EXPECT_EQ(Search(search).hits_size(), 600) << "39 MB are no problem";
}

TEST_F(ApiTest, StringIdsWorkThroughout) {
  v1::CreateCollectionRequest create = MakeCollection("names", 4);
  create.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
  Create(create);
  v1::StreamUpsertRequest rows = MakeStreamBatch("names", 1, 0, 3, 4);
  rows.mutable_ids()->clear_nums();
  for (const char* id : {"b", "a", "c"}) rows.mutable_ids()->add_strs(id);
  grpc::ClientContext context;
  const auto stream = stubs().points->StreamUpsert(&context);
  ASSERT_TRUE(stream->Write(rows));
  v1::StreamUpsertResponse ack;
  ASSERT_TRUE(stream->Read(&ack));
  EXPECT_EQ(ack.ack().count(), 3u) << ack.DebugString();
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&ack));
  EXPECT_THAT(stream->Finish(), IsOk());

  v1::ListPointsRequest list;
  list.set_collection("names");
  v1::ListPointsResponse page;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
              IsOk());
  std::vector<std::string> ids;
  for (const v1::Point& point : page.points()) ids.push_back(point.id().str());
  EXPECT_THAT(ids, ElementsAre("a", "b", "c"));

  v1::BatchSearchRequest batch;
  batch.set_collection("names");
  batch.set_limit(1);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Bytes(VectorOf(0, 4)));
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  EXPECT_THAT(reply.ids().strs(), ElementsAre("b"));
}

}  // namespace
}  // namespace nestor
