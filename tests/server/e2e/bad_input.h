// Tables of requests that are refused: the code, a message with the value and the limit, the field
// in the details, and nothing changed by it.
#ifndef NESTOR_TESTS_SERVER_E2E_BAD_INPUT_H_
#define NESTOR_TESTS_SERVER_E2E_BAD_INPUT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {

inline constexpr uint32_t kDim = 8;
inline constexpr uint64_t kPoints = 20;

inline std::string FieldOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::BadRequest bad;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&bad)) return bad.field_violations(0).field();
  }
  return "";
}

inline std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

class BadInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>();
    server_->Load();
    v1::Collection made;
    for (const char* name : {"l2", "cosine", "int8", "f16", "str"}) {
      v1::CreateCollectionRequest create = MakeCollection(name, kDim);
      if (name == std::string("cosine")) create.mutable_spec()->set_metric(v1::METRIC_COSINE);
      if (name == std::string("int8")) create.mutable_spec()->set_dtype(v1::DTYPE_INT8);
      if (name == std::string("f16")) create.mutable_spec()->set_dtype(v1::DTYPE_F16);
      if (name == std::string("str")) create.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
      ASSERT_TRUE(Run(&v1::CollectionService::Stub::CreateCollection, create, &made).ok());
    }
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(
        Run(&v1::PointService::Stub::UpsertPoints, MakeUpsert("l2", 0, kPoints, kDim), &wrote)
            .ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::CollectionService::Stub::*method)(grpc::ClientContext*,
                                                                              const Request&,
                                                                              Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().collections.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::PointService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().points.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::SearchService::Stub::*method)(grpc::ClientContext*,
                                                                          const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().searches.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::IndexService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().indexes.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().admin.get(), method, request, reply);
  }

  // Everything that a write could change.
  static std::string State() {
    std::string state;
    for (const CollectionInfo& info : server_->engine().ListCollections()) {
      state += info.spec.name + " " + std::to_string(info.seq) + " " + std::to_string(info.points) +
               " " + std::to_string(info.spec.attributes.size()) + " " +
               std::to_string(static_cast<int>(info.spec.durability)) + " " +
               std::to_string(info.spec.index.lists) + " " + std::to_string(info.generation) + "\n";
    }
    return state + std::to_string(server_->engine().ListOperations().size());
  }

  template <typename Request>
  struct Case {
    std::function<void(Request*)> spoil;
    grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT;
    const char* field;    // empty: none is named
    const char* message;  // part of it
  };

  // Spoils `good` in every way of the table and expects the refusal.
  template <typename Method, typename Request, typename Reply>
  static void ExpectRefused(Method method, const Request& good, Reply* reply,
                            const std::vector<Case<Request>>& cases) {
    const std::string before = State();
    for (const Case<Request>& c : cases) {
      Request request = good;
      c.spoil(&request);
      const grpc::Status status = Run(method, request, reply);
      EXPECT_EQ(status.error_code(), c.code) << c.message << " got: " << status.error_message();
      EXPECT_THAT(status.error_message(), testing::HasSubstr(c.message));
      EXPECT_EQ(FieldOf(status), c.field) << status.error_message();
      EXPECT_NE(ReasonOf(status), "") << status.error_message();
      EXPECT_EQ(State(), before) << c.message;
    }
  }

  static inline std::unique_ptr<TestServer> server_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_BAD_INPUT_H_
