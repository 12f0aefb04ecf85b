// One client of a server that is killed: it writes batches over ids of its own, and knows what must
// be there afterwards. One thread at a time.
#ifndef NESTOR_TESTS_SERVER_E2E_CRASH_WRITER_H_
#define NESTOR_TESTS_SERVER_E2E_CRASH_WRITER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "tests/server/e2e/test_server.h"

namespace nestor {

class CrashWriter {
 public:
  // What is known of a point: the version written last, 0 = absent; its seq, 0 where the write that
  // made it was never acknowledged.
  struct Known {
    uint64_t version = 0;
    uint64_t seq = 0;
  };
  // What is written to, "c" of `dim` dims, and in batches of how many.
  struct Range {
    uint64_t first_id = 0;
    uint64_t ids = 0;
    uint32_t dim = 0;
    uint64_t max_batch = 0;
  };

  CrashWriter(const Range& range, uint32_t seed) : range_(range), random_(seed) {}

  // All ids in version 1.
  void Fill(Stubs& stubs);
  // Upserts and deletes until a call fails, and counts those that are acknowledged, and their rows.
  void Write(Stubs& stubs, std::atomic<uint64_t>* acks, std::atomic<uint64_t>* rows);
  // After a restart: what was acknowledged is there, and the batch that was on its way is whole or
  // absent. Then the state of every id is known.
  void Verify(Stubs& stubs);

  const std::map<uint64_t, Known>& points() const { return points_; }

 private:
  // One batch, whose fate is open until it is acknowledged.
  struct Attempt {
    std::vector<uint64_t> ids;
    uint64_t version = 0;  // 0 = delete
  };

  grpc::Status Send(Stubs& stubs, const Attempt& attempt, uint64_t* seq);
  std::map<uint64_t, v1::Point> Read(Stubs& stubs) const;
  void Settle(const std::map<uint64_t, v1::Point>& found);

  const Range range_;
  std::mt19937 random_;
  uint64_t next_version_ = 1;
  std::map<uint64_t, Known> points_;
  std::optional<Attempt> open_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_CRASH_WRITER_H_
