#include "tests/client/fake_server.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"

namespace nestor {
namespace {

using grpc::ServerContext;
using grpc::Status;

Status NoCollection(const std::string& name) {
  return MakeError(grpc::StatusCode::NOT_FOUND, absl::StrCat("no collection named ", name),
                   "COLLECTION_NOT_FOUND");
}

}  // namespace

grpc::Status MakeError(grpc::StatusCode code, const std::string& message, const std::string& reason,
                       const std::string& field, absl::Duration retry_after) {
  google::rpc::Status rpc;
  rpc.set_code(code);
  rpc.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("nestor");
  rpc.add_details()->PackFrom(info);
  if (!field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(message);
    rpc.add_details()->PackFrom(bad);
  }
  if (retry_after > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(retry_after)));
    rpc.add_details()->PackFrom(retry);
  }
  return Status(code, message, rpc.SerializeAsString());
}

class FakeServer::Services {
 public:
  explicit Services(FakeServer* fake)
      : admin(fake), collections(fake), indexes(fake), points(fake), searches(fake) {}

  // Counts the call; not OK: the call ends so.
  static Status Enter(FakeServer* fake, ServerContext* context) {
    std::lock_guard lock(fake->mutex_);
    ++fake->calls_;
    fake->last_deadline_ = absl::FromChrono(context->deadline()) - absl::Now();
    if (fake->failures_.empty()) return Status::OK;
    Status failure = fake->failures_.front();
    fake->failures_.pop_front();
    return failure;
  }

  struct Admin : v1::AdminService::Service {
    explicit Admin(FakeServer* fake) : fake(fake) {}
    Status GetServerInfo(ServerContext* context, const v1::GetServerInfoRequest*,
                         v1::ServerInfo* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      *response = fake->info;
      return Status::OK;
    }
    Status GetStats(ServerContext* context, const v1::GetStatsRequest*,
                    v1::Stats* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      *response = fake->stats;
      return Status::OK;
    }
    Status GetOperation(ServerContext* context, const v1::GetOperationRequest*,
                        v1::Operation* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (fake->operations.empty()) return Status(grpc::StatusCode::NOT_FOUND, "no operation");
      *response = fake->operations.front();
      if (fake->operations.size() > 1) fake->operations.pop_front();
      return Status::OK;
    }
    FakeServer* fake;
  };

  struct Collections : v1::CollectionService::Service {
    explicit Collections(FakeServer* fake) : fake(fake) {}
    Status CreateCollection(ServerContext* context, const v1::CreateCollectionRequest* request,
                            v1::Collection* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      fake->created_.push_back(request->spec());
      *response->mutable_spec() = request->spec();
      response->set_uid(static_cast<uint32_t>(fake->created_.size()));
      fake->collections[request->spec().name()] = *response;
      return Status::OK;
    }
    Status GetCollection(ServerContext* context, const v1::GetCollectionRequest* request,
                         v1::Collection* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      const auto it = fake->collections.find(request->name());
      if (it == fake->collections.end()) return NoCollection(request->name());
      *response = it->second;
      return Status::OK;
    }
    // Knows of durability and the memory limit.
    Status UpdateCollection(ServerContext* context, const v1::UpdateCollectionRequest* request,
                            v1::Collection* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      const v1::CollectionSpec& wanted = request->spec();
      const auto it = fake->collections.find(wanted.name());
      if (it == fake->collections.end()) return NoCollection(wanted.name());
      v1::CollectionSpec* spec = it->second.mutable_spec();
      if (wanted.durability() != v1::DURABILITY_UNSPECIFIED) {
        spec->set_durability(wanted.durability());
      }
      if (wanted.has_memory_limit_bytes()) {
        spec->set_memory_limit_bytes(wanted.memory_limit_bytes());
      }
      *response = it->second;
      return Status::OK;
    }
    // One collection a page, so that clients have to turn pages.
    Status ListCollections(ServerContext* context, const v1::ListCollectionsRequest* request,
                           v1::ListCollectionsResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      auto it = fake->collections.upper_bound(request->page_token());
      if (it == fake->collections.end()) return Status::OK;
      *response->add_collections() = it->second;
      if (std::next(it) != fake->collections.end()) response->set_next_page_token(it->first);
      return Status::OK;
    }
    FakeServer* fake;
  };

  struct Indexes : v1::IndexService::Service {
    explicit Indexes(FakeServer* fake) : fake(fake) {}
    Status BuildIndex(ServerContext* context, const v1::BuildIndexRequest* request,
                      v1::Operation* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (!fake->collections.contains(request->collection())) {
        return NoCollection(request->collection());
      }
      fake->builds_.push_back(*request);
      response->set_id(7);
      response->set_kind(v1::Operation::KIND_BUILD_INDEX);
      response->set_state(v1::Operation::STATE_PENDING);
      return Status::OK;
    }
    Status AddCode(ServerContext* context, const v1::AddCodeRequest* request,
                   v1::Operation* response) override {
      return Change("add", *request, context, response);
    }
    Status ImportCode(ServerContext* context, const v1::ImportCodeRequest* request,
                      v1::Operation* response) override {
      return Change(
          absl::StrCat("import ", v1::CodeInput_Name(request->input()), " ", request->faiss()),
          *request, context, response);
    }
    Status ExportCode(ServerContext* context, const v1::ExportCodeRequest* request,
                      v1::ExportCodeResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (!fake->collections.contains(request->collection())) {
        return NoCollection(request->collection());
      }
      *response = fake->exported_code;
      return Status::OK;
    }
    Status GetCentroids(ServerContext* context, const v1::GetCentroidsRequest* request,
                        v1::GetCentroidsResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (!fake->collections.contains(request->collection())) {
        return NoCollection(request->collection());
      }
      *response = fake->centroids;
      return Status::OK;
    }
    Status DropCode(ServerContext* context, const v1::DropCodeRequest* request,
                    v1::Operation* response) override {
      return Change("drop", *request, context, response);
    }
    template <typename Request>
    Status Change(const std::string& what, const Request& request, ServerContext* context,
                  v1::Operation* response) {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (!fake->collections.contains(request.collection())) {
        return NoCollection(request.collection());
      }
      const v1::CodeSpec& code = request.code();
      fake->code_changes_.push_back(
          absl::StrCat(what, " ", code.dim(), " ", code.bytes(), " ", code.bits()));
      response->set_id(7);
      response->set_state(v1::Operation::STATE_PENDING);
      return Status::OK;
    }
    Status GetIndex(ServerContext* context, const v1::GetIndexRequest* request,
                    v1::Index* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      if (!fake->collections.contains(request->collection())) {
        return NoCollection(request->collection());
      }
      *response = fake->index;
      return Status::OK;
    }
    FakeServer* fake;
  };

  struct Points : v1::PointService::Service {
    explicit Points(FakeServer* fake) : fake(fake) {}
    Status GetPoints(ServerContext* context, const v1::GetPointsRequest* request,
                     v1::GetPointsResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      for (const v1::PointId& id : request->ids()) {
        bool found = false;
        for (const v1::Point& point : fake->points) {
          if (point.id().SerializeAsString() != id.SerializeAsString()) continue;
          *response->add_points() = point;
          found = true;
        }
        if (!found) *response->add_missing() = id;
      }
      return Status::OK;
    }
    Status DeletePoints(ServerContext* context, const v1::DeletePointsRequest* request,
                        v1::DeletePointsResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      std::lock_guard lock(fake->mutex_);
      fake->deletes_.push_back(*request);
      response->set_seq(99);
      response->set_deleted(static_cast<uint32_t>(request->ids_size()) - 1);
      return Status::OK;
    }
    Status StreamUpsert(ServerContext*, UpsertStream* stream) override {
      int number = 0;
      {
        std::lock_guard lock(fake->mutex_);
        number = ++fake->streams_;
      }
      if (fake->serve_stream) return fake->serve_stream(number, stream);
      v1::StreamUpsertRequest batch;
      while (stream->Read(&batch)) fake->Ack(batch, stream);
      return Status::OK;
    }
    FakeServer* fake;
  };

  struct Searches : v1::SearchService::Service {
    explicit Searches(FakeServer* fake) : fake(fake) {}
    Status Search(ServerContext* context, const v1::SearchRequest* request,
                  v1::SearchResponse* response) override {
      if (Status s = Enter(fake, context); !s.ok()) return s;
      return fake->search(*request, response);
    }
    FakeServer* fake;
  };

  Admin admin;
  Collections collections;
  Indexes indexes;
  Points points;
  Searches searches;
};

FakeServer::FakeServer() : services_(std::make_unique<Services>(this)) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.RegisterService(&services_->admin);
  builder.RegisterService(&services_->collections);
  builder.RegisterService(&services_->indexes);
  builder.RegisterService(&services_->points);
  builder.RegisterService(&services_->searches);
  server_ = builder.BuildAndStart();
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus("collections/c", true);
  health->SetServingStatus("collections/loading", false);
}

FakeServer::~FakeServer() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

std::string FakeServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void FakeServer::FailNext(std::vector<grpc::Status> failures) {
  std::lock_guard lock(mutex_);
  failures_.assign(failures.begin(), failures.end());
}

int FakeServer::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

absl::Duration FakeServer::last_deadline() const {
  std::lock_guard lock(mutex_);
  return last_deadline_;
}

std::vector<v1::StreamUpsertRequest> FakeServer::batches() const {
  std::lock_guard lock(mutex_);
  return batches_;
}

std::vector<v1::CollectionSpec> FakeServer::created() const {
  std::lock_guard lock(mutex_);
  return created_;
}

std::vector<std::string> FakeServer::code_changes() const {
  std::lock_guard lock(mutex_);
  return code_changes_;
}
std::vector<v1::BuildIndexRequest> FakeServer::builds() const {
  std::lock_guard lock(mutex_);
  return builds_;
}

std::vector<v1::DeletePointsRequest> FakeServer::deletes() const {
  std::lock_guard lock(mutex_);
  return deletes_;
}

void FakeServer::Ack(const v1::StreamUpsertRequest& batch, UpsertStream* stream) {
  v1::StreamUpsertResponse response;
  response.set_batch(batch.batch());
  {
    std::lock_guard lock(mutex_);
    batches_.push_back(batch);
    response.mutable_ack()->set_seq(batches_.size());
  }
  response.mutable_ack()->set_count(
      static_cast<uint32_t>(batch.ids().nums_size() + batch.ids().strs_size()));
  stream->Write(response);
}

}  // namespace nestor
