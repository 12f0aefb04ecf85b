// The tool's parts: text, words, plans, JSON.
#include "client/cli/index_flags.h"
#include "client/cli/json.h"
#include "client/cli/muvera.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/progress.h"
#include "client/cli/search_text.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TextTest, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB");
  EXPECT_EQ(FormatBytes(58'640'000), "58.6 MB");
  EXPECT_EQ(FormatBytes(999'960'000), "1.0 GB");
}

TEST(TextTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
}

TEST(TextTest, Seconds) {
  EXPECT_EQ(FormatSeconds(0.251), "0.25 s");
  EXPECT_EQ(FormatSeconds(12.34), "12.3 s");
  EXPECT_EQ(FormatSeconds(59.97), "1m00s");
  EXPECT_EQ(FormatSeconds(65), "1m05s");
  EXPECT_EQ(FormatSeconds(7380), "2h03m");
}

TEST(TextTest, FloatsAreShortest) {
  EXPECT_EQ(FormatFloat(0.1f), "0.1");
  EXPECT_EQ(FormatFloat(-2.0f), "-2");
  EXPECT_EQ(FormatFloat(1e-20f), "1e-20");
}

TEST(TextTest, TablesAlignNumbersRight) {
  EXPECT_EQ(FormatTable({{"id", "name", "n"}, {"1", "\xc3\xa4", "10"}, {"200", "bcd", "9"}}),
            " id  name   n\n"
            "  1  \xc3\xa4     10\n"
            "200  bcd    9\n");
}

TEST(TextTest, Vectors) {
  const auto values = ParseVector("0.5, -2,3e2 4");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT(*values, ElementsAre(0.5f, -2.0f, 300.0f, 4.0f));
  for (const char* bad : {"", " , ", "1,x", "1,nan", "inf"}) {
    EXPECT_TRUE(IsUsageError(ParseVector(bad).status())) << bad;
  }
  EXPECT_THAT(std::string(ParseVector("1,x").status().message()), HasSubstr("coordinate 1 'x'"));
}

TEST(NamesTest, WordsGoBothWays) {
  for (const char* word : {"cosine", "dot", "l2"}) EXPECT_EQ(ToName(*MetricFromName(word)), word);
  for (const char* word : {"f32", "f16", "bf16", "i8"}) {
    EXPECT_EQ(ToName(*DtypeFromName(word)), word);
  }
  for (const char* word : {"int8", "f16", "f32"}) {
    EXPECT_EQ(ToName(*ShellCodecFromName(word)), word);
  }
  for (const char* word : {"string", "int64", "double", "bool", "string-list", "timestamp"}) {
    EXPECT_EQ(ToName(*AttributeTypeFromName(word)), word);
  }
  EXPECT_EQ(ToName(v1::METRIC_UNSPECIFIED), "unspecified");
  EXPECT_EQ(ToName(static_cast<v1::Dtype>(9)), "unknown(9)");
  const absl::Status bad = MetricFromName("euclid").status();
  EXPECT_TRUE(IsUsageError(bad));
  EXPECT_EQ(bad.message(), "metric 'euclid' is none of cosine, dot, l2");
}

TEST(NamesTest, Ids) {
  EXPECT_EQ(IdFromText("18446744073709551615", v1::ID_KIND_NUM)->num(), ~uint64_t{0});
  EXPECT_EQ(IdFromText("12", v1::ID_KIND_STR)->str(), "12");
  for (const char* bad : {"-1", "x", "", "18446744073709551616", "1.5"}) {
    EXPECT_TRUE(IsUsageError(IdFromText(bad, v1::ID_KIND_NUM).status())) << bad;
  }
  EXPECT_TRUE(IsUsageError(IdFromText("", v1::ID_KIND_STR).status()));
  EXPECT_TRUE(IdFromText(std::string(256, 'a'), v1::ID_KIND_STR).ok());
  EXPECT_TRUE(IsUsageError(IdFromText(std::string(257, 'a'), v1::ID_KIND_STR).status()));
}

TEST(PlanMessageTest, GoesBothWays) {
  for (const char* text : {"coarse=64:32,scan=128:100", "coarse=64:32,scan=128:100,rescore",
                           "coarse=64:32,scan=128:100,refine=256:30,refine=512:20,rescore",
                           "graph=384:200", "graph=384:200:0.18,refine=768:15,rescore",
                           "coarse=640:32,scan=1280:200,maxsim=64:50,maxsim=128:20,rescore"}) {
    const auto plan = PlanFromText(text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(ToText(*plan), text);
  }
  const auto plan = PlanFromText("coarse=64:32,scan=128:100,refine=256:30,rescore");
  EXPECT_EQ(plan->lists().coarse().dim(), 64u);
  EXPECT_EQ(plan->lists().coarse().probes(), 32u);
  EXPECT_EQ(plan->lists().scan().dim(), 128u);
  EXPECT_EQ(plan->lists().scan().keep(), 100u);
  ASSERT_EQ(plan->refine_size(), 1);
  EXPECT_EQ(plan->refine(0).dim(), 256u);
  EXPECT_EQ(plan->refine(0).keep(), 30u);
  EXPECT_TRUE(plan->rescore());
  EXPECT_FALSE(PlanFromText("scan=128:100").ok());
  const auto graph = PlanFromText("graph=384:200:0.18,refine=768:15");
  EXPECT_FALSE(graph->has_lists());
  EXPECT_EQ(graph->graph().dim(), 384u);
  EXPECT_EQ(graph->graph().ef(), 200u);
  EXPECT_EQ(graph->graph().margin(), 0.18f);
}

TEST(MuveraTest, GoesBothWays) {
  const auto muvera = MuveraFromText("seed=5,k_sim=3,repetitions=20");
  ASSERT_TRUE(muvera.ok()) << muvera.status();
  EXPECT_FALSE(muvera->fill_empty());
  EXPECT_TRUE(MuveraFromText("")->SerializeAsString().empty());
  const char* kAll =
      "repetitions=20,k_sim=3,projection=dense,d_proj=8,fill_empty=true,sketch_repetitions=5,"
      "sketch_dim=100,seed=5,prefixes=5:20,max_tokens=99";
  EXPECT_EQ(ToText(*MuveraFromText(kAll)), kAll);
}

TEST(IndexFlagsTest, GivenFlagsReplaceFields) {
  v1::IndexSpec base;
  base.set_lists(100);
  base.set_coarse_dim(64);
  base.set_exact_vectors(v1::EXACT_VECTORS_STORE);
  IndexFlags flags;
  EXPECT_FALSE(AnyGiven(flags));
  flags.lists = 7;
  flags.shells = {64, 768};
  flags.codec = "f16";
  EXPECT_TRUE(AnyGiven(flags));
  const auto spec = ApplyFlags(flags, base);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->lists(), 7u);
  EXPECT_EQ(spec->coarse_dim(), 64u);
  EXPECT_THAT(spec->shells(), ElementsAre(64, 768));
  EXPECT_EQ(spec->shell_codec(), v1::SHELL_CODEC_F16);
  EXPECT_EQ(spec->exact_vectors(), v1::EXACT_VECTORS_STORE);
  EXPECT_FALSE(spec->has_graph());
  EXPECT_EQ(spec->memory_dim(), 0u);
  EXPECT_TRUE(AnyGiven({.memory_dim = 64}));
  EXPECT_EQ(ApplyFlags({.memory_dim = 64}, base)->memory_dim(), 64u);
  flags.codec = "int4";
  EXPECT_TRUE(IsUsageError(ApplyFlags(flags, base).status()));
}

TEST(IndexFlagsTest, AnyFlagAboutAGraphAsksForOne) {
  EXPECT_EQ(ApplyFlags({.graph = true}, {})->graph().degree(), 0u);
  EXPECT_TRUE(ApplyFlags({.graph = true}, {})->has_graph());
  EXPECT_EQ(ApplyFlags({.graph_dim = 384}, {})->graph().dim(), 384u);
  EXPECT_EQ(ApplyFlags({.degree = 16}, {})->graph().degree(), 16u);
  EXPECT_EQ(ApplyFlags({.ef_construction = 99}, {})->graph().ef_construction(), 99u);
  const auto alone = ApplyFlags({.no_lists = true}, {});
  EXPECT_TRUE(alone->has_graph());
  EXPECT_TRUE(alone->no_lists());
  v1::IndexSpec base;
  base.mutable_graph()->set_dim(128);
  const auto changed = ApplyFlags({.degree = 16}, base);
  EXPECT_EQ(changed->graph().dim(), 128u) << "what is not given stays";
  EXPECT_EQ(changed->graph().degree(), 16u);
}

TEST(ProgressTest, Line) {
  EXPECT_EQ(ProgressLine("load", 0.5, "10 rows", 4.1),
            "load  [############------------]  50%  10 rows  ETA 4.10 s");
  EXPECT_EQ(ProgressLine("load", 2, "", std::nullopt), "load  [########################] 100%");
}

TEST(ProgressTest, PlainLinesEveryFiveSeconds) {
  std::ostringstream out;
  const absl::Time start = absl::UnixEpoch();
  {
    Progress progress(out, /*terminal=*/false, "load", start);
    for (int second = 1; second <= 12; ++second) {
      progress.Update(start + absl::Seconds(second), second / 20.0, "x");
    }
    progress.Update(start + absl::Seconds(13), 1, "done");
    progress.Update(start + absl::Seconds(14), 1, "done");
  }
  EXPECT_EQ(out.str(),
            "load  [######------------------]  25%  x  ETA 15.0 s\n"
            "load  [############------------]  50%  x  ETA 10.0 s\n"
            "load  [########################] 100%  done\n");
}

TEST(ProgressTest, TerminalRedrawsOneLine) {
  std::ostringstream out;
  const absl::Time start = absl::UnixEpoch();
  {
    Progress progress(out, /*terminal=*/true, "b", start);
    progress.Update(start + absl::Milliseconds(1), 0.25, "", 3.0);
    progress.Update(start + absl::Milliseconds(50), 0.5, "", 3.0);  // too soon
    progress.Update(start + absl::Milliseconds(101), 0.75, "", 1.0);
  }
  EXPECT_EQ(out.str(),
            "\rb  [######------------------]  25%  ETA 3.00 s\x1b[K"
            "\rb  [##################------]  75%  ETA 1.00 s\x1b[K\n");
}

v1::SearchResponse Response() {
  v1::SearchResponse response;
  v1::Hit* hit = response.add_hits();
  hit->mutable_id()->set_num(17);
  hit->set_score(0.1f);
  hit->set_seq(3);
  (*hit->mutable_attributes())["when"].set_timestamp_micros(0);
  (*hit->mutable_attributes())["tags"].mutable_string_list_value()->add_values("a\"b");
  hit->mutable_vector()->mutable_packed()->set_dtype(v1::DTYPE_F16);
  hit->mutable_vector()->mutable_packed()->set_data(std::string("\x00\x3c\x00\xc0", 4));
  response.set_score_dim(2);
  response.set_seq(9);
  *response.mutable_plan_used() = *PlanFromText("coarse=64:32,scan=128:100,rescore");
  v1::Stage* stage = response.add_stages();
  stage->set_name("scan");
  stage->set_in(12345);
  stage->set_out(100);
  stage->set_bytes(1580160);
  stage->set_multiply_adds(99);
  stage->set_micros(12.25);
  stage->set_store_reads(40);
  return response;
}

TEST(SearchTextTest, HitsPlanAndCosts) {
  const auto text = SearchText(Response(), absl::Microseconds(1234));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(
      *text,
      "rank  id  score  seq  attributes                                       vector\n"
      "   1  17    0.1    3  {\"tags\":[\"a\\\"b\"],\"when\":\"1970-01-01T00:00:00Z\"}    1,-2\n"
      "\n"
      "1 hit, scores at dim 2, seq 9, 0 rows unbuilt, 1.23 ms\n"
      "plan coarse=64:32,scan=128:100,rescore\n"
      "stage      in  out      bytes  multiply-adds  store reads  micros\n"
      "scan   12,345  100  1,580,160             99           40    12.2\n");
}

TEST(JsonTest, Search) {
  const auto json = ToJson(Response());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(ToLine(*json),
            "{\"hits\":[{\"id\":17,\"score\":0.1,\"seq\":3,\"attributes\":{\"tags\":[\"a\\\"b\"],"
            "\"when\":\"1970-01-01T00:00:00Z\"},\"vector\":[1.0,-2.0]}],\"score_dim\":2,"
            "\"unbuilt\":0,\"plan\":\"coarse=64:32,scan=128:100,rescore\",\"stages\":[{\"name\":"
            "\"scan\",\"in\":12345,\"out\":100,\"bytes\":1580160,\"multiply_adds\":99,\"micros\":"
            "12.25,\"store_reads\":40}],\"seq\":9}");
}

TEST(JsonTest, VectorsOfEveryDtype) {
  const auto values = [](v1::Dtype dtype, const std::string& data) {
    v1::Vector vector;
    vector.mutable_packed()->set_dtype(dtype);
    vector.mutable_packed()->set_data(data);
    return VectorValues(vector);
  };
  EXPECT_THAT(*values(v1::DTYPE_F32, std::string("\x00\x00\x80\x3f", 4)), ElementsAre(1.0f));
  EXPECT_THAT(*values(v1::DTYPE_BF16, std::string("\x80\x3f\x00\xc0", 4)),
              ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(*values(v1::DTYPE_INT8, "\x7f\x80"), ElementsAre(127.0f, -128.0f));
  EXPECT_FALSE(values(v1::DTYPE_F16, "abc").ok());
  EXPECT_FALSE(values(v1::DTYPE_UNSPECIFIED, "abcd").ok());
}

TEST(JsonTest, MatricesHaveAsManyTokensAsTheySay) {
  v1::Vector vector;
  vector.mutable_multi()->mutable_tokens()->set_dtype(v1::DTYPE_INT8);
  vector.mutable_multi()->mutable_tokens()->set_data("abcdef");
  EXPECT_FALSE(VectorValues(vector).ok()) << "no count";
  vector.mutable_multi()->set_count(4);
  EXPECT_FALSE(VectorValues(vector).ok());
  vector.mutable_multi()->set_count(3);
  const auto values = VectorValues(vector);
  ASSERT_TRUE(values.ok()) << values.status();
  const auto tokens = TokensOf(vector, *values);
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[2].data(), values->data() + 4);
}

}  // namespace
}  // namespace nestor
