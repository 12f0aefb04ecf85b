// Distances between nodes, and between a query and nodes: squared, of int8 codes, in a space where
// all metrics are Euclidean, so that links and the adaptive stop mean the same under each.
//   L2:     the vectors as they are.
//   COSINE: vectors of unit length; d = 2 - 2 cos.
//   DOT:    rows divided by the largest norm M at the build and extended by one coordinate,
//           e = sqrt(1 - |x|^2 / M^2), to unit length; queries of unit length with e = 0. Then
//           d = 2 - 2 q.x / (|q| M) orders as the product does. (Bachrach et al., RecSys 2014.)
//           Rows written later may be longer than M: their e is 0, and d may fall below 0.
// All are computed as  d = (a + b * norm) - isum * (c * scale)  from the exact integer product
// isum: the same float operations on every CPU.
#ifndef NESTOR_INDEX_GRAPH_SPACE_H_
#define NESTOR_INDEX_GRAPH_SPACE_H_

#include <cstdint>

#include "index/graph/nodes.h"
#include "index/schema.h"

namespace nestor {

// One side of a distance: a query, or a node whose neighbours are sought.
struct GraphPoint {
  const int8_t* codes = nullptr;
  float a = 0, b = 0, c = 0;

  float Distance(int32_t isum, float scale, float norm) const {
    return (a + b * norm) - static_cast<float>(isum) * (c * scale);
  }
};

// What a node stores for a metric, from its prefix's scale and squared norm.
struct GraphSpace {
  Metric metric = Metric::kL2;
  double largest_norm = 0;  // M, under DOT; 0 = no row yet

  void SetTail(float scale, double square, NodeTail* tail) const;
  GraphPoint FromNode(const NodeStore& nodes, uint32_t node) const;
  // `square` is |q[:dim]|^2.
  GraphPoint FromQuery(const int8_t* codes, float scale, double square) const;
  // The product of the plain vectors, which later stages add to, from a distance to such a query.
  float Product(const GraphPoint& query, double query_square, const NodeTail& tail,
                float distance) const;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_SPACE_H_
