#include "server/rpc/index_service.h"

#include <optional>
#include <string>

#include "server/engine/engine.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_centroids.h"
#include "server/rpc/convert_code.h"
#include "server/rpc/convert_multi.h"
#include "server/rpc/convert_operation.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

// The operation's id.
absl::StatusOr<std::string> BeginBuild(Engine& engine, const v1::BuildIndexRequest& request) {
  const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
  if (!info.ok()) return AtField("collection", info.status());
  const CollectionSpec& present = info->spec;
  std::optional<IndexSpec> spec;
  if (request.has_spec()) {
    if (present.multi.has_value()) {
      const absl::Status can_be = CheckMultiIndex(request.spec());
      if (!can_be.ok()) return AtField("spec", can_be);
    }
    IndexSpec defaults;
    defaults.exact_vectors = present.index.exact_vectors;
    const auto wanted = ToIndexSpec(request.spec(), defaults);
    if (!wanted.ok()) return AtField("spec", wanted.status());
    spec = *wanted;
  }
  absl::StatusOr<std::string> id;
  if (request.has_centroids()) {
    const absl::StatusOr<CentroidImport> import =
        ToCentroidImport(request, present, spec.has_value() ? &*spec : nullptr);
    if (!import.ok()) return import.status();
    id = engine.ImportCentroids(request.collection(), *import);
    if (absl::IsInvalidArgument(id.status())) return AtField("centroids", id.status());
  } else if (request.has_muvera()) {
    absl::StatusOr<Reencoding> reencoding = ToReencoding(request.muvera(), present);
    if (!reencoding.ok()) return reencoding.status();
    reencoding->index = spec;
    id = engine.Reencode(request.collection(), *reencoding);
  } else {
    id = engine.BuildIndex(request.collection(), spec);
  }
  if (!id.ok()) return AtField(spec.has_value() ? "spec" : "collection", id.status());
  return id;
}

}  // namespace

grpc::ServerUnaryReactor* IndexService::BuildIndex(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* in,
                                                   grpc::ByteBuffer* out) {
  return StartCall<v1::BuildIndexRequest, v1::Operation>(
      backend_, &backend_->writes, Method::kBuildIndex, context, in, out,
      [](Engine& engine, const v1::BuildIndexRequest& request,
         v1::Operation* reply) -> absl::Status {
        const absl::StatusOr<std::string> id = BeginBuild(engine, request);
        if (!id.ok()) return id.status();
        const absl::StatusOr<Operation> operation = engine.GetOperation(*id);
        if (!operation.ok()) return operation.status();
        FromOperation(*operation, reply);
        return absl::OkStatus();
      });
}

namespace {

// Begins what `begin` does with the code of the request.
template <typename Request>
absl::Status ChangeCodes(Engine& engine, const Request& request,
                         absl::StatusOr<std::string> (Engine::*begin)(absl::string_view,
                                                                      const OpqSpec&),
                         v1::Operation* reply) {
  if (!request.has_code()) return FieldError("code", "must be set");
  const absl::StatusOr<std::string> id =
      (engine.*begin)(request.collection(), ToCodeSpec(request.code()));
  if (!id.ok()) return AtField("code", id.status());
  const absl::StatusOr<Operation> operation = engine.GetOperation(*id);
  if (!operation.ok()) return operation.status();
  FromOperation(*operation, reply);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* IndexService::AddCode(grpc::CallbackServerContext* context,
                                                const grpc::ByteBuffer* in, grpc::ByteBuffer* out) {
  return StartCall<v1::AddCodeRequest, v1::Operation>(
      backend_, &backend_->writes, Method::kAddCode, context, in, out,
      [](Engine& engine, const v1::AddCodeRequest& request, v1::Operation* reply) {
        return ChangeCodes(engine, request, &Engine::AddCode, reply);
      });
}

grpc::ServerUnaryReactor* IndexService::ImportCode(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* in,
                                                   grpc::ByteBuffer* out) {
  return StartCall<v1::ImportCodeRequest, v1::Operation>(
      backend_, &backend_->writes, Method::kImportCode, context, in, out,
      [](Engine& engine, const v1::ImportCodeRequest& request,
         v1::Operation* reply) -> absl::Status {
        const absl::StatusOr<GivenCode> code = ToGivenCode(request);
        if (!code.ok()) return code.status();
        const absl::StatusOr<std::string> id = engine.ImportCode(request.collection(), *code);
        if (!id.ok()) return AtField("code", id.status());
        const absl::StatusOr<Operation> operation = engine.GetOperation(*id);
        if (!operation.ok()) return operation.status();
        FromOperation(*operation, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* IndexService::ExportCode(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* in,
                                                   grpc::ByteBuffer* out) {
  return StartCall<v1::ExportCodeRequest, v1::ExportCodeResponse>(
      backend_, &backend_->reads, Method::kExportCode, context, in, out,
      [](Engine& engine, const v1::ExportCodeRequest& request,
         v1::ExportCodeResponse* reply) -> absl::Status {
        if (!request.has_code()) return FieldError("code", "must be set");
        const auto code = engine.ExportCode(request.collection(), ToCodeSpec(request.code()));
        if (!code.ok()) return AtField("code", code.status());
        return FromCode(**code, reply);
      });
}

grpc::ServerUnaryReactor* IndexService::DropCode(grpc::CallbackServerContext* context,
                                                 const grpc::ByteBuffer* in,
                                                 grpc::ByteBuffer* out) {
  return StartCall<v1::DropCodeRequest, v1::Operation>(
      backend_, &backend_->writes, Method::kDropCode, context, in, out,
      [](Engine& engine, const v1::DropCodeRequest& request, v1::Operation* reply) {
        return ChangeCodes(engine, request, &Engine::DropCode, reply);
      });
}

grpc::ServerUnaryReactor* IndexService::GetCentroids(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* in,
                                                     grpc::ByteBuffer* out) {
  return StartCall<v1::GetCentroidsRequest, v1::GetCentroidsResponse>(
      backend_, &backend_->reads, Method::kGetCentroids, context, in, out,
      [](Engine& engine, const v1::GetCentroidsRequest& request,
         v1::GetCentroidsResponse* reply) -> absl::Status {
        const absl::StatusOr<IndexCentroids> centroids = engine.GetCentroids(request.collection());
        if (!centroids.ok()) return AtField("collection", centroids.status());
        return FromCentroids(*centroids, reply);
      });
}

grpc::ServerUnaryReactor* IndexService::GetIndex(grpc::CallbackServerContext* context,
                                                 const grpc::ByteBuffer* in,
                                                 grpc::ByteBuffer* out) {
  return StartCall<v1::GetIndexRequest, v1::Index>(
      backend_, &backend_->reads, Method::kGetIndex, context, in, out,
      [](Engine& engine, const v1::GetIndexRequest& request, v1::Index* reply) -> absl::Status {
        const absl::StatusOr<IndexInfo> info = engine.GetIndex(request.collection());
        if (!info.ok()) return AtField("collection", info.status());
        FromIndexInfo(*info, reply);
        return absl::OkStatus();
      });
}

}  // namespace nestor
