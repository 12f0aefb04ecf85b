// Streamed bulk upsert: batches go out while the replies to earlier ones come in, at most
// `max_in_flight` without a reply. Every row is accounted for: written, or failed with its error.
// The server's back-off is honoured (the batch is sent again after the delay), and where the
// connection breaks, the batches without a reply are sent again over a new one: an upsert is
// idempotent. One thread at a time may call Write and Finish; replies are taken on gRPC's threads.
#ifndef NESTOR_CLIENT_LIB_BULK_UPSERT_H_
#define NESTOR_CLIENT_LIB_BULK_UPSERT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/retry.h"
#include "index/base/mutex.h"
#include "nestor/v1/point.grpc.pb.h"

namespace nestor {

class BulkUpsert {
 public:
  struct Options {
    // Batches sent and not yet replied to; memory holds as many.
    int max_in_flight = 4;
    // Silence of the server, with batches in flight, after which the upsert fails.
    absl::Duration reply_timeout = absl::Seconds(60);
    // Errors kept for TakeErrors; later ones are only counted.
    size_t max_errors = 100;
  };

  struct Totals {
    uint64_t batches = 0;  // replied to
    uint64_t rows_written = 0;
    uint64_t rows_failed = 0;
    uint64_t back_offs = 0;
    uint64_t last_seq = 0;  // largest sequence number of an acknowledged batch
  };

  // Rows first_row .. first_row + rows - 1 of a batch were not written. Batches count from 1 in the
  // order of Write.
  struct RowError {
    uint64_t batch = 0;
    uint32_t first_row = 0;
    uint32_t rows = 0;
    absl::Status status;
  };

  // Made by Client::StartBulkUpsert. `connect` waits for a connection, within limits of its own.
  BulkUpsert(v1::PointService::Stub* stub, const Options& options, const RetryPolicy& retry,
             std::function<absl::Status()> connect);
  // Cancels what is still in flight.
  ~BulkUpsert();
  BulkUpsert(const BulkUpsert&) = delete;
  BulkUpsert& operator=(const BulkUpsert&) = delete;

  // Queues a batch, waiting for a place in flight; sets its number. An error is final: the batches
  // without a reply may or may not be written.
  absl::Status Write(v1::StreamUpsertRequest batch);

  // Waits for all replies and ends the stream. No Write after it. Rows that failed are no error of
  // the call: see Totals.
  absl::StatusOr<Totals> Finish();

  // What is replied to so far. Any thread.
  Totals totals() const;

  // The errors since the last call, at most Options::max_errors in all.
  std::vector<RowError> TakeErrors();

 private:
  class Stream;

  struct Pending {
    std::unique_ptr<v1::StreamUpsertRequest> request;
    uint32_t rows = 0;
  };

  // Sends, waits and reconnects until `ready()` holds.
  absl::Status Await(const std::function<bool()>& ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Opens the first stream, or another in place of one that ended; the error is final. Lets go of
  // the mutex while it waits.
  absl::Status Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeReply(const v1::StreamUpsertResponse& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(uint64_t batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddError(RowError error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  v1::PointService::Stub* const stub_;
  const Options options_;
  const std::function<absl::Status()> connect_;

  mutable Mutex mutex_;
  CondVar changed_;
  Backoff backoff_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Pending> pending_ ABSL_GUARDED_BY(mutex_);  // no final reply yet, by number
  std::deque<uint64_t> to_send_ ABSL_GUARDED_BY(mutex_);         // those that wait to be sent
  uint64_t last_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time pause_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time last_progress_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // final
  Totals totals_ ABSL_GUARDED_BY(mutex_);
  std::vector<RowError> errors_ ABSL_GUARDED_BY(mutex_);
  size_t errors_kept_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIB_BULK_UPSERT_H_
