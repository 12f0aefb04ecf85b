// A chart as SVG text: points of several series, joined by lines. Pure functions.
#ifndef NESTOR_CLIENT_BENCH_PLOT_H_
#define NESTOR_CLIENT_BENCH_PLOT_H_

#include <string>
#include <vector>

namespace nestor {

struct Series {
  std::string name;
  struct Point {
    double x = 0, y = 0;
  };
  std::vector<Point> points;  // by ascending x
};

struct Plot {
  std::string title;
  std::string x_label, y_label;
  bool log_x = false;  // then every x > 0
  std::vector<Series> series;
};

// The axes cover all points. Without points: axes only.
std::string SvgOf(const Plot& plot);

// Ticks that people like (1, 2, 5 times a power of ten) inside [low, high], about `wanted` of them.
std::vector<double> Ticks(double low, double high, int wanted);
// The same for a logarithmic axis: powers of ten, with 2 and 5 times them where there are few.
std::vector<double> LogTicks(double low, double high);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_PLOT_H_
