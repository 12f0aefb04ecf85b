#include "client/bench/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace nestor {
namespace {

// Pixels.
constexpr double kWidth = 760, kHeight = 440;
constexpr double kLeft = 64, kRight = 190, kTop = 40, kBottom = 56;
constexpr double kSlack = 1e-9;  // of an axis: a tick at its end is on it

// Told apart by people who do not see colours as most do (Okabe and Ito).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000"};

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

// A coordinate of the data to pixels.
class Axis {
 public:
  Axis(double low, double high, bool log, double from, double to)
      : log_(log), low_(log ? std::log(low) : low), from_(from), to_(to) {
    range_ = (log ? std::log(high) : high) - low_;
    if (range_ <= 0) range_ = 1;
  }
  double At(double value) const {
    return from_ + ((log_ ? std::log(value) : value) - low_) / range_ * (to_ - from_);
  }

 private:
  bool log_;
  double low_, range_, from_, to_;
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Cover(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

std::string Number(double value) {
  if (value >= 1e6) return absl::StrFormat("%gM", value / 1e6);
  if (value >= 1e4) return absl::StrFormat("%gk", value / 1e3);
  return absl::StrFormat("%g", value);
}

void AppendText(double x, double y, const char* anchor, const std::string& text, std::string* svg) {
  absl::StrAppendFormat(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y,
                        anchor, Escaped(text));
}

void AppendLine(double x1, double y1, double x2, double y2, const char* colour, std::string* svg) {
  absl::StrAppendFormat(svg,
                        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                        x1, y1, x2, y2, colour);
}

void AppendSeries(const Series& series, const char* colour, const Axis& x, const Axis& y,
                  std::string* svg) {
  std::string line;
  for (const Series::Point& p : series.points) {
    absl::StrAppendFormat(&line, "%s%.1f,%.1f", line.empty() ? "" : " ", x.At(p.x), y.At(p.y));
  }
  absl::StrAppendFormat(
      svg, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", line,
      colour);
  for (const Series::Point& p : series.points) {
    absl::StrAppendFormat(svg,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%s: %g, "
                          "%.2f</title></circle>\n",
                          x.At(p.x), y.At(p.y), colour, Escaped(series.name), p.x, p.y);
  }
}

}  // namespace

std::vector<double> Ticks(double low, double high, int wanted) {
  if (!(high > low)) return {low};
  const double rough = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - kSlack)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - kSlack); i * step <= high + kSlack * step; ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::vector<double> LogTicks(double low, double high) {
  const bool few = high / low < 1000;
  std::vector<double> ticks;
  for (int e = static_cast<int>(std::floor(std::log10(low))); std::pow(10.0, e) <= high; ++e) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, e);
      if (factor > 1 && !few) continue;
      if (tick >= low * (1 - kSlack) && tick <= high * (1 + kSlack)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string SvgOf(const Plot& plot) {
  Range xs, ys;
  for (const Series& series : plot.series) {
    for (const Series::Point& p : series.points) {
      xs.Cover(p.x);
      ys.Cover(p.y);
    }
  }
  if (!(xs.low <= xs.high)) {
    xs = {1, 10};
    ys = {0, 1};
  }
  const double margin = std::max(0.03 * (ys.high - ys.low), 1e-6);
  ys = {ys.low - margin, ys.high + margin};
  const Axis x(xs.low, xs.high, plot.log_x, kLeft + 8, kWidth - kRight - 8);
  const Axis y(ys.low, ys.high, false, kHeight - kBottom, kTop);

  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"22\" font-size=\"14\">%s</text>\n", kLeft,
                        Escaped(plot.title));
  for (const double tick : Ticks(ys.low, ys.high, 6)) {
    AppendLine(kLeft, y.At(tick), kWidth - kRight, y.At(tick), "#dddddd", &svg);
    AppendText(kLeft - 6, y.At(tick) + 4, "end", Number(tick), &svg);
  }
  for (const double tick : plot.log_x ? LogTicks(xs.low, xs.high) : Ticks(xs.low, xs.high, 8)) {
    AppendLine(x.At(tick), kHeight - kBottom, x.At(tick), kTop, "#eeeeee", &svg);
    AppendText(x.At(tick), kHeight - kBottom + 16, "middle", Number(tick), &svg);
  }
  AppendLine(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "#444444", &svg);
  AppendLine(kLeft, kTop, kLeft, kHeight - kBottom, "#444444", &svg);
  AppendText((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", plot.x_label, &svg);
  absl::StrAppendFormat(
      &svg, "<text transform=\"translate(16 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
      (kTop + kHeight - kBottom) / 2, Escaped(plot.y_label));
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    AppendSeries(plot.series[i], colour, x, y, &svg);
    const double at = kTop + 10 + 18 * static_cast<double>(i);
    absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n",
                          kWidth - kRight + 16, at, colour);
    AppendText(kWidth - kRight + 26, at + 4, "start", plot.series[i].name, &svg);
  }
  return svg + "</svg>\n";
}

}  // namespace nestor
