#include "tests/hostile/mutations.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

template <typename Request>
RawCall CallOf(const char* method, const Request& request) {
  return {absl::StrCat("/nestor.v1.", method), &Request::default_instance(),
          request.SerializeAsString()};
}

void AddCollectionCalls(std::vector<RawCall>* calls) {
  v1::CreateCollectionRequest create = MakeCollection("hostile-2", kHostileDim);
  create.mutable_spec()->mutable_index()->mutable_graph()->set_dim(kHostileDim);
  create.mutable_spec()->mutable_index()->add_shells(kHostileDim);
  calls->push_back(CallOf("CollectionService/CreateCollection", create));
  v1::GetCollectionRequest get;
  get.set_name(kHostileCollection);
  calls->push_back(CallOf("CollectionService/GetCollection", get));
  v1::ListCollectionsRequest list;
  list.set_page_size(1);
  list.set_page_token("c:hostile");
  calls->push_back(CallOf("CollectionService/ListCollections", list));
  v1::UpdateCollectionRequest update;
  update.mutable_spec()->set_name(kHostileCollection);
  update.mutable_spec()->set_durability(v1::DURABILITY_ASYNC);
  (*update.mutable_spec()->mutable_attributes())["more"] = v1::ATTRIBUTE_TYPE_BOOL;
  calls->push_back(CallOf("CollectionService/UpdateCollection", update));
  v1::DeleteCollectionRequest remove;
  remove.set_name("hostile-2");
  calls->push_back(CallOf("CollectionService/DeleteCollection", remove));
  v1::BuildIndexRequest build;
  build.set_collection(kHostileCollection);
  build.mutable_spec()->set_lists(4);
  build.mutable_spec()->mutable_graph()->set_degree(8);
  calls->push_back(CallOf("IndexService/BuildIndex", build));
  v1::GetIndexRequest index;
  index.set_collection(kHostileCollection);
  calls->push_back(CallOf("IndexService/GetIndex", index));
}

void AddPointCalls(std::vector<RawCall>* calls) {
  calls->push_back(
      CallOf("PointService/UpsertPoints", MakeUpsert(kHostileCollection, 0, 3, kHostileDim, 2)));
  calls->push_back(CallOf("PointService/StreamUpsert",
                          MakeStreamBatch(kHostileCollection, 1, 0, 4, kHostileDim, 3)));
  calls->back().stream = true;
  v1::GetPointsRequest get;
  get.set_collection(kHostileCollection);
  for (uint64_t id : {1, 5, 900}) get.add_ids()->set_num(id);
  get.mutable_output()->add_attributes("n");
  get.mutable_output()->set_vectors(true);
  calls->push_back(CallOf("PointService/GetPoints", get));
  v1::DeletePointsRequest remove;
  remove.set_collection(kHostileCollection);
  *remove.mutable_ids() = get.ids();
  calls->push_back(CallOf("PointService/DeletePoints", remove));
  v1::ListPointsRequest list;
  list.set_collection(kHostileCollection);
  list.set_page_size(10);
  list.set_page_token("n:17");
  list.mutable_output()->add_attributes("*");
  calls->push_back(CallOf("PointService/ListPoints", list));
  v1::CountPointsRequest count;
  count.set_collection(kHostileCollection);
  calls->push_back(CallOf("PointService/CountPoints", count));
}

void AddSearchCalls(std::vector<RawCall>* calls) {
  v1::SearchRequest search = MakeSearch(kHostileCollection, VectorOf(3, kHostileDim), 10);
  calls->push_back(CallOf("SearchService/Search", search));
  search.mutable_output()->add_attributes("*");
  search.mutable_output()->set_vectors(true);
  v1::Plan* plan = search.mutable_plan();
  plan->mutable_lists()->mutable_coarse()->set_dim(kHostileDim / 2);
  plan->mutable_lists()->mutable_coarse()->set_probes(1);
  plan->mutable_lists()->mutable_scan()->set_dim(kHostileDim / 2);
  plan->mutable_lists()->mutable_scan()->set_keep(100);
  plan->add_refine()->set_dim(kHostileDim);
  plan->mutable_refine(0)->set_keep(20);
  plan->set_rescore(true);
  calls->push_back(CallOf("SearchService/Search", search));
  plan->mutable_graph()->set_dim(kHostileDim);
  plan->mutable_graph()->set_ef(30);
  plan->mutable_graph()->set_margin(0.2f);
  calls->push_back(CallOf("SearchService/Search", search));
  search.mutable_id()->set_num(4);
  search.mutable_exact()->set_dim(kHostileDim / 2);
  search.set_min_seq(1);
  calls->push_back(CallOf("SearchService/Search", search));
  v1::BatchSearchRequest batch;
  batch.set_collection(kHostileCollection);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Bytes(VectorOf(1, kHostileDim)) +
                                    Bytes(VectorOf(2, kHostileDim)));
  batch.set_limit(5);
  batch.mutable_exact();
  calls->push_back(CallOf("SearchService/BatchSearch", batch));
}

void AddAdminCalls(std::vector<RawCall>* calls) {
  calls->push_back(CallOf("AdminService/GetServerInfo", v1::GetServerInfoRequest()));
  calls->push_back(CallOf("AdminService/GetStats", v1::GetStatsRequest()));
  v1::GetOperationRequest get;
  get.set_id(1);
  calls->push_back(CallOf("AdminService/GetOperation", get));
  v1::ListOperationsRequest list;
  list.set_collection(kHostileCollection);
  list.set_page_token("o:1");
  calls->push_back(CallOf("AdminService/ListOperations", list));
  v1::CancelOperationRequest cancel;
  cancel.set_id(1);
  calls->push_back(CallOf("AdminService/CancelOperation", cancel));
}

// One change: a bit, a byte, some bytes more or less, a stretch of another request, an end.
void Damage(const std::string& other, std::mt19937_64* random, std::string* bytes) {
  const auto below = [random](size_t n) { return static_cast<size_t>((*random)() % n); };
  const size_t at = below(bytes->size() + 1);
  const auto byte = static_cast<char>((*random)());
  switch (below(8)) {
    case 0:
    case 1:
      if (at < bytes->size()) (*bytes)[at] ^= static_cast<char>(1 << below(8));
      return;
    case 2:
      if (at < bytes->size()) (*bytes)[at] = byte;
      return;
    case 3:
      bytes->insert(at, 1 + below(4), byte);
      return;
    case 4:
      bytes->erase(at, 1 + below(8));
      return;
    case 5:
      // The largest varint, in place of what is there.
      bytes->replace(at, std::min<size_t>(1, bytes->size() - at), "\xff\xff\xff\xff\xff\x0f");
      return;
    case 6:
      if (!other.empty()) bytes->insert(at, other, below(other.size()), 1 + below(16));
      return;
    default:
      bytes->resize(at);
      return;
  }
}

}  // namespace

bool RawCall::Parses() const {
  const std::unique_ptr<google::protobuf::Message> message(type->New());
  return message->ParseFromString(bytes);
}

uint64_t RawCall::MinSeq() const {
  const google::protobuf::FieldDescriptor* field =
      type->GetDescriptor()->FindFieldByName("min_seq");
  const std::unique_ptr<google::protobuf::Message> message(type->New());
  if (field == nullptr || !message->ParseFromString(bytes)) return 0;
  return message->GetReflection()->GetUInt64(*message, field);
}

std::vector<RawCall> ValidCalls() {
  std::vector<RawCall> calls;
  AddCollectionCalls(&calls);
  AddPointCalls(&calls);
  AddSearchCalls(&calls);
  AddAdminCalls(&calls);
  return calls;
}

RawCall Mutate(const std::vector<RawCall>& calls, bool parses, std::mt19937_64* random) {
  for (;;) {
    RawCall call = calls[(*random)() % calls.size()];
    const std::string valid = call.bytes;
    const std::string& other = calls[(*random)() % calls.size()].bytes;
    for (uint64_t n = 1 + (*random)() % 4; n > 0; --n) Damage(other, random, &call.bytes);
    if (call.bytes != valid && call.Parses() == parses) return call;
  }
}

}  // namespace nestor
