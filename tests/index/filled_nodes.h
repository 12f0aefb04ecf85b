// Nodes of a graph with vectors in them and no links, for the tests of a graph's parts.
#ifndef NESTOR_TESTS_INDEX_FILLED_NODES_H_
#define NESTOR_TESTS_INDEX_FILLED_NODES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "index/graph/nodes.h"
#include "index/graph/space.h"
#include "index/shells.h"
#include "tests/index/index_testutil.h"

namespace nestor {

struct FilledNodes {
  FilledNodes(Metric metric, uint32_t dim, size_t rows)
      : matrix(MakeMatrix({.dim = dim, .nesting = {dim}, .metric = metric}, rows, 3)),
        nodes(dim, /*degree=*/8),
        space{.metric = metric} {
    EXPECT_TRUE(nodes.Grow(static_cast<uint32_t>(rows), /*bulk=*/true));
    for (size_t i = 0; i < rows; ++i) {
      squares.push_back(NaiveScore(Metric::kDot, matrix.row(i), matrix.row(i), dim));
    }
    space.largest_norm = std::sqrt(*std::max_element(squares.begin(), squares.end()));
    for (uint32_t i = 0; i < rows; ++i) {
      std::memset(nodes.codes(i), 0, nodes.code_bytes());
      scales.push_back(QuantizeInt8(matrix.row(i), dim, nodes.codes(i)));
      space.SetTail(scales[i], squares[i], &nodes.tail(i));
    }
  }

  // The coded vector.
  std::vector<double> Coded(uint32_t node) const {
    std::vector<double> x;
    for (uint32_t d = 0; d < nodes.dim(); ++d) {
      x.push_back(nodes.codes(node)[d] * static_cast<double>(scales[node]));
    }
    return x;
  }
  int32_t Sum(const int8_t* a, uint32_t node) const {
    int32_t sum = 0;
    for (uint32_t d = 0; d < nodes.dim(); ++d) sum += a[d] * nodes.codes(node)[d];
    return sum;
  }
  // By the definition in space.h, in float.
  float Between(uint32_t a, uint32_t b) const {
    return space.FromNode(nodes, a).Distance(Sum(nodes.codes(a), b), nodes.tail(b).scale,
                                             nodes.tail(b).norm);
  }

  Matrix matrix;
  NodeStore nodes;
  GraphSpace space;
  std::vector<double> squares;
  std::vector<float> scales;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_INDEX_FILLED_NODES_H_
