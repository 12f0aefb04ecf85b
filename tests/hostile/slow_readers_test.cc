// Clients that ask for much and read nothing.
#include <cstdio>
#include <deque>
#include <thread>

#include "tests/hostile/hostile_fixture.h"
#include "tests/hostile/mutations.h"
#include "tests/server/e2e/deaf_call.h"

namespace nestor {
namespace {

void PrintHeld(const char* what, size_t calls, uint64_t bytes, uint64_t before) {
  std::printf("%s: %zu calls make the server hold %lld MB\n", what, calls,
              (static_cast<long long>(bytes) - static_cast<long long>(before)) >> 20);
}

TEST_F(HostileTest, SlowReadersOfLargeReplies) {
  Endure("slow readers of large replies", [] {
    Stubs stubs(address());
    v1::Collection made;
    ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         MakeCollection(kHostileCollection, kHostileDim), &made)
                    .ok());
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert(kHostileCollection, 0, 2000, kHostileDim), &wrote)
                    .ok());
    // A million hits: 6 MB.
    v1::BatchSearchRequest batch;
    batch.set_collection(kHostileCollection);
    batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
    for (uint64_t i = 0; i < 1000; ++i) {
      batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kHostileDim)));
    }
    batch.set_limit(1000);
    const uint64_t before = MemoryBytes();
    std::deque<DeafCall> calls;
    // In full length more than the server keeps for all (512 MiB).
    for (int i = 0; i < (full() ? 120 : 8); ++i) {
      DeafCall& call = calls.emplace_back(address(), "/nestor.v1.SearchService/BatchSearch");
      ASSERT_TRUE(call.Write(batch, std::chrono::seconds(60)));
      call.AwaitReply();
    }
    PrintHeld("replies that nobody reads", calls.size(), MemoryBytes(), before);
    EXPECT_LT(MemoryBytes(), before + (uint64_t{600} << 20));
    // How long they keep it up.
    std::this_thread::sleep_for(std::chrono::seconds(full() ? 10 : 1));
  });
}

TEST_F(HostileTest, StreamsThatReadNoReply) {
  Endure("streams that read no reply", [] {
    Stubs stubs(address());
    v1::Collection made;
    ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         MakeCollection(kHostileCollection, kHostileDim), &made)
                    .ok());
    const uint64_t before = MemoryBytes();
    std::deque<DeafCall> calls;
    uint64_t taken = 0;
    for (int i = 0; i < (full() ? 20 : 4); ++i) {
      DeafCall& call = calls.emplace_back(address(), "/nestor.v1.PointService/StreamUpsert");
      // Each row is refused for its vector: the replies are larger than the batches.
      for (uint64_t batch = 1; batch <= (full() ? 2000 : 200); ++batch) {
        v1::StreamUpsertRequest request =
            MakeStreamBatch(kHostileCollection, batch, 0, 50, kHostileDim);
        request.mutable_vectors()->mutable_data()->assign(50 * kHostileDim * 4, '\xff');
        if (!call.Write(request, std::chrono::seconds(5))) break;
        ++taken;
      }
    }
    std::printf("batches taken: %llu\n", static_cast<unsigned long long>(taken));
    PrintHeld("streams that nobody reads", calls.size(), MemoryBytes(), before);
  });
}

}  // namespace
}  // namespace nestor
