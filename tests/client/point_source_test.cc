// What `nestor load` makes of files: batches, columns, errors.
#include "client/cli/point_source.h"

#include "client/cli/columns.h"
#include "client/cli/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/scratch_files.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  const auto batches = ReadAll(**source);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_THAT(batches[0].counts(), ElementsAre(2, 1));
  EXPECT_EQ(batches[0].vectors().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(batches[0].vectors().data().size(), 3u * 2 * 4);
  EXPECT_THAT(batches[1].counts(), ElementsAre(4));
  EXPECT_THAT(batches[1].ids().nums(), ElementsAre(2));
  EXPECT_EQ((*source)->fraction(), 1);
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
