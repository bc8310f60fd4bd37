#pragma once

/// @file
/// `LineChart`: a cost as a function of a size, as an SVG picture.

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "text.hpp"

namespace benchmark {

/// One line for each series over a logarithmic axis of sizes. The other axis is linear and starts
/// at zero, so that flat lines are flat. The picture has its own light background.
class LineChart {
 public:
  struct Series {
    std::string name;
    std::string colour;
    std::vector<std::pair<double, double>> points;  ///< Size and cost, ascending by size.
  };

  std::string title;
  std::string subtitle;
  std::string x_axis;
  std::string y_axis;
  std::string footnote;
  std::vector<Series> series;

  /// Writes the picture. There is at least one series, and none is empty.
  void write(std::ostream& out) const {
    double widest = 1;
    double highest = 0;
    for (const Series& one : series) {
      for (const auto& [size, cost] : one.points) {
        widest = std::max(widest, size);
        highest = std::max(highest, cost);
      }
    }
    const double step = nice_step(highest / 4);
    const double ceiling = step * std::ceil(highest / step);
    const auto x = [&](double size) {
      return left + std::log10(size) / std::log10(widest) * (right - left);
    };
    const auto y = [&](double cost) { return bottom - cost / ceiling * (bottom - top); };

    out << R"(<svg xmlns="http://www.w3.org/2000/svg" width="860" height="460" viewBox="0 0 860 460")"
        << R"( font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" fill="#24292f">)"
        << '\n'
        << R"(<rect x="0.5" y="0.5" rx="8" width="859" height="459" fill="#ffffff" stroke="#d0d7de"/>)"
        << '\n';
    text(out, left, 36, title, R"(font-size="18" font-weight="600")");
    text(out, left, 58, subtitle, R"(fill="#57606a")");
    for (double cost = 0; cost <= ceiling; cost += step) {
      out << "<path d=\"M" << left << ' ' << y(cost) << 'H' << right << "\" stroke=\"#eaeef2\"/>\n";
      text(out, left - 8, y(cost) + 4, fixed(cost, 0), R"(text-anchor="end")");
    }
    for (double size = 1; size <= widest; size *= 10)
      text(out, x(size), bottom + 20, fixed(size, 0), R"(text-anchor="middle")");
    text(out, (left + right) / 2, bottom + 42, x_axis, R"(text-anchor="middle" fill="#57606a")");
    const std::string middle = fixed((top + bottom) / 2, 0);
    text(out, 0, 0, y_axis,
         "text-anchor=\"middle\" fill=\"#57606a\" transform=\"translate(20 " + middle +
             ") rotate(-90)\"");
    std::vector<double> taken;  // Positions of labels so far.
    for (const Series& one : series) {
      out << "<path fill=\"none\" stroke-width=\"2\" stroke=\"" << one.colour << "\" d=\"";
      for (std::size_t i = 0; i < one.points.size(); ++i)
        out << (i == 0 ? 'M' : 'L') << x(one.points[i].first) << ' ' << y(one.points[i].second);
      out << "\"/>\n";
      for (const auto& [size, cost] : one.points)
        out << "<circle r=\"3.5\" fill=\"" << one.colour << "\" cx=\"" << x(size) << "\" cy=\""
            << y(cost) << "\"/>\n";
      double label = y(one.points.back().second) + 4;
      while (std::any_of(taken.begin(), taken.end(),
                         [&](double other) { return std::abs(other - label) < 16; }))
        label -= 4;
      taken.push_back(label);
      text(out, right + 10, label, one.name, "font-weight=\"600\" fill=\"" + one.colour + "\"");
    }
    text(out, left, 444, footnote, R"(font-size="11" fill="#57606a")");
    out << "</svg>\n";
  }

 private:
  static constexpr double left = 72, right = 640, top = 84, bottom = 370;

  static double nice_step(double about) {
    const double power = std::pow(10, std::floor(std::log10(about)));
    for (const double digit : {1.0, 2.0, 5.0})
      if (digit * power >= about) return digit * power;
    return 10 * power;
  }
  static void text(std::ostream& out, double x, double y, const std::string& what,
                   const std::string& attributes) {
    out << "<text x=\"" << x << "\" y=\"" << y << "\" " << attributes << '>' << what << "</text>\n";
  }
};

}  // namespace benchmark
