#include "client/lib/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "nestor/v1/admin.grpc.pb.h"
#include "nestor/v1/collection.grpc.pb.h"
#include "nestor/v1/index.grpc.pb.h"
#include "nestor/v1/multi.grpc.pb.h"
#include "nestor/v1/point.grpc.pb.h"
#include "nestor/v1/search.grpc.pb.h"

namespace nestor {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const ClientOptions& options) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(options.max_message_bytes);
  args.SetMaxSendMessageSize(options.max_message_bytes);
  // Our own retries know which errors the server gave on purpose.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A server that restarts is back within seconds: do not wait gRPC's default of up to two minutes.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), args);
}

bool IsFinished(v1::Operation::State state) {
  return state != v1::Operation::STATE_PENDING && state != v1::Operation::STATE_RUNNING;
}

absl::Status OperationError(const v1::Operation& operation) {
  if (operation.state() == v1::Operation::STATE_SUCCEEDED) return absl::OkStatus();
  const absl::Status error = ToAbslStatus(operation.error());
  if (!error.ok()) return error;
  return absl::InternalError(absl::StrCat("operation ", operation.id(), " ended in state ",
                                          v1::Operation::State_Name(operation.state()),
                                          " and does not say why"));
}

}  // namespace

struct Client::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : admin(v1::AdminService::NewStub(channel)),
        collections(v1::CollectionService::NewStub(channel)),
        indexes(v1::IndexService::NewStub(channel)),
        multi_vectors(v1::MultiVectorService::NewStub(channel)),
        points(v1::PointService::NewStub(channel)),
        searches(v1::SearchService::NewStub(channel)),
        health(grpc::health::v1::Health::NewStub(channel)) {}

  const std::unique_ptr<v1::AdminService::Stub> admin;
  const std::unique_ptr<v1::CollectionService::Stub> collections;
  const std::unique_ptr<v1::IndexService::Stub> indexes;
  const std::unique_ptr<v1::MultiVectorService::Stub> multi_vectors;
  const std::unique_ptr<v1::PointService::Stub> points;
  const std::unique_ptr<v1::SearchService::Stub> searches;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      channel_(MakeChannel(options_)),
      stubs_(std::make_unique<Stubs>(channel_)) {}

Client::~Client() = default;

absl::Status Client::WaitConnected(absl::Time deadline) {
  if (channel_->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY) return absl::OkStatus();
  deadline = std::min(deadline, absl::Now() + options_.connect_timeout);
  if (channel_->WaitForConnected(absl::ToChronoTime(deadline))) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("connect to ", options_.server, ": no server answered within ",
                   absl::FormatDuration(std::min(options_.connect_timeout, options_.deadline))));
}

absl::Status Client::Connect() { return WaitConnected(absl::Now() + options_.connect_timeout); }

template <typename Response, typename Call>
absl::StatusOr<Response> Client::Run(Repeat repeat, const Call& call) {
  const absl::Time deadline = absl::Now() + options_.deadline;
  Backoff backoff(options_.retry);
  while (true) {
    // Time spent connecting has its own limit, so it is not retried.
    if (absl::Status connected = WaitConnected(deadline); !connected.ok()) return connected;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    context.set_wait_for_ready(true);
    Response response;
    const absl::Status status = ToAbslStatus(call(&context, &response));
    if (status.ok()) return response;
    const auto wait = backoff.Next(status, repeat == Repeat::kIdempotent);
    if (!wait.has_value() || absl::Now() + *wait >= deadline) return status;
    absl::SleepFor(*wait);
  }
}

absl::StatusOr<v1::Collection> Client::CreateCollection(const v1::CollectionSpec& spec) {
  v1::CreateCollectionRequest request;
  *request.mutable_spec() = spec;
  return Run<v1::Collection>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->collections->CreateCollection(context, request, response);
  });
}

absl::StatusOr<v1::Collection> Client::GetCollection(absl::string_view name) {
  v1::GetCollectionRequest request;
  request.set_name(std::string(name));
  return Run<v1::Collection>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->collections->GetCollection(context, request, response);
  });
}

absl::StatusOr<std::vector<v1::Collection>> Client::ListCollections() {
  std::vector<v1::Collection> collections;
  v1::ListCollectionsRequest request;
  do {
    auto page =
        Run<v1::ListCollectionsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
          return stubs_->collections->ListCollections(context, request, response);
        });
    if (!page.ok()) return page.status();
    for (auto& collection : *page->mutable_collections()) {
      collections.push_back(std::move(collection));
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return collections;
}

absl::StatusOr<v1::Collection> Client::UpdateCollection(const v1::CollectionSpec& spec) {
  v1::UpdateCollectionRequest request;
  *request.mutable_spec() = spec;
  return Run<v1::Collection>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->collections->UpdateCollection(context, request, response);
  });
}

absl::Status Client::DeleteCollection(absl::string_view name) {
  v1::DeleteCollectionRequest request;
  request.set_name(std::string(name));
  return Run<v1::DeleteCollectionResponse>(Repeat::kOnlyIfRefused,
                                           [&](auto* context, auto* response) {
                                             return stubs_->collections->DeleteCollection(
                                                 context, request, response);
                                           })
      .status();
}

absl::StatusOr<v1::UpsertPointsResponse> Client::UpsertPoints(
    const v1::UpsertPointsRequest& request) {
  return Run<v1::UpsertPointsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->points->UpsertPoints(context, request, response);
  });
}

absl::StatusOr<v1::GetPointsResponse> Client::GetPoints(const v1::GetPointsRequest& request) {
  return Run<v1::GetPointsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->points->GetPoints(context, request, response);
  });
}

absl::StatusOr<v1::DeletePointsResponse> Client::DeletePoints(
    const v1::DeletePointsRequest& request) {
  // Deleting twice leaves the same points, but the count would be wrong.
  return Run<v1::DeletePointsResponse>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->points->DeletePoints(context, request, response);
  });
}

absl::StatusOr<v1::ListPointsResponse> Client::ListPoints(const v1::ListPointsRequest& request) {
  return Run<v1::ListPointsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->points->ListPoints(context, request, response);
  });
}

absl::StatusOr<v1::CountPointsResponse> Client::CountPoints(absl::string_view collection) {
  v1::CountPointsRequest request;
  request.set_collection(std::string(collection));
  return Run<v1::CountPointsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->points->CountPoints(context, request, response);
  });
}

std::unique_ptr<BulkUpsert> Client::StartBulkUpsert(const BulkUpsert::Options& options) {
  return std::make_unique<BulkUpsert>(stubs_->points.get(), options, options_.retry, [this] {
    return WaitConnected(absl::Now() + options_.connect_timeout);
  });
}

absl::StatusOr<v1::Operation> Client::BuildIndex(const v1::BuildIndexRequest& request) {
  return Run<v1::Operation>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->indexes->BuildIndex(context, request, response);
  });
}

absl::StatusOr<v1::Operation> Client::AddCode(const v1::AddCodeRequest& request) {
  return Run<v1::Operation>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->indexes->AddCode(context, request, response);
  });
}

absl::StatusOr<v1::Operation> Client::DropCode(const v1::DropCodeRequest& request) {
  return Run<v1::Operation>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->indexes->DropCode(context, request, response);
  });
}

absl::StatusOr<v1::Operation> Client::ImportCode(const v1::ImportCodeRequest& request) {
  return Run<v1::Operation>(Repeat::kOnlyIfRefused, [&](auto* context, auto* response) {
    return stubs_->indexes->ImportCode(context, request, response);
  });
}

absl::StatusOr<v1::ExportCodeResponse> Client::ExportCode(const v1::ExportCodeRequest& request) {
  return Run<v1::ExportCodeResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->indexes->ExportCode(context, request, response);
  });
}

absl::StatusOr<v1::GetCentroidsResponse> Client::GetCentroids(absl::string_view collection) {
  v1::GetCentroidsRequest request;
  request.set_collection(std::string(collection));
  return Run<v1::GetCentroidsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->indexes->GetCentroids(context, request, response);
  });
}

absl::StatusOr<v1::Index> Client::GetIndex(absl::string_view collection) {
  v1::GetIndexRequest request;
  request.set_collection(std::string(collection));
  return Run<v1::Index>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->indexes->GetIndex(context, request, response);
  });
}

absl::StatusOr<v1::EncodeFDEResponse> Client::EncodeFde(const v1::EncodeFDERequest& request) {
  return Run<v1::EncodeFDEResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->multi_vectors->EncodeFDE(context, request, response);
  });
}

absl::StatusOr<v1::EstimateFDEResponse> Client::EstimateFde(const v1::EstimateFDERequest& request) {
  return Run<v1::EstimateFDEResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->multi_vectors->EstimateFDE(context, request, response);
  });
}

absl::StatusOr<v1::SearchResponse> Client::Search(const v1::SearchRequest& request) {
  return Run<v1::SearchResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->searches->Search(context, request, response);
  });
}

absl::StatusOr<v1::BatchSearchResponse> Client::BatchSearch(const v1::BatchSearchRequest& request) {
  return Run<v1::BatchSearchResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->searches->BatchSearch(context, request, response);
  });
}

absl::StatusOr<v1::ServerInfo> Client::GetServerInfo() {
  return Run<v1::ServerInfo>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->admin->GetServerInfo(context, {}, response);
  });
}

absl::StatusOr<v1::Stats> Client::GetStats() {
  return Run<v1::Stats>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->admin->GetStats(context, {}, response);
  });
}

absl::StatusOr<v1::Operation> Client::GetOperation(uint64_t id) {
  v1::GetOperationRequest request;
  request.set_id(id);
  return Run<v1::Operation>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->admin->GetOperation(context, request, response);
  });
}

absl::StatusOr<v1::ListOperationsResponse> Client::ListOperations(
    const v1::ListOperationsRequest& request) {
  return Run<v1::ListOperationsResponse>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->admin->ListOperations(context, request, response);
  });
}

absl::StatusOr<v1::Operation> Client::CancelOperation(uint64_t id) {
  v1::CancelOperationRequest request;
  request.set_id(id);
  return Run<v1::Operation>(Repeat::kIdempotent, [&](auto* context, auto* response) {
    return stubs_->admin->CancelOperation(context, request, response);
  });
}

absl::StatusOr<v1::Operation> Client::WaitOperation(uint64_t id, const WaitOptions& options) {
  // In a row: a server that is starved by what is waited for may answer late.
  constexpr int kMostLateAnswers = 10;
  const absl::Time deadline = absl::Now() + options.timeout;
  int late = 0;
  while (true) {
    absl::StatusOr<v1::Operation> operation = GetOperation(id);
    if (absl::IsDeadlineExceeded(operation.status()) && absl::Now() < deadline &&
        ++late < kMostLateAnswers) {
      continue;
    }
    if (!operation.ok()) return operation;
    late = 0;
    if (options.on_progress) options.on_progress(*operation);
    if (IsFinished(operation->state())) {
      if (absl::Status error = OperationError(*operation); !error.ok()) return error;
      return operation;
    }
    if (absl::Now() + options.poll_interval > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("wait for operation ", id,
                                                      ": still going on after ",
                                                      absl::FormatDuration(options.timeout)));
    }
    absl::SleepFor(options.poll_interval);
  }
}

absl::StatusOr<grpc::health::v1::HealthCheckResponse::ServingStatus> Client::CheckHealth(
    absl::string_view service) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(std::string(service));
  auto response = Run<grpc::health::v1::HealthCheckResponse>(
      Repeat::kIdempotent,
      [&](auto* context, auto* reply) { return stubs_->health->Check(context, request, reply); });
  if (!response.ok()) return response.status();
  return response->status();
}

}  // namespace nestor
