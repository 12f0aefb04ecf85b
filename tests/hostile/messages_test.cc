// Messages that nobody should send: damaged ones, and ones over the limit.
#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "absl/strings/escaping.h"
#include "tests/hostile/half_message.h"
#include "tests/hostile/hostile_fixture.h"
#include "tests/hostile/mutations.h"

namespace nestor {
namespace {

using grpc::StatusCode;

// Sends bytes to any method, one call at a time.
class RawClient {
 public:
  explicit RawClient(const std::string& address) : stubs_(address), stub_(stubs_.channel) {}

  grpc::Status Send(const RawCall& call, std::chrono::milliseconds patience) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    const grpc::Slice slice(call.bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::Status status;
    if (!call.stream) {
      grpc::ByteBuffer reply;
      const auto unary = stub_.PrepareUnaryCall(&context, call.method, request, &queue_);
      unary->StartCall();
      unary->Finish(&reply, &status, nullptr);
      Next();
      return status;
    }
    const auto stream = stub_.PrepareCall(&context, call.method, &queue_);
    stream->StartCall(nullptr);
    if (Next()) {
      stream->WriteLast(request, grpc::WriteOptions(), nullptr);
      Next();
      grpc::ByteBuffer reply;
      do {
        stream->Read(&reply, nullptr);
      } while (Next());
    }
    stream->Finish(&status, nullptr);
    Next();
    return status;
  }

 private:
  bool Next() { return NextEvent(&queue_); }

  Stubs stubs_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
};

void MakeHostileCollection(const std::string& address) {
  Stubs stubs(address);
  v1::Collection made;
  ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                       MakeCollection(kHostileCollection, kHostileDim), &made)
                  .ok());
  v1::UpsertPointsResponse wrote;
  ASSERT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                       MakeUpsert(kHostileCollection, 0, 200, kHostileDim), &wrote)
                  .ok());
}

TEST_F(HostileTest, DamagedMessages) {
  Endure("damaged messages", [] {
    // It writes a line for every text that is not UTF-8.
    google::protobuf::SetLogHandler(nullptr);
    MakeHostileCollection(address());
    RawClient client(address());
    const std::vector<RawCall> calls = ValidCalls();
    for (const RawCall& call : calls) {
      const StatusCode code = client.Send(call, std::chrono::minutes(1)).error_code();
      // A plan for lists on what was never built, an operation that never was.
      EXPECT_THAT(code, testing::AnyOf(StatusCode::OK, StatusCode::FAILED_PRECONDITION,
                                       StatusCode::NOT_FOUND))
          << call.method;
    }
    const std::set<StatusCode> of_requests = {
        StatusCode::OK,        StatusCode::INVALID_ARGUMENT,    StatusCode::NOT_FOUND,
        StatusCode::ABORTED,   StatusCode::FAILED_PRECONDITION, StatusCode::ALREADY_EXISTS,
        StatusCode::CANCELLED, StatusCode::RESOURCE_EXHAUSTED};
    std::map<StatusCode, int> counts;
    std::mt19937_64 random(5);
    const int messages = full() ? 10'000 : 1'000;
    for (int i = 0; i < messages; ++i) {
      const RawCall call = Mutate(calls, /*parses=*/i % 2 == 0, &random);
      const bool may_wait = call.MinSeq() > 1;
      const grpc::Status status =
          client.Send(call, may_wait ? std::chrono::milliseconds(100) : std::chrono::minutes(1));
      ++counts[status.error_code()];
      if (may_wait && status.error_code() == StatusCode::DEADLINE_EXCEEDED) continue;
      if (i % 2 == 0) {
        EXPECT_THAT(of_requests, testing::Contains(status.error_code()))
            << call.method << " " << status.error_message() << " "
            << absl::BytesToHexString(call.bytes);
      } else {
        EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT)
            << call.method << " " << absl::BytesToHexString(call.bytes);
      }
    }
    for (const auto& [code, count] : counts) std::printf("status %d: %d times\n", code, count);
    EXPECT_GT(counts[StatusCode::OK], messages / 20);
  });
}

// Every part is kept until the rest comes. The server keeps 1 GiB of such parts, all calls
// together; then it ends calls.
TEST_F(HostileTest, MessagesThatNeverEnd) {
  Endure("messages that never end", [] {
    constexpr uint64_t kPart = 60 << 20;
    constexpr uint64_t kKept = uint64_t{1} << 30;
    constexpr uint64_t kBeside = kSanitized ? kKept : uint64_t{200} << 20;
    const uint64_t before = MemoryBytes();
    std::deque<HalfMessage> calls;
    const size_t most = full() ? 50 : 20;
    for (size_t i = 0; i < most; ++i) {
      calls.emplace_back(address(), "/nestor.v1.PointService/UpsertPoints", 63 << 20).Send(kPart);
      EXPECT_LT(MemoryBytes(), before + kKept + kBeside) << "after " << i + 1;
    }
    // The news may take a moment to come.
    constexpr size_t kCalls = kKept / kPart;
    size_t ended = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (ended < most - kCalls && std::chrono::steady_clock::now() < until) {
      for (HalfMessage& call : calls) call.Listen();
      ended = static_cast<size_t>(
          std::count_if(calls.begin(), calls.end(), [](auto& call) { return call.ended(); }));
    }
    std::printf("%zu of %zu calls were ended, the server held %llu MB more\n", ended, most,
                static_cast<unsigned long long>((MemoryBytes() - before) >> 20));
    EXPECT_GE(ended, most - kCalls);
    EXPECT_LT(ended, most) << "the limit is for what is kept, not for what comes";
  });
}

// 4 MiB over the limit.
constexpr size_t kTooManyBytes = 68u << 20;

TEST_F(HostileTest, MessagesOverTheLimit) {
  Endure("messages over the limit", [] {
    MakeHostileCollection(address());
    Stubs stubs(address());
    v1::SearchRequest search = MakeSearch(kHostileCollection, {}, 1);
    search.mutable_vector()->mutable_packed()->set_data(std::string(kTooManyBytes, '\0'));
    v1::StreamUpsertRequest batch = MakeStreamBatch(kHostileCollection, 1, 0, 1, kHostileDim);
    batch.mutable_vectors()->set_data(std::string(kTooManyBytes, '\0'));
    for (int i = 0; i < (full() ? 20 : 3); ++i) {
      // Packed into 70 KB they are over the limit all the same.
      for (const auto compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
        grpc::ClientContext context;
        context.set_compression_algorithm(compression);
        v1::SearchResponse found;
        const grpc::Status refused = stubs.searches->Search(&context, search, &found);
        EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED)
            << refused.error_message() << " compression " << compression;

        grpc::ClientContext stream_context;
        stream_context.set_compression_algorithm(compression);
        const auto stream = stubs.points->StreamUpsert(&stream_context);
        stream->Write(batch);
        v1::StreamUpsertResponse reply;
        EXPECT_FALSE(stream->Read(&reply));
        EXPECT_EQ(stream->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED)
            << "compression " << compression;
      }
    }
  });
}

}  // namespace
}  // namespace nestor
