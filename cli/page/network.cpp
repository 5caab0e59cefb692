/// The network as boxes and arrows, and how active each layer was.

#include <algorithm>

#include <fmt/format.h>

#include "cli/page/page.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr int kBoxWidth = 138;
constexpr int kBoxHeight = 58;
constexpr int kGapX = 24;
constexpr int kGapY = 18;
constexpr int kBandGap = 34;
constexpr int kMargin = 8;
constexpr int kColumnsOnScreens = 6;
constexpr int kColumnsOnPhones = 2;

/// Deep networks are folded: after `columns` columns the drawing goes on in a band below.
struct Place {
  int column = 0, row = 0, band = 0;
  int x = 0, y = 0;
};

/// Column: the longest way from an input; row: the next free one. Layers come in topological order.
std::vector<Place> places_of(const std::vector<LayerDescription>& layers, int columns) {
  std::vector<Place> places(layers.size());
  std::vector<int> used;
  for (std::uint32_t i = 0; i < layers.size(); ++i) {
    for (const std::uint32_t source : layers[i].inputs) {
      if (source < i) places[i].column = std::max(places[i].column, places[source].column + 1);
    }
    const auto column = static_cast<std::size_t>(places[i].column);
    if (used.size() <= column) used.resize(column + 1, 0);
    places[i].row = used[column]++;
  }
  std::vector<int> top = {kMargin};  // of every band
  for (std::size_t first = 0; first < used.size(); first += static_cast<std::size_t>(columns)) {
    const std::size_t last = std::min(first + static_cast<std::size_t>(columns), used.size());
    int rows = 0;
    for (std::size_t c = first; c < last; ++c) rows = std::max(rows, used[c]);
    top.push_back(top.back() + rows * (kBoxHeight + kGapY) - kGapY + kBandGap);
  }
  for (Place& place : places) {
    place.band = place.column / columns;
    place.column %= columns;
    place.x = kMargin + place.column * (kBoxWidth + kGapX);
    place.y = top[static_cast<std::size_t>(place.band)] + place.row * (kBoxHeight + kGapY);
  }
  return places;
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const std::int64_t side : shape) {
    text += fmt::format("{}{}", text.empty() ? "" : " x ", side);
  }
  return text.empty() ? "1" : text;
}

std::string shortened(const std::string& text, std::size_t most) {
  if (display_width(text) <= most) return text;
  // Cut between characters: a continuation byte of UTF-8 begins with 10.
  std::size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

std::string box(const LayerDescription& layer, const NodeStats& node, const Place& place) {
  const bool weights = layer.role == LayerRole::kWeights;
  return fmt::format(
      "<g><title>{0} ({1}), {2}{3}, {4} events out</title>"
      "<rect class=\"box{5}\" x=\"{6}\" y=\"{7}\" width=\"{8}\" height=\"{9}\" rx=\"5\"/>"
      "<text x=\"{10}\" y=\"{11}\">{12}</text>"
      "<text class=\"small\" x=\"{10}\" y=\"{13}\">{14}</text>"
      "<text class=\"small\" x=\"{10}\" y=\"{15}\">{4} events</text></g>\n",
      escaped(layer.name), escaped(layer.kind), shape_text(layer.out_shape),
      weights ? fmt::format(", {} weights", with_commas(static_cast<std::uint64_t>(layer.weights)))
              : "",
      with_commas(node.events_out), weights ? " weights" : "", place.x, place.y, kBoxWidth,
      kBoxHeight, place.x + 8, place.y + 19, escaped(shortened(layer.name, 17)), place.y + 35,
      escaped(shortened(layer.kind + " " + shape_text(layer.out_shape), 20)), place.y + 50);
}

std::string arrow(const Place& from, const Place& to, const std::string& head) {
  const int y0 = from.y + kBoxHeight / 2;
  const int y1 = to.y + kBoxHeight / 2;
  const int x0 = from.x + kBoxWidth;
  const auto curve = [&](int ax, int ay, int bx, int by, int cx, int cy, int dx, int dy) {
    return fmt::format(
        "<path class=\"arrow\" d=\"M{} {} C{} {} {} {} {} {}\" marker-end=\"url(#{})\"/>\n", ax, ay,
        bx, by, cx, cy, dx, dy, head);
  };
  if (to.band > from.band) {
    const int ax = from.x + kBoxWidth / 2;
    const int dx = to.x + kBoxWidth / 2;
    const int ay = from.y + kBoxHeight;
    return curve(ax, ay, ax, ay + kBandGap, dx, to.y - kBandGap, dx, to.y - 2);
  }
  if (to.band == from.band && to.column > from.column) {
    const int x1 = to.x - 2;
    const int bend = std::min(kGapX, x1 - x0) / 2 + 4;
    return curve(x0, y0, x0 + bend, y0, x1 - bend, y1, x1, y1);
  }
  const int top = std::min(from.y, to.y) - kGapY / 2 + 3;
  return fmt::format(
      "<path class=\"arrow back\" d=\"M{} {} V{} H{} V{}\" marker-end=\"url(#{})\"/>\n",
      from.x + kBoxWidth / 2, from.y, top, to.x + kBoxWidth / 2 - 10, to.y - 2, head);
}

/// `screen`: "broad" or "narrow"; the style sheet shows one of the two.
std::string drawing(const EnergySource& source, int columns, const std::string& screen) {
  const auto places = places_of(source.layers, columns);
  int width = 0;
  int height = 0;
  for (const Place& place : places) {
    width = std::max(width, place.x + kBoxWidth + kMargin);
    height = std::max(height, place.y + kBoxHeight + kMargin);
  }
  const std::string head = "head-" + screen;
  std::string svg = fmt::format(
      "<div class=\"scroll {2}\"><svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "role=\"img\" aria-label=\"the layers of the network and their links\">\n"
      "<defs><marker id=\"{3}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
      "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#7a828b\"/></marker>"
      "</defs>\n",
      width, height, screen, head);
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const std::uint32_t input : source.layers[i].inputs) {
      svg += arrow(places[input], places[i], head);
    }
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    svg += box(source.layers[i], source.stats.nodes[i], places[i]);
  }
  return svg + "</svg></div>";
}

}  // namespace

std::string network_part(const EnergySource& source) {
  return "<figure>" + drawing(source, kColumnsOnScreens, "broad") +
         drawing(source, kColumnsOnPhones, "narrow") +
         "<figcaption>Layers with weights have a coloured frame; dashed links lead back. Events "
         "are "
         "sums over the run.</figcaption></figure>\n";
}

std::string activity_part(const EnergySource& source) {
  std::string bars = "<div class=\"bars\">\n";
  std::vector<std::vector<std::string>> rows;
  const auto activity_of = [&](std::size_t i) {
    const double elements =
        static_cast<double>(source.stats.steps) * static_cast<double>(source.layers[i].in_size);
    const auto events = static_cast<double>(source.stats.nodes[i].events_in);
    const bool counts = source.layers[i].role == LayerRole::kWeights && elements > 0.0;
    return counts ? events / elements : 0.0;
  };
  double most = 0.0;
  for (std::size_t i = 0; i < source.layers.size(); ++i) most = std::max(most, activity_of(i));
  for (std::size_t i = 0; i < source.layers.size(); ++i) {
    const LayerDescription& layer = source.layers[i];
    const NodeStats& node = source.stats.nodes[i];
    const auto count = [&](const char* name, std::uint64_t value) {
      return fmt::format("<span data-layer=\"{}\" data-count=\"{}\">{}</span>", escaped(layer.name),
                         name, with_commas(value));
    };
    rows.push_back({escaped(layer.name), escaped(layer.kind), count("events_in", node.events_in),
                    count("events_out", node.events_out), count("ac", node.ac),
                    count("mac", node.mac), count("dense_macs", node.dense_macs),
                    count("neuron_updates", node.neuron_updates)});
    if (layer.role != LayerRole::kWeights) continue;
    const double activity = activity_of(i);
    const std::string says = fmt::format("{:.3g} %", 100.0 * activity);
    bars += fmt::format(
        "<span class=\"name\">into {0}</span><span class=\"amount\">{1}</span>"
        "<div class=\"track\" title=\"{0}: {1} of its inputs were active in a step\">"
        "<i class=\"fill\" style=\"width:{2:.4g}%\"></i></div>\n",
        escaped(layer.name), says, most > 0.0 ? 100.0 * activity / most : 0.0);
  }
  bars += fmt::format(
      "</div>\n<p class=\"dim\">Share of a layer's inputs that were non-zero in a step, mean over "
      "the run; a full bar is {:.3g} %.</p>\n<h3>Counts of the whole run</h3>\n",
      100.0 * most);
  return bars + html_table({"layer", "kind", "events in", "events out", "AC", "MAC", "dense MAC",
                            "neuron updates"},
                           rows, 2);
}

}  // namespace spikeloom::cli
