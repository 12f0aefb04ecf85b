// JSON lines, id files, timestamps.
#include "client/files/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "client/files/id_file.h"
#include "client/files/timestamp.h"
#include "client/files/write_vectors.h"

namespace nestor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LinesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/nestor_lines_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }

  std::string dir_;
};

const JsonlSchema kSchema = {
    {"name", JsonlType::kString}, {"count", JsonlType::kInt64},     {"ratio", JsonlType::kDouble},
    {"free", JsonlType::kBool},   {"tags", JsonlType::kStringList}, {"seen", JsonlType::kTimestamp},
};

TEST_F(LinesTest, ReadsPoints) {
  const std::string path = Write(
      "a.jsonl",
      R"({"id":18446744073709551615,"vector":[1,-2.5,3e-2]})"
      "\r\n"
      R"({"attributes":{"name":"é","count":-9223372036854775808,"ratio":2,"free":true,"tags":["a",""],)"
      R"("seen":"2026-11-22T17:00:00.25+01:00"},"id":"x/1","vector":[0]})"
      "\n"
      R"({"vector":[1],"attributes":{"name":null}})");
  absl::StatusOr<JsonlPointReader> reader = JsonlPointReader::Open(path, kSchema);
  ASSERT_TRUE(reader.ok()) << reader.status();
  JsonlPoint point;
  ASSERT_TRUE(*reader->Next(&point));
  EXPECT_EQ(point.id, PointId(std::numeric_limits<uint64_t>::max()));
  EXPECT_THAT(point.vector, ElementsAre(1, -2.5f, 0.03f));
  EXPECT_THAT(point.attributes, IsEmpty());

  ASSERT_TRUE(*reader->Next(&point));
  EXPECT_EQ(point.id, PointId("x/1"));
  const JsonlAttributes expected = {
      {"name", std::string("é")},
      {"count", std::numeric_limits<int64_t>::min()},
      {"ratio", 2.0},
      {"free", true},
      {"tags", std::vector<std::string>{"a", ""}},
      {"seen", JsonlTimestamp{1795363200250000}},
  };
  EXPECT_EQ(point.attributes, expected);

  ASSERT_TRUE(*reader->Next(&point));
  EXPECT_EQ(point.id, std::nullopt);
  EXPECT_THAT(point.attributes, IsEmpty());
  EXPECT_EQ(reader->lines().line_number(), 3u);
  EXPECT_FALSE(*reader->Next(&point));
  EXPECT_EQ(reader->lines().bytes_read(), reader->lines().file_bytes());
}

TEST_F(LinesTest, BadPointsNameTheirLine) {
  const struct {
    std::string line;
    std::string message;
  } cases[] = {
      {"", "found an empty line"},
      {"{", "not JSON: parse error at line 1, column 2"},
      {"[1]", "expected a JSON object, found an array"},
      {"7", "expected a JSON object, found 7"},
      {"{\"vector\":[1],\"id\":\"\xff\"}", "invalid"},
      {R"({"id":1})", "vector is missing"},
      {R"({"vector":[]})", "vector: expected a list of at least one number"},
      {R"({"vector":{"a":1}})", "vector: expected a list of at least one number, found an object"},
      {R"({"vector":[1,"2"]})", "vector, value 1: expected a number within a float's range"},
      {R"({"vector":[1,null]})", "vector, value 1"},
      {R"({"vector":[1,1e39]})", "vector, value 1: expected a number within a float's range"},
      {R"({"vector":[1e999]})", "not JSON: number overflow"},
      {R"({"vector":[NaN]})", "parse error"},
      {R"({"vector":[1],"id":-1})", "id: expected an integer of 0..18446744073709551615"},
      {R"({"vector":[1],"id":1.5})", "found 1.5"},
      {R"({"vector":[1],"id":18446744073709551616})", "id: expected an integer"},
      {R"({"vector":[1],"id":""})", "id: expected a string of 1..256 bytes, found 0"},
      {R"({"vector":[1],"id":")" + std::string(257, 'x') + "\"}", "found 257"},
      {R"({"vector":[1],"id":null})", "id: expected"},
      {R"({"vector":[1],"metadata":{}})", "unknown key 'metadata'"},
      {R"({"vector":[1],"attributes":[]})", "attributes: expected an object"},
      {R"({"vector":[1],"attributes":{"nam":"x"}})", "attribute 'nam' is not in the schema"},
      {R"({"vector":[1],"attributes":{"name":1}})", "attribute name: expected a string, found 1"},
      {R"({"vector":[1],"attributes":{"count":1.0}})", "attribute count: expected an integer"},
      {R"({"vector":[1],"attributes":{"count":9223372036854775808}})", "expected an integer"},
      {R"({"vector":[1],"attributes":{"ratio":"1"}})", "attribute ratio: expected a number"},
      {R"({"vector":[1],"attributes":{"free":0}})", "attribute free: expected true or false"},
      {R"({"vector":[1],"attributes":{"tags":"a"}})", "attribute tags: expected a list"},
      {R"({"vector":[1],"attributes":{"tags":["a",2]}})", "attribute tags, item 1"},
      {R"({"vector":[1],"attributes":{"seen":5}})", "attribute seen: expected an RFC 3339"},
      {R"({"vector":[1],"attributes":{"seen":"now"}})", "attribute seen: expected an RFC 3339"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    const std::string path = Write("a.jsonl", "{\"vector\":[1]}\n" + c.line + "\n");
    absl::StatusOr<JsonlPointReader> reader = JsonlPointReader::Open(path, kSchema);
    ASSERT_TRUE(reader.ok()) << reader.status();
    JsonlPoint point;
    ASSERT_TRUE(*reader->Next(&point));
    const absl::Status status = reader->Next(&point).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(path + ": line 2: "), HasSubstr(c.message)));
  }
}

TEST_F(LinesTest, ReadsAttributes) {
  const std::string path = Write("a.jsonl", "{}\n{\"name\":\"x\"}\n{\"name\":[]}\n");
  absl::StatusOr<JsonlAttributesReader> reader = JsonlAttributesReader::Open(path, kSchema);
  ASSERT_TRUE(reader.ok()) << reader.status();
  JsonlAttributes attributes;
  ASSERT_TRUE(*reader->Next(&attributes));
  EXPECT_THAT(attributes, IsEmpty());
  ASSERT_TRUE(*reader->Next(&attributes));
  EXPECT_EQ(attributes, (JsonlAttributes{{"name", std::string("x")}}));
  EXPECT_THAT(std::string(reader->Next(&attributes).status().message()),
              HasSubstr("line 3: attribute name: expected a string, found an array"));
}

TEST_F(LinesTest, MissingFilesAreNotFound) {
  EXPECT_EQ(JsonlPointReader::Open(Path("none"), {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(JsonlAttributesReader::Open(Path("none"), {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadIdFile(Path("none"), IdKind::kNum).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadIdFile(Path("none.u64bin"), IdKind::kNum).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(JsonlPointReader::Open(dir_, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LinesTest, LineLimit) {
  const std::string path = Write("a.jsonl", std::string(LineReader::kMaxLineBytes, ' '));
  absl::StatusOr<LineReader> reader = LineReader::Open(path);
  std::string line;
  ASSERT_TRUE(*reader->Next(&line));
  EXPECT_EQ(line.size(), LineReader::kMaxLineBytes);
  std::ofstream(path, std::ios::app) << " \n";
  reader = LineReader::Open(path);
  EXPECT_THAT(std::string(reader->Next(&line).status().message()),
              HasSubstr("line 1: longer than the limit of 67108864 bytes"));
}

// ---- Ids

TEST_F(LinesTest, ReadsIdsOfEveryFormat) {
  const uint64_t u64[] = {0, std::numeric_limits<uint64_t>::max()};
  const int32_t i32[] = {3, 1};
  const int64_t i64[] = {4, 2};
  ASSERT_EQ(WriteU64(Path("a.u64bin"), u64), absl::OkStatus());
  ASSERT_EQ(WriteI32(Path("a.ibin"), 1, i32), absl::OkStatus());
  ASSERT_EQ(WriteVectors(Path("a.npy"), Element::kI64, 2, 1, std::as_bytes(std::span(i64))),
            absl::OkStatus());
  const auto nums = [&](const std::string& name) {
    absl::StatusOr<IdColumn> ids = ReadIdFile(Path(name), IdKind::kNum);
    EXPECT_TRUE(ids.ok()) << ids.status();
    EXPECT_THAT(ids->strs, IsEmpty());
    return ids->nums;
  };
  EXPECT_THAT(nums("a.u64bin"), ElementsAre(0, std::numeric_limits<uint64_t>::max()));
  EXPECT_THAT(nums("a.ibin"), ElementsAre(3, 1));
  EXPECT_THAT(nums("a.npy"), ElementsAre(4, 2));
  Write("a.txt", "7\r\n18446744073709551615\n0");
  EXPECT_THAT(nums("a.txt"), ElementsAre(7, std::numeric_limits<uint64_t>::max(), 0));
  Write("s.txt", "a b\n7\n");
  const absl::StatusOr<IdColumn> strs = ReadIdFile(Path("s.txt"), IdKind::kStr);
  ASSERT_TRUE(strs.ok()) << strs.status();
  EXPECT_THAT(strs->strs, ElementsAre("a b", "7"));
  EXPECT_EQ(strs->size(), 2u);
}

TEST_F(LinesTest, BadIdsAreRefused) {
  const int32_t negative[] = {3, -1};
  const int32_t pair[] = {3, 1};
  const float floats[] = {1};
  ASSERT_EQ(WriteI32(Path("negative.ibin"), 1, negative), absl::OkStatus());
  ASSERT_EQ(WriteI32(Path("pair.ibin"), 2, pair), absl::OkStatus());
  ASSERT_EQ(WriteF32(Path("float.npy"), 1, floats), absl::OkStatus());
  Write("minus.txt", "1\n-1\n");
  Write("gap.txt", "1\n\n2\n");
  Write("space.txt", "1 \n");
  Write("over.txt", "18446744073709551616\n");
  Write("long.txt", std::string(257, 'x') + "\n");
  const struct {
    std::string name;
    IdKind kind;
    std::string message;
  } cases[] = {
      {"negative.ibin", IdKind::kNum, "row 1, value 0: expected an id of 0 or more"},
      {"pair.ibin", IdKind::kNum, "expected one id a row, found 2"},
      {"pair.ibin", IdKind::kStr, "the ids are strings"},
      {"float.npy", IdKind::kNum, "expected integers, found f32"},
      {"minus.txt", IdKind::kNum, "line 2: expected an id of 0..18446744073709551615, found '-1'"},
      {"gap.txt", IdKind::kNum, "line 2: expected an id"},
      {"space.txt", IdKind::kNum, "line 1: expected an id"},
      {"over.txt", IdKind::kNum, "line 1: expected an id"},
      {"gap.txt", IdKind::kStr, "line 2: expected an id of 1..256 bytes, found 0"},
      {"long.txt", IdKind::kStr, "line 1: expected an id of 1..256 bytes, found 257"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = ReadIdFile(Path(c.name), c.kind).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(Path(c.name)), HasSubstr(c.message)));
  }
}

// ---- Timestamps

TEST(TimestampTest, ParsesRfc3339) {
  const struct {
    std::string text;
    int64_t micros;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1969-12-31T23:59:59.999999Z", -1},
      {"2026-11-22T16:00:00.000001Z", 1795363200000001},
      {"2026-11-22T17:30:00+01:30", 1795363200000000},
      {"2026-11-22t16:00:00z", 1795363200000000},
      {"2026-11-22T16:00:00.0000019Z", 1795363200000001},
      {"0001-01-01T00:00:00Z", -62135596800000000},
      {"9999-12-31T23:59:59Z", 253402300799000000},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<int64_t> micros = ParseTimestamp(c.text);
    ASSERT_TRUE(micros.ok()) << micros.status();
    EXPECT_EQ(*micros, c.micros);
    EXPECT_EQ(*ParseTimestamp(FormatTimestamp(c.micros)), c.micros);
  }
  EXPECT_EQ(FormatTimestamp(1795363200250000), "2026-11-22T16:00:00.25Z");
}

// Such a time could not be written again as RFC 3339.
TEST(TimestampTest, RefusesYearsThatHaveFourDigitsInTheirZoneOnly) {
  for (const char* text : {"9999-12-31T23:59:59-01:00", "0000-01-01T00:59:59+01:00"}) {
    EXPECT_EQ(ParseTimestamp(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  for (const char* text : {"9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"}) {
    const absl::StatusOr<int64_t> micros = ParseTimestamp(text);
    ASSERT_TRUE(micros.ok()) << micros.status();
    EXPECT_EQ(FormatTimestamp(*micros), text);
  }
}

TEST(TimestampTest, RefusesAnythingElse) {
  for (const char* text :
       {"", "infinite-future", "2026-11-22", "2026-11-22T16:00:00", "2026-11-22 16:00:00Z",
        "2026-13-22T16:00:00Z", "2026-02-30T16:00:00Z", "2026-11-22T24:00:01Z",
        " 2026-11-22T16:00:00Z", "2026-11-22T16:00:00Z ", "12026-11-22T16:00:00Z",
        "2026-11-22T16:00:00Zx", "-026-11-22T16:00:00Z"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseTimestamp(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace nestor
