// StreamUpsert: every row is accounted for, order is kept, errors stay where they belong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kDim = 8;

class StreamTest : public testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::StreamUpsertRequest, v1::StreamUpsertResponse>;

  void SetUp() override {
    server_.Load();
    v1::Collection made;
    ASSERT_TRUE(CallStub(server_.stubs().collections.get(),
                         &v1::CollectionService::Stub::CreateCollection, MakeCollection("c", kDim),
                         &made)
                    .ok());
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  }
  std::unique_ptr<Stream> Open() { return server_.stubs().points->StreamUpsert(&context_); }
  static v1::StreamUpsertResponse Exchange(Stream* stream, const v1::StreamUpsertRequest& request) {
    v1::StreamUpsertResponse reply;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.batch(), request.batch());
    return reply;
  }
  uint64_t Count() { return *server_.engine().Count("c"); }

  TestServer server_;
  grpc::ClientContext context_;
};

TEST_F(StreamTest, ManyBatchesAreAppliedInOrder) {
  constexpr uint64_t kBatches = 200;
  const auto stream = Open();
  // Every batch writes the same points, so the last one must win.
  std::thread writer([&] {
    for (uint64_t i = 1; i <= kBatches; ++i) {
      ASSERT_TRUE(stream->Write(MakeStreamBatch("c", i, 0, 10, kDim, i)));
    }
    stream->WritesDone();
  });
  v1::StreamUpsertResponse reply;
  uint64_t seq = 0;
  uint64_t batches = 0;
  while (stream->Read(&reply)) {
    ++batches;
    EXPECT_EQ(reply.batch(), batches);
    EXPECT_EQ(reply.ack().count(), 10u);
    EXPECT_GT(reply.ack().seq(), seq);
    seq = reply.ack().seq();
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(batches, kBatches);
  EXPECT_EQ(Count(), 10u);
  const auto got = server_.engine().Get("c", std::vector<PointId>{uint64_t{3}}, {.vector = true});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->found[0].vector, Bytes(VectorOf(3, kDim, kBatches)));
}

TEST_F(StreamTest, BadRowsAreNamedAndTheOthersWritten) {
  const auto stream = Open();
  v1::StreamUpsertRequest batch = MakeStreamBatch("c", 1, 0, 4, kDim);
  const float nan = std::nanf("");
  batch.mutable_vectors()->mutable_data()->replace(2 * kDim * 4, 4,
                                                   reinterpret_cast<const char*>(&nan), 4);
  batch.mutable_columns(1)->mutable_strings()->set_values(0, std::string(65537, 'x'));
  const v1::StreamUpsertResponse reply = Exchange(stream.get(), batch);
  ASSERT_TRUE(reply.has_ack()) << reply.DebugString();
  EXPECT_EQ(reply.ack().count(), 2u);
  ASSERT_EQ(reply.ack().errors_size(), 2);
  EXPECT_EQ(reply.ack().errors(0).row(), 0u);
  EXPECT_THAT(reply.ack().errors(0).status().message(),
              HasSubstr("65537 bytes, the limit is 65536"));
  EXPECT_EQ(reply.ack().errors(1).row(), 2u);
  EXPECT_EQ(reply.ack().errors(1).status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_GT(reply.ack().errors(1).status().details_size(), 0);
  EXPECT_EQ(Count(), 2u);
}

TEST_F(StreamTest, RowsThatAreAllBadWriteNothing) {
  const auto stream = Open();
  v1::StreamUpsertRequest batch = MakeStreamBatch("c", 1, 0, 1, kDim);
  const float nan = std::nanf("");
  batch.mutable_vectors()->mutable_data()->replace(0, 4, reinterpret_cast<const char*>(&nan), 4);
  const v1::StreamUpsertResponse reply = Exchange(stream.get(), batch);
  ASSERT_TRUE(reply.has_ack());
  EXPECT_EQ(reply.ack().count(), 0u);
  EXPECT_EQ(reply.ack().errors_size(), 1);
  EXPECT_EQ(reply.ack().seq(), 0u) << "the last applied write: none";
}

TEST_F(StreamTest, WrongShapesAreRefusedAndTheStreamGoesOn) {
  const auto stream = Open();
  v1::StreamUpsertRequest twice = MakeStreamBatch("c", 1, 0, 3, kDim);
  twice.mutable_ids()->set_nums(2, 0);
  v1::StreamUpsertResponse reply = Exchange(stream.get(), twice);
  ASSERT_TRUE(reply.has_refused()) << reply.DebugString();
  EXPECT_EQ(reply.refused().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(reply.refused().message(), HasSubstr("twice"));

  reply = Exchange(stream.get(), MakeStreamBatch("none", 2, 0, 3, kDim));
  EXPECT_EQ(reply.refused().code(), grpc::StatusCode::NOT_FOUND);

  v1::StreamUpsertRequest unknown = MakeStreamBatch("c", 3, 0, 3, kDim);
  unknown.GetReflection()->MutableUnknownFields(&unknown)->AddVarint(99, 1);
  reply = Exchange(stream.get(), unknown);
  EXPECT_THAT(reply.refused().message(), HasSubstr("field number 99"));
  EXPECT_EQ(Count(), 0u);

  reply = Exchange(stream.get(), MakeStreamBatch("c", 4, 0, 3, kDim));
  EXPECT_EQ(reply.ack().count(), 3u);
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, NumbersOutOfOrderEndTheStream) {
  const auto stream = Open();
  EXPECT_EQ(Exchange(stream.get(), MakeStreamBatch("c", 5, 0, 1, kDim)).ack().count(), 1u);
  ASSERT_TRUE(stream->Write(MakeStreamBatch("c", 5, 1, 1, kDim)));
  v1::StreamUpsertResponse reply;
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("number 5 is not above 5"));
  EXPECT_EQ(Count(), 1u);
}

TEST_F(StreamTest, ABatchThatIsNoMessageEndsTheStreamWithAnError) {
  v1::StreamUpsertRequest batch = MakeStreamBatch("c", 1, 0, 1, kDim);
  batch.mutable_columns(1)->mutable_strings()->set_values(0, "\xff is no UTF-8");
  const auto stream = Open();
  ASSERT_TRUE(stream->Write(batch));
  v1::StreamUpsertResponse reply;
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("UTF-8"));
  EXPECT_EQ(Count(), 0u);
}

TEST_F(StreamTest, CancelledStreamsLeaveWholeBatches) {
  const auto stream = Open();
  for (uint64_t i = 1; i <= 20; ++i) {
    if (!stream->Write(MakeStreamBatch("c", i, i * 10, 10, kDim))) break;
  }
  v1::StreamUpsertResponse reply;
  ASSERT_TRUE(stream->Read(&reply));
  context_.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_.rpc().Shutdown(std::chrono::seconds(10));
  EXPECT_EQ(Count() % 10, 0u);
  EXPECT_GE(Count(), 10u);
}

TEST_F(StreamTest, ShutdownEndsOpenStreams) {
  const auto stream = Open();
  EXPECT_EQ(Exchange(stream.get(), MakeStreamBatch("c", 1, 0, 2, kDim)).ack().count(), 2u);
  const auto start = std::chrono::steady_clock::now();
  server_.rpc().Shutdown(std::chrono::seconds(30));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20))
      << "it waited for the grace";
  v1::StreamUpsertResponse reply;
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("stopping"));
}

}  // namespace
}  // namespace nestor
