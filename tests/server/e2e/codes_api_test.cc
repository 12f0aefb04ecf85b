// Codes through generated stubs: building them, searching by them, what is told of them.
#include <string>
#include <vector>

#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

constexpr char kName[] = "opq16x8b4";

class CodesApiTest : public ApiTest {
 protected:
  static void AddCode(v1::IndexSpec* spec, uint32_t bytes, uint32_t bits) {
    v1::CodeSpec* code = spec->add_codes();
    code->set_dim(kDim);
    code->set_bytes(bytes);
    code->set_bits(bits);
  }
  void BuildCodes() {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    AddCode(request.mutable_spec(), 8, 4);
    AddCode(request.mutable_spec(), 4, 8);
    const v1::Operation operation = Build(request);
    EXPECT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
  }
  v1::Index GetIndex() {
    v1::GetIndexRequest request;
    request.set_collection("c");
    v1::Index index;
    EXPECT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetIndex, request, &index),
                IsOk());
    return index;
  }
  static v1::Plan PlanOf(const std::string& code, uint32_t keep) {
    v1::Plan plan;
    plan.mutable_lists()->mutable_coarse()->set_dim(kDim);
    plan.mutable_lists()->mutable_coarse()->set_probes(1);
    plan.mutable_lists()->mutable_scan()->set_code(code);
    plan.mutable_lists()->mutable_scan()->set_keep(keep);
    plan.set_rescore(true);
    return plan;
  }
};

TEST_F(CodesApiTest, BuiltCodesAreSeenAndSearched) {
  Upsert(0, 300);
  EXPECT_EQ(GetIndex().codes_size(), 0);
  EXPECT_EQ(GetIndex().memory().codes(), 0u);
  BuildCodes();
  const v1::Index index = GetIndex();
  ASSERT_EQ(index.codes_size(), 2);
  for (int c = 0; c < 2; ++c) {
    EXPECT_EQ(index.codes(c).spec().SerializeAsString(), index.spec().codes(c).SerializeAsString());
  }
  EXPECT_EQ(index.codes(0).spec().bits(), 4u);
  EXPECT_GE(index.codes(0).bytes(), 300u * 8);
  EXPECT_GE(index.codes(1).bytes(), 300u * 4);
  EXPECT_EQ(index.memory().codes(), index.codes(0).bytes() + index.codes(1).bytes());

  for (const char* name : {kName, "opq16x4b8"}) {
    v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 5);
    *request.mutable_plan() = PlanOf(name, 60);
    const v1::SearchResponse reply = Search(request);
    ASSERT_EQ(reply.hits_size(), 5);
    EXPECT_EQ(reply.hits(0).id().num(), 17u);
    EXPECT_EQ(reply.plan_used().SerializeAsString(), request.plan().SerializeAsString());
    ASSERT_EQ(reply.stages_size(), 2);
    EXPECT_EQ(reply.stages(0).name(), "scan");
    EXPECT_EQ(reply.stages(0).in(), 300u);
    EXPECT_EQ(reply.stages(0).out(), 60u);
    EXPECT_GE(reply.stages(0).bytes(), 300u * (name == kName ? 8 : 4));
    EXPECT_EQ(reply.stages(1).name(), "rescore");

    // All rows kept: as brute force.
    *request.mutable_plan() = PlanOf(name, 1000);
    v1::SearchRequest exact = MakeSearch("c", VectorOf(17, kDim), 5);
    exact.mutable_exact();
    const v1::SearchResponse wanted = Search(exact);
    const v1::SearchResponse found = Search(request);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(found.hits(i).id().num(), wanted.hits(i).id().num());
  }
}

TEST_F(CodesApiTest, WritesAfterTheBuildAreSeenAtOnce) {
  Upsert(0, 300);
  BuildCodes();
  Upsert(10, 1, /*version=*/1);
  Upsert(500, 1);
  for (const auto& [id, version] : {std::pair<uint64_t, uint64_t>(10, 1), {500, 0}}) {
    v1::SearchRequest request = MakeSearch("c", VectorOf(id, kDim, version), 3);
    *request.mutable_plan() = PlanOf(kName, 20);
    const v1::SearchResponse reply = Search(request);
    EXPECT_EQ(reply.hits(0).id().num(), id);
    EXPECT_EQ(reply.hits(0).score(), 0);
  }
}

TEST_F(CodesApiTest, BatchesScanCodes) {
  Upsert(0, 300);
  BuildCodes();
  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.set_limit(4);
  *batch.mutable_plan() = PlanOf(kName, 40);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  for (uint64_t i = 0; i < 9; ++i) {
    batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kDim)));
  }
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  EXPECT_EQ(reply.plan_used().lists().scan().code(), kName);
  ASSERT_EQ(reply.ids().nums_size(), 36);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(reply.ids().nums(4 * i), static_cast<uint64_t>(i));
}

TEST_F(CodesApiTest, TheSpecOfTheNextBuildNamesThem) {
  Upsert(0, 300);
  v1::UpdateCollectionRequest update;
  update.mutable_spec()->set_name("c");
  AddCode(update.mutable_spec()->mutable_index(), 8, 4);
  v1::Collection updated;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::UpdateCollection,
                       update, &updated),
              IsOk());
  ASSERT_EQ(updated.spec().index().codes_size(), 1);
  EXPECT_EQ(updated.spec().index().codes(0).bytes(), 8u);
  v1::BuildIndexRequest build;
  build.set_collection("c");
  ASSERT_EQ(Build(build).state(), v1::Operation::STATE_SUCCEEDED);
  ASSERT_EQ(GetIndex().codes_size(), 1);
}

// Out of one index, into another, which then searches by it and has the same file to give.
TEST_F(CodesApiTest, TheyAreExportedAndImported) {
  Upsert(0, 300);
  BuildCodes();
  v1::ExportCodeRequest out;
  out.set_collection("c");
  *out.mutable_code() = GetIndex().codes(0).spec();
  v1::ExportCodeResponse exported;
  const auto export_code = [&] {
    return CallStub(stubs().indexes.get(), &v1::IndexService::Stub::ExportCode, out, &exported);
  };
  ASSERT_THAT(export_code(), IsOk());
  EXPECT_EQ(exported.input(), v1::CODE_INPUT_ROWS) << "the index has one list";
  const std::string file = exported.faiss();
  EXPECT_EQ(file.substr(0, 4), "IxPT");

  v1::DropCodeRequest drop;
  drop.set_collection("c");
  *drop.mutable_code() = out.code();
  v1::Operation operation;
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::DropCode, drop, &operation),
              IsOk());
  ASSERT_EQ(WaitFor(operation.id()).state(), v1::Operation::STATE_SUCCEEDED);
  EXPECT_EQ(export_code().error_code(), grpc::StatusCode::NOT_FOUND);

  v1::ImportCodeRequest in;
  in.set_collection("c");
  *in.mutable_code() = out.code();
  in.set_input(v1::CODE_INPUT_RESIDUALS);
  in.set_faiss(file);
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::ImportCode, in, &operation),
              IsOk());
  operation = WaitFor(operation.id());
  ASSERT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
  const v1::Index index = GetIndex();
  ASSERT_EQ(index.codes_size(), 2);
  EXPECT_EQ(index.codes(0).origin(), v1::Code::ORIGIN_TRAINED);
  EXPECT_EQ(index.codes(1).origin(), v1::Code::ORIGIN_IMPORTED);
  ASSERT_THAT(export_code(), IsOk());
  EXPECT_EQ(exported.input(), v1::CODE_INPUT_RESIDUALS);
  EXPECT_EQ(exported.faiss(), file);
  v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 5);
  *request.mutable_plan() = PlanOf(kName, 60);
  EXPECT_EQ(Search(request).hits(0).id().num(), 17u);
}

TEST_F(CodesApiTest, TheyComeAndGoWithoutABuild) {
  Upsert(0, 300);
  v1::BuildIndexRequest build;
  build.set_collection("c");
  ASSERT_EQ(Build(build).state(), v1::Operation::STATE_SUCCEEDED);
  v1::AddCodeRequest add;
  add.set_collection("c");
  add.mutable_code()->set_dim(kDim);
  add.mutable_code()->set_bytes(8);
  add.mutable_code()->set_bits(4);
  v1::Operation operation;
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::AddCode, add, &operation),
              IsOk());
  EXPECT_EQ(operation.kind(), v1::Operation::KIND_ADD_CODE);
  operation = WaitFor(operation.id());
  ASSERT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
  const v1::Index index = GetIndex();
  EXPECT_EQ(index.generation(), 1u);
  ASSERT_EQ(index.codes_size(), 1);
  EXPECT_EQ(index.codes(0).state(), v1::Code::STATE_READY);
  EXPECT_EQ(index.codes(0).progress(), 1);
  v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 5);
  *request.mutable_plan() = PlanOf(kName, 60);
  EXPECT_EQ(Search(request).hits(0).id().num(), 17u);

  v1::DropCodeRequest drop;
  drop.set_collection("c");
  *drop.mutable_code() = add.code();
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::DropCode, drop, &operation),
              IsOk());
  EXPECT_EQ(operation.kind(), v1::Operation::KIND_DROP_CODE);
  ASSERT_EQ(WaitFor(operation.id()).state(), v1::Operation::STATE_SUCCEEDED);
  EXPECT_EQ(GetIndex().codes_size(), 0);
  v1::SearchResponse reply;
  EXPECT_EQ(CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply)
                .error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace nestor
