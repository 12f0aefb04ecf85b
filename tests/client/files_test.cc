// Vector files: every reader against every writer, every truncation, lying headers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "client/files/atomic_file.h"
#include "client/files/layout.h"
#include "client/files/npy_header.h"
#include "client/files/vector_file.h"
#include "client/files/write_vectors.h"
#include "index/half.h"

namespace nestor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/nestor_files_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }

  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  size_t FilesInDir() const { return std::distance(std::filesystem::directory_iterator(dir_), {}); }

  std::string dir_;
};

std::string U32(std::initializer_list<uint32_t> values) {
  std::string bytes;
  for (uint32_t v : values) bytes.append(reinterpret_cast<const char*>(&v), 4);
  return bytes;
}

std::string Npy(const std::string& dict, int version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += static_cast<char>(version);
  bytes += '\0';
  const uint32_t length = static_cast<uint32_t>(dict.size());
  bytes.append(reinterpret_cast<const char*>(&length), version == 1 ? 2 : 4);
  return bytes + dict;
}

std::vector<float> Row(const VectorFile& file, uint64_t row) {
  std::vector<float> values(file.dim());
  file.ReadF32(row, values);
  return values;
}

// ---- Round trips

struct FormatCase {
  std::string name;
  Element element;
  uint64_t dim;
};

void PrintTo(const FormatCase& c, std::ostream* os) {
  *os << c.name << " " << std::string(Name(c.element)) << " dim " << c.dim;
}

const FormatCase kFormats[] = {
    {"a.fbin", Element::kF32, 3},  {"a.f16bin", Element::kF16, 3}, {"a.i8bin", Element::kI8, 5},
    {"a.u8bin", Element::kU8, 5},  {"a.ibin", Element::kI32, 2},   {"a.u64bin", Element::kU64, 1},
    {"a.fvecs", Element::kF32, 3}, {"a.ivecs", Element::kI32, 4},  {"a.npy", Element::kF32, 3},
    {"a.npy", Element::kF16, 7},   {"a.npy", Element::kI8, 3},     {"a.npy", Element::kU8, 3},
    {"a.npy", Element::kI32, 3},   {"a.npy", Element::kI64, 1},    {"a.npy", Element::kU64, 2},
};

class FormatTest : public FilesTest, public ::testing::WithParamInterface<FormatCase> {
 protected:
  // Distinct bytes; the half and float patterns stay finite.
  static std::string Values(Element element, uint64_t count) {
    std::string bytes(count * ElementBytes(element), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 % 64);
    return bytes;
  }
};

TEST_P(FormatTest, ReadsWhatWasWritten) {
  const FormatCase& c = GetParam();
  constexpr uint64_t kRows = 4;
  const std::string values = Values(c.element, kRows * c.dim);
  const std::string path = Path(c.name);
  ASSERT_EQ(WriteVectors(path, c.element, kRows, c.dim, std::as_bytes(std::span(values))),
            absl::OkStatus());
  EXPECT_EQ(FilesInDir(), 1u) << "a temporary file was left behind";

  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->rows(), kRows);
  EXPECT_EQ(file->dim(), c.dim);
  EXPECT_EQ(file->element(), c.element);
  std::string read;
  for (uint64_t row = 0; row < kRows; ++row) {
    const std::span<const std::byte> bytes = file->RowBytes(row);
    ASSERT_EQ(bytes.size(), file->row_bytes());
    read.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  EXPECT_EQ(read, values);
}

TEST_P(FormatTest, EveryTruncationIsDataLoss) {
  const FormatCase& c = GetParam();
  constexpr uint64_t kRows = 2;
  const std::string values = Values(c.element, kRows * c.dim);
  ASSERT_EQ(WriteVectors(Path(c.name), c.element, kRows, c.dim, std::as_bytes(std::span(values))),
            absl::OkStatus());
  const std::string whole = Read(Path(c.name));
  const bool vecs = c.name.ends_with("vecs");
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    const std::string path = Write("short_" + c.name, whole.substr(0, size));
    const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
    if (vecs && size == whole.size() / kRows) {  // such a file has no count of rows to miss
      ASSERT_TRUE(file.ok()) << file.status();
      EXPECT_EQ(file->rows(), 1u);
      continue;
    }
    ASSERT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << file.status();
    EXPECT_THAT(
        std::string(file.status().message()),
        AllOf(HasSubstr(path), HasSubstr("offset "), HasSubstr("expected "), HasSubstr("found ")));
  }
}

TEST_P(FormatTest, ExtraBytesAreRefused) {
  const FormatCase& c = GetParam();
  const std::string values = Values(c.element, c.dim);
  ASSERT_EQ(WriteVectors(Path(c.name), c.element, 1, c.dim, std::as_bytes(std::span(values))),
            absl::OkStatus());
  const std::string path = Write("long_" + c.name, Read(Path(c.name)) + "x");
  EXPECT_THAT(std::string(VectorFile::Open(path).status().message()), HasSubstr("offset "));
  EXPECT_FALSE(VectorFile::Open(path).ok());
}

// Random damage to the header must give rows that lie in the file, or an error; never a crash.
TEST_P(FormatTest, DamagedHeadersNeverReachBeyondTheFile) {
  const FormatCase& c = GetParam();
  const std::string values = Values(c.element, 3 * c.dim);
  ASSERT_EQ(WriteVectors(Path(c.name), c.element, 3, c.dim, std::as_bytes(std::span(values))),
            absl::OkStatus());
  const std::string whole = Read(Path(c.name));
  std::mt19937 random(20261122);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    const size_t header = std::min<size_t>(whole.size(), 128);
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      damaged[random() % header] = static_cast<char>(random());
    }
    // An exact heap copy, so that AddressSanitizer sees a read beyond it.
    const std::vector<char> heap(damaged.begin(), damaged.end());
    const std::span<const std::byte> bytes = std::as_bytes(std::span(heap));
    const absl::StatusOr<Layout> layout = ReadLayout(c.name, bytes);
    if (!layout.ok() || layout->rows == 0) continue;
    const uint64_t end = layout->first_row + (layout->rows - 1) * layout->stride +
                         layout->dim * ElementBytes(layout->element);
    EXPECT_LE(end, bytes.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatTest, ::testing::ValuesIn(kFormats));

// ---- Lying headers

struct LieCase {
  std::string name;
  std::string bytes;
  std::string message;  // part of the InvalidArgument
};

void PrintTo(const LieCase& c, std::ostream* os) { *os << c.name << " " << c.message; }

class LieTest : public FilesTest, public ::testing::WithParamInterface<LieCase> {};

TEST_P(LieTest, IsInvalidArgument) {
  const std::string path = Write(GetParam().name, GetParam().bytes);
  const absl::Status status = VectorFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path), HasSubstr(GetParam().message)));
}

const std::string kDict = "{'descr': '<f4', 'fortran_order': False, 'shape': ";

INSTANTIATE_TEST_SUITE_P(
    Headers, LieTest,
    ::testing::Values(
        LieCase{"a.bin", "12345678", "known endings are .fbin"},
        LieCase{"fbin", "12345678", "known endings are .fbin"},
        LieCase{"a.fbin", U32({1, 0}), "offset 4: expected a dim of 1..1048576, found 0"},
        LieCase{"a.fbin", U32({0, 0}), "offset 4: expected a dim of 1..1048576, found 0"},
        LieCase{"a.fbin", U32({1, (1u << 20) + 1}), "expected a dim of 1..1048576, found 1048577"},
        LieCase{"a.i8bin", U32({0xffffffff, 0xffffffff}), "found 4294967295"},
        LieCase{"a.u64bin", U32({1, 2, 0, 0, 0, 0}), "offset 4: expected dim 1, found 2"},
        LieCase{"a.fbin", U32({1, 2, 0, 0, 0}), "offset 8: expected 8 bytes (1 rows of 2 f32"},
        LieCase{"a.fbin", U32({0, 2, 0}), "offset 8: expected 0 bytes (0 rows of 2 f32"},
        LieCase{"a.fvecs", U32({0, 1}), "offset 0: expected a dim of 1..1048576, found 0"},
        LieCase{"a.fvecs", U32({0xffffffff, 1}), "found 4294967295"},
        LieCase{"a.fvecs", U32({2, 7, 8, 3, 7, 8}),
                "offset 12: expected dim 2 in row 1 as in row 0, found 3"},
        LieCase{"a.ivecs", U32({1, 5, 1, 6, 0, 7}),
                "offset 16: expected dim 1 in row 2 as in row 0, found 0"},
        LieCase{"a.npy", "NUMPY...", "offset 0: expected the npy magic"},
        LieCase{"a.npy", std::string("\x93NUMPY\x04\x00\x00\x00", 10),
                "offset 6: expected npy version 1, 2 or 3, found 4"},
        LieCase{"a.npy", Npy("{'fortran_order': False, 'shape': (1,)}"),
                "offset 10: expected descr <f4"},
        LieCase{"a.npy", Npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"),
                "found '<f8'"},
        LieCase{"a.npy", Npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}"),
                "found '>f4'"},
        LieCase{"a.npy", Npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}"),
                "expected descr"},
        LieCase{"a.npy", Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", 2),
                "offset 12: expected fortran_order False, found True"},
        LieCase{"a.npy", Npy("{'descr': '<f4', 'fortran_order': False}"),
                "expected a shape of one or two dimensions, found nothing"},
        LieCase{"a.npy", Npy(kDict + "()}"), "expected a shape of one or two dimensions"},
        LieCase{"a.npy", Npy(kDict + "(1, 2, 3)}"), "expected a shape of one or two dimensions"},
        LieCase{"a.npy", Npy(kDict + "(-1, 2)}"), "expected a shape of one or two dimensions"},
        LieCase{"a.npy", Npy(kDict + "(1, 2"), "expected a shape of one or two dimensions"},
        LieCase{"a.npy", Npy(kDict + "(18446744073709551616, 2)}"), "expected a shape"},
        LieCase{"a.npy", Npy(kDict + "(4, 0)}"), "expected a dim of 1..1048576, found 0"},
        LieCase{"a.npy", Npy(kDict + "(1, 4294967297)}"), "found 4294967297"},
        LieCase{"a.npy", Npy(kDict + "(4611686018427387905, 4)}"), "over 2^64 bytes"},
        LieCase{"a.npy", Npy(kDict + "(0, 4)}") + "abcd", "expected 0 bytes (0 rows of 4 f32"}));

TEST_F(FilesTest, HeaderOfTooManyRowsIsDataLoss) {
  const std::string path = Write("a.fbin", U32({0xffffffff, 1u << 20}));
  const absl::Status status = VectorFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected 18014398505287680 bytes"));
}

TEST_F(FilesTest, WhatIsNoFileIsRefused) {
  EXPECT_EQ(VectorFile::Open(Path("none.fbin")).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(Path("dir.fbin"));
  EXPECT_EQ(VectorFile::Open(Path("dir.fbin")).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(Path("pipe.fbin").c_str(), 0600), 0);
  EXPECT_EQ(VectorFile::Open(Path("pipe.fbin")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FilesTest, NoRowsIsFine) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(Write("a.fbin", U32({0, 4})));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->rows(), 0u);
  EXPECT_EQ(file->dim(), 4u);
}

// ---- npy as NumPy writes it

TEST_F(FilesTest, ReadsNumpysOwnHeaders) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const std::string data(reinterpret_cast<const char*>(values), sizeof(values));
  const struct {
    std::string header;
    uint64_t rows, dim;
  } cases[] = {
      {Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n"), 2, 3},
      {Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", 2), 6, 1},
      {Npy("{'shape': (3, 2), 'fortran_order': False, 'descr': '<f4'}", 3), 3, 2},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.header);
    const absl::StatusOr<VectorFile> file = VectorFile::Open(Write("a.npy", c.header + data));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->rows(), c.rows);
    EXPECT_EQ(file->dim(), c.dim);
    EXPECT_EQ(Row(*file, c.rows - 1).back(), 6);
  }
}

TEST_F(FilesTest, NpyHeaderIsAlignedAsNumpys) {
  const std::string header = FormatNpyHeader(Element::kI8, 5, 768);
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header.back(), '\n');
  EXPECT_THAT(header, HasSubstr("{'descr': '|i1', 'fortran_order': False, 'shape': (5, 768), }"));
}

// ---- Conversion

TEST_F(FilesTest, ReadF32ConvertsEveryElement) {
  const float f32[] = {1.5f, -2};
  const uint16_t f16[] = {FloatToHalf(1.5f), FloatToHalf(-0.1f), 0x0001, 0x7c00};
  const int8_t i8[] = {-128, 127};
  const uint8_t u8[] = {0, 255};
  const int32_t i32[] = {-2147483647 - 1, 7};
  const int64_t i64[] = {-(1ll << 40), 7};
  const uint64_t u64[] = {std::numeric_limits<uint64_t>::max()};
  ASSERT_EQ(WriteF32(Path("a.fvecs"), 2, f32), absl::OkStatus());
  ASSERT_EQ(WriteF16(Path("a.f16bin"), 4, f16), absl::OkStatus());
  ASSERT_EQ(WriteVectors(Path("a.i8bin"), Element::kI8, 1, 2, std::as_bytes(std::span(i8))),
            absl::OkStatus());
  ASSERT_EQ(WriteVectors(Path("a.u8bin"), Element::kU8, 1, 2, std::as_bytes(std::span(u8))),
            absl::OkStatus());
  ASSERT_EQ(WriteI32(Path("a.ibin"), 2, i32), absl::OkStatus());
  ASSERT_EQ(WriteVectors(Path("i64.npy"), Element::kI64, 1, 2, std::as_bytes(std::span(i64))),
            absl::OkStatus());
  ASSERT_EQ(WriteU64(Path("a.u64bin"), u64), absl::OkStatus());

  const auto row = [&](const std::string& name) { return Row(*VectorFile::Open(Path(name)), 0); };
  EXPECT_THAT(row("a.fvecs"), ElementsAre(1.5f, -2));
  EXPECT_THAT(row("a.f16bin"), ElementsAre(1.5f, -0.0999755859375f, 0x1p-24f, INFINITY));
  EXPECT_THAT(row("a.i8bin"), ElementsAre(-128, 127));
  EXPECT_THAT(row("a.u8bin"), ElementsAre(0, 255));
  EXPECT_THAT(row("a.ibin"), ElementsAre(-2147483648.0f, 7));
  EXPECT_THAT(row("i64.npy"), ElementsAre(-1099511627776.0f, 7));
  EXPECT_THAT(row("a.u64bin"), ElementsAre(18446744073709551616.0f));
}

TEST_F(FilesTest, ReadIds) {
  const int32_t ids[] = {0, 5, 7, -1};
  ASSERT_EQ(WriteI32(Path("a.ibin"), 2, ids), absl::OkStatus());
  const absl::StatusOr<VectorFile> file = VectorFile::Open(Path("a.ibin"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<uint64_t> row(2);
  ASSERT_EQ(file->ReadIds(0, row), absl::OkStatus());
  EXPECT_THAT(row, ElementsAre(0, 5));
  EXPECT_THAT(std::string(file->ReadIds(1, row).message()), HasSubstr("row 1, value 1"));

  const float floats[] = {1};
  ASSERT_EQ(WriteF32(Path("a.fbin"), 1, floats), absl::OkStatus());
  const absl::Status status = VectorFile::Open(Path("a.fbin"))->ReadIds(0, {row.data(), 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected integers, found f32"));
}

TEST_F(FilesTest, MovedFileKeepsItsRows) {
  const float values[] = {1, 2};
  ASSERT_EQ(WriteF32(Path("a.fbin"), 1, values), absl::OkStatus());
  ASSERT_EQ(WriteF32(Path("b.fbin"), 2, values), absl::OkStatus());
  VectorFile a = *VectorFile::Open(Path("a.fbin"));
  VectorFile b = *VectorFile::Open(Path("b.fbin"));
  a = std::move(b);
  EXPECT_THAT(Row(a, 0), ElementsAre(1, 2));
  const VectorFile c = std::move(a);
  EXPECT_THAT(Row(c, 0), ElementsAre(1, 2));
}

// ---- Writers

TEST_F(FilesTest, WritersRefuseWhatTheFormatCannotHold) {
  const std::vector<float> floats(6);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(floats));
  const struct {
    std::string name;
    Element element;
    uint64_t rows, dim;
    std::string message;
  } cases[] = {
      {"a.txt", Element::kF32, 2, 3, "known endings"},
      {"a.ibin", Element::kF32, 2, 3, "expected i32 values, found f32"},
      {"a.fbin", Element::kF32, 2, 4, "expected 2 rows of 4 f32 values, found 24 bytes"},
      {"a.fbin", Element::kF32, 6, 0, "expected a dim of 1..1048576, found 0"},
      {"a.fbin", Element::kF32, 1ull << 62, 4, "found 24 bytes"},
      {"a.u64bin", Element::kU64, 1, 3, "expected dim 1, found 3"},
  };
  for (const auto& c : cases) {
    const absl::Status status = WriteVectors(Path(c.name), c.element, c.rows, c.dim, bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
  EXPECT_THAT(std::string(WriteF32(Path("a.fvecs"), 3, {}).message()),
              HasSubstr("expected at least 1 row"));
  EXPECT_THAT(std::string(WriteF32(Path("a.fbin"), 4, floats).message()),
              HasSubstr("expected 1 rows of 4 f32 values, found 24 bytes"));
  EXPECT_EQ(FilesInDir(), 0u);
}

TEST_F(FilesTest, WriterReplacesAWholeFileOrNothing) {
  const std::string path = Write("a.fbin", "old");
  {
    absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(file->Append("new", 3), absl::OkStatus());
    EXPECT_EQ(Read(path), "old");
  }
  EXPECT_EQ(Read(path), "old");
  EXPECT_EQ(FilesInDir(), 1u);

  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  ASSERT_EQ(file->Append("new", 3), absl::OkStatus());
  ASSERT_EQ(file->Commit(), absl::OkStatus());
  EXPECT_EQ(Read(path), "new");
  EXPECT_EQ(FilesInDir(), 1u);

  EXPECT_EQ(WriteF32(Path("none/a.fbin"), 1, std::vector<float>(1)).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace nestor
