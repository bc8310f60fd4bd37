#pragma once

/// @file
/// `DistributionChart`: compares distributions of durations, as an SVG picture.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "statistics.hpp"
#include "text.hpp"

namespace benchmark {

/// One histogram for each series, above each other over one logarithmic axis, with the median and
/// the 99th percentile marked.
///
/// The histograms are stacked, not overlaid, so that distributions that nearly coincide stay
/// readable, and labels cannot collide. All of them have the same bars and scale, so they compare
/// by eye. The picture has its own light background.
class DistributionChart {
 public:
  struct Series {
    std::string name;
    std::string colour;
    std::vector<double> ascending;  ///< Microseconds, sorted, not empty.
  };

  std::string title;
  std::string subtitle;
  std::string axis;  ///< The quantity on the axis; the unit is added.
  std::string footnote;
  std::vector<Series> series;

  /// Writes the picture. There is at least one series.
  void write(std::ostream& out) const {
    const Scale scale = fitted_scale();
    std::vector<std::vector<double>> histograms;
    double highest = 0;
    for (const Series& one : series) {
      const auto& shares = histograms.emplace_back(histogram(one, scale));
      highest = std::max(highest, *std::max_element(shares.begin(), shares.end()));
    }

    const double base = top + panel * static_cast<double>(series.size());
    const double height = base + bottom;
    out << R"(<svg xmlns="http://www.w3.org/2000/svg" width=")" << width << R"(" height=")"
        << height << R"(" viewBox="0 0 )" << width << ' ' << height
        << R"(" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13")"
        << R"( fill="#24292f">)" << '\n'
        << R"(<rect x="0.5" y="0.5" rx="8" fill="#ffffff" stroke="#d0d7de" width=")" << width - 1
        << R"(" height=")" << height - 1 << R"("/>)" << '\n';
    text(out, left, 36, title, R"(font-size="18" font-weight="600")");
    text(out, left, 58, subtitle, R"(fill="#57606a")");
    write_duration_axis(out, scale, base);
    for (std::size_t i = 0; i < series.size(); ++i) {
      const double foot = top + panel * static_cast<double>(i + 1);
      write_panel(out, series[i], histograms[i], highest, scale, foot);
    }
    text(out, left, height - 16, footnote, R"(font-size="11" fill="#57606a")");
    out << "</svg>\n";
  }

 private:
  static constexpr double width = 860;
  static constexpr double left = 64;
  static constexpr double right = 28;
  static constexpr double top = 72;
  static constexpr double panel = 160;
  static constexpr double bars = 108;  // the part of a panel below its labels
  static constexpr double bottom = 84;
  static constexpr double bar = 6;
  static constexpr double room_for_label = 92;

  /// Maps a duration to its place on the axis.
  struct Scale {
    double lowest = 0;  // The base-10 logarithm of microseconds, like `highest`.
    double highest = 0;

    double x(double microseconds) const {
      return left + (std::log10(microseconds) - lowest) / (highest - lowest) * length;
    }

    static constexpr double length = width - left - right;
    static constexpr double end = width - right;
  };

  /// The axis over all values except the outliers, with room at both ends for a mark's label.
  Scale fitted_scale() const {
    double lowest = HUGE_VAL;
    double highest = -HUGE_VAL;
    for (const Series& one : series) {
      lowest = std::min(lowest, std::log10(percentile(one.ascending, 0.001)));
      highest = std::max(highest, std::log10(percentile(one.ascending, 0.99)));
    }
    const double span = std::max(highest - lowest, 0.3);
    const double margin = span * room_for_label / (Scale::length - 2 * room_for_label);
    return Scale{.lowest = lowest - margin, .highest = lowest + span + margin};
  }

  /// The percentage of the series in each bar.
  static std::vector<double> histogram(const Series& one, const Scale& scale) {
    std::vector<double> shares(static_cast<std::size_t>(Scale::length / bar));
    const double share = 100 / static_cast<double>(one.ascending.size());
    for (const double value : one.ascending) {
      const double index = std::floor((scale.x(value) - left) / bar);
      if (index < 0 || index >= static_cast<double>(shares.size())) continue;
      shares[static_cast<std::size_t>(index)] += share;
    }
    return shares;
  }

  void write_duration_axis(std::ostream& out, const Scale& scale, double base) const {
    for (int exponent = -1; exponent < 9; ++exponent) {
      for (const int digit : {1, 2, 5}) {
        const double value = digit * std::pow(10, exponent);
        const double x = scale.x(value);
        if (x < left || x > Scale::end) continue;
        line(out, x, top, x, base + 5, R"(stroke="#eaeef2")");
        text(out, x, base + 21, fixed(value, value < 1 ? 1 : 0), R"(text-anchor="middle")");
      }
    }
    text(out, left + Scale::length / 2, base + 43, axis + " (\u00b5s, logarithmic scale)",
         R"(text-anchor="middle" fill="#57606a")");
    const double middle = (top + base) / 2;
    out << "<g transform=\"rotate(-90 20 " << middle << ")\">";
    text(out, 20, middle, "requests per bar (%)", R"(text-anchor="middle" fill="#57606a")");
    out << "</g>\n";
  }

  static void write_panel(std::ostream& out, const Series& one, const std::vector<double>& shares,
                          double highest, const Scale& scale, double foot) {
    const auto y = [&](double share) { return foot - share / highest * bars; };

    const double step = tick_step(highest);
    for (double tick = 0; tick <= highest; tick += step) {
      line(out, left, y(tick), Scale::end, y(tick), R"(stroke="#eaeef2")");
      text(out, left - 8, y(tick) + 4, fixed(tick, step < 1 ? 1 : 0), R"(text-anchor="end")");
    }

    out << "<path fill=\"" << one.colour << "\" fill-opacity=\"0.25\" stroke=\"" << one.colour
        << "\" stroke-width=\"1.5\" stroke-linejoin=\"round\" d=\"M" << left << ' ' << foot;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      out << 'V' << fixed(y(shares[i]), 1) << 'H' << left + bar * static_cast<double>(i + 1);
    }
    out << 'V' << foot << "\"/>\n";

    const std::string ink = "fill=\"" + one.colour + "\"";
    text(out, left, foot - bars - 32, one.name, ink + R"( font-size="14" font-weight="600")");
    write_mark(out, one, "p50", 0.5, "end", -6, scale, foot);
    write_mark(out, one, "p99", 0.99, "start", 6, scale, foot);

    const auto shown = std::partition_point(one.ascending.begin(), one.ascending.end(),
                                            [&](double v) { return scale.x(v) <= Scale::end; });
    if (shown != one.ascending.end()) {
      const double beyond = 100 * static_cast<double>(one.ascending.end() - shown) /
                            static_cast<double>(one.ascending.size());
      text(out, Scale::end, foot - bars - 32, three_digits(beyond) + " % beyond \u2192",
           R"(text-anchor="end" font-size="11" fill="#57606a")");
    }
  }

  /// Marks a percentile. The median's label ends at its line and the other one starts at its line,
  /// so they stay apart however close the lines are.
  static void write_mark(std::ostream& out, const Series& one, const std::string& name,
                         double fraction, const std::string& anchor, double offset,
                         const Scale& scale, double foot) {
    const double value = percentile(one.ascending, fraction);
    const double x = scale.x(value);
    line(out, x, foot - bars - 22, x, foot,
         "stroke=\"" + one.colour + R"(" stroke-width="1.5" stroke-dasharray="4 3")");
    text(out, x + offset, foot - bars - 12, name + " " + three_digits(value) + " \u00b5s",
         "text-anchor=\"" + anchor + "\" fill=\"" + one.colour + "\"");
  }

  /// The distance between ticks that divides this range into two to five parts.
  static double tick_step(double range) {
    const double power = std::pow(10, std::floor(std::log10(range)));
    if (range / power < 2) return power / 2;
    return range / power < 5 ? power : power * 2;
  }

  static void line(std::ostream& out, double x1, double y1, double x2, double y2,
                   std::string_view attributes) {
    out << "<line x1=\"" << fixed(x1, 1) << "\" y1=\"" << fixed(y1, 1) << "\" x2=\"" << fixed(x2, 1)
        << "\" y2=\"" << fixed(y2, 1) << "\" " << attributes << "/>\n";
  }

  static void text(std::ostream& out, double x, double y, std::string_view words,
                   std::string_view attributes) {
    out << "<text x=\"" << fixed(x, 1) << "\" y=\"" << fixed(y, 1) << "\" " << attributes << '>';
    for (const char c : words) {
      if (c == '&') {
        out << "&amp;";
      } else if (c == '<') {
        out << "&lt;";
      } else {
        out << c;
      }
    }
    out << "</text>\n";
  }
};

}  // namespace benchmark
