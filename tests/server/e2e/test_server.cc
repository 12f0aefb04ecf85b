#include "tests/server/e2e/test_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace nestor {

Stubs::Stubs(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  arguments.SetMaxSendMessageSize(-1);
  // Servers come and go on the same port: each client has connections of its own and tries again
  // soon.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  admin = v1::AdminService::NewStub(channel);
  collections = v1::CollectionService::NewStub(channel);
  indexes = v1::IndexService::NewStub(channel);
  points = v1::PointService::NewStub(channel);
  searches = v1::SearchService::NewStub(channel);
  health = grpc::health::v1::Health::NewStub(channel);
}

bool WaitUntilServing(const Stubs& stubs, int seconds) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
  const auto watch = stubs.health->Watch(&context, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse reply;
  while (watch->Read(&reply)) {
    if (reply.status() == grpc::health::v1::HealthCheckResponse::SERVING) {
      context.TryCancel();
      return true;
    }
  }
  return false;
}

TestServer::TestServer(const BackendOptions& options) {
  auto started = RpcServer::Start("127.0.0.1:0", options);
  EXPECT_TRUE(started.ok()) << started.status();
  rpc_ = *std::move(started);
  stubs_ = std::make_unique<Stubs>(address());
}

TestServer::~TestServer() {
  rpc_->Shutdown(std::chrono::milliseconds(0));
  if (engine_ != nullptr) {
    EXPECT_TRUE(engine_->Close().ok());
  }
}

void TestServer::Load() {
  Open([] {});
  LoadCollections();
}

void TestServer::Open(std::function<void()> loaded_one) {
  EngineOptions options;
  options.data_dir = dir_.path();
  options.on_collections = [this, loaded_one = std::move(loaded_one)] {
    rpc_->CollectionsChanged();
    loaded_one();
  };
  auto opened = Engine::OpenUnloaded(std::move(options));
  ASSERT_TRUE(opened.ok()) << opened.status();
  engine_ = *std::move(opened);
  rpc_->Connect(engine_.get());
}

void TestServer::LoadCollections() {
  const absl::Status loaded = engine_->LoadCollections();
  ASSERT_TRUE(loaded.ok()) << loaded;
  rpc_->Serve(engine_.get());
}

std::string TestServer::address() const { return "127.0.0.1:" + std::to_string(rpc_->port()); }

std::vector<float> VectorOf(uint64_t id, uint32_t dim, uint64_t version) {
  std::mt19937 random(static_cast<uint32_t>(id * 1000003 + version * 97 + 1));
  std::uniform_real_distribution<float> value(0.1f, 1.f);
  std::vector<float> out(dim);
  for (float& x : out) x = value(random);
  return out;
}

std::string Bytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

v1::CreateCollectionRequest MakeCollection(const std::string& name, uint32_t dim) {
  v1::CreateCollectionRequest request;
  v1::CollectionSpec* spec = request.mutable_spec();
  spec->set_name(name);
  spec->set_dim(dim);
  spec->add_nesting(dim / 2);
  spec->add_nesting(dim);
  spec->set_metric(v1::METRIC_L2);
  (*spec->mutable_attributes())["n"] = v1::ATTRIBUTE_TYPE_INT64;
  (*spec->mutable_attributes())["s"] = v1::ATTRIBUTE_TYPE_STRING;
  return request;
}

v1::Point MakePoint(uint64_t id, uint32_t dim, uint64_t version) {
  v1::Point point;
  point.mutable_id()->set_num(id);
  const std::vector<float> vector = VectorOf(id, dim, version);
  point.mutable_vector()->mutable_floats()->mutable_values()->Assign(vector.begin(), vector.end());
  (*point.mutable_attributes())["n"].set_int64_value(static_cast<int64_t>(version));
  (*point.mutable_attributes())["s"].set_string_value("point " + std::to_string(id));
  return point;
}

v1::UpsertPointsRequest MakeUpsert(const std::string& collection, uint64_t first, uint64_t count,
                                   uint32_t dim, uint64_t version) {
  v1::UpsertPointsRequest request;
  request.set_collection(collection);
  for (uint64_t id = first; id < first + count; ++id)
    *request.add_points() = MakePoint(id, dim, version);
  return request;
}

v1::StreamUpsertRequest MakeStreamBatch(const std::string& collection, uint64_t batch,
                                        uint64_t first, uint64_t count, uint32_t dim,
                                        uint64_t version) {
  v1::StreamUpsertRequest request;
  request.set_batch(batch);
  request.set_collection(collection);
  v1::AttributeColumn* n = request.add_columns();
  n->set_name("n");
  v1::AttributeColumn* s = request.add_columns();
  s->set_name("s");
  request.mutable_vectors()->set_dtype(v1::DTYPE_F32);
  for (uint64_t id = first; id < first + count; ++id) {
    request.mutable_ids()->add_nums(id);
    request.mutable_vectors()->mutable_data()->append(Bytes(VectorOf(id, dim, version)));
    n->mutable_int64s()->add_values(static_cast<int64_t>(version));
    s->mutable_strings()->add_values("point " + std::to_string(id));
  }
  return request;
}

v1::SearchRequest MakeSearch(const std::string& collection, const std::vector<float>& query,
                             uint32_t limit) {
  v1::SearchRequest request;
  request.set_collection(collection);
  request.mutable_vector()->mutable_floats()->mutable_values()->Assign(query.begin(), query.end());
  request.set_limit(limit);
  return request;
}

}  // namespace nestor
