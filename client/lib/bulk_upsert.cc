#include "client/lib/bulk_upsert.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/status.h"

namespace nestor {

// One stream's life. All members are guarded by the owner's mutex, but for what gRPC holds between
// a Start and its reaction. The owner deletes it once `done`.
class BulkUpsert::Stream
    : public grpc::ClientBidiReactor<v1::StreamUpsertRequest, v1::StreamUpsertResponse> {
 public:
  explicit Stream(BulkUpsert* owner) : owner_(owner) {
    context_.set_wait_for_ready(true);
    owner_->stub_->async()->StreamUpsert(&context_, this);
    // Writes start outside of reactions; the hold is given back when the last read has failed.
    AddHold();
    StartRead(&reply_);
    StartCall();
  }

  bool ended() const { return ended_; }  // nothing more may be written
  bool done() const { return done_; }    // gRPC has let go
  bool writing() const { return writing_ != nullptr; }
  const absl::Status& status() const { return status_; }

  void Send(v1::StreamUpsertRequest* request) {
    writing_ = request;
    StartWrite(request);
  }

  // Keeps a batch whose reply came before gRPC was done with writing it.
  void KeepWhileWriting(std::unique_ptr<v1::StreamUpsertRequest> request) {
    if (writing_ == request.get()) kept_ = std::move(request);
  }

  void EndWrites() {
    if (!ended_) StartWritesDone();
  }

  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    MutexLock lock(&owner_->mutex_);
    if (ok) {
      owner_->TakeReply(reply_);
      StartRead(&reply_);
    } else {
      ended_ = true;
      RemoveHold();
    }
    owner_->changed_.NotifyAll();
  }

  void OnWriteDone(bool) override {
    MutexLock lock(&owner_->mutex_);
    writing_ = nullptr;
    kept_.reset();
    owner_->SendNext();
    owner_->changed_.NotifyAll();
  }

  void OnDone(const grpc::Status& status) override {
    BulkUpsert* const owner = owner_;
    MutexLock lock(&owner->mutex_);
    status_ = ToAbslStatus(status);
    done_ = true;
    owner->changed_.NotifyAll();
  }

 private:
  BulkUpsert* const owner_;
  grpc::ClientContext context_;
  v1::StreamUpsertResponse reply_;
  v1::StreamUpsertRequest* writing_ = nullptr;
  std::unique_ptr<v1::StreamUpsertRequest> kept_;
  bool ended_ = false;
  bool done_ = false;
  absl::Status status_;
};

BulkUpsert::BulkUpsert(v1::PointService::Stub* stub, const Options& options,
                       const RetryPolicy& retry, std::function<absl::Status()> connect)
    : stub_(stub), options_(options), connect_(std::move(connect)), backoff_(retry) {}

BulkUpsert::~BulkUpsert() {
  MutexLock lock(&mutex_);
  if (stream_ == nullptr) return;
  stream_->Cancel();
  while (!stream_->done()) changed_.Wait(&mutex_);
}

absl::Status BulkUpsert::Write(v1::StreamUpsertRequest batch) {
  MutexLock lock(&mutex_);
  if (absl::Status status = Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return pending_.size() < static_cast<size_t>(options_.max_in_flight);
      });
      !status.ok()) {
    return status;
  }
  batch.set_batch(++last_batch_);
  const auto rows = static_cast<uint32_t>(batch.ids().nums_size() + batch.ids().strs_size());
  pending_[last_batch_] = {std::make_unique<v1::StreamUpsertRequest>(std::move(batch)), rows};
  to_send_.push_back(last_batch_);
  SendNext();
  return absl::OkStatus();
}

absl::StatusOr<BulkUpsert::Totals> BulkUpsert::Finish() {
  MutexLock lock(&mutex_);
  if (last_batch_ == 0) return totals_;
  if (absl::Status status =
          Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return pending_.empty(); });
      !status.ok()) {
    return status;
  }
  // Every batch has its reply, so how the stream ends changes nothing.
  if (stream_ != nullptr) {
    const absl::Time deadline = absl::Now() + options_.reply_timeout;
    bool open = true;
    while (!stream_->done()) {
      if (open && !stream_->writing()) {
        stream_->EndWrites();
        open = false;
      }
      if (!changed_.WaitUntil(&mutex_, absl::ToChronoTime(deadline))) stream_->Cancel();
    }
    stream_.reset();
  }
  return totals_;
}

BulkUpsert::Totals BulkUpsert::totals() const {
  MutexLock lock(&mutex_);
  return totals_;
}

std::vector<BulkUpsert::RowError> BulkUpsert::TakeErrors() {
  MutexLock lock(&mutex_);
  return std::exchange(errors_, {});
}

absl::Status BulkUpsert::Await(const std::function<bool()>& ready) {
  while (true) {
    if (!failure_.ok()) return failure_;
    if (stream_ == nullptr || stream_->done()) {
      // A stream that broke after its last reply is no loss.
      if (stream_ != nullptr && pending_.empty() && ready()) return absl::OkStatus();
      failure_ = Connect();
      continue;
    }
    SendNext();
    if (ready()) return absl::OkStatus();
    const absl::Time silent = last_progress_ + options_.reply_timeout;
    const bool paused = !to_send_.empty() && pause_until_ > absl::Now();
    const absl::Time wake = paused ? std::min(pause_until_, silent) : silent;
    if (changed_.WaitUntil(&mutex_, absl::ToChronoTime(wake))) continue;
    if (!pending_.empty() && absl::Now() >= last_progress_ + options_.reply_timeout) {
      failure_ = absl::DeadlineExceededError(absl::StrCat(
          "bulk upsert: no reply within ", absl::FormatDuration(options_.reply_timeout), ", ",
          pending_.size(), " batches in flight"));
      stream_->Cancel();
    }
  }
}

absl::Status BulkUpsert::Connect() {
  absl::Status error;
  const bool first = stream_ == nullptr;
  if (!first) {
    error = stream_->status();
    stream_.reset();
    if (error.ok()) {
      return absl::InternalError(absl::StrCat("bulk upsert: the server ended the stream with ",
                                              pending_.size(), " batches unanswered"));
    }
  }
  while (true) {
    absl::Duration wait = absl::ZeroDuration();
    if (!error.ok()) {
      const auto next = backoff_.Next(error, /*idempotent=*/true);
      if (!next.has_value()) return error;
      wait = *next;
    }
    // No stream, so no reaction waits for the mutex meanwhile; only totals() may.
    mutex_.unlock();
    absl::SleepFor(wait);
    error = connect_();
    mutex_.lock();
    if (error.ok()) {
      OpenStream();
      return absl::OkStatus();
    }
    if (first) return error;
  }
}

void BulkUpsert::OpenStream() {
  to_send_.clear();
  for (const auto& [batch, pending] : pending_) to_send_.push_back(batch);
  last_progress_ = absl::Now();
  stream_ = std::make_unique<Stream>(this);
}

void BulkUpsert::SendNext() {
  if (stream_ == nullptr || stream_->ended() || stream_->writing() || to_send_.empty() ||
      !failure_.ok()) {
    return;
  }
  const absl::Time now = absl::Now();
  if (now < pause_until_) return;
  const uint64_t batch = to_send_.front();
  to_send_.pop_front();
  last_progress_ = now;
  stream_->Send(pending_.at(batch).request.get());
}

void BulkUpsert::TakeReply(const v1::StreamUpsertResponse& reply) {
  last_progress_ = absl::Now();
  backoff_.Reset();
  const auto it = pending_.find(reply.batch());
  const bool in_flight = it != pending_.end() && std::find(to_send_.begin(), to_send_.end(),
                                                           reply.batch()) == to_send_.end();
  if (!in_flight) {
    failure_ = absl::InternalError(absl::StrCat("bulk upsert: the server replied to batch ",
                                                reply.batch(), ", which is not in flight"));
    return;
  }
  const uint32_t rows = it->second.rows;
  switch (reply.outcome_case()) {
    case v1::StreamUpsertResponse::kAck: {
      const auto& ack = reply.ack();
      if (uint64_t{ack.count()} + ack.errors_size() != rows) {
        failure_ = absl::InternalError(absl::StrCat("bulk upsert: batch ", reply.batch(), " of ",
                                                    rows, " rows was answered with ", ack.count(),
                                                    " written and ", ack.errors_size(), " failed"));
        return;
      }
      totals_.rows_written += ack.count();
      totals_.last_seq = std::max(totals_.last_seq, ack.seq());
      for (const auto& error : ack.errors()) {
        AddError({reply.batch(), error.row(), 1, ToAbslStatus(error.status())});
      }
      Settle(reply.batch());
      return;
    }
    case v1::StreamUpsertResponse::kRefused:
      AddError({reply.batch(), 0, rows, ToAbslStatus(reply.refused())});
      Settle(reply.batch());
      return;
    case v1::StreamUpsertResponse::kBackOff:
      ++totals_.back_offs;
      pause_until_ =
          std::max(pause_until_, absl::Now() + absl::Milliseconds(reply.back_off().delay_millis()));
      to_send_.push_front(reply.batch());
      return;
    case v1::StreamUpsertResponse::OUTCOME_NOT_SET:
      failure_ = absl::InternalError(absl::StrCat("bulk upsert: the reply to batch ", reply.batch(),
                                                  " has no outcome that this client knows"));
      return;
  }
}

void BulkUpsert::Settle(uint64_t batch) {
  ++totals_.batches;
  auto node = pending_.extract(batch);
  stream_->KeepWhileWriting(std::move(node.mapped().request));
}

void BulkUpsert::AddError(RowError error) {
  totals_.rows_failed += error.rows;
  if (errors_kept_ == options_.max_errors) return;
  ++errors_kept_;
  errors_.push_back(std::move(error));
}

}  // namespace nestor
