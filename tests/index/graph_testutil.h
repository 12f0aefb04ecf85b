// Data and plans for the tests of the graph.
#ifndef NESTOR_TESTS_INDEX_GRAPH_TESTUTIL_H_
#define NESTOR_TESTS_INDEX_GRAPH_TESTUTIL_H_

#include <memory>
#include <vector>

#include "tests/index/index_testutil.h"

namespace nestor {

VectorSchema SchemaOf(Metric metric, Dtype dtype = Dtype::kF32, uint32_t dim = 100);

// A spec of a graph without lists.
IndexSpec GraphOnly(uint32_t dim = 64, uint32_t degree = 28, uint32_t ef_construction = 60);

// Sets the first `dims` values of every `step`-th row to zero.
void ZeroPrefixes(Matrix* matrix, uint32_t dims, size_t step);

// Every value of each row times a random factor of the row in [low, high], spread evenly in its
// logarithm. Values of INT8 are rounded and clamped.
void ScaleRows(Matrix* matrix, double low, double high, uint64_t seed);

// A row of `base` each, with noise that leaves it near.
Matrix QueriesNear(const Matrix& base, size_t n, uint64_t seed);

Matrix MatrixOf(const VectorSchema& schema, const std::vector<std::vector<float>>& rows);

// Fails the test on an error.
std::unique_ptr<IvfIndex> BuildWithThreads(const Matrix& matrix, const IndexSpec& spec,
                                           int threads);

// An index without rows, as a collection has it before its first build.
std::unique_ptr<IvfIndex> CreateEmpty(const VectorSchema& schema, const IndexSpec& spec);

// Appends the row with this id and row number; returns its slot. Fails the test on an error.
uint32_t AppendOrDie(IvfIndex* index, const Matrix& matrix, size_t i, uint64_t id, uint64_t born);

// From the graph, all of them refined in all dims, then rescored.
Plan GraphPlan(const IvfIndex& index, uint32_t ef, float margin = 0);

// How many of the exact answers the plan finds.
double RecallOf(const IvfIndex& index, const Matrix& queries, const Plan& plan, uint32_t limit,
                uint64_t snapshot);

// Hits equal to those of SearchExact, slots and scores.
void ExpectExactAnswers(const IvfIndex& index, const Matrix& queries, const Plan& plan,
                        uint32_t limit, uint64_t snapshot = 1);

}  // namespace nestor

#endif  // NESTOR_TESTS_INDEX_GRAPH_TESTUTIL_H_
