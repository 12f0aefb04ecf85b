#include "index/graph/space.h"

#include <algorithm>
#include <cmath>

namespace nestor {

void GraphSpace::SetTail(float scale, double square, NodeTail* tail) const {
  const double norm = std::sqrt(square);
  switch (metric) {
    case Metric::kL2:
      tail->scale = scale;
      tail->norm = static_cast<float>(square);
      return;
    case Metric::kCosine:
      // A prefix outside the nesting may be zero: it is as far from all as what is orthogonal.
      tail->scale = square > 0 ? static_cast<float>(scale / norm) : 0;
      tail->norm = square > 0 ? static_cast<float>(norm) : 1;
      return;
    case Metric::kDot: {
      const double part = norm / largest_norm;
      tail->scale = static_cast<float>(scale / largest_norm);
      tail->norm = static_cast<float>(std::sqrt(std::max(0.0, 1 - part * part)));
      return;
    }
  }
}

GraphPoint GraphSpace::FromNode(const NodeStore& nodes, uint32_t node) const {
  const NodeTail& tail = nodes.tail(node);
  GraphPoint point{.codes = nodes.codes(node), .c = 2 * tail.scale};
  switch (metric) {
    case Metric::kL2:
      point.a = tail.norm;
      point.b = 1;
      break;
    case Metric::kCosine:
      point.a = 2;
      break;
    case Metric::kDot:
      point.a = 2;
      point.b = -2 * tail.norm;
      break;
  }
  return point;
}

GraphPoint GraphSpace::FromQuery(const int8_t* codes, float scale, double square) const {
  GraphPoint point{.codes = codes};
  if (metric == Metric::kL2) {
    point.a = static_cast<float>(square);
    point.b = 1;
    point.c = 2 * scale;
  } else {
    point.a = 2;
    point.c = square > 0 ? static_cast<float>(2 * scale / std::sqrt(square)) : 0;
  }
  return point;
}

float GraphSpace::Product(const GraphPoint& query, double query_square, const NodeTail& tail,
                          float distance) const {
  const float doubled = (query.a + query.b * tail.norm) - distance;
  switch (metric) {
    case Metric::kL2:
      return doubled / 2;
    case Metric::kCosine:
      return static_cast<float>(doubled / 2 * std::sqrt(query_square) * tail.norm);
    case Metric::kDot:
      return static_cast<float>(doubled / 2 * std::sqrt(query_square) * largest_norm);
  }
  return 0;
}

}  // namespace nestor
