// Refused requests about codes: plans, specs, what is not built.
#include <string>
#include <vector>

#include "tests/server/e2e/bad_input.h"

namespace nestor {
namespace {

using grpc::StatusCode;

class BadCodesTest : public BadInputTest {
 protected:
  template <typename R>
  static std::vector<Case<R>> BadPlans() {
    const auto invalid = StatusCode::INVALID_ARGUMENT;
    const auto code = [](const char* name) {
      return [name](R* r) { r->mutable_plan()->mutable_lists()->mutable_scan()->set_code(name); };
    };
    return {
        {code("opq8x2b4"), StatusCode::FAILED_PRECONDITION, "",
         "the plan scans the code opq8x2b4; this index has no codes"},
        {code("8x2b4"), invalid, "plan.lists.scan.code", "not '8x2b4'"},
        {code(""), invalid, "plan.lists.scan.code", "not ''"},
        {code("opq5x1b8"), invalid, "plan", "dim 5 is not in the nesting"},
        {code("opq8x3b4"), invalid, "plan", "must divide its dim 8"},
        {code("opq8x2b3"), invalid, "plan", "bits must be 4 or 8, not 3"},
        {code("opq8x9b8"), invalid, "plan", "bytes must be 1..8 (its dim), not 9"},
        {[](R* r) {
           r->mutable_plan()->mutable_lists()->mutable_scan()->set_code("opq8x2b4");
           r->mutable_plan()->mutable_lists()->mutable_scan()->set_keep(5);
         },
         invalid, "plan", "the last keep 5 is below the limit 10"},
        {[](R* r) { r->mutable_plan()->mutable_lists()->mutable_scan()->clear_what(); }, invalid,
         "plan.lists.scan.what", "dim or code must be set"},
    };
  }
  static v1::Plan ListsPlan() {
    v1::Plan plan;
    plan.mutable_lists()->mutable_coarse()->set_dim(kDim);
    plan.mutable_lists()->mutable_coarse()->set_probes(1);
    plan.mutable_lists()->mutable_scan()->set_dim(kDim);
    plan.mutable_lists()->mutable_scan()->set_keep(20);
    return plan;
  }
  static v1::CodeSpec CodeOf(uint32_t dim, uint32_t bytes, uint32_t bits) {
    v1::CodeSpec code;
    code.set_dim(dim);
    code.set_bytes(bytes);
    code.set_bits(bits);
    return code;
  }
};

TEST_F(BadCodesTest, Search) {
  v1::SearchRequest good = MakeSearch("l2", VectorOf(3, kDim), 10);
  *good.mutable_plan() = ListsPlan();
  v1::SearchResponse reply;
  ASSERT_TRUE(Run(&v1::SearchService::Stub::Search, good, &reply).ok());
  ExpectRefused(&v1::SearchService::Stub::Search, good, &reply, BadPlans<v1::SearchRequest>());
  good.mutable_plan()->mutable_lists()->mutable_scan()->set_code("opq8x2b4");
  EXPECT_EQ(ReasonOf(Run(&v1::SearchService::Stub::Search, good, &reply)), "PLAN_NOT_BUILT");
}

TEST_F(BadCodesTest, BatchSearch) {
  v1::BatchSearchRequest good;
  good.set_collection("l2");
  good.set_limit(10);
  good.mutable_queries()->set_dtype(v1::DTYPE_F32);
  good.mutable_queries()->set_data(Bytes(VectorOf(3, kDim)) + Bytes(VectorOf(4, kDim)));
  *good.mutable_plan() = ListsPlan();
  v1::BatchSearchResponse reply;
  ASSERT_TRUE(Run(&v1::SearchService::Stub::BatchSearch, good, &reply).ok());
  ExpectRefused(&v1::SearchService::Stub::BatchSearch, good, &reply,
                BadPlans<v1::BatchSearchRequest>());
}

TEST_F(BadCodesTest, Specs) {
  using R = v1::BuildIndexRequest;
  R good;
  good.set_collection("l2");
  v1::Operation reply;
  const auto code = [](uint32_t dim, uint32_t bytes, uint32_t bits) {
    return [=](R* r) { *r->mutable_spec()->add_codes() = CodeOf(dim, bytes, bits); };
  };
  const auto invalid = StatusCode::INVALID_ARGUMENT;
  const std::vector<Case<R>> cases = {
      {code(5, 1, 8), invalid, "spec", "dim 5 is not in the nesting"},
      {code(0, 1, 8), invalid, "spec", "dim must be 1..4096, not 0"},
      {code(8, 0, 8), invalid, "spec", "bytes must be 1..8 (its dim), not 0"},
      {code(8, 9, 8), invalid, "spec", "bytes must be 1..8 (its dim), not 9"},
      {code(8, 3, 8), invalid, "spec", "its 3 sub-quantizers (8 * 3 bytes / 8 bits) must divide"},
      {code(8, 2, 0), invalid, "spec", "bits must be 4 or 8, not 0"},
      {[](R* r) {
         for (int i = 0; i < 2; ++i) *r->mutable_spec()->add_codes() = CodeOf(8, 2, 4);
       },
       invalid, "spec", "opq8x2b4 is named more than once"},
      {[](R* r) {
         for (uint32_t bytes : {1, 2, 4, 8}) *r->mutable_spec()->add_codes() = CodeOf(8, bytes, 8);
         *r->mutable_spec()->add_codes() = CodeOf(8, 1, 4);
       },
       invalid, "spec", "5 codes are over 4"},
      {[](R* r) {
         *r->mutable_spec()->add_codes() = CodeOf(8, 2, 4);
         r->mutable_spec()->mutable_graph();
         r->mutable_spec()->set_no_lists(true);
       },
       invalid, "spec", "needs lists"},
  };
  ExpectRefused(&v1::IndexService::Stub::BuildIndex, good, &reply, cases);
}

TEST_F(BadCodesTest, AddAndDrop) {
  const auto table = [](auto good) {
    using R = decltype(good);
    const auto code = [](uint32_t dim, uint32_t bytes, uint32_t bits) {
      return [=](R* r) { *r->mutable_code() = CodeOf(dim, bytes, bits); };
    };
    const auto invalid = StatusCode::INVALID_ARGUMENT;
    return std::vector<Case<R>>{
        {[](R* r) { r->clear_code(); }, invalid, "code", "must be set"},
        {code(5, 1, 8), invalid, "code", "dim 5 is not in the nesting"},
        {code(8, 3, 8), invalid, "code", "must divide its dim 8"},
        {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "",
         "no collection \"none\""},
    };
  };
  v1::AddCodeRequest add;
  add.set_collection("l2");
  *add.mutable_code() = CodeOf(8, 2, 4);
  v1::DropCodeRequest drop;
  drop.set_collection("l2");
  *drop.mutable_code() = CodeOf(8, 2, 4);
  v1::Operation reply;
  ExpectRefused(&v1::IndexService::Stub::AddCode, add, &reply, table(add));
  ExpectRefused(&v1::IndexService::Stub::DropCode, drop, &reply, table(drop));
}

TEST_F(BadCodesTest, SpecsAtCreation) {
  v1::Collection reply;
  const std::vector<Case<v1::CreateCollectionRequest>> cases = {
      {[](v1::CreateCollectionRequest* r) {
         *r->mutable_spec()->mutable_index()->add_codes() = CodeOf(8, 3, 8);
       },
       StatusCode::INVALID_ARGUMENT, "spec", "must divide its dim 8"},
  };
  ExpectRefused(&v1::CollectionService::Stub::CreateCollection, MakeCollection("new", kDim), &reply,
                cases);
}

TEST_F(BadCodesTest, LimitsAreAdvertised) {
  v1::ServerInfo info;
  ASSERT_TRUE(Run(&v1::AdminService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.limits().max_codes(), 4u);
}

}  // namespace
}  // namespace nestor
