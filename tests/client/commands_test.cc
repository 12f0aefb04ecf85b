// The commands of `nestor`: what they send, print and return.
#include "client/cli/json.h"
#include "client/cli/plan_message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/commands_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CommandsTest, CreateSendsTheWholeSpec) {
  const Result result = Run({"create",          "--nesting",
                             "64,768",          "wnh",
                             "--dim",           "768",
                             "--metric",        "dot",
                             "--dtype",         "f16",
                             "--attribute",     "a:string",
                             "--attribute",     "b.c:string-list",
                             "--durability",    "async",
                             "--id-kind",       "str",
                             "--lists",         "9",
                             "--shells",        "64,768",
                             "--exact-vectors", "store",
                             "--memory-limit",  "300MB"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "created collection wnh: 768 dims, dot, f16\n");
  ASSERT_EQ(server_.created().size(), 1u);
  const v1::CollectionSpec spec = server_.created()[0];
  EXPECT_EQ(spec.name(), "wnh");
  EXPECT_THAT(spec.nesting(), ElementsAre(64, 768));
  EXPECT_EQ(spec.durability(), v1::DURABILITY_ASYNC);
  EXPECT_EQ(spec.id_kind(), v1::ID_KIND_STR);
  EXPECT_EQ(spec.attributes_size(), 2);
  EXPECT_EQ(spec.attributes().at("b.c"), v1::ATTRIBUTE_TYPE_STRING_LIST);
  EXPECT_EQ(spec.index().lists(), 9u);
  EXPECT_THAT(spec.index().shells(), ElementsAre(64, 768));
  EXPECT_EQ(spec.index().exact_vectors(), v1::EXACT_VECTORS_STORE);
  EXPECT_EQ(spec.memory_limit_bytes(), 300'000'000u);
}

TEST_F(CommandsTest, UpdateSendsWhatIsGiven) {
  Result result = Run({"update", "c", "--memory-limit", "1500MiB", "--durability", "sync"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "updated collection c: durability sync, memory limit 1.6 GB\n");
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("memory limit           1.6 GB\n"));
  result = Run({"update", "c", "--durability", "async"});
  EXPECT_EQ(result.out, "updated collection c: durability async, memory limit 1.6 GB\n");
  result = Run({"update", "c", "--memory-limit", "0"});
  EXPECT_EQ(result.out, "updated collection c: durability async, memory limit none\n");
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("memory limit           none\n"));
}

TEST_F(CommandsTest, WrongUsageIsExitCode2AndSendsNothing) {
  const std::vector<std::vector<std::string>> calls = {
      {},
      {"nonsense"},
      {"create"},
      {"create", "x", "--dim", "8"},
      {"create", "x", "--dim", "many", "--metric", "l2"},
      {"create", "x", "--dim", "8", "--metric", "euclid"},
      {"create", "x", "--dim", "8", "--metric", "l2", "--attribute", "a"},
      {"create", "x", "--dim", "8", "--metric", "l2", "--attribute", "a:blob"},
      {"create", "x", "--dim", "8", "--metric", "l2", "--attribute", "a:bool", "--attribute",
       "a:bool"},
      {"create", "x", "--dim", "8", "--metric", "l2", "--memory-limit", "-1"},
      {"update"},
      {"update", "c"},
      {"update", "c", "--memory-limit", "much"},
      {"update", "c", "--memory-limit", "-1"},
      {"update", "c", "--memory-limit", "8EiB"},
      {"update", "c", "--memory-limit", "9223372036854775808"},
      {"update", "c", "--durability", "often"},
      {"search", "c"},
      {"search", "c", "--vector", "1,2", "--id", "3"},
      {"search", "c", "--vector", "1,x"},
      {"search", "c", "--vector", "1,2", "--plan", "coarse=64"},
      {"search", "c", "--vector", "1,2", "--exact=0"},
      {"search", "c", "--vector", "1,2", "--exact", "--plan", "coarse=2:1,scan=2:10"},
      {"search", "c", "--row", "1", "--id", "3"},
      {"delete", "c"},
      {"delete", "c", "3", "--collection"},
      {"load", "c"},
      {"load", "c", "f.fbin", "--in-flight", "0"},
      {"health", "--timeout", "-1"},
  };
  for (const auto& call : calls) {
    const Result result = Run(call, !call.empty());
    EXPECT_EQ(result.code, 2) << testing::PrintToString(call);
    EXPECT_NE(result.err, "") << testing::PrintToString(call);
  }
  EXPECT_EQ(server_.calls(), 0);
}

TEST_F(CommandsTest, HelpExplainsExitCodes) {
  const Result all = Run({"--help"}, false);
  EXPECT_EQ(all.code, 0);
  EXPECT_THAT(all.out, HasSubstr("Exit codes: 0 ok; 1 failed"));
  for (const char* command :
       {"create", "update", "load", "build", "search", "get", "delete", "stats", "health"}) {
    EXPECT_THAT(all.out, HasSubstr(command));
    const Result one = Run({command, "--help"}, false);
    EXPECT_EQ(one.code, 0);
    EXPECT_THAT(one.out, HasSubstr("--server HOST:PORT"));
    EXPECT_THAT(one.out, HasSubstr("Exit codes: 0 ok; 1 failed"));
  }
}

TEST_F(CommandsTest, ErrorsOfTheServerAreExitCode1WithDetails) {
  server_.FailNext({MakeError(grpc::StatusCode::INVALID_ARGUMENT, "dim 0 is not in 1..16384",
                              "BAD_DIM", "spec.dim")});
  const Result result = Run({"create", "x", "--dim", "0", "--metric", "l2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "nestor: INVALID_ARGUMENT: dim 0 is not in 1..16384\n"
            "  field spec.dim\n"
            "  reason BAD_DIM\n");
}

TEST_F(CommandsTest, SearchSendsQueryAndPlan) {
  v1::SearchRequest seen;
  server_.search = [&](const v1::SearchRequest& request, v1::SearchResponse* response) {
    seen = request;
    response->add_hits()->mutable_id()->set_num(5);
    response->set_score_dim(2);
    return grpc::Status::OK;
  };
  const std::string file = files_.WriteBin("q.i8bin", 2, 2, std::vector<int8_t>{1, 2, 3, 4});
  Result result = Run({"search", "c", "--file", file, "--row", "1", "-k", "7", "--plan",
                       "coarse=2:1,scan=2:10,rescore", "--with-attributes", "--with-vectors"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(seen.collection(), "c");
  EXPECT_THAT(seen.vector().floats().values(), ElementsAre(3, 4));
  EXPECT_EQ(seen.limit(), 7u);
  EXPECT_EQ(ToText(seen.plan()), "coarse=2:1,scan=2:10,rescore");
  EXPECT_THAT(seen.output().attributes(), ElementsAre("*"));
  EXPECT_TRUE(seen.output().vectors());
  EXPECT_THAT(result.out, HasSubstr("plan exact"));

  result = Run({"search", "c", "--id", "17", "--exact=1", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(seen.id().num(), 17u);
  EXPECT_EQ(seen.exact().dim(), 1u);
  EXPECT_EQ(seen.limit(), 10u);
  EXPECT_FALSE(seen.has_output());
  EXPECT_EQ(Json::parse(result.out)["hits"][0]["id"], 5);

  result = Run({"search", "--exact", "c", "--vector", "0.5,-1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(seen.has_exact());
  EXPECT_EQ(seen.exact().dim(), 0u);
  EXPECT_THAT(seen.vector().floats().values(), ElementsAre(0.5, -1));

  result = Run({"search", "c", "--vector", "0.5,-1"});
  EXPECT_EQ(seen.how_case(), v1::SearchRequest::HOW_NOT_SET);
  EXPECT_EQ(seen.lists_size(), 0);

  result = Run({"search", "c", "--vector", "0.5,-1", "--lists", "3,17,5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(seen.lists(), ElementsAre(3, 17, 5));
  EXPECT_EQ(Run({"search", "c", "--vector", "0.5,-1", "--lists", "3,-1"}).code, 2);
  EXPECT_EQ(Run({"search", "c", "--vector", "0.5,-1", "--lists", "3", "--exact"}).code, 2);
}

TEST_F(CommandsTest, SearchPastTheEndOfTheFile) {
  const std::string file = files_.WriteBin("q.fbin", 2, 2, std::vector<float>(4));
  const Result result = Run({"search", "c", "--file", file, "--row", "2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("row 2 of a file with 2 rows"));
}

TEST_F(CommandsTest, GetPrintsPointsAndNamesTheMissing) {
  v1::Point point;
  point.mutable_id()->set_num(3);
  point.set_seq(8);
  (*point.mutable_attributes())["year"].set_int64_value(1999);
  server_.points = {point};
  Result result = Run({"get", "c", "3"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "{\"id\":3,\"seq\":8,\"attributes\":{\"year\":1999}}\n");
  result = Run({"get", "c", "3", "4"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("\"id\":3"));
  EXPECT_THAT(result.err, HasSubstr("NOT_FOUND: get from c: no point 4"));
  EXPECT_EQ(Run({"get", "c", "x"}).code, 2);
  EXPECT_THAT(Run({"get", "gone", "3"}).err, HasSubstr("NOT_FOUND: no collection named gone"));
}

TEST_F(CommandsTest, DeleteCounts) {
  const Result result = Run({"delete", "c", "3", "4"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "deleted 1 of 2 points, seq 99\n");
  ASSERT_EQ(server_.deletes().size(), 1u);
  EXPECT_EQ(server_.deletes()[0].ids(1).num(), 4u);
}

TEST_F(CommandsTest, StatsOfServerAndCollection) {
  server_.info.set_version("0.1.0");
  server_.info.set_simd_level("avx2");
  server_.stats.set_uptime_seconds(65);
  auto* one = server_.stats.add_collections();
  one->set_collection("c");
  one->set_rows(20000);
  one->set_memory_bytes(61000000);
  auto* count = server_.stats.add_requests();
  count->set_method("nestor.v1.SearchService/Search");
  count->set_status("OK");
  count->set_count(12);
  Result result = Run({"stats"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("nestord 0.1.0, kernels avx2, up 1m05s"));
  EXPECT_THAT(result.out, HasSubstr("20,000"));
  EXPECT_THAT(result.out, HasSubstr("61.0 MB"));
  EXPECT_THAT(result.out, HasSubstr("nestor.v1.SearchService/Search  OK         12"));
  result = Run({"stats", "--json"});
  EXPECT_EQ(Json::parse(result.out)["server"]["simd_level"], "avx2");
  result = Run({"stats", "c"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("index                  ready, generation 1"));
  EXPECT_THAT(result.out, HasSubstr("attributes             year:int64"));
  result = Run({"stats", "c", "--json"});
  EXPECT_EQ(Json::parse(result.out)["index"]["lists"], 1);
}

TEST_F(CommandsTest, Health) {
  Result result = Run({"health"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "SERVING\n");
  result = Run({"health", "c"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "SERVING\n");
  result = Run({"health", "loading"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "NOT_SERVING\n");
  EXPECT_THAT(result.err, HasSubstr("\"collections/loading\""));
  result = Run({"health", "none"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("NOT_FOUND"));
  result = Run({"health", "--service", "no.such.Service"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("NOT_FOUND"));
}

}  // namespace
}  // namespace nestor
