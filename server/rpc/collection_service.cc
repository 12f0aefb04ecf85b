#include "server/rpc/collection_service.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/engine.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/page_token.h"
#include "server/rpc/status.h"

namespace nestor {

grpc::ServerUnaryReactor* CollectionService::CreateCollection(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* in,
                                                              grpc::ByteBuffer* out) {
  return StartCall<v1::CreateCollectionRequest, v1::Collection>(
      backend_, &backend_->writes, Method::kCreateCollection, context, in, out,
      [this](Engine& engine, const v1::CreateCollectionRequest& request,
             v1::Collection* reply) -> absl::Status {
        const absl::StatusOr<CollectionSpec> spec = ToCollectionSpec(request.spec());
        if (!spec.ok()) return AtField("spec", spec.status());
        const absl::Status loaded = CheckLoaded(*backend_);
        if (!loaded.ok()) return loaded;
        MutexLock lock(&schema_mutex_);
        const size_t collections = engine.ListCollections().size();
        if (collections >= kMaxCollections) {
          return absl::InvalidArgumentError(absl::StrCat("cannot create collection \"", spec->name,
                                                         "\": ", collections,
                                                         " exist, the limit is ", kMaxCollections));
        }
        const absl::StatusOr<CollectionInfo> made = engine.CreateCollection(*spec);
        if (!made.ok()) return AtField("spec", made.status());
        FromCollectionInfo(*made, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::GetCollection(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* in,
                                                           grpc::ByteBuffer* out) {
  return StartCall<v1::GetCollectionRequest, v1::Collection>(
      backend_, &backend_->reads, Method::kGetCollection, context, in, out,
      [](Engine& engine, const v1::GetCollectionRequest& request,
         v1::Collection* reply) -> absl::Status {
        const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.name());
        if (!info.ok()) return AtField("name", info.status());
        FromCollectionInfo(*info, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::ListCollections(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* in,
                                                             grpc::ByteBuffer* out) {
  return StartCall<v1::ListCollectionsRequest, v1::ListCollectionsResponse>(
      backend_, &backend_->reads, Method::kListCollections, context, in, out,
      [this](Engine& engine, const v1::ListCollectionsRequest& request,
             v1::ListCollectionsResponse* reply) -> absl::Status {
        const absl::Status loaded = CheckLoaded(*backend_);
        if (!loaded.ok()) return loaded;
        const auto size = ToPageSize(request.page_size());
        if (!size.ok()) return size.status();
        std::string after;
        if (!request.page_token().empty()) {
          auto name = NameOfToken(request.page_token());
          if (!name.ok()) return name.status();
          after = *std::move(name);
        }
        const std::vector<CollectionInfo> all = engine.ListCollections();
        auto info = std::upper_bound(
            all.begin(), all.end(), after,
            [](const std::string& name, const CollectionInfo& c) { return name < c.spec.name; });
        for (; info != all.end() && reply->collections_size() < static_cast<int>(*size); ++info) {
          FromCollectionInfo(*info, reply->add_collections());
        }
        if (info != all.end()) reply->set_next_page_token(TokenOfName((info - 1)->spec.name));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::UpdateCollection(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* in,
                                                              grpc::ByteBuffer* out) {
  return StartCall<v1::UpdateCollectionRequest, v1::Collection>(
      backend_, &backend_->writes, Method::kUpdateCollection, context, in, out,
      [this](Engine& engine, const v1::UpdateCollectionRequest& request,
             v1::Collection* reply) -> absl::Status {
        MutexLock lock(&schema_mutex_);
        const absl::StatusOr<CollectionInfo> present = engine.GetCollection(request.spec().name());
        if (!present.ok()) return AtField("spec.name", present.status());
        const absl::StatusOr<CollectionUpdate> update =
            ToCollectionUpdate(request.spec(), present->spec);
        if (!update.ok()) return AtField("spec", update.status());
        const absl::StatusOr<CollectionInfo> updated =
            engine.UpdateCollection(request.spec().name(), *update);
        if (!updated.ok()) return AtField("spec", updated.status());
        FromCollectionInfo(*updated, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CollectionService::DeleteCollection(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* in,
                                                              grpc::ByteBuffer* out) {
  return StartCall<v1::DeleteCollectionRequest, v1::DeleteCollectionResponse>(
      backend_, &backend_->writes, Method::kDeleteCollection, context, in, out,
      [](Engine& engine, const v1::DeleteCollectionRequest& request,
         v1::DeleteCollectionResponse* reply) -> absl::Status {
        return AtField("name", engine.DeleteCollection(request.name()));
      });
}

}  // namespace nestor
