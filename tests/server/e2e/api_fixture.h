// A served collection "c" and the calls that most tests of the API make.
#ifndef NESTOR_TESTS_SERVER_E2E_API_FIXTURE_H_
#define NESTOR_TESTS_SERVER_E2E_API_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/server/e2e/test_server.h"

namespace nestor {

inline constexpr uint32_t kDim = 16;

MATCHER(IsOk, "is OK") {
  *result_listener << arg.error_code() << " " << arg.error_message();
  return arg.ok();
}

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Load();
    Create(MakeCollection("c", kDim));
  }

  v1::Collection Create(const v1::CreateCollectionRequest& request) {
    v1::Collection reply;
    EXPECT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         request, &reply),
                IsOk());
    return reply;
  }
  v1::UpsertPointsResponse Upsert(uint64_t first, uint64_t count, uint64_t version = 0) {
    v1::UpsertPointsResponse reply;
    EXPECT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", first, count, kDim, version), &reply),
                IsOk());
    return reply;
  }
  v1::SearchResponse Search(const v1::SearchRequest& request) {
    v1::SearchResponse reply;
    EXPECT_THAT(CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply),
                IsOk());
    return reply;
  }
  v1::Operation Build(const v1::BuildIndexRequest& request) {
    v1::Operation operation;
    EXPECT_THAT(
        CallStub(stubs().indexes.get(), &v1::IndexService::Stub::BuildIndex, request, &operation),
        IsOk());
    return WaitFor(operation.id());
  }
  // Polls until the operation has ended.
  v1::Operation WaitFor(uint64_t id) {
    v1::Operation operation;
    v1::GetOperationRequest get;
    get.set_id(id);
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_THAT(
          CallStub(stubs().admin.get(), &v1::AdminService::Stub::GetOperation, get, &operation),
          IsOk());
    } while (operation.state() == v1::Operation::STATE_PENDING ||
             operation.state() == v1::Operation::STATE_RUNNING);
    return operation;
  }
  Stubs& stubs() { return server_.stubs(); }

  TestServer server_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_API_FIXTURE_H_
