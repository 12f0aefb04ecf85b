// The tool's parts: text, words, plans, JSON, batches from files.
#include <fstream>

#include "client/cli/columns.h"
#include "client/cli/index_flags.h"
#include "client/cli/json.h"
#include "client/cli/muvera.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/point_source.h"
#include "client/cli/progress.h"
#include "client/cli/search_text.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/scratch_files.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

v1::CollectionSpec Spec(v1::Dtype dtype, v1::IdKind kind = v1::ID_KIND_NUM) {
  v1::CollectionSpec spec;
  spec.set_name("c");
  spec.set_dim(2);
  spec.set_dtype(dtype);
  spec.set_id_kind(kind);
  (*spec.mutable_attributes())["title"] = v1::ATTRIBUTE_TYPE_STRING;
  (*spec.mutable_attributes())["year"] = v1::ATTRIBUTE_TYPE_INT64;
  (*spec.mutable_attributes())["tags"] = v1::ATTRIBUTE_TYPE_STRING_LIST;
  return spec;
}

TEST(ColumnsTest, NullsKeepTheirPlaces) {
  Columns columns(ToJsonlSchema(Spec(v1::DTYPE_F32)));
  columns.Add({{"year", int64_t{1}}});
  columns.Add({{"year", int64_t{2}}, {"title", std::string("b")}});
  columns.Add({{"year", int64_t{3}}});
  v1::StreamUpsertRequest batch;
  EXPECT_GT(columns.bytes(), 0u);
  columns.MoveTo(&batch);
  ASSERT_EQ(batch.columns_size(), 2);  // no row has tags
  EXPECT_EQ(batch.columns(0).name(), "title");
  EXPECT_THAT(batch.columns(0).strings().values(), ElementsAre("", "b", ""));
  EXPECT_EQ(batch.columns(0).validity(), "\x02");
  EXPECT_EQ(batch.columns(1).name(), "year");
  EXPECT_THAT(batch.columns(1).int64s().values(), ElementsAre(1, 2, 3));
  EXPECT_EQ(batch.columns(1).validity(), "");
  EXPECT_EQ(columns.bytes(), 0u);
}

TEST(ColumnsTest, ValidityHasABytePerEightRows) {
  Columns columns(ToJsonlSchema(Spec(v1::DTYPE_F32)));
  for (int row = 0; row < 17; ++row) {
    columns.Add(row == 9 ? JsonlAttributes{{"tags", std::vector<std::string>{"x", "y"}}}
                         : JsonlAttributes{});
  }
  v1::StreamUpsertRequest batch;
  columns.MoveTo(&batch);
  ASSERT_EQ(batch.columns_size(), 1);
  EXPECT_EQ(batch.columns(0).validity(), std::string("\x00\x02\x00", 3));
  ASSERT_EQ(batch.columns(0).string_lists().values_size(), 17);
  EXPECT_THAT(batch.columns(0).string_lists().values(9).values(), ElementsAre("x", "y"));
}

std::vector<v1::StreamUpsertRequest> ReadAll(PointSource& source) {
  std::vector<v1::StreamUpsertRequest> batches;
  v1::StreamUpsertRequest batch;
  while (true) {
    const auto more = source.Next(&batch);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok() || !*more) return batches;
    batches.push_back(batch);
  }
}

TEST(VectorSourceTest, BatchesWithIdsAndAttributes) {
  ScratchFiles files;
  SourceOptions options;
  options.file = files.WriteBin("v.fbin", 3, 2, std::vector<float>{1, 2, 3, 4, 5, 6});
  options.ids = files.Write("ids.txt", "a\nb\nc\n");
  options.attributes = files.Write("a.jsonl", "{\"year\": 1}\n{}\n{\"title\": \"t\"}\n");
  options.batch_rows = 2;
  const auto source = OpenPointSource(options, Spec(v1::DTYPE_F16, v1::ID_KIND_STR));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->rows(), 3u);
  const auto batches = ReadAll(**source);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].collection(), "c");
  EXPECT_THAT(batches[0].ids().strs(), ElementsAre("a", "b"));
  EXPECT_THAT(batches[1].ids().strs(), ElementsAre("c"));
  EXPECT_EQ(batches[0].vectors().dtype(), v1::DTYPE_F32);  // the server rounds
  EXPECT_EQ(batches[0].vectors().data().size(), 16u);
  ASSERT_EQ(batches[0].columns_size(), 1);
  EXPECT_THAT(batches[0].columns(0).int64s().values(), ElementsAre(1, 0));
  ASSERT_EQ(batches[1].columns_size(), 1);
  EXPECT_EQ(batches[1].columns(0).name(), "title");
  EXPECT_EQ((*source)->fraction(), 1);
}

TEST(VectorSourceTest, BatchesAreBoundedInBytes) {
  ScratchFiles files;
  SourceOptions options;
  options.file = files.WriteBin("v.fbin", 10, 2, std::vector<float>(20));
  options.batch_bytes = 24;
  const auto source = OpenPointSource(options, Spec(v1::DTYPE_F32));
  ASSERT_TRUE(source.ok()) << source.status();
  std::vector<uint64_t> ids;
  const auto batches = ReadAll(**source);
  for (const auto& batch : batches) {
    EXPECT_LE(batch.vectors().data().size(), 24u);
    ids.insert(ids.end(), batch.ids().nums().begin(), batch.ids().nums().end());
  }
  EXPECT_EQ(batches.size(), 4u);
  EXPECT_THAT(ids, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(VectorSourceTest, DtypesOnTheWire) {
  ScratchFiles files;
  const std::string half = files.WriteBin("v.f16bin", 1, 2, std::vector<uint16_t>{0x3c00, 0xc000});
  const std::string byte = files.WriteBin("v.i8bin", 1, 2, std::vector<int8_t>{-3, 5});
  const std::string unsigned_byte = files.WriteBin("v.u8bin", 1, 2, std::vector<uint8_t>{3, 200});
  struct Case {
    std::string file;
    v1::Dtype collection;
    std::optional<float> scale;
    v1::Dtype wire;
    std::vector<float> values;
  };
  for (const Case& c : {Case{half, v1::DTYPE_F32, {}, v1::DTYPE_F16, {1, -2}},
                        Case{byte, v1::DTYPE_INT8, {}, v1::DTYPE_INT8, {-3, 5}},
                        Case{byte, v1::DTYPE_F32, 0.5f, v1::DTYPE_F32, {-1.5, 2.5}},
                        Case{unsigned_byte, v1::DTYPE_F16, {}, v1::DTYPE_F32, {3, 200}},
                        Case{unsigned_byte, v1::DTYPE_F16, 2.0f, v1::DTYPE_F32, {6, 400}}}) {
    SCOPED_TRACE(c.file);
    SourceOptions options;
    options.file = c.file;
    options.scale = c.scale;
    const auto source = OpenPointSource(options, Spec(c.collection));
    ASSERT_TRUE(source.ok()) << source.status();
    const auto batches = ReadAll(**source);
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_EQ(batches[0].vectors().dtype(), c.wire);
    v1::Vector vector;
    *vector.mutable_packed() = batches[0].vectors();
    EXPECT_EQ(*VectorValues(vector), c.values);
  }
}

TEST(VectorSourceTest, RefusesWhatDoesNotFit) {
  ScratchFiles files;
  const std::string floats = files.WriteBin("v.fbin", 2, 2, std::vector<float>(4));
  const std::string bytes = files.WriteBin("v.i8bin", 2, 2, std::vector<int8_t>(4));
  const std::string labels = files.WriteBin("v.ibin", 2, 2, std::vector<int32_t>(4));
  const std::string wide = files.WriteBin("wide.fbin", 1, 3, std::vector<float>(3));
  const std::string one_line = files.Write("one.jsonl", "{}\n");
  const std::string one_id = files.Write("one.txt", "7\n");
  struct Case {
    SourceOptions options;
    std::string says;
  };
  for (const Case& c :
       {Case{{.file = wide}, "3 dims, collection c has 2"},
        Case{{.file = bytes}, "i8 collections only"},
        Case{{.file = labels}, "i32 values are no vectors"},
        Case{{.file = floats, .scale = 2.0f}, "--scale is for i8 and u8"},
        Case{{.file = floats, .ids = one_id}, "2 rows, but " + one_id + " has 1 ids"},
        Case{{.file = floats, .attributes = one_line}, "2 rows, but " + one_line + " has 1 lines"},
        Case{{.file = one_line, .ids = one_id}, "for vector files"},
        Case{{.file = floats + ".gone.fbin"}, "gone.fbin"}}) {
    const auto source = OpenPointSource(c.options, Spec(v1::DTYPE_F32));
    EXPECT_FALSE(source.ok());
    EXPECT_THAT(std::string(source.status().message()), HasSubstr(c.says));
  }
}

v1::CollectionSpec TokenSpec(v1::Dtype dtype) {
  v1::CollectionSpec spec = Spec(dtype);
  spec.set_kind(v1::VECTOR_KIND_MULTI);
  spec.mutable_muvera()->set_fde_dim(1 << 20);
  return spec;
}

TEST(VectorSourceTest, TokenMatricesKeepTogether) {
  ScratchFiles files;
  SourceOptions options;
  options.file = files.WriteBin("t.i8bin", 7, 2, std::vector<int8_t>(14, 3));
  options.offsets = files.WriteBin("o.u64bin", 4, 1, std::vector<uint64_t>{0, 2, 3, 7});
  options.attributes = files.Write("a.jsonl", "{\"year\": 1}\n{}\n{\"year\": 3}\n");
  options.scale = 0.5f;
  options.batch_rows = 2;
  auto source = OpenPointSource(options, TokenSpec(v1::DTYPE_F16));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->rows(), 3u);
  auto batches = ReadAll(**source);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_THAT(batches[0].counts(), ElementsAre(2, 1));
  EXPECT_EQ(batches[0].vectors().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(batches[0].vectors().data().size(), 3u * 2 * 4);
  EXPECT_THAT(batches[1].counts(), ElementsAre(4));
  EXPECT_THAT(batches[1].ids().nums(), ElementsAre(2));
  EXPECT_EQ((*source)->fraction(), 1);

  // 64 FDEs of 4 MiB are what one batch may make.
  std::vector<uint64_t> ones(66);
  for (uint64_t i = 0; i < ones.size(); ++i) ones[i] = i;
  options = {.file = files.WriteBin("many.fbin", 65, 2, std::vector<float>(130)),
             .offsets = files.WriteBin("ones.u64bin", 66, 1, ones)};
  source = OpenPointSource(options, TokenSpec(v1::DTYPE_F32));
  ASSERT_TRUE(source.ok()) << source.status();
  batches = ReadAll(**source);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].counts_size(), 64);
}

TEST(VectorSourceTest, OffsetsGoWithTokenMatrices) {
  ScratchFiles files;
  const std::string tokens = files.WriteBin("t.fbin", 3, 2, std::vector<float>(6));
  const std::string offsets = files.WriteBin("o.u64bin", 3, 1, std::vector<uint64_t>{0, 1, 3});
  const std::string short_of = files.WriteBin("s.u64bin", 2, 1, std::vector<uint64_t>{0, 2});
  const std::string empty = files.WriteBin("e.u64bin", 3, 1, std::vector<uint64_t>{0, 0, 3});
  const std::string line = files.Write("v.jsonl", "{}\n");
  struct Case {
    SourceOptions options;
    v1::CollectionSpec spec;
    std::string says;
  };
  const v1::CollectionSpec multi = TokenSpec(v1::DTYPE_F32);
  for (const Case& c :
       {Case{{.file = tokens}, multi, "is multi: --offsets must say"},
        Case{{.file = tokens, .offsets = offsets}, Spec(v1::DTYPE_F32), "is single: --offsets is"},
        Case{{.file = tokens, .offsets = short_of}, multi, "3 tokens, but " + short_of + " ends"},
        Case{{.file = tokens, .offsets = empty}, multi, "offset 1 is 0 after 0, of 3 tokens"},
        Case{{.file = tokens, .ids = files.Write("i.txt", "1\n"), .offsets = offsets},
             multi,
             "2 rows, but "},
        Case{{.file = line}, multi, "a .jsonl file holds single vectors"}}) {
    const auto source = OpenPointSource(c.options, c.spec);
    EXPECT_FALSE(source.ok());
    EXPECT_THAT(std::string(source.status().message()), HasSubstr(c.says));
  }
}

TEST(JsonlSourceTest, Points) {
  ScratchFiles files;
  SourceOptions options;
  options.file = files.Write("p.jsonl",
                             "{\"id\": 70, \"vector\": [1, 2], \"attributes\": {\"year\": 5}}\n"
                             "{\"vector\": [3, 4.5]}\n");
  const auto source = OpenPointSource(options, Spec(v1::DTYPE_F32));
  ASSERT_TRUE(source.ok()) << source.status();
  const auto batches = ReadAll(**source);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_THAT(batches[0].ids().nums(), ElementsAre(70, 1));
  v1::Vector vector;
  *vector.mutable_packed() = batches[0].vectors();
  EXPECT_THAT(*VectorValues(vector), ElementsAre(1, 2, 3, 4.5));
  ASSERT_EQ(batches[0].columns_size(), 1);
  EXPECT_EQ(batches[0].columns(0).validity(), "\x01");
}

TEST(JsonlSourceTest, ErrorsNameTheLine) {
  ScratchFiles files;
  const auto error = [&](const std::string& text, v1::IdKind kind) {
    SourceOptions options;
    options.file = files.Write("p.jsonl", text);
    const auto source = OpenPointSource(options, Spec(v1::DTYPE_F32, kind));
    EXPECT_TRUE(source.ok()) << source.status();
    v1::StreamUpsertRequest batch;
    return std::string((*source)->Next(&batch).status().message());
  };
  const std::string good = "{\"vector\": [1, 2]}\n";
  EXPECT_THAT(error(good + "{\"vector\": [1]}\n", v1::ID_KIND_NUM),
              testing::AllOf(HasSubstr("2"), HasSubstr("1 coordinates")));
  EXPECT_THAT(error("{\"id\": \"a\", \"vector\": [1, 2]}\n", v1::ID_KIND_NUM),
              HasSubstr("id is a string"));
  EXPECT_THAT(error("{\"id\": 1, \"vector\": [1, 2]}\n", v1::ID_KIND_STR),
              HasSubstr("id is a number"));
}

}  // namespace
}  // namespace nestor
