#include "server/rpc/point_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/engine/engine.h"
#include "server/engine/validate.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_point.h"
#include "server/rpc/convert_search.h"
#include "server/rpc/limits.h"
#include "server/rpc/page_token.h"
#include "server/rpc/status.h"
#include "server/rpc/stream_upsert.h"

namespace nestor {
namespace {

using google::protobuf::RepeatedPtrField;

absl::Status CheckBatch(absl::string_view field, int size) {
  if (size >= 1 && size <= static_cast<int>(kMaxBatch)) return absl::OkStatus();
  return FieldError(field, absl::StrCat("has ", size, " entries, not in 1..", kMaxBatch));
}

absl::StatusOr<std::vector<PointId>> ToPointIds(const RepeatedPtrField<v1::PointId>& ids) {
  const absl::Status size = CheckBatch("ids", ids.size());
  if (!size.ok()) return size;
  std::vector<PointId> out;
  out.reserve(ids.size());
  for (int i = 0; i < ids.size(); ++i) {
    absl::StatusOr<PointId> id = ToPointId(ids[i]);
    if (!id.ok()) return AtField(absl::StrCat("ids[", i, "]"), id.status());
    out.push_back(*std::move(id));
  }
  return out;
}

absl::Status Upsert(Engine& engine, const v1::UpsertPointsRequest& request,
                    v1::UpsertPointsResponse* reply) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  const absl::Status size = CheckBatch("points", request.points_size());
  if (!size.ok()) return size;
  std::vector<PointInput> points;
  points.reserve(request.points_size());
  for (int i = 0; i < request.points_size(); ++i) {
    absl::StatusOr<PointInput> point = ToPointInput(request.points(i), info->spec);
    if (!point.ok()) return AtField(absl::StrCat("points[", i, "]"), point.status());
    points.push_back(*std::move(point));
  }
  const absl::StatusOr<UpsertResult> result = engine.Upsert(request.collection(), points);
  if (!result.ok()) return AtField("points", result.status());
  reply->set_seq(result->seq);
  reply->set_upserted(static_cast<uint32_t>(result->upserted));
  return absl::OkStatus();
}

absl::Status Get(Engine& engine, const v1::GetPointsRequest& request,
                 v1::GetPointsResponse* reply) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  const PointSchema schema(info->spec);
  const absl::StatusOr<std::vector<PointId>> ids = ToPointIds(request.ids());
  if (!ids.ok()) return ids.status();
  const auto choice = AttributeChoice::Make(request.output(), info->spec.attributes);
  if (!choice.ok()) return AtField("output", choice.status());
  const PointOutput output = ToPointOutput(request.output(), *choice);
  const absl::Status fits = CheckReplyBytes(ids->size(), MaxPointBytes(schema, output));
  if (!fits.ok()) return AtField("ids", fits);

  absl::StatusOr<GetResult> result = engine.Get(request.collection(), *ids, output);
  if (absl::IsOutOfRange(result.status())) return AtOutput(result.status());
  if (!result.ok()) return AtField("ids", result.status());
  uint64_t bytes = 0;
  for (Point& point : result->found) {
    v1::Point* to = reply->add_points();
    FromPoint(std::move(point), schema, output, *choice, to);
    bytes += to->ByteSizeLong();
    if (bytes > kMaxMessageBytes)
      return ReplyTooLong(reply->points_size(), result->found.size(), bytes);
  }
  for (const PointId& id : result->missing) FromPointId(id, reply->add_missing());
  reply->set_seq(result->seq);
  return absl::OkStatus();
}

absl::Status Delete(Engine& engine, const v1::DeletePointsRequest& request,
                    v1::DeletePointsResponse* reply) {
  const absl::StatusOr<std::vector<PointId>> ids = ToPointIds(request.ids());
  if (!ids.ok()) return ids.status();
  absl::flat_hash_set<PointId> seen;
  for (size_t i = 0; i < ids->size(); ++i) {
    if (!seen.insert((*ids)[i]).second) {
      return FieldError(absl::StrCat("ids[", i, "]"),
                        absl::StrCat(FormatId((*ids)[i]), " is in the batch twice"));
    }
  }
  const absl::StatusOr<DeleteResult> result = engine.Delete(request.collection(), *ids);
  if (!result.ok()) return AtField("ids", result.status());
  reply->set_seq(result->seq);
  reply->set_deleted(static_cast<uint32_t>(result->deleted));
  return absl::OkStatus();
}

absl::Status List(Engine& engine, const v1::ListPointsRequest& request,
                  v1::ListPointsResponse* reply) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  const auto size = ToPageSize(request.page_size());
  if (!size.ok()) return size.status();
  const auto choice = AttributeChoice::Make(request.output(), info->spec.attributes);
  if (!choice.ok()) return AtField("output", choice.status());

  ListRequest page;
  if (!request.page_token().empty()) {
    absl::StatusOr<PointId> last = PointOfToken(request.page_token());
    if (!last.ok()) return last.status();
    page.after = *std::move(last);
  }
  page.limit = *size;
  page.output = ToPointOutput(request.output(), *choice);
  absl::StatusOr<ListResult> result = engine.List(request.collection(), page);
  if (!result.ok()) return AtField("page_token", result.status());

  // The engine ends the page by the bytes of its points; framing and names of attributes come on
  // top.
  constexpr uint64_t kPageBytes = kMaxMessageBytes - (1 << 20);
  uint64_t bytes = 0;
  bool more = result->more;
  PointId last;
  for (Point& point : result->points) {
    PointId id = point.id;
    v1::Point* to = reply->add_points();
    FromPoint(std::move(point), info->spec, page.output, *choice, to);
    bytes += to->ByteSizeLong() + 6;
    if (bytes > kPageBytes && reply->points_size() > 1) {
      reply->mutable_points()->RemoveLast();
      more = true;
      break;
    }
    last = std::move(id);
  }
  if (more) reply->set_next_page_token(TokenOfPoint(last));
  reply->set_seq(result->seq);
  return absl::OkStatus();
}

absl::Status Count(Engine& engine, const v1::CountPointsRequest& request,
                   v1::CountPointsResponse* reply) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  reply->set_count(info->points);
  reply->set_seq(info->seq);
  return absl::OkStatus();
}

// A method that is one function of engine, request and reply.
template <typename Request, typename Reply>
grpc::ServerUnaryReactor* Start(Backend* backend, WorkPool* pool, Method method,
                                grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                grpc::ByteBuffer* out,
                                absl::Status (*function)(Engine&, const Request&, Reply*)) {
  return StartCall<Request, Reply>(backend, pool, method, context, in, out, function);
}

}  // namespace

grpc::ServerUnaryReactor* PointService::UpsertPoints(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* in,
                                                     grpc::ByteBuffer* out) {
  return Start(backend_, &backend_->writes, Method::kUpsertPoints, context, in, out, &Upsert);
}

grpc::ServerUnaryReactor* PointService::GetPoints(grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer* in,
                                                  grpc::ByteBuffer* out) {
  return Start(backend_, &backend_->reads, Method::kGetPoints, context, in, out, &Get);
}

grpc::ServerUnaryReactor* PointService::DeletePoints(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* in,
                                                     grpc::ByteBuffer* out) {
  return Start(backend_, &backend_->writes, Method::kDeletePoints, context, in, out, &Delete);
}

grpc::ServerUnaryReactor* PointService::ListPoints(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* in,
                                                   grpc::ByteBuffer* out) {
  return Start(backend_, &backend_->reads, Method::kListPoints, context, in, out, &List);
}

grpc::ServerUnaryReactor* PointService::CountPoints(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* in,
                                                    grpc::ByteBuffer* out) {
  return Start(backend_, &backend_->reads, Method::kCountPoints, context, in, out, &Count);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PointService::StreamUpsert(
    grpc::CallbackServerContext* context) {
  return UpsertStream::Open(backend_, streams_, context);
}

}  // namespace nestor
