// nestor build and nestor code: what they send, print and return.
#include <string>
#include <vector>

#include "client/files/write_vectors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/commands_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(CommandsTest, BuildsListsOfTheCallers) {
  server_.index.set_lists(7);
  server_.index.mutable_spec()->set_list_attribute("year");
  const Result named = Run({"build", "c", "--list-attribute", "year", "--lists", "7"});
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_THAT(named.out, HasSubstr("7 lists, coarse dim 2, as year says, shells"));
  ASSERT_EQ(server_.builds().size(), 1u);
  EXPECT_EQ(server_.builds()[0].spec().list_attribute(), "year");
  EXPECT_EQ(server_.builds()[0].spec().lists(), 7u);
  EXPECT_FALSE(server_.builds()[0].has_centroids());
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("7 (as year says)\n"));

  // Back to the server's own: the number of lists goes, too, unless it is given.
  v1::IndexSpec* spec = server_.collections["c"].mutable_spec()->mutable_index();
  spec->set_list_attribute("year");
  spec->set_centroids(v1::CENTROID_ORIGIN_IMPORTED);
  spec->set_lists(7);
  EXPECT_EQ(Run({"build", "c", "--train-lists"}).code, 0);
  EXPECT_EQ(Run({"build", "c", "--train-lists", "--lists", "9"}).code, 0);
  EXPECT_EQ(Run({"build", "c", "--codec", "f16"}).code, 0);
  ASSERT_EQ(server_.builds().size(), 4u);
  EXPECT_EQ(server_.builds()[1].spec().list_attribute(), "");
  EXPECT_EQ(server_.builds()[1].spec().centroids(), v1::CENTROID_ORIGIN_UNSPECIFIED);
  EXPECT_EQ(server_.builds()[1].spec().lists(), 0u);
  EXPECT_EQ(server_.builds()[2].spec().lists(), 9u);
  EXPECT_EQ(server_.builds()[3].spec().list_attribute(), "year") << "what is not given stays";
  EXPECT_EQ(server_.builds()[3].spec().centroids(), v1::CENTROID_ORIGIN_IMPORTED);
  EXPECT_EQ(Run({"build", "c", "--train-lists", "--list-attribute", "year"}).code, 2);
}

TEST_F(CommandsTest, ImportsAndExportsCentroids) {
  const std::vector<float> values = {1, 2, -3, 4, 5, 0.5f};
  const std::string in = files_.PathOf("in.fbin");
  ASSERT_TRUE(WriteF32(in, 2, values).ok());
  server_.index.set_lists(3);
  server_.index.mutable_spec()->set_centroids(v1::CENTROID_ORIGIN_IMPORTED);
  const Result built = Run({"build", "c", "--centroids", in});
  EXPECT_EQ(built.code, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr("3 lists, coarse dim 2, imported centroids, shells"));
  EXPECT_THAT(Run({"stats", "c"}).out, HasSubstr("3 (imported centroids)\n"));
  ASSERT_EQ(server_.builds().size(), 1u);
  const v1::BuildIndexRequest request = server_.builds()[0];
  EXPECT_EQ(request.spec().lists(), 3u);
  EXPECT_EQ(request.spec().coarse_dim(), 2u);
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 24);
  EXPECT_EQ(request.centroids().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(request.centroids().data(), bytes);
  const int calls = server_.calls();
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--lists", "3"},
                                               {"--coarse-dim", "2"},
                                               {"--no-lists"},
                                               {"--train-lists"},
                                               {"--muvera", "k_sim=2"}}) {
    std::vector<std::string> args = {"build", "c", "--centroids", in};
    args.insert(args.end(), more.begin(), more.end());
    EXPECT_EQ(Run(args).code, 2) << more[0];
  }
  EXPECT_EQ(Run({"build", "c", "--centroids", "none.fbin"}).code, 1);
  const std::string one = files_.PathOf("one.fbin");
  ASSERT_TRUE(WriteF32(one, 2, {values.data(), 2}).ok());
  EXPECT_THAT(Run({"build", "c", "--centroids", one}).err,
              HasSubstr("one.fbin has 1 centroids, not 2..65536"));
  const std::string many = files_.PathOf("many.fbin");
  ASSERT_TRUE(WriteF32(many, 1, std::vector<float>(65537, 1.0f)).ok());
  EXPECT_THAT(Run({"build", "c", "--centroids", many}).err, HasSubstr("has 65537 centroids"));
  EXPECT_EQ(server_.calls(), calls);

  server_.centroids.set_coarse_dim(2);
  server_.centroids.set_origin(v1::CENTROID_ORIGIN_IMPORTED);
  *server_.centroids.mutable_centroids() = request.centroids();
  for (const uint64_t rows : {5, 0, 1200}) server_.centroids.add_rows(rows);
  const std::string out = files_.PathOf("out.fbin");
  const Result exported = Run({"centroids", "export", "c", out});
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_EQ(exported.out, "exported the 3 imported centroids of c, 2 dims, to " + out +
                              " (24 B); rows a list 0 to 1,200\n");
  EXPECT_EQ(files_.Read("out.fbin"), files_.Read("in.fbin"));
  EXPECT_EQ(Run({"centroids", "export", "nothing", out}).code, 1);
  EXPECT_EQ(Run({"centroids", "export", "c", "/no/such/folder/file.fbin"}).code, 1);
  server_.centroids.add_rows(1);
  const Result broken = Run({"centroids", "export", "c", files_.PathOf("more.fbin")});
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.err, HasSubstr("24 bytes for 4 centroids of 2 dims"));
  server_.centroids.mutable_centroids()->clear_data();
  server_.centroids.clear_rows();
  const Result none = Run({"centroids", "export", "c", files_.PathOf("more.fbin")});
  EXPECT_THAT(none.err, HasSubstr("0 bytes for 0 centroids of 2 dims"));
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

}  // namespace
}  // namespace nestor
