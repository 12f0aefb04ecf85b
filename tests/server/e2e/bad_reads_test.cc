// Reads, searches, builds and messages that are refused.
#include <grpcpp/generic/generic_stub.h>

#include <cmath>

#include "tests/server/e2e/bad_input.h"

namespace nestor {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

TEST_F(BadInputTest, ReadsAndDeletes) {
  using G = v1::GetPointsRequest;
  G get;
  get.set_collection("l2");
  get.add_ids()->set_num(1);
  v1::GetPointsResponse got;
  ExpectRefused(
      &v1::PointService::Stub::GetPoints, get, &got,
      std::vector<Case<G>>{
          {[](G* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](G* r) { r->clear_ids(); }, StatusCode::INVALID_ARGUMENT, "ids", "1..10000"},
          {[](G* r) { r->add_ids(); }, StatusCode::INVALID_ARGUMENT, "ids[1]", "must be set"},
          {[](G* r) { r->mutable_ids(0)->set_str("x"); }, StatusCode::INVALID_ARGUMENT, "ids",
           "\"x\""},
          {[](G* r) { r->mutable_output()->add_attributes("nope"); }, StatusCode::INVALID_ARGUMENT,
           "output.attributes[0]", "\"nope\""},
      });
  using D = v1::DeletePointsRequest;
  D drop;
  drop.set_collection("l2");
  drop.add_ids()->set_num(1);
  v1::DeletePointsResponse dropped;
  ExpectRefused(&v1::PointService::Stub::DeletePoints, drop, &dropped,
                std::vector<Case<D>>{
                    {[](D* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
                    {[](D* r) { r->clear_ids(); }, StatusCode::INVALID_ARGUMENT, "ids", "1..10000"},
                    {[](D* r) { r->add_ids()->set_num(1); }, StatusCode::INVALID_ARGUMENT, "ids[1]",
                     "1 is in the batch twice"},
                });
  using L = v1::ListPointsRequest;
  L list;
  list.set_collection("l2");
  v1::ListPointsResponse page;
  ExpectRefused(
      &v1::PointService::Stub::ListPoints, list, &page,
      std::vector<Case<L>>{
          {[](L* r) { r->set_page_size(10001); }, StatusCode::INVALID_ARGUMENT, "page_size",
           "10001 is not in 0..10000"},
          {[](L* r) { r->set_page_token("?"); }, StatusCode::INVALID_ARGUMENT, "page_token", "?"},
          {[](L* r) { r->set_page_token("s:text"); }, StatusCode::INVALID_ARGUMENT, "page_token",
           "text"},
      });
}

TEST_F(BadInputTest, Search) {
  using R = v1::SearchRequest;
  v1::SearchResponse reply;
  const auto set_plan = [](R* r, const std::function<void(v1::Plan*)>& spoil) {
    v1::Plan* plan = r->mutable_plan();
    plan->mutable_lists()->mutable_coarse()->set_dim(4);
    plan->mutable_lists()->mutable_coarse()->set_probes(1);
    plan->mutable_lists()->mutable_scan()->set_dim(8);
    plan->mutable_lists()->mutable_scan()->set_keep(50);
    spoil(plan);
  };
  ExpectRefused(
      &v1::SearchService::Stub::Search, MakeSearch("l2", VectorOf(1, kDim), 10), &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](R* r) { r->set_limit(0); }, StatusCode::INVALID_ARGUMENT, "limit",
           "0 is not in 1..10000"},
          {[](R* r) { r->set_limit(10001); }, StatusCode::INVALID_ARGUMENT, "limit",
           "10001 is not in 1..10000"},
          {[](R* r) { r->clear_query(); }, StatusCode::INVALID_ARGUMENT, "query", "must be set"},
          {[](R* r) { r->mutable_vector()->mutable_floats()->mutable_values()->Truncate(4); },
           StatusCode::INVALID_ARGUMENT, "vector", "4 values, the collection's dim is 8"},
          {[](R* r) { r->mutable_vector()->mutable_floats()->set_values(2, std::nanf("")); },
           StatusCode::INVALID_ARGUMENT, "vector", "nan"},
          {[](R* r) { r->mutable_id()->set_num(999); }, StatusCode::NOT_FOUND, "", "999"},
          {[](R* r) { r->mutable_id()->set_str("x"); }, StatusCode::INVALID_ARGUMENT, "id",
           "\"x\""},
          {[](R* r) { r->mutable_exact()->set_dim(3); }, StatusCode::INVALID_ARGUMENT, "exact.dim",
           "3"},
          {[](R* r) { r->mutable_plan(); }, StatusCode::INVALID_ARGUMENT, "plan.first",
           "must be set"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_dim(5); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "5"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_probes(0); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "65536"},
          {[&](R* r) {
             set_plan(r,
                      [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_probes(65537); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "65537"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) {
               p->add_refine()->set_dim(4);
               p->mutable_refine(0)->set_keep(20);
             });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "4"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_scan()->set_keep(9); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "9"},
          {[](R* r) { r->mutable_output()->add_attributes("nope"); }, StatusCode::INVALID_ARGUMENT,
           "output.attributes[0]", "nope"},
          {[](R* r) {
             r->GetReflection()->MutableUnknownFields(r)->AddLengthDelimited(5, "filter");
           },
           StatusCode::INVALID_ARGUMENT, "nestor.v1.SearchRequest", "field number 5"},
      });
}

TEST_F(BadInputTest, BatchSearch) {
  using R = v1::BatchSearchRequest;
  v1::BatchSearchResponse reply;
  R good;
  good.set_collection("l2");
  good.set_limit(2);
  good.mutable_queries()->set_dtype(v1::DTYPE_F32);
  good.mutable_queries()->set_data(Bytes(VectorOf(1, kDim)));
  const auto queries = [](R* r, uint64_t n) {
    const std::string one = r->queries().data();
    while (r->queries().data().size() < n * one.size())
      r->mutable_queries()->mutable_data()->append(one);
  };
  ExpectRefused(
      &v1::SearchService::Stub::BatchSearch, good, &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](R* r) { r->set_limit(0); }, StatusCode::INVALID_ARGUMENT, "limit",
           "0 is not in 1..10000"},
          {[](R* r) { r->clear_queries(); }, StatusCode::INVALID_ARGUMENT, "queries.dtype",
           "must be set"},
          {[](R* r) { r->mutable_queries()->mutable_data()->pop_back(); },
           StatusCode::INVALID_ARGUMENT, "queries.data", "31 bytes, not a multiple of the 32"},
          {[&](R* r) { queries(r, 10001); }, StatusCode::INVALID_ARGUMENT, "queries.data",
           "10001 vectors, not in 1..10000"},
          {[&](R* r) {
             queries(r, 1001);
             r->set_limit(1000);
           },
           StatusCode::INVALID_ARGUMENT, "limit", "1001000 hits, the limit is 1000000"},
          {[](R* r) {
             const float nan = std::nanf("");
             r->mutable_queries()->mutable_data()->append(Bytes(VectorOf(2, kDim)));
             r->mutable_queries()->mutable_data()->replace(36, 4,
                                                           reinterpret_cast<const char*>(&nan), 4);
           },
           StatusCode::INVALID_ARGUMENT, "queries (number 1)", "nan"},
          {[](R* r) { r->mutable_exact()->set_dim(5); }, StatusCode::INVALID_ARGUMENT, "exact.dim",
           "5"},
      });
}

TEST_F(BadInputTest, RepliesThatCouldExceedTheMessageLimitAreRefusedWithBothNumbers) {
  v1::Collection made;
  ASSERT_TRUE(
      Run(&v1::CollectionService::Stub::CreateCollection, MakeCollection("wide", 4096), &made)
          .ok());
  v1::SearchRequest request = MakeSearch("wide", VectorOf(1, 4096), 10000);
  request.mutable_output()->set_vectors(true);
  v1::SearchResponse reply;
  const grpc::Status status = Run(&v1::SearchService::Stub::Search, request, &reply);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("10000 points of 16"));
  EXPECT_THAT(status.error_message(), HasSubstr("67108864"));
  EXPECT_EQ(FieldOf(status), "limit");
  EXPECT_EQ(ReasonOf(status), "REPLY_TOO_LARGE");

  // With string ids a batch's columns could get too long as well.
  v1::BatchSearchRequest batch;
  batch.set_collection("str");
  batch.set_limit(1000);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  for (int i = 0; i < 500; ++i)
    batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kDim)));
  v1::BatchSearchResponse batch_reply;
  const grpc::Status refused = Run(&v1::SearchService::Stub::BatchSearch, batch, &batch_reply);
  EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("500000 points"));
  EXPECT_EQ(ReasonOf(refused), "REPLY_TOO_LARGE");
}

TEST_F(BadInputTest, MessagesOverTheLimitAreRefusedWithBothNumbers) {
  v1::UpsertPointsRequest request = MakeUpsert("l2", 100, 1, kDim);
  (*request.mutable_points(0)->mutable_attributes())["s"].set_string_value(
      std::string((64 << 20) + 1, 'x'));
  const std::string before = State();
  v1::UpsertPointsResponse reply;
  const grpc::Status status = Run(&v1::PointService::Stub::UpsertPoints, request, &reply);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("67108864"));
  EXPECT_EQ(State(), before);
}

TEST_F(BadInputTest, BytesThatAreNoMessage) {
  // A search whose collection is no UTF-8, one cut off, and noise.
  const std::string kRequests[] = {std::string("\x0a\x02\xff\xfe"), std::string("\x0a\x10zz"),
                                   std::string(1000, '\xff')};
  grpc::GenericStub stub(server_->stubs().channel);
  for (const std::string& request : kRequests) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    const grpc::Slice slice(request);
    const auto call = stub.PrepareUnaryCall(&context, "/nestor.v1.SearchService/Search",
                                            grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(std::to_string(request.size()) +
                                                  " bytes are no nestor.v1.SearchRequest"));
    EXPECT_EQ(ReasonOf(status), "MALFORMED_MESSAGE");
    queue.Shutdown();
  }
}

TEST_F(BadInputTest, IndexAndAdminCalls) {
  v1::Operation operation;
  using B = v1::BuildIndexRequest;
  B build;
  build.set_collection("l2");
  ExpectRefused(
      &v1::IndexService::Stub::BuildIndex, build, &operation,
      std::vector<Case<B>>{
          {[](B* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](B* r) { r->mutable_spec()->set_coarse_dim(3); }, StatusCode::INVALID_ARGUMENT, "spec",
           "3"},
          {[](B* r) { r->mutable_spec()->set_lists(65537); }, StatusCode::INVALID_ARGUMENT, "spec",
           "65537"},
          {[](B* r) { r->mutable_spec()->set_shell_codec(static_cast<v1::ShellCodec>(9)); },
           StatusCode::INVALID_ARGUMENT, "spec.shell_codec", "9"},
      });
  using G = v1::GetOperationRequest;
  ExpectRefused(&v1::AdminService::Stub::GetOperation, G(), &operation,
                std::vector<Case<G>>{
                    {[](G* r) {}, StatusCode::INVALID_ARGUMENT, "id", "0 is no operation"},
                    {[](G* r) { r->set_id(4711); }, StatusCode::NOT_FOUND, "", "4711"},
                });
  using C = v1::CancelOperationRequest;
  ExpectRefused(&v1::AdminService::Stub::CancelOperation, C(), &operation,
                std::vector<Case<C>>{
                    {[](C* r) {}, StatusCode::INVALID_ARGUMENT, "id", "0 is no operation"},
                    {[](C* r) { r->set_id(4711); }, StatusCode::NOT_FOUND, "", "4711"},
                });
  using L = v1::ListOperationsRequest;
  v1::ListOperationsResponse listed;
  ExpectRefused(
      &v1::AdminService::Stub::ListOperations, L(), &listed,
      std::vector<Case<L>>{
          {[](L* r) { r->set_collection("a/b"); }, StatusCode::INVALID_ARGUMENT, "collection",
           "a/b"},
          {[](L* r) { r->set_page_token("7"); }, StatusCode::INVALID_ARGUMENT, "page_token", "7"},
          {[](L* r) { r->set_page_size(10001); }, StatusCode::INVALID_ARGUMENT, "page_size",
           "10001"},
      });
}

}  // namespace
}  // namespace nestor
