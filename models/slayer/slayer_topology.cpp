#include "models/slayer/slayer_topology.hpp"

#include <charconv>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr const char* kGrammar = "CxHxW, then layers: Ka, NcK, NcKz, NcKpPsS or N";
constexpr std::int64_t kMaxExtent = 1 << 24;
constexpr std::size_t kMaxLayers = 256;

Error not_a_layer(std::string_view word) {
  return Error{.code = ErrorCode::kFormat,
               .what = "this is no layer",
               .where = "layers",
               .expected = kGrammar,
               .got = fmt::format("'{}'", word),
               .next = "for example '2x128x128 4a 16c5z 2a 32c3z 2a 512 11'"};
}

/// Takes a positive number off the front.
bool take_number(std::string_view& text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 1 || number > kMaxExtent) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

/// What follows "Nc": "K", "Kz", "KpP", each with "sS".
bool parse_kernel(std::string_view rest, SlayerLayer& layer) {
  if (!take_number(rest, layer.kernel)) return false;
  if (take(rest, 'z')) {
    if (layer.kernel % 2 == 0) return false;
    layer.padding = layer.kernel / 2;
  } else if (take(rest, 'p') && !take_number(rest, layer.padding)) {
    return false;
  }
  if (take(rest, 's') && !take_number(rest, layer.stride)) return false;
  return rest.empty();
}

Result<SlayerLayer> parse_layer(std::string_view word) {
  SlayerLayer layer;
  std::string_view rest = word;
  std::int64_t number = 0;
  if (!take_number(rest, number)) return not_a_layer(word);
  if (rest.empty()) {
    layer.outputs = number;
    return layer;
  }
  if (rest == "a") {
    layer.kind = SlayerKind::kPool;
    layer.kernel = number;
    layer.stride = number;
    return layer;
  }
  layer.kind = SlayerKind::kConvolution;
  layer.outputs = number;
  if (!take(rest, 'c') || !parse_kernel(rest, layer)) return not_a_layer(word);
  return layer;
}

Result<Shape> parse_input(std::string_view word) {
  Shape shape(3);
  std::string_view rest = word;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if ((axis > 0 && !take(rest, 'x')) || !take_number(rest, shape[axis])) return not_a_layer(word);
  }
  if (!rest.empty()) return not_a_layer(word);
  return shape;
}

Error misfit(const SlayerTopology& topology, std::size_t number, std::string what,
             const Shape& input) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .where = fmt::format("layer {} of '{}'", number + 1, to_string(topology)),
               .got = fmt::format("an input of {}", to_string(input)),
               .next = "check the layers and the size of the input"};
}

}  // namespace

Result<SlayerTopology> parse_slayer_topology(std::string_view text) {
  constexpr std::string_view kSeparators = " \t-,";
  SlayerTopology topology;
  bool has_input = false;
  for (;;) {
    const std::size_t start = text.find_first_not_of(kSeparators);
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    text.remove_prefix(word.size());
    if (!has_input) {
      SPIKELOOM_TRY(topology.input, parse_input(word));
      has_input = true;
      continue;
    }
    SPIKELOOM_TRY(const SlayerLayer layer, parse_layer(word));
    topology.layers.push_back(layer);
    if (topology.layers.size() > kMaxLayers) return not_a_layer("more than 256 layers");
  }
  if (topology.layers.empty()) return not_a_layer(text);
  SPIKELOOM_CHECK(slayer_shapes(topology));
  return topology;
}

std::string to_string(const SlayerTopology& topology) {
  std::string text;
  for (const std::int64_t side : topology.input) {
    text += fmt::format("{}{}", text.empty() ? "" : "x", side);
  }
  for (const SlayerLayer& layer : topology.layers) {
    if (layer.kind == SlayerKind::kDense) {
      text += fmt::format(" {}", layer.outputs);
    } else if (layer.kind == SlayerKind::kPool) {
      text += fmt::format(" {}a", layer.kernel);
    } else {
      text += fmt::format(" {}c{}", layer.outputs, layer.kernel);
      const bool keeps_size = layer.kernel % 2 == 1 && layer.padding == layer.kernel / 2;
      if (keeps_size && layer.kernel > 1) {
        text += "z";
      } else if (layer.padding > 0) {
        text += fmt::format("p{}", layer.padding);
      }
      if (layer.stride != 1) text += fmt::format("s{}", layer.stride);
    }
  }
  return text;
}

Result<std::vector<Shape>> slayer_shapes(const SlayerTopology& topology) {
  std::vector<Shape> shapes;
  Shape shape = topology.input;
  for (std::size_t i = 0; i < topology.layers.size(); ++i) {
    const SlayerLayer& layer = topology.layers[i];
    if (layer.kind == SlayerKind::kDense) {
      shape = {layer.outputs};
    } else {
      if (shape.size() != 3) {
        return misfit(topology, i, "a window needs rows and columns", shape);
      }
      for (const std::size_t axis : {std::size_t{1}, std::size_t{2}}) {
        const std::int64_t padded = shape[axis] + 2 * layer.padding;
        if (padded < layer.kernel) {
          return misfit(topology, i, "the window is larger than its padded input", shape);
        }
        if (layer.kind == SlayerKind::kPool && padded % layer.stride != 0) {
          return misfit(topology, i, "the pool does not divide its input", shape);
        }
        shape[axis] = (padded - layer.kernel) / layer.stride + 1;
      }
      if (layer.kind == SlayerKind::kConvolution) shape[0] = layer.outputs;
    }
    SPIKELOOM_CHECK(element_count(shape));
    shapes.push_back(shape);
  }
  return shapes;
}

Result<std::vector<std::int64_t>> slayer_weight_counts(const SlayerTopology& topology) {
  SPIKELOOM_TRY(const auto shapes, slayer_shapes(topology));
  std::vector<std::int64_t> counts;
  for (std::size_t i = 0; i < topology.layers.size(); ++i) {
    const SlayerLayer& layer = topology.layers[i];
    const Shape& input = i == 0 ? topology.input : shapes[i - 1];
    Shape weight = {layer.kernel, layer.kernel};
    if (layer.kind == SlayerKind::kConvolution) {
      weight = {layer.outputs, input[0], layer.kernel, layer.kernel};
    } else if (layer.kind == SlayerKind::kDense) {
      weight = input;
      weight.insert(weight.begin(), layer.outputs);
    }
    SPIKELOOM_TRY(const std::int64_t count, element_count(weight));
    counts.push_back(count);
  }
  return counts;
}

}  // namespace spikeloom
