#pragma once

/// @file
/// `TimeChart`: several figures over the same stretch of time, as an SVG picture.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace benchmark {

/// Panels above each other over one time axis. Each has its own scale that starts at zero, so that
/// flat lines are flat. The picture has its own light background.
class TimeChart {
 public:
  struct Series {
    std::string name;
    std::string colour;
    std::vector<double> values;  ///< One for each of `seconds`.
  };
  struct Panel {
    std::string title;
    std::vector<Series> series;  ///< At least one.
  };

  std::string title;
  std::string subtitle;
  std::string footnote;
  std::vector<double> seconds;  ///< Ascending, at least two.
  std::vector<Panel> panels;

  void write(std::ostream& out) const {
    const double base = top + pitch * static_cast<double>(panels.size()) - gap;
    const double height = base + 78;
    out << R"(<svg xmlns="http://www.w3.org/2000/svg" width=")" << width << R"(" height=")"
        << height << R"(" viewBox="0 0 )" << width << ' ' << height
        << R"(" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13")"
        << R"( fill="#24292f">)" << '\n'
        << R"(<rect x="0.5" y="0.5" rx="8" fill="#ffffff" stroke="#d0d7de" width=")" << width - 1
        << R"(" height=")" << height - 1 << R"("/>)" << '\n';
    text(out, left, 36, title, R"(font-size="18" font-weight="600")");
    text(out, left, 58, subtitle, R"(fill="#57606a")");
    write_time_axis(out, base);
    for (std::size_t i = 0; i < panels.size(); ++i)
      write_panel(out, panels[i], top + pitch * static_cast<double>(i));
    text(out, left, height - 16, footnote, R"(font-size="11" fill="#57606a")");
    out << "</svg>\n";
  }

 private:
  static constexpr double width = 860, left = 72, right = 690, top = 104;
  static constexpr double lines = 104, gap = 52, pitch = lines + gap;
  static constexpr double label = 15;

  double x(double second) const { return left + second / seconds.back() * (right - left); }

  void write_time_axis(std::ostream& out, double base) const {
    const bool minutes = seconds.back() > 180;
    const double unit = minutes ? 60 : 1;
    const double step = nice_step(seconds.back() / unit / 7) * unit;
    for (double second = 0; second <= seconds.back() * 1.0001; second += step) {
      for (std::size_t i = 0; i < panels.size(); ++i) {
        const double foot = top + pitch * static_cast<double>(i) + lines;
        line(out, x(second), foot - lines, x(second), foot, R"(stroke="#eaeef2")");
      }
      text(out, x(second), base + 18, fixed(second / unit, step < unit ? 1 : 0),
           R"(text-anchor="middle")");
    }
    text(out, (left + right) / 2, base + 38, minutes ? "minutes" : "seconds",
         R"(text-anchor="middle" fill="#57606a")");
  }

  void write_panel(std::ostream& out, const Panel& panel, double head) const {
    double highest = 0;
    for (const Series& one : panel.series)
      highest = std::max(highest, *std::max_element(one.values.begin(), one.values.end()));
    const double step = nice_step(std::max(highest, 1e-9) / 3);
    const double ceiling = step * std::max(1.0, std::ceil(highest / step));
    const auto y = [&](double value) { return head + lines - value / ceiling * lines; };

    text(out, left, head - 14, panel.title, R"(font-weight="600")");
    for (double tick = 0; tick <= ceiling * 1.0001; tick += step) {
      line(out, left, y(tick), right, y(tick), R"(stroke="#eaeef2")");
      text(out, left - 8, y(tick) + 4, tick_label(tick, step), R"(text-anchor="end")");
    }
    for (const Series& one : panel.series) {
      out << "<path fill=\"none\" stroke-width=\"1.5\" stroke-linejoin=\"round\" stroke=\""
          << one.colour << "\" d=\"";
      for (std::size_t i = 0; i < seconds.size(); ++i)
        out << (i == 0 ? 'M' : 'L') << fixed(x(seconds[i]), 1) << ' ' << fixed(y(one.values[i]), 1);
      out << "\"/>\n";
    }
    write_labels(out, panel, y, head);
  }

  /// Writes each series' name beside its end, moved as far as necessary to keep the names apart.
  template <class Scale>
  static void write_labels(std::ostream& out, const Panel& panel, Scale y, double head) {
    std::vector<std::size_t> order(panel.series.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> at;
    for (const Series& one : panel.series) at.push_back(y(tail(one.values)) + 4);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return at[a] < at[b]; });
    double lowest = head + lines + 8;
    for (auto i = order.rbegin(); i != order.rend(); ++i) {
      at[*i] = std::min(at[*i], lowest);
      lowest = at[*i] - label;
    }
    for (const std::size_t i : order) {
      const Series& one = panel.series[i];
      text(out, right + 10, at[i], one.name, "font-weight=\"600\" fill=\"" + one.colour + "\"");
    }
  }

  /// The height at which a line seems to end: the mean of its last values.
  static double tail(const std::vector<double>& values) {
    const std::size_t count = std::max<std::size_t>(1, values.size() / 20);
    return std::accumulate(values.end() - static_cast<std::ptrdiff_t>(count), values.end(), 0.0) /
           static_cast<double>(count);
  }

  static std::string tick_label(double tick, double step) {
    return step < 1 ? fixed(tick, 1) : grouped(static_cast<std::uint64_t>(std::lround(tick)));
  }

  static double nice_step(double about) {
    const double power = std::pow(10, std::floor(std::log10(about)));
    for (const double digit : {1.0, 2.0, 5.0})
      if (digit * power >= about) return digit * power;
    return 10 * power;
  }

  static void line(std::ostream& out, double x1, double y1, double x2, double y2,
                   std::string_view attributes) {
    out << "<line x1=\"" << fixed(x1, 1) << "\" y1=\"" << fixed(y1, 1) << "\" x2=\"" << fixed(x2, 1)
        << "\" y2=\"" << fixed(y2, 1) << "\" " << attributes << "/>\n";
  }
  static void text(std::ostream& out, double x, double y, std::string_view what,
                   std::string_view attributes) {
    out << "<text x=\"" << fixed(x, 1) << "\" y=\"" << fixed(y, 1) << "\" " << attributes << '>'
        << what << "</text>\n";
  }
};

}  // namespace benchmark
