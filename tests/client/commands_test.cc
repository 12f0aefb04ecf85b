// The commands of `nestor` against an in-process server: what they send, print and return.
#include <sstream>

#include "client/cli/app.h"
#include "client/cli/json.h"
#include "client/cli/plan_message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/scratch_files.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    v1::Collection collection;
    collection.mutable_spec()->set_name("c");
    collection.mutable_spec()->set_dim(2);
    collection.mutable_spec()->set_metric(v1::METRIC_L2);
    collection.mutable_spec()->set_dtype(v1::DTYPE_F32);
    collection.mutable_spec()->set_id_kind(v1::ID_KIND_NUM);
    (*collection.mutable_spec()->mutable_attributes())["year"] = v1::ATTRIBUTE_TYPE_INT64;
    collection.mutable_spec()->mutable_index()->set_coarse_dim(2);
    server_.collections["c"] = collection;
    v1::Operation operation;
    operation.set_id(7);
    operation.set_state(v1::Operation::STATE_SUCCEEDED);
    operation.set_progress(1);
    server_.operations = {operation};
    server_.index.set_rows(3);
    server_.index.set_lists(1);
    server_.index.set_generation(1);
    server_.index.set_state(v1::Index::STATE_READY);
    server_.index.mutable_spec()->set_coarse_dim(2);
    server_.index.mutable_spec()->add_shells(2);
    server_.index.mutable_spec()->set_shell_codec(v1::SHELL_CODEC_INT8);
  }

  Result Run(std::vector<std::string> args, bool with_server = true) {
    if (with_server) {
      args.push_back("--server");
      args.push_back(server_.address());
    }
    std::vector<const char*> argv = {"nestor"};
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    std::ostringstream out;
    std::ostringstream err;
    Result result;
    result.code = RunNestor(static_cast<int>(argv.size()), argv.data(), out, err, false);
    result.out = out.str();
    result.err = err.str();
    return result;
  }

  FakeServer server_;
  ScratchFiles files_;
};

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

TEST_F(CommandsTest, LoadStreamsTheFileAndBuilds) {
  const std::string file = files_.WriteBin("v.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::string attributes = files_.Write("a.jsonl", "{\"year\":1}\n{}\n{\"year\":3}\n");
  const Result result = Run({"load", "c", file, "--attributes", attributes, "--lists", "5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("loaded 3 rows (24 B) into c in "));
  EXPECT_THAT(result.out, HasSubstr("built c in "));
  EXPECT_THAT(result.out, HasSubstr("3 rows, 1 list, coarse dim 2, shells 2 (int8), generation 1"));
  EXPECT_THAT(result.err, HasSubstr("100%  3/3 rows, "));
  ASSERT_EQ(server_.batches().size(), 1u);
  EXPECT_THAT(server_.batches()[0].ids().nums(), ElementsAre(0, 1, 2));
  ASSERT_EQ(server_.builds().size(), 1u);
  EXPECT_EQ(server_.builds()[0].spec().lists(), 5u);
  EXPECT_EQ(server_.builds()[0].spec().coarse_dim(), 2u);  // the collection's
}

TEST_F(CommandsTest, BuildsCodes) {
  v1::CodeSpec code;
  code.set_dim(2);
  code.set_bytes(1);
  code.set_bits(8);
  *server_.index.mutable_spec()->add_codes() = code;
  *server_.index.add_codes()->mutable_spec() = code;
  server_.index.mutable_memory()->set_codes(7000);
  const Result result = Run({"build", "c", "--code", "opq2x1b8", "--code", "opq2x1b4"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("coarse dim 2, code opq2x1b8, shells "));
  ASSERT_EQ(server_.builds().size(), 1u);
  const v1::IndexSpec spec = server_.builds()[0].spec();
  ASSERT_EQ(spec.codes_size(), 2);
  EXPECT_EQ(spec.codes(0).SerializeAsString(), code.SerializeAsString());
  EXPECT_EQ(spec.codes(1).bits(), 4u);
  server_.index.mutable_codes(0)->set_state(v1::Code::STATE_READY);
  const Result stats = Run({"stats", "c"});
  EXPECT_THAT(stats.out, HasSubstr("codes                  opq2x1b8\n"));
  EXPECT_THAT(stats.out, HasSubstr("memory: codes          7.0 kB\n"));
  v1::Code* added = server_.index.add_codes();
  *added->mutable_spec() = code;
  added->set_state(v1::Code::STATE_BUILDING);
  added->set_progress(0.455);
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("opq2x1b8, opq2x1b8 (45 %)\n"));
  const Result bad = Run({"build", "c", "--code", "pq2x1b8"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("opq<dim>x<bytes>b<bits>"));
}

TEST_F(CommandsTest, AddsAndDropsCodes) {
  const Result added = Run({"code", "add", "c", "opq2x1b8"});
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_THAT(added.out, HasSubstr("added the code opq2x1b8 to c in "));
  const Result dropped = Run({"code", "drop", "c", "opq2x1b8"});
  EXPECT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_THAT(dropped.out, HasSubstr("dropped the code opq2x1b8 from c in "));
  EXPECT_THAT(server_.code_changes(), ElementsAre("add 2 1 8", "drop 2 1 8"));
  EXPECT_EQ(Run({"code", "add", "nothing", "opq2x1b8"}).code, 1);
  EXPECT_EQ(Run({"code", "add", "c", "2x1b8"}).code, 2);
  EXPECT_EQ(Run({"code", "c", "opq2x1b8"}).code, 2);
}

TEST_F(CommandsTest, ImportsAndExportsCodes) {
  const std::string file = files_.Write("in.faiss", std::string("a\0b", 3));
  const Result in = Run({"code", "import", "c", "opq2x1b8", file, "--input", "rows"});
  EXPECT_EQ(in.code, 0) << in.err;
  EXPECT_THAT(in.out, HasSubstr("imported the code opq2x1b8 into c in "));
  EXPECT_EQ(Run({"code", "import", "c", "opq2x1b8", file, "--input", "residuals"}).code, 0);
  EXPECT_THAT(server_.code_changes(),
              ElementsAre(std::string("import CODE_INPUT_ROWS a\0b 2 1 8", 32),
                          std::string("import CODE_INPUT_RESIDUALS a\0b 2 1 8", 37)));
  const int calls = server_.calls();
  EXPECT_EQ(Run({"code", "import", "c", "opq2x1b8", file}).code, 2);
  EXPECT_EQ(Run({"code", "import", "c", "opq2x1b8", file, "--input", "means"}).code, 2);
  EXPECT_EQ(Run({"code", "import", "c", "opq2x1", file, "--input", "rows"}).code, 2);
  const Result missing = Run({"code", "import", "c", "opq2x1b8", "none", "--input", "rows"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("none"));
  EXPECT_EQ(server_.calls(), calls);

  server_.exported_code.set_input(v1::CODE_INPUT_RESIDUALS);
  server_.exported_code.set_faiss("some bytes");
  const std::string out = files_.PathOf("out.faiss");
  const Result exported = Run({"code", "export", "c", "opq2x1b8", out});
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_EQ(exported.out,
            "exported the code opq2x1b8 of c, for residuals, to " + out + " (10 B)\n");
  EXPECT_EQ(files_.Read("out.faiss"), "some bytes");
  EXPECT_EQ(Run({"code", "export", "nothing", "opq2x1b8", files_.PathOf("more")}).code, 1);
  EXPECT_EQ(Run({"code", "export", "c", "opq2x1b8", "/no/such/folder/file"}).code, 1);

  v1::Code* code = server_.index.add_codes();
  code->mutable_spec()->set_dim(2);
  code->mutable_spec()->set_bytes(1);
  code->mutable_spec()->set_bits(8);
  code->set_state(v1::Code::STATE_READY);
  code->set_origin(v1::Code::ORIGIN_IMPORTED);
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("opq2x1b8 (imported)\n"));
}

TEST_F(CommandsTest, BuildsAGraph) {
  v1::IndexSpec* built = server_.index.mutable_spec();
  built->set_no_lists(true);
  built->mutable_graph()->set_dim(384);
  built->mutable_graph()->set_degree(28);
  built->mutable_graph()->set_ef_construction(200);
  server_.index.mutable_memory()->set_graph(9000);
  server_.index.mutable_memory()->set_graph_codes(5000);
  server_.index.mutable_memory()->set_graph_tails(300);
  server_.index.mutable_memory()->set_graph_links(2500);
  server_.index.mutable_memory()->set_graph_entries(700);
  server_.index.mutable_memory()->set_graph_tables(500);
  const Result result =
      Run({"build", "c", "--graph-dim", "384", "--degree", "28", "--ef-construction", "200"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("rows, graph (384 dims, degree 28, ef-construction 200), shells "));
  ASSERT_EQ(server_.builds().size(), 1u);
  EXPECT_EQ(server_.builds()[0].spec().graph().dim(), 384u);
  EXPECT_EQ(server_.builds()[0].spec().graph().degree(), 28u);
  EXPECT_EQ(server_.builds()[0].spec().graph().ef_construction(), 200u);
  EXPECT_FALSE(server_.builds()[0].spec().no_lists());
  ASSERT_EQ(Run({"build", "c", "--no-lists"}).code, 0);
  EXPECT_TRUE(server_.builds()[1].spec().no_lists());
  EXPECT_TRUE(server_.builds()[1].spec().has_graph());

  const Result stats = Run({"stats", "c"});
  EXPECT_THAT(stats.out, HasSubstr("lists                  none\n"));
  EXPECT_THAT(stats.out,
              HasSubstr("graph                  384 dims, degree 28, ef-construction 200\n"));
  EXPECT_THAT(stats.out, HasSubstr("memory: graph          9.0 kB\n"
                                   "memory: graph codes    5.0 kB\n"
                                   "memory: graph tails    300 B\n"
                                   "memory: graph links    2.5 kB\n"
                                   "memory: graph entries  700 B\n"
                                   "memory: graph tables   500 B\n"));
}

TEST_F(CommandsTest, LoadWithoutBuild) {
  const std::string file = files_.WriteBin("v.fbin", 1, 2, std::vector<float>{1, 2});
  const Result result = Run({"load", "c", file, "--no-build"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(server_.builds().empty());
}

TEST_F(CommandsTest, LoadNamesRowsThatFailed) {
  server_.serve_stream = [](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      v1::StreamUpsertResponse response;
      response.set_batch(batch.batch());
      response.mutable_ack()->set_count(static_cast<uint32_t>(batch.ids().nums_size()) - 1);
      auto* error = response.mutable_ack()->add_errors();
      error->set_row(1);
      error->mutable_status()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      error->mutable_status()->set_message("coordinate 0 is NaN");
      stream->Write(response);
    }
    return grpc::Status::OK;
  };
  const std::string file = files_.WriteBin("v.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Result result = Run({"load", "c", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("row 1: INVALID_ARGUMENT: coordinate 0 is NaN\n"));
  EXPECT_THAT(result.err, HasSubstr("1 of 3 rows failed; nothing is built"));
  EXPECT_THAT(result.out, HasSubstr("loaded 2 rows"));
  EXPECT_TRUE(server_.builds().empty());
}

TEST_F(CommandsTest, LoadAccountsForRowsBeforeABadLine) {
  const std::string file =
      files_.Write("p.jsonl", "{\"vector\": [1, 2]}\n{\"vector\": [1, 2]}\n{\"vector\": 3}\n");
  const Result result = Run({"load", "c", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("p.jsonl"));
  EXPECT_THAT(result.err, HasSubstr("rows before it were written"));
  EXPECT_TRUE(server_.builds().empty());
}

TEST_F(CommandsTest, BuildReportsTheOperationsError) {
  v1::Operation failed;
  failed.set_id(7);
  failed.set_state(v1::Operation::STATE_CANCELLED);
  failed.mutable_error()->set_code(grpc::StatusCode::CANCELLED);
  failed.mutable_error()->set_message("build of c was cancelled");
  server_.operations = {failed};
  const Result result = Run({"build", "c"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("CANCELLED: build of c was cancelled"));
  ASSERT_EQ(server_.builds().size(), 1u);
  EXPECT_FALSE(server_.builds()[0].has_spec());
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
}

TEST_F(CommandsTest, CreatesACollectionOfTokenMatrices) {
  const Result result =
      Run({"create", "m", "--dim", "4", "--nesting", "2,4", "--metric", "dot", "--kind", "multi",
           "--muvera",
           "repetitions=8,k_sim=0,projection=count-sketch,d_proj=2,fill_empty=true,"
           "prefixes=2:8,max_tokens=300,seed=7"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("created collection m: 4 dims, dot, f32 a token; FDEs of"));
  ASSERT_EQ(server_.created().size(), 1u);
  const v1::CollectionSpec spec = server_.created()[0];
  EXPECT_EQ(spec.kind(), v1::VECTOR_KIND_MULTI);
  EXPECT_EQ(spec.muvera().repetitions(), 8u);
  EXPECT_TRUE(spec.muvera().has_k_sim());
  EXPECT_EQ(spec.muvera().k_sim(), 0u);
  EXPECT_EQ(spec.muvera().projection(), v1::FDE_PROJECTION_COUNT_SKETCH);
  EXPECT_EQ(spec.muvera().d_proj(), 2u);
  EXPECT_TRUE(spec.muvera().fill_empty());
  EXPECT_EQ(spec.muvera().max_tokens(), 300u);
  EXPECT_EQ(spec.muvera().seed(), 7u);
  EXPECT_THAT(spec.muvera().prefixes(), ElementsAre(2, 8));

  for (const char* bad : {"k_sim=x", "k_sim", "ksim=4", "k_sim=4,k_sim=4", "projection=ams",
                          "fill_empty=maybe", "prefixes=2,8"}) {
    EXPECT_EQ(
        Run({"create", "m", "--dim", "4", "--metric", "dot", "--kind", "multi", "--muvera", bad})
            .code,
        2)
        << bad;
  }
  EXPECT_EQ(Run({"create", "m", "--dim", "4", "--metric", "dot", "--muvera", "k_sim=4"}).code, 2);
  EXPECT_EQ(server_.created().size(), 1u);
}

TEST_F(CommandsTest, EncodesTokenMatricesAnew) {
  v1::Muvera& used = *server_.collections["c"].mutable_spec()->mutable_muvera();
  used.set_repetitions(16);
  used.set_fde_dim(128);
  used.add_fde_nesting(64);
  used.add_fde_nesting(128);
  Result result = Run({"build", "c", "--muvera", "repetitions=16,k_sim=2,seed=9", "--lists", "5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("built c in "));
  EXPECT_THAT(result.out, HasSubstr("encoded c anew: FDEs of 128 dims, nested 64,128 "
                                    "(repetitions=16,"));
  ASSERT_EQ(server_.builds().size(), 1u);
  v1::BuildIndexRequest build = server_.builds()[0];
  EXPECT_EQ(build.muvera().repetitions(), 16u);
  EXPECT_EQ(build.muvera().k_sim(), 2u);
  EXPECT_EQ(build.muvera().seed(), 9u);
  EXPECT_EQ(build.muvera().max_tokens(), 0u) << "stays what it is";
  EXPECT_EQ(build.spec().lists(), 5u);

  // All defaults; and none.
  result = Run({"build", "c", "--muvera", ""});
  EXPECT_EQ(result.code, 0) << result.err;
  build = server_.builds()[1];
  EXPECT_TRUE(build.has_muvera());
  EXPECT_EQ(build.muvera().ByteSizeLong(), 0u);
  EXPECT_FALSE(build.has_spec());
  result = Run({"build", "c"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(server_.builds()[2].has_muvera());
  EXPECT_THAT(result.out, testing::Not(HasSubstr("anew")));

  EXPECT_EQ(Run({"build", "c", "--muvera", "ksim=4"}).code, 2);
  EXPECT_EQ(server_.builds().size(), 3u);
}

TEST_F(CommandsTest, LoadsTokenMatrices) {
  server_.collections["c"].mutable_spec()->set_kind(v1::VECTOR_KIND_MULTI);
  const std::string tokens =
      files_.WriteBin("t.fbin", 4, 2, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  const std::string offsets = files_.WriteBin("o.u64bin", 3, 1, std::vector<uint64_t>{0, 3, 4});
  const Result result = Run({"load", "c", tokens, "--offsets", offsets, "--no-build"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(server_.batches().size(), 1u);
  EXPECT_THAT(server_.batches()[0].counts(), ElementsAre(3, 1));
  EXPECT_THAT(server_.batches()[0].ids().nums(), ElementsAre(0, 1));
  EXPECT_EQ(server_.batches()[0].vectors().data().size(), 32u);
  EXPECT_EQ(Run({"load", "c", tokens, "--no-build"}).code, 2);
}

TEST_F(CommandsTest, SearchesByTokens) {
  v1::SearchRequest seen;
  server_.search = [&](const v1::SearchRequest& request, v1::SearchResponse* response) {
    seen = request;
    v1::Hit* hit = response->add_hits();
    hit->mutable_id()->set_num(5);
    hit->mutable_matches()->add_tokens(7);
    hit->mutable_matches()->add_scores(0.5);
    return grpc::Status::OK;
  };
  const std::string tokens = files_.WriteBin("t.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::string offsets = files_.WriteBin("o.u64bin", 3, 1, std::vector<uint64_t>{0, 1, 3});
  Result result =
      Run({"search", "c", "--tokens", tokens, "--offsets", offsets, "--row", "1", "--weights",
           "1,0", "--mean", "--matches", "--plan", "coarse=2:1,scan=2:30,maxsim=2:10,rescore"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(seen.vector().multi().count(), 2u);
  EXPECT_EQ(seen.vector().multi().tokens().dtype(), v1::DTYPE_F32);
  EXPECT_THAT(*VectorValues(seen.vector()), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(seen.token_weights(), ElementsAre(1, 0));
  EXPECT_EQ(seen.token_score(), v1::TOKEN_SCORE_MEAN);
  EXPECT_TRUE(seen.matches());
  EXPECT_EQ(ToText(seen.plan()), "coarse=2:1,scan=2:30,maxsim=2:10,rescore");
  EXPECT_THAT(result.out, HasSubstr("7:0.5"));

  result = Run({"search", "c", "--tokens", tokens, "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(seen.vector().multi().count(), 3u);
  EXPECT_FALSE(seen.matches());
  EXPECT_EQ(Json::parse(result.out)["hits"][0]["matches"][0]["token"], 7);

  result = Run({"search", "c", "--tokens", tokens, "--offsets", offsets, "--row", "2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("row 2 of 2 token matrices"));
  EXPECT_EQ(Run({"search", "c", "--tokens", tokens, "--row", "1"}).code, 2);
  EXPECT_EQ(Run({"search", "c", "--vector", "1,2", "--mean"}).code, 2);
  EXPECT_EQ(Run({"search", "c", "--tokens", tokens, "--id", "1"}).code, 2);
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

TEST_F(CommandsTest, GetPrintsTokens) {
  v1::Point point;
  point.mutable_id()->set_num(3);
  point.set_seq(8);
  v1::MultiVector* multi = point.mutable_vector()->mutable_multi();
  multi->set_count(2);
  multi->mutable_tokens()->set_dtype(v1::DTYPE_INT8);
  multi->mutable_tokens()->set_data("\x01\x02\x03\x04");
  server_.points = {point};
  const Result result = Run({"get", "c", "3", "--with-vectors"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "{\"id\":3,\"seq\":8,\"tokens\":[[1.0,2.0],[3.0,4.0]]}\n");
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
