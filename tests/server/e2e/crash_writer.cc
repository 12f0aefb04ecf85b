#include "tests/server/e2e/crash_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace nestor {
namespace {

constexpr uint64_t kPage = 5000;  // ids of one call: a reply of 4 MB at 128 dims

uint64_t VersionOf(const v1::Point& point) {
  return static_cast<uint64_t>(point.attributes().at("n").int64_value());
}

}  // namespace

grpc::Status CrashWriter::Send(Stubs& stubs, const Attempt& attempt, uint64_t* seq) {
  if (attempt.version == 0) {
    v1::DeletePointsRequest request;
    request.set_collection("c");
    for (const uint64_t id : attempt.ids) request.add_ids()->set_num(id);
    v1::DeletePointsResponse reply;
    return CallStub(stubs.points.get(), &v1::PointService::Stub::DeletePoints, request, &reply);
  }
  v1::UpsertPointsResponse reply;
  const grpc::Status status = CallStub(
      stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
      MakeUpsert("c", attempt.ids.front(), attempt.ids.size(), range_.dim, attempt.version),
      &reply);
  *seq = reply.seq();
  return status;
}

void CrashWriter::Fill(Stubs& stubs) {
  const uint64_t version = next_version_++;
  for (uint64_t done = 0; done < range_.ids; done += kPage) {
    Attempt attempt{.version = version};
    for (uint64_t i = done; i < std::min(done + kPage, range_.ids); ++i) {
      attempt.ids.push_back(range_.first_id + i);
    }
    uint64_t seq = 0;
    const grpc::Status status = Send(stubs, attempt, &seq);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const uint64_t id : attempt.ids) points_[id] = {version, seq};
  }
}

void CrashWriter::Write(Stubs& stubs, std::atomic<uint64_t>* acks, std::atomic<uint64_t>* rows) {
  for (;;) {
    Attempt attempt;
    const uint64_t count = 1 + random_() % range_.max_batch;
    const uint64_t first = range_.first_id + random_() % (range_.ids - range_.max_batch);
    for (uint64_t id = first; id < first + count; ++id) attempt.ids.push_back(id);
    attempt.version = random_() % 6 == 0 ? 0 : next_version_++;
    open_ = attempt;
    uint64_t seq = 0;
    const grpc::Status status = Send(stubs, attempt, &seq);
    if (!status.ok()) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
      return;
    }
    for (const uint64_t id : attempt.ids) points_[id] = {attempt.version, seq};
    open_.reset();
    rows->fetch_add(count);
    acks->fetch_add(1);
  }
}

std::map<uint64_t, v1::Point> CrashWriter::Read(Stubs& stubs) const {
  std::map<uint64_t, v1::Point> found;
  for (uint64_t done = 0; done < range_.ids; done += kPage) {
    v1::GetPointsRequest request;
    request.set_collection("c");
    request.mutable_output()->add_attributes("*");
    request.mutable_output()->set_vectors(true);
    for (uint64_t i = done; i < std::min(done + kPage, range_.ids); ++i) {
      request.add_ids()->set_num(range_.first_id + i);
    }
    v1::GetPointsResponse reply;
    const grpc::Status status =
        CallStub(stubs.points.get(), &v1::PointService::Stub::GetPoints, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (v1::Point& point : *reply.mutable_points()) {
      const uint64_t id = point.id().num();
      found[id] = std::move(point);
    }
  }
  return found;
}

void CrashWriter::Settle(const std::map<uint64_t, v1::Point>& found) {
  if (!open_.has_value()) return;
  const Attempt attempt = *open_;
  open_.reset();
  size_t happened = 0;
  size_t did_not = 0;
  for (const uint64_t id : attempt.ids) {
    if (points_[id].version == attempt.version) continue;  // a delete of what was absent
    const auto it = found.find(id);
    const uint64_t version = it == found.end() ? 0 : VersionOf(it->second);
    ++(version == attempt.version ? happened : did_not);
  }
  EXPECT_TRUE(happened == 0 || did_not == 0)
      << "half a batch: " << happened << " of " << happened + did_not << " rows";
  if (happened > 0) {
    for (const uint64_t id : attempt.ids) points_[id] = {attempt.version, 0};
  }
}

void CrashWriter::Verify(Stubs& stubs) {
  const std::map<uint64_t, v1::Point> found = Read(stubs);
  Settle(found);
  for (auto& [id, known] : points_) {
    const auto it = found.find(id);
    if (known.version == 0) {
      EXPECT_TRUE(it == found.end()) << "id " << id << " was deleted";
      continue;
    }
    ASSERT_TRUE(it != found.end()) << "id " << id << " of version " << known.version << " is lost";
    const v1::Point& point = it->second;
    ASSERT_EQ(VersionOf(point), known.version) << id;
    ASSERT_EQ(point.attributes().at("s").string_value(), "point " + std::to_string(id));
    ASSERT_EQ(point.vector().packed().data(), Bytes(VectorOf(id, range_.dim, known.version))) << id;
    if (known.seq != 0) {
      ASSERT_EQ(point.seq(), known.seq) << id;
    }
    known.seq = point.seq();
  }
}

}  // namespace nestor
