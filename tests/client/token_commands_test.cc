// Commands on collections of token matrices: what they send, print and return.
#include "client/cli/json.h"
#include "client/cli/plan_message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/commands_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace nestor
