#include "server/rpc/rpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log.h"
#include "server/rpc/acceptor.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/collection_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/index_service.h"
#include "server/rpc/limits.h"
#include "server/rpc/multi_vector_service.h"
#include "server/rpc/open_streams.h"
#include "server/rpc/point_service.h"
#include "server/rpc/search_service.h"

namespace nestor {
namespace {

// Clients ping idle connections at most so often; the server looks for dead ones.
constexpr int kLeastPingMillis = 10'000;
constexpr int kKeepaliveMillis = 60'000;
constexpr int kKeepaliveTimeoutMillis = 20'000;
constexpr int kMaxMetadataBytes = 16 << 10;
constexpr int kMaxStreamsPerConnection = 1024;

constexpr std::chrono::milliseconds kLinger(250);
constexpr std::chrono::milliseconds kDrainPoll(5);

void SetChannelOptions(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kLeastPingMillis);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5000);
}

// What gRPC has to say goes to our log, in its format.
void LogForGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  Log(level, "grpc", {{"text", args->message}, {"file", args->file}, {"line", args->line}});
}

}  // namespace

struct RpcServer::Parts {
  explicit Parts(const BackendOptions& options) : backend(options) {}

  Backend backend;
  OpenStreams streams;
  AdminService admin{&backend};
  CollectionService collections{&backend};
  IndexService indexes{&backend};
  MultiVectorService multi_vectors{&backend};
  PointService points{&backend, &streams};
  SearchService searches{&backend};
  HealthService health{
      &backend,
      {v1::AdminService::service_full_name(), v1::CollectionService::service_full_name(),
       v1::IndexService::service_full_name(), v1::MultiVectorService::service_full_name(),
       v1::PointService::service_full_name(), v1::SearchService::service_full_name()}};
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections;
  std::unique_ptr<Acceptor> acceptor;
};

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::string& address,
                                                            const BackendOptions& options) {
  auto parts = std::make_unique<Parts>(options);
  absl::StatusOr<std::unique_ptr<Acceptor>> acceptor = Acceptor::Bind(address);
  if (!acceptor.ok()) return acceptor.status();
  parts->acceptor = *std::move(acceptor);
  gpr_set_log_function(&LogForGrpc);
  // It would write a line to stderr for every text that is not UTF-8; the caller is told anyway.
  google::protobuf::SetLogHandler(nullptr);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetChannelOptions(&builder);
  // Of messages that have begun to arrive; above it gRPC ends calls with ResourceExhausted; so
  // it must have room for one at least.
  builder.SetResourceQuota(
      grpc::ResourceQuota("requests")
          .Resize(std::max(static_cast<size_t>(options.max_request_bytes), kMaxMessageBytes)));
  parts->connections = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  builder.RegisterService(&parts->health);
  builder.RegisterService(&parts->admin);
  builder.RegisterService(&parts->collections);
  builder.RegisterService(&parts->indexes);
  builder.RegisterService(&parts->multi_vectors);
  builder.RegisterService(&parts->points);
  builder.RegisterService(&parts->searches);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot start gRPC's server on ", address));
  }
  parts->acceptor->Start(
      [connections = parts->connections.get(), known = &parts->backend.connections](
          int listener, int fd, const sockaddr_storage& peer) {
        known->Add(fd, peer);
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
        connection.listener_fd = listener;
        connection.fd = fd;
        connections->HandleNewConnection(&connection);
      });
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(parts)));
}

RpcServer::RpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

RpcServer::~RpcServer() { Shutdown(std::chrono::milliseconds(0)); }

int RpcServer::port() const { return parts_->acceptor->port(); }

void RpcServer::Connect(Engine* engine) {
  parts_->backend.engine.store(engine, std::memory_order_release);
  CollectionsChanged();
}

void RpcServer::CollectionsChanged() { parts_->health.Refresh(); }

void RpcServer::Serve(Engine* engine) {
  parts_->backend.engine.store(engine, std::memory_order_release);
  parts_->backend.loaded.store(true);
  parts_->health.Serve();
}

void RpcServer::Shutdown(std::chrono::milliseconds grace) {
  const auto start = std::chrono::system_clock::now();
  parts_->health.Stop();
  parts_->backend.stopping.store(true);
  parts_->streams.Drain();
  // Calls that gRPC's own shutdown meets end CANCELLED, which no client tries again elsewhere; so
  // the calls in progress end first, and whoever keeps calling is told UNAVAILABLE for a moment.
  const auto busy = [&] {
    return parts_->backend.open_calls.load() > 0 || !parts_->streams.empty();
  };
  const auto since = [&] { return std::chrono::system_clock::now() - start; };
  while (since() < std::min(grace, kLinger) || (busy() && since() < grace)) {
    std::this_thread::sleep_for(kDrainPoll);
  }
  parts_->acceptor->Stop();
  // It waits for clients to close their connections, which idle ones do not, so not for long.
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::min(grace, kLinger));
  parts_->backend.searches.Stop();
  parts_->backend.waits.Stop();
  parts_->backend.writes.Stop();
  parts_->backend.reads.Stop();
}

const RequestCounters& RpcServer::counters() const { return parts_->backend.counters; }

}  // namespace nestor
