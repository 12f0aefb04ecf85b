// `nestor bench replicate` from end to end, on a small set made up here.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/replicate.h"
#include "client/files/write_vectors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/schema.h"

namespace nestor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint32_t kRows = 1200, kQueries = 60, kClasses = 12, kDim = 16;

class ReplicateRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = ::testing::TempDir() + "/nestor_replicate_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = new std::string(pattern);
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> centres(size_t{kClasses} * kDim);
    for (float& v : centres) v = normal(random);
    // Classes are told apart by all coordinates, by the first ones most.
    const auto write = [&](const std::string& name, uint32_t dim, const std::string& part,
                           uint32_t rows) {
      std::vector<uint16_t> values;
      for (uint32_t i = 0; i < rows; ++i) {
        std::vector<float> row(dim);
        for (uint32_t d = 0; d < dim; ++d) {
          row[d] = (centres[i % kClasses * kDim + d] + 0.6f * normal(random)) /
                   std::sqrt(1.0f + static_cast<float>(d));
        }
        std::vector<uint16_t> bits(dim);
        ASSERT_TRUE(
            EncodeVector(Dtype::kF16, row.data(), dim, reinterpret_cast<std::byte*>(bits.data()))
                .ok());
        values.insert(values.end(), bits.begin(), bits.end());
      }
      ASSERT_TRUE(WriteF16(absl::StrCat(*dir_, "/", name, ".", part, ".f16bin"), dim, values).ok());
    };
    for (const auto& [name, dim] :
         {std::pair<std::string, uint32_t>{"mrl", kDim}, {"rr4", 4}, {"rr16", kDim}}) {
      write(name, dim, "base", kRows);
      write(name, dim, "query", kQueries);
    }
    const auto labels = [&](const std::string& part, uint32_t rows) {
      std::vector<int32_t> of;
      for (uint32_t i = 0; i < rows; ++i) of.push_back(static_cast<int32_t>(i % kClasses));
      ASSERT_TRUE(WriteI32(absl::StrCat(*dir_, "/", part, ".labels.ibin"), 1, of).ok());
    };
    labels("base", kRows);
    labels("query", kQueries);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*dir_);
    delete dir_;
    dir_ = nullptr;
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  static std::string* dir_;
};

std::string* ReplicateRun::dir_ = nullptr;

TEST_F(ReplicateRun, RunsEveryMethodAndJudgesEveryFinding) {
  const ReplicateOptions options{.data = *dir_, .out = *dir_ + "/out", .nesting = {4, 8, 16}};
  std::vector<std::string> told;
  const absl::StatusOr<Replication> replication =
      Replicate(options, [&](absl::string_view what) { told.emplace_back(what); });
  ASSERT_TRUE(replication.ok()) << replication.status();
  EXPECT_FALSE(told.empty());

  std::set<Method> methods;
  for (const Trial& run : replication->runs) {
    methods.insert(run.method);
    SCOPED_TRACE(absl::StrCat(Describe(run), " ", Name(run.method), " ", run.plan));
    ASSERT_EQ(run.scores.of(Measure::kTop1).size(), kQueries);
    EXPECT_EQ(run.rows, kRows);
    EXPECT_GT(run.memory_bytes, 0u);
    const bool exact = run.method == Method::kExact && run.metric == Metric::kCosine;
    if (exact && (run.scan_dim == kDim || run.encoder == "rr4")) {
      EXPECT_EQ(run.scores.Mean(Measure::kRecall10At10, Half::kAll), 1);
      EXPECT_EQ(run.scores.Mean(Measure::kRecall40At2048, Half::kAll), 1);
    }
    if (run.method == Method::kAdannsIvf) {
      // What the cost formula says: every centroid, and the rows that were scanned.
      EXPECT_NEAR(run.multiply_adds, run.lists * run.coarse_dim + run.rows_scanned * run.scan_dim,
                  1);
    }
    // Classes lie well apart: answers by any method are far from chance, 1 in 12; but by 2 dims.
    EXPECT_GT(run.scores.Mean(Measure::kTop1, Half::kAll), run.scan_dim > 2 ? 0.25 : 0.15);
  }
  EXPECT_EQ(methods.size(), 11u) << "all methods";

  ASSERT_EQ(replication->findings.size(), 12u);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(replication->findings[i].id, absl::StrCat("P", i + 1));
    EXPECT_FALSE(replication->findings[i].claims.empty());
  }
  // Those that are equalities hold on any data.
  EXPECT_TRUE(replication->findings[10].Holds()) << FindingsText({replication->findings[10]});
  for (const Claim& claim : replication->findings[11].claims) {
    if (claim.text.find("equals FAISS") == std::string::npos) continue;
    EXPECT_TRUE(claim.holds) << claim.text << ": " << claim.figures;
  }

  ASSERT_TRUE(WriteReplication(*replication, options).ok());
  const std::string csv = Read(options.out + "/runs.csv");
  EXPECT_EQ(static_cast<size_t>(std::count(csv.begin(), csv.end(), '\n')),
            replication->runs.size() + 1);
  EXPECT_THAT(Read(options.out + "/findings.md"), AllOf(HasSubstr("## P1:"), HasSubstr("## P12:")));
  for (const char* name : {"operations.svg", "latency.svg", "bytes.svg", "dims.svg",
                           "dims-map10.svg", "cascades.svg"}) {
    EXPECT_THAT(Read(absl::StrCat(options.out, "/", name)), StartsWith("<svg ")) << name;
  }
}

TEST_F(ReplicateRun, SaysWhatIsMissing) {
  const auto none = [](absl::string_view) {};
  const ReplicateOptions no_rigid{.data = *dir_, .out = *dir_ + "/none", .nesting = {4, 8, 12}};
  const absl::Status status = Replicate(no_rigid, none).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "mrl has 16 dims: " << status;
  const absl::Status no_data =
      Replicate({.data = *dir_ + "/nothing", .out = *dir_ + "/none", .nesting = {4, 8, 16}}, none)
          .status();
  EXPECT_EQ(no_data.code(), absl::StatusCode::kNotFound) << no_data;
  EXPECT_THAT(std::string(no_data.message()), HasSubstr("mrl"));
  const absl::Status short_nesting =
      Replicate({.data = *dir_, .out = *dir_ + "/none", .nesting = {4, 16}}, none).status();
  EXPECT_EQ(short_nesting.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(*dir_ + "/none"));
}

}  // namespace
}  // namespace nestor
