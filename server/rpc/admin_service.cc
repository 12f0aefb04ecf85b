#include "server/rpc/admin_service.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"
#include "index/own_lists.h"
#include "server/engine/engine.h"
#include "server/engine/validate.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_operation.h"
#include "server/rpc/convert_point.h"
#include "server/rpc/limits.h"
#include "server/rpc/page_token.h"
#include "server/rpc/status.h"
#include "server/version.h"

namespace nestor {
namespace {

void FillLimits(const Backend& backend, v1::Limits* limits) {
  limits->set_max_message_bytes(kMaxMessageBytes);
  limits->set_max_dim(kMaxDim);
  limits->set_max_nesting(kMaxNesting);
  limits->set_max_name_bytes(kMaxNameBytes);
  limits->set_max_str_id_bytes(kMaxStringIdBytes);
  limits->set_max_limit(kMaxLimit);
  limits->set_max_batch(kMaxBatch);
  limits->set_max_batch_hits(kMaxBatchHits);
  limits->set_max_probes(kMaxProbes);
  limits->set_max_keep(kMaxKeep);
  limits->set_max_refine_stages(kMaxRefineStages);
  limits->set_max_lists(kMaxLists);
  limits->set_max_attributes(kMaxAttributeFields);
  limits->set_max_attribute_bytes(kMaxAttributeValueBytes);
  limits->set_max_list_values(kMaxListValues);
  limits->set_max_page_size(kMaxPageSize);
  limits->set_max_collections(kMaxCollections);
  limits->set_max_operations(kMaxOperations);
  limits->set_search_threads(backend.searches.threads());
  limits->set_max_queued_searches(static_cast<uint32_t>(backend.searches.max_queued()));
  limits->set_max_ef(kMaxEf);
  limits->set_max_codes(kMaxCodes);
  limits->set_max_tokens(kMaxTokens);
  limits->set_max_token_dim(kMaxTokenDim);
  limits->set_max_fde_dims(kMaxFdeDims);
  limits->set_max_k_sim(kMaxKSim);
  limits->set_max_fde_repetitions(kMaxFdeRepetitions);
  limits->set_max_own_list_values(kMaxOwnListValues);
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetServerInfo(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* in,
                                                      grpc::ByteBuffer* out) {
  return StartCall<v1::GetServerInfoRequest, v1::ServerInfo>(
      backend_, &backend_->reads, Method::kGetServerInfo, context, in, out,
      [this](Engine&, const v1::GetServerInfoRequest& request,
             v1::ServerInfo* reply) -> absl::Status {
        reply->set_version(kVersion);
        reply->set_simd_level(Name(ActiveKernels().level));
        FillLimits(*backend_, reply->mutable_limits());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::GetStats(grpc::CallbackServerContext* context,
                                                 const grpc::ByteBuffer* in,
                                                 grpc::ByteBuffer* out) {
  return StartCall<v1::GetStatsRequest, v1::Stats>(
      backend_, &backend_->reads, Method::kGetStats, context, in, out,
      [this](Engine& engine, const v1::GetStatsRequest& request, v1::Stats* reply) -> absl::Status {
        const absl::Status loaded = CheckLoaded(*backend_);
        if (!loaded.ok()) return loaded;
        const std::chrono::duration<double> uptime =
            std::chrono::steady_clock::now() - backend_->started;
        reply->set_uptime_seconds(uptime.count());
        for (const CollectionStats& stats : engine.Stats().collections) {
          v1::CollectionStats* to = reply->add_collections();
          to->set_collection(stats.name);
          to->set_rows(stats.points);
          to->set_seq(stats.seq);
          to->set_memory_bytes(stats.index.memory.Total() + stats.index.id_map_bytes +
                               stats.index.token_bytes);
          to->set_disk_bytes(stats.disk_bytes);
        }
        backend_->counters.Visit([reply](Method method, absl::StatusCode code, uint64_t count) {
          v1::RequestCount* to = reply->add_requests();
          to->set_method(std::string(FullName(method)));
          to->set_status(absl::StatusCodeToString(code));
          to->set_count(count);
        });
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::GetOperation(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* in,
                                                     grpc::ByteBuffer* out) {
  return StartCall<v1::GetOperationRequest, v1::Operation>(
      backend_, &backend_->reads, Method::kGetOperation, context, in, out,
      [](Engine& engine, const v1::GetOperationRequest& request,
         v1::Operation* reply) -> absl::Status {
        const absl::StatusOr<std::string> id = ToOperationId(request.id());
        if (!id.ok()) return id.status();
        const absl::StatusOr<Operation> operation = engine.GetOperation(*id);
        if (!operation.ok()) return operation.status();
        FromOperation(*operation, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::ListOperations(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* in,
                                                       grpc::ByteBuffer* out) {
  return StartCall<v1::ListOperationsRequest, v1::ListOperationsResponse>(
      backend_, &backend_->reads, Method::kListOperations, context, in, out,
      [](Engine& engine, const v1::ListOperationsRequest& request,
         v1::ListOperationsResponse* reply) -> absl::Status {
        const auto size = ToPageSize(request.page_size());
        if (!size.ok()) return size.status();
        uint64_t before = std::numeric_limits<uint64_t>::max();
        if (!request.page_token().empty()) {
          const auto last = OperationOfToken(request.page_token());
          if (!last.ok()) return last.status();
          before = *last;
        }
        if (!request.collection().empty()) {
          const absl::Status name = ValidateName("collection", request.collection());
          if (!name.ok()) return AtField("collection", name);
        }
        uint64_t last = 0;
        for (const Operation& operation : engine.ListOperations()) {
          const uint64_t number = FromOperationId(operation.id);
          if (number >= before) continue;
          if (!request.collection().empty() && operation.collection != request.collection())
            continue;
          if (reply->operations_size() == static_cast<int>(*size)) {
            reply->set_next_page_token(TokenOfOperation(last));
            break;
          }
          FromOperation(operation, reply->add_operations());
          last = number;
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminService::CancelOperation(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* in,
                                                        grpc::ByteBuffer* out) {
  return StartCall<v1::CancelOperationRequest, v1::Operation>(
      backend_, &backend_->writes, Method::kCancelOperation, context, in, out,
      [](Engine& engine, const v1::CancelOperationRequest& request,
         v1::Operation* reply) -> absl::Status {
        const absl::StatusOr<std::string> id = ToOperationId(request.id());
        if (!id.ok()) return id.status();
        const absl::Status cancelled = engine.CancelOperation(*id);
        // One that has ended is returned as it is.
        if (!cancelled.ok() && !absl::IsFailedPrecondition(cancelled)) return cancelled;
        const absl::StatusOr<Operation> operation = engine.GetOperation(*id);
        if (!operation.ok()) return operation.status();
        FromOperation(*operation, reply);
        return absl::OkStatus();
      });
}

}  // namespace nestor
