#include "server/rpc/stream_upsert.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/engine.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_columns.h"
#include "server/rpc/status.h"
#include "server/rpc/wire.h"

namespace nestor {
namespace {

absl::StatusOr<v1::StreamUpsertResponse::Ack> Apply(Engine& engine,
                                                    const v1::StreamUpsertRequest& request) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  absl::StatusOr<ColumnBatch> batch = ToColumnBatch(request, info->spec);
  if (!batch.ok()) return batch.status();

  v1::StreamUpsertResponse::Ack ack;
  ack.set_seq(info->seq);
  if (!batch->points.empty()) {
    absl::StatusOr<UpsertResult> result = engine.Upsert(request.collection(), batch->points);
    if (absl::IsInvalidArgument(result.status()) || absl::IsOutOfRange(result.status())) {
      const size_t before = batch->points.size();
      SortOutBadRows(info->spec, &*batch);
      // Nothing sorted out: the batch as a whole is wrong, an id twice say.
      if (batch->points.size() == before) return AtField("ids", result.status());
      if (!batch->points.empty()) result = engine.Upsert(request.collection(), batch->points);
    }
    if (!batch->points.empty()) {
      if (!result.ok()) return AtField("ids", result.status());
      ack.set_seq(result->seq);
    }
  }
  ack.set_count(static_cast<uint32_t>(batch->points.size()));
  for (const RowError& error : batch->errors) {
    auto* to = ack.add_errors();
    to->set_row(error.row);
    *to->mutable_status() = ToRpcStatus(error.status);
  }
  return ack;
}

}  // namespace

UpsertStream* UpsertStream::Open(Backend* backend, OpenStreams* streams,
                                 grpc::CallbackServerContext* context) {
  auto* stream = new UpsertStream(backend, streams, context);
  streams->Add(stream);
  Next next;
  {
    MutexLock lock(&stream->mutex_);
    const absl::Status serving = CheckServing(*backend);
    if (!serving.ok()) stream->EndWith(serving);
    next = stream->Decide();
  }
  stream->Do(std::move(next));
  return stream;
}

UpsertStream::UpsertStream(Backend* backend, OpenStreams* streams,
                           grpc::CallbackServerContext* context)
    : backend_(backend),
      streams_(streams),
      context_(context),
      deadline_(SteadyDeadline(*context)) {}

void UpsertStream::Drain() {
  Next next;
  {
    MutexLock lock(&mutex_);
    EndWith(absl::UnavailableError(
        "the server is stopping; batches without a reply were not applied, send them again"));
    next = Decide();
  }
  Do(std::move(next));
}

void UpsertStream::OnReadDone(bool ok) {
  absl::StatusOr<std::unique_ptr<Batch>> batch = nullptr;
  if (ok) {
    *batch = std::make_unique<Batch>();
    (*batch)->bytes = reading_.Length();
    // Unknown fields concern the batch, not the stream: they are refused when it is applied.
    const absl::Status decoded = DecodeMessage(&reading_, &(*batch)->request);
    if (!decoded.ok()) batch = decoded;
  }
  Next next;
  {
    MutexLock lock(&mutex_);
    read_started_ = false;
    arrived_ = arrived_ || ok;
    if (ok) {
      Take(std::move(batch));
    } else {
      read_ended_ = true;
    }
    next = Decide();
  }
  Do(std::move(next));
}

void UpsertStream::Take(absl::StatusOr<std::unique_ptr<Batch>> batch) {
  if (end_.has_value()) return;
  absl::Status status = batch.status();
  if (status.ok()) status = CheckNumber((*batch)->request.batch());
  if (!status.ok()) return EndWith(status);
  if (!backend_->TakeBytes((*batch)->bytes)) return BackOff((*batch)->request.batch());
  bytes_ += (*batch)->bytes;
  waiting_.push_back(*std::move(batch));
}

void UpsertStream::Answer(const v1::StreamUpsertResponse& reply) {
  grpc::ByteBuffer bytes;
  const absl::Status encoded = EncodeReply(reply, &bytes);
  if (!encoded.ok()) return EndWith(encoded);
  Answered& answered = replies_.emplace_back();
  answered.bytes = std::move(bytes);
  dropped_.Take(backend_->replies.Add(&answered.unread, context_->c_call(),
                                      static_cast<int64_t>(answered.bytes.Length())));
}

void UpsertStream::OnWriteDone(bool ok) {
  Next next;
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    backend_->replies.Remove(&replies_.front().unread);
    replies_.pop_front();
    if (!ok) EndWith(absl::CancelledError("the caller takes no more replies"));
    next = Decide();
  }
  Do(std::move(next));
}

void UpsertStream::OnDone() {
  bool reset = false;
  {
    MutexLock lock(&mutex_);
    reset = !arrived_ && cancelled_.load(std::memory_order_relaxed);
  }
  if (reset) backend_->connections.NoteReset(context_->peer());
  streams_->Remove(this);
  delete this;
}

void UpsertStream::Run() {
  std::unique_ptr<Batch> batch;
  {
    MutexLock lock(&mutex_);
    batch = std::move(waiting_.front());
    waiting_.pop_front();
  }
  const bool late = deadline_ != std::chrono::steady_clock::time_point::max() &&
                    std::chrono::steady_clock::now() >= deadline_;
  absl::StatusOr<v1::StreamUpsertResponse::Ack> ack =
      absl::CancelledError("the caller cancelled the stream");
  if (late) {
    ack = absl::DeadlineExceededError("the deadline of the stream passed");
  } else if (!cancelled_.load(std::memory_order_relaxed)) {
    ack = Apply(*backend_->engine.load(std::memory_order_acquire), batch->request);
  }

  Next next;
  {
    MutexLock lock(&mutex_);
    applying_ = false;
    Forget(*batch);
    if (ack.ok() || absl::IsInvalidArgument(ack.status()) || absl::IsNotFound(ack.status()) ||
        absl::IsResourceExhausted(ack.status())) {
      v1::StreamUpsertResponse reply;
      reply.set_batch(batch->request.batch());
      if (ack.ok()) {
        *reply.mutable_ack() = *std::move(ack);
      } else {
        *reply.mutable_refused() = ToRpcStatus(ack.status());
      }
      Answer(reply);
    } else {
      // The batches behind were not begun: a fault of the server ends the stream for them too.
      for (const std::unique_ptr<Batch>& behind : waiting_) Forget(*behind);
      waiting_.clear();
      EndWith(ack.status());
    }
    next = Decide();
  }
  Do(std::move(next));
}

absl::Status UpsertStream::CheckNumber(uint64_t batch) {
  if (backed_off_.erase(batch) > 0) return absl::OkStatus();
  if (batch <= last_number_) {
    return FieldError("batch", absl::StrCat("number ", batch, " is not above ", last_number_,
                                            ", the last one of the stream"));
  }
  last_number_ = batch;
  return absl::OkStatus();
}

void UpsertStream::EndWith(absl::Status status) {
  if (!end_.has_value()) end_ = std::move(status);
}

UpsertStream::Next UpsertStream::Decide() {
  Next next;
  if (finished_) return next;
  const bool over = end_.has_value() || read_ended_;
  const size_t open = waiting_.size() + (applying_ ? 1 : 0) + replies_.size();
  if (!over && !read_started_ && open < kMaxBatches && bytes_ < kMaxBytes) {
    read_started_ = true;
    next.read = true;
  }
  if (!applying_ && !waiting_.empty()) {
    applying_ = true;
    next.apply = true;
  }
  if (!writing_ && !replies_.empty()) {
    writing_ = true;
    next.write = &replies_.front().bytes;
  }
  if (!dropped_.empty()) next.dropped.Take(std::move(dropped_));
  if (over && !next.Any() && acting_ == 0 && waiting_.empty() && !applying_ && replies_.empty()) {
    finished_ = true;
    const bool cancelled = cancelled_.load(std::memory_order_relaxed);
    next.finish = end_.has_value() ? *end_
                  : cancelled      ? absl::CancelledError("the caller cancelled the stream")
                                   : absl::OkStatus();
  }
  if (next.Any()) ++acting_;
  return next;
}

void UpsertStream::Do(Next next) {
  while (next.Any()) {
    { const UnreadReplies::Dropped dropped = std::move(next.dropped); }
    if (next.finish.has_value()) {
      backend_->counters.Record(Method::kStreamUpsert, next.finish->code());
      Finish(ToGrpcStatus(*next.finish));
      return;
    }
    if (next.read) StartRead(&reading_);
    if (next.write != nullptr) StartWrite(next.write);
    if (next.apply && !backend_->writes.Submit(this)) BackOffAll();
    MutexLock lock(&mutex_);
    --acting_;
    next = Decide();
  }
}

void UpsertStream::BackOffAll() {
  MutexLock lock(&mutex_);
  applying_ = false;
  for (const std::unique_ptr<Batch>& batch : waiting_) {
    Forget(*batch);
    BackOff(batch->request.batch());
  }
  waiting_.clear();
}

void UpsertStream::BackOff(uint64_t number) {
  v1::StreamUpsertResponse reply;
  reply.set_batch(number);
  reply.mutable_back_off()->set_delay_millis(kBackOffMillis);
  backed_off_.insert(number);
  Answer(reply);
}

void UpsertStream::Forget(const Batch& batch) {
  bytes_ -= batch.bytes;
  backend_->ReturnBytes(batch.bytes);
}

}  // namespace nestor
