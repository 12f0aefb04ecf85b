// Against FAISS itself: the same search results with the same rotation and codebooks, and files
// that both read.
#include <faiss/IndexFlat.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "index/base/pages.h"
#include "index/codes/faiss_format.h"
#include "index/codes/query.h"
#include "index/train.h"
#include "tests/index/codes_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

std::unique_ptr<faiss::IndexPreTransform> FaissIndexOf(const OpqQuantizer& quantizer, bool l2) {
  const OpqSpec& spec = quantizer.spec();
  const auto dim = static_cast<int>(spec.dim);
  auto pq = std::make_unique<faiss::IndexPQ>(dim, spec.subquantizers(), spec.bits,
                                             l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
  pq->pq.centroids = quantizer.centroids();
  pq->is_trained = true;
  auto opq = std::make_unique<faiss::OPQMatrix>(dim, static_cast<int>(spec.subquantizers()));
  opq->A = quantizer.rotation();
  opq->is_trained = true;
  opq->is_orthonormal = true;
  auto index = std::make_unique<faiss::IndexPreTransform>(opq.release(), pq.release());
  index->own_fields = true;
  return index;
}

std::string FaissBytes(const faiss::Index& index) {
  faiss::VectorIOWriter writer;
  faiss::write_index(&index, &writer);
  return std::string(writer.data.begin(), writer.data.end());
}

TEST(CodesFaissTest, FlatSearchEqualsFaiss) {
  constexpr size_t kRows = 2000;
  constexpr size_t kHits = 20;
  for (Metric metric : kMetrics) {
    const OpqSpec spec{32, 8, 8};
    const TrainedCode& t = Trained(metric, spec);
    const Matrix matrix = MakeMatrix(t.matrix.schema, kRows, 9);
    const std::vector<float> rows = PreparedRows(matrix, spec.dim);
    std::vector<uint8_t> codes(kRows * spec.bytes);
    t.quantizer->Encode(rows.data(), kRows, codes.data());
    BoundFaissThreads(1);
    const auto index = FaissIndexOf(*t.quantizer, metric == Metric::kL2);
    index->add(kRows, rows.data());
    // Codes are equal but where two centroids are equally near.
    auto* pq = dynamic_cast<faiss::IndexPQ*>(index->index);
    ASSERT_NE(pq, nullptr);
    size_t other = 0;
    for (size_t i = 0; i < codes.size(); ++i) other += codes[i] != pq->codes[i] ? 1 : 0;
    EXPECT_LE(other, codes.size() / 1000);
    pq->codes = codes;

    const CodeLayout layout(spec);
    const PageBuffer blocks(kRows / 16 * layout.block_bytes(), /*huge=*/false);
    for (uint32_t i = 0; i < kRows; ++i)
      layout.Write(codes.data() + i * spec.bytes, i, blocks.data());
    const Matrix queries = MakeMatrix(t.matrix.schema, 50, 5);
    std::vector<float> sums(kRows);
    OpqQuery query;
    size_t swapped = 0;
    for (size_t j = 0; j < queries.rows(); ++j) {
      query.Prepare(*t.quantizer, metric, queries.row(j));
      query.Scan(ActiveKernels(), blocks.data(), kRows / 16, 0, sums.data());
      std::vector<faiss::Index::idx_t> order(kRows), found(kHits);
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(),
                [&](auto a, auto b) { return std::pair(-sums[a], a) < std::pair(-sums[b], b); });
      std::vector<float> scores(kHits);
      index->search(1, queries.row(j), kHits, scores.data(), found.data());
      double q_square = 0;
      for (size_t d = 0; d < spec.dim; ++d) q_square += queries.row(j)[d] * queries.row(j)[d];
      for (size_t i = 0; i < kHits; ++i) {
        const float key = sums[order[i]];
        const double score = metric == Metric::kL2 ? q_square - 2 * key : key;
        ASSERT_NEAR(score, scores[i], 1e-4 * (1 + q_square)) << "query " << j << ", hit " << i;
        // Another id only where its key is the same but for roundings.
        if (found[i] == order[i]) continue;
        ++swapped;
        ASSERT_NEAR(sums[found[i]], key, 1e-5 * (1 + q_square)) << "query " << j << ", hit " << i;
      }
    }
    EXPECT_LE(swapped, queries.rows() * kHits / 50);
  }
}

TEST(CodesFaissTest, FaissReadsOurFiles) {
  for (Metric metric : kMetrics) {
    for (const OpqSpec& spec : {OpqSpec{16, 4, 4}, OpqSpec{16, 2, 8}}) {
      const TrainedCode& t = Trained(metric, spec);
      const std::string bytes = FormatFaissOpq(*t.quantizer, metric);
      // Byte for byte what FAISS writes.
      const auto index = FaissIndexOf(*t.quantizer, metric == Metric::kL2);
      EXPECT_TRUE(FaissBytes(*index) == bytes);
      faiss::VectorIOReader reader;
      reader.data.assign(bytes.begin(), bytes.end());
      const std::unique_ptr<faiss::Index> read(faiss::read_index(&reader));
      read->add(kTrainedRows, t.rows.data());
      const auto* pre = dynamic_cast<faiss::IndexPreTransform*>(read.get());
      ASSERT_NE(pre, nullptr);
      EXPECT_EQ(dynamic_cast<faiss::IndexPQ*>(pre->index)->codes.size(), t.codes.size());
      const auto parsed = ParseFaissOpq(bytes);
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ((*parsed)->spec(), spec);
      EXPECT_EQ((*parsed)->rotation(), t.quantizer->rotation());
      EXPECT_EQ((*parsed)->centroids(), t.quantizer->centroids());
    }
  }
}

TEST(CodesFaissTest, ReadsFilesOfFaiss) {
  const TrainedCode& t = Trained(Metric::kL2, {16, 4, 4});
  const auto index = FaissIndexOf(*t.quantizer, true);
  index->add(7, t.rows.data());  // rows are passed over
  const auto parsed = ParseFaissOpq(FaissBytes(*index));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->rotation(), t.quantizer->rotation());
  EXPECT_EQ((*parsed)->centroids(), t.quantizer->centroids());

  const auto alone = ParseFaissOpq(FaissBytes(*index->index));
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_EQ((*alone)->rotation()[0], 1);
  EXPECT_EQ((*alone)->rotation()[1], 0);
  EXPECT_EQ((*alone)->centroids(), t.quantizer->centroids());
}

TEST(CodesFaissTest, RefusesOtherFiles) {
  const TrainedCode& t = Trained(Metric::kL2, {16, 4, 4});
  const auto index = FaissIndexOf(*t.quantizer, true);
  const auto message = [](absl::string_view bytes) {
    const absl::Status status = ParseFaissOpq(bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  faiss::IndexFlatL2 flat(16);
  EXPECT_THAT(message(FaissBytes(flat)), HasSubstr("holds an index of kind 'IxF2'"));
  EXPECT_THAT(message(""), HasSubstr("ends where 4 more bytes"));
  faiss::IndexPQ six_bits(16, 4, 6);
  six_bits.is_trained = true;
  EXPECT_THAT(message(FaissBytes(six_bits)), HasSubstr("4 sub-quantizers of 6 bits"));
  faiss::IndexPQ untrained(16, 4, 8);
  EXPECT_THAT(message(FaissBytes(untrained)), HasSubstr("not trained"));

  auto* opq = dynamic_cast<faiss::OPQMatrix*>(index->chain[0]);
  opq->have_bias = true;
  opq->b.assign(16, 0);
  EXPECT_THAT(message(FaissBytes(*index)), HasSubstr("has a bias"));
  opq->have_bias = false;
  opq->b.clear();
  opq->A[0] += 1;
  EXPECT_THAT(message(FaissBytes(*index)), HasSubstr("times as long"));
  opq->A.pop_back();
  EXPECT_THAT(message(FaissBytes(*index)), HasSubstr("has 255 numbers, expected 256"));
  opq->A = t.quantizer->rotation();
  opq->d_in = 17;
  EXPECT_THAT(message(FaissBytes(*index)), HasSubstr("takes 17 to 16 dims"));
  opq->d_in = 16;
  const std::string good = FaissBytes(*index);
  ASSERT_TRUE(ParseFaissOpq(good).ok());
  EXPECT_THAT(message(good + "x"), HasSubstr("goes on behind its end"));
  EXPECT_THAT(message(good.substr(0, good.size() - 1)), HasSubstr("ends where"));
}

}  // namespace
}  // namespace nestor
