#include "tests/hostile/ordinary_clients.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace nestor {

OrdinaryClients::OrdinaryClients(const std::string& address)
    : address_(address), acknowledged_(kWritten) {
  Stubs stubs(address);
  v1::Collection made;
  EXPECT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                       MakeCollection(kCollection, kDim), &made)
                  .ok());
  v1::UpsertPointsResponse wrote;
  EXPECT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                       MakeUpsert(kCollection, 0, kFixed, kDim), &wrote)
                  .ok());
  threads_.emplace_back([this] { Search(); });
  threads_.emplace_back([this] { Write(); });
}

void OrdinaryClients::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<std::string> OrdinaryClients::TakeErrors() {
  std::lock_guard lock(mutex_);
  return std::exchange(errors_, {});
}

void OrdinaryClients::Note(const std::string& error) {
  std::lock_guard lock(mutex_);
  if (errors_.size() < 10) errors_.push_back(error);
}

bool OrdinaryClients::Again(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) return true;
  // gRPC closes idle connections where messages take too much memory; a call may be on its way.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
      absl::StrContains(status.error_message(), "GOAWAY")) {
    return true;
  }
  if (!status.ok()) Note(absl::StrCat(status.error_code(), ": ", status.error_message()));
  return false;
}

// A fixed point's vector finds that point.
void OrdinaryClients::Search() {
  Stubs stubs(address_);
  for (uint64_t i = 0; !stop_; i = (i + 7) % kFixed) {
    const v1::SearchRequest request = MakeSearch(kCollection, VectorOf(i, kDim), 1);
    v1::SearchResponse reply;
    const auto begun = std::chrono::steady_clock::now();
    const grpc::Status status =
        CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply);
    const int64_t waited = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::steady_clock::now() - begun)
                               .count();
    int64_t longest = longest_wait_;
    while (waited > longest && !longest_wait_.compare_exchange_weak(longest, waited)) {
    }
    if (Again(status)) continue;
    if (status.ok() && (reply.hits_size() != 1 || reply.hits(0).id().num() != i)) {
      Note(absl::StrCat("the vector of point ", i, " found ", reply.ShortDebugString()));
    }
    ++searches_;
  }
}

void OrdinaryClients::Write() {
  Stubs stubs(address_);
  for (uint64_t i = 0; !stop_; ++i) {
    const uint64_t point = i % kWritten;
    const uint64_t version = 1 + i / kWritten;
    v1::UpsertPointsResponse reply;
    grpc::Status status;
    do {
      status = CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                        MakeUpsert(kCollection, kFirstWritten + point, 1, kDim, version), &reply);
    } while (Again(status) && !stop_);
    if (!status.ok()) continue;
    acknowledged_[point] = version;
    ++writes_;
    // Few: what they add to the server's memory must not be taken for what hostile ones left.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void OrdinaryClients::ExpectPoints() {
  std::vector<uint64_t> before(kWritten);
  for (uint64_t i = 0; i < kWritten; ++i) before[i] = acknowledged_[i];
  Stubs stubs(address_);
  v1::GetPointsRequest get;
  get.set_collection(kCollection);
  get.mutable_output()->add_attributes("n");
  get.mutable_output()->set_vectors(true);
  for (uint64_t i = 0; i < kWritten; ++i) {
    if (before[i] > 0) get.add_ids()->set_num(kFirstWritten + i);
  }
  for (uint64_t i = 0; i < kFixed; ++i) get.add_ids()->set_num(i);
  v1::GetPointsResponse got;
  const grpc::Status status =
      CallStub(stubs.points.get(), &v1::PointService::Stub::GetPoints, get, &got);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(got.missing_size(), 0) << got.missing(0).ShortDebugString() << " is lost";
  for (const v1::Point& point : got.points()) {
    const uint64_t id = point.id().num();
    const auto version = static_cast<uint64_t>(point.attributes().at("n").int64_value());
    if (id >= kFirstWritten) {
      // Acknowledged before, or written since.
      EXPECT_GE(version, before[id - kFirstWritten]) << "point " << id << " has gone back";
    }
    EXPECT_EQ(point.vector().packed().data(), Bytes(VectorOf(id, kDim, version)));
  }
}

}  // namespace nestor
