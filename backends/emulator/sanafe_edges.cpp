#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "backends/emulator/sanafe_network_private.hpp"

namespace spikeloom::emulator {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

struct EndPoint {
  std::uint32_t group = 0;
  std::optional<std::uint32_t> neuron;  ///< number in the network
};

Result<EndPoint> end_point(std::string_view text, const SanafeNetwork& network,
                           const Place& place) {
  const std::size_t dot = text.find('.');
  const auto group = network.group_of_name.find(text.substr(0, dot));
  if (group == network.group_of_name.end()) {
    return format_error(place, fmt::format("there is no group '{}'", text.substr(0, dot)));
  }
  EndPoint end;
  end.group = group->second;
  if (dot == std::string_view::npos) return end;
  const NeuronGroup& neurons = network.groups[end.group];
  SPIKELOOM_TRY(const Range range, parse_range(text.substr(dot + 1), place));
  if (range.first != range.last || range.first >= neurons.count) {
    return format_error(place, fmt::format("there is no neuron '{}'", text));
  }
  end.neuron = neurons.first + static_cast<std::uint32_t>(range.first);
  return end;
}

/// Attributes of an edge; those in `synapse:` say it more exactly.
class EdgeFields {
 public:
  static Result<EdgeFields> of(const Value& value, const Place& place) {
    EdgeFields edge;
    SPIKELOOM_TRY(edge.fields_, Fields::of(value, place));
    if (const Value* synapse = edge.fields_.find("synapse"); synapse != nullptr) {
      SPIKELOOM_TRY(edge.synapse_, Fields::of(*synapse, place));
    }
    return edge;
  }

  const Value* find(std::string_view key) const {
    const Value* own = synapse_.find(key);
    return own != nullptr ? own : fields_.find(key);
  }
  Result<const Value*> weight() const {
    const Value* weight = find("weight");
    if (weight == nullptr) weight = find("w");
    if (weight == nullptr) return format_error(place(), "'weight' is missing");
    return weight;
  }
  /// Knows `more` besides weights and delays of 0.
  Status check(std::span<const std::string_view> more) const {
    for (const Fields* fields : {&fields_, &synapse_}) {
      for (const auto& [key, value] : fields->entries()) {
        if (key == "weight" || key == "w" || (key == "synapse" && fields == &fields_)) continue;
        if (key == "delay" || key == "d") {
          for (const Value* item : items_of(*value)) {
            SPIKELOOM_TRY(const double delay, to_number(*item, place()));
            if (delay != 0.0) return unsupported(place(), "delays of synapses are not emulated");
          }
          continue;
        }
        if (std::find(more.begin(), more.end(), key) != more.end()) continue;
        return unsupported(place(), fmt::format("the attribute '{}' is not known", key));
      }
    }
    return {};
  }
  const Fields& fields() const { return fields_; }
  const Place& place() const { return fields_.place(); }

 private:
  Fields fields_, synapse_;
};

Result<std::vector<double>> weight_list(const EdgeFields& edge, std::uint64_t at_least) {
  SPIKELOOM_TRY(const Value* value, edge.weight());
  const Value::List* list = value->as_list();
  if (list == nullptr || list->size() < at_least) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the list of weights is too short",
                 .where = edge.place(),
                 .expected = fmt::format("{} weights", at_least),
                 .got = list == nullptr ? "no list" : fmt::format("{}", list->size())};
  }
  std::vector<double> weights;
  weights.reserve(list->size());
  for (const Value& item : *list) {
    SPIKELOOM_TRY(const double weight, to_number(item, edge.place()));
    weights.push_back(weight);
  }
  return weights;
}

Error sizes_differ(const Place& place, const NeuronGroup& group, std::uint64_t wanted) {
  return Error{.code = ErrorCode::kShape,
               .what = fmt::format("the group '{}' does not fit the convolution", group.name),
               .where = place,
               .expected = fmt::format("{} neurons", wanted),
               .got = fmt::format("{}", group.count)};
}

constexpr std::array<std::string_view, 9> kConvolutionKeys = {
    "type",          "input_width",  "input_height", "input_channels", "kernel_width",
    "kernel_height", "kernel_count", "stride_width", "stride_height"};

Result<Convolution> convolution_of(const EdgeFields& edge, const NeuronGroup& source,
                                   const NeuronGroup& target) {
  Convolution shape;
  const auto read = [&](std::string_view key, std::uint32_t& into) -> Status {
    SPIKELOOM_TRY(const std::int64_t number, edge.fields().integer(key, 1, 1 << 20));
    into = static_cast<std::uint32_t>(number);
    return {};
  };
  SPIKELOOM_CHECK(read("input_width", shape.input_width));
  SPIKELOOM_CHECK(read("input_height", shape.input_height));
  SPIKELOOM_CHECK(read("input_channels", shape.input_channels));
  SPIKELOOM_CHECK(read("kernel_width", shape.kernel_width));
  SPIKELOOM_CHECK(read("kernel_height", shape.kernel_height));
  SPIKELOOM_CHECK(read("kernel_count", shape.kernel_count));
  SPIKELOOM_CHECK(read("stride_width", shape.stride_width));
  SPIKELOOM_CHECK(read("stride_height", shape.stride_height));
  if (shape.kernel_width > shape.input_width || shape.kernel_height > shape.input_height) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the kernel is larger than the input",
                 .where = edge.place()};
  }
  // Up to 2^20 each: the product of three fits 64 bits.
  const std::uint64_t inputs =
      std::uint64_t{shape.input_width} * shape.input_height * shape.input_channels;
  const std::uint64_t outputs =
      std::uint64_t{shape.output_width()} * shape.output_height() * shape.kernel_count;
  if (inputs != source.count) return sizes_differ(edge.place(), source, inputs);
  if (outputs != target.count) return sizes_differ(edge.place(), target, outputs);
  return shape;
}

Status read_points(const EdgeFields& edge, const NeuronGroup& source, const NeuronGroup& target,
                   SanafeNetwork& into) {
  constexpr std::array<std::string_view, 2> known = {"type", "source_target_pairs"};
  SPIKELOOM_CHECK(edge.check(known));
  SPIKELOOM_TRY(const Value* pairs, edge.fields().need("source_target_pairs"));
  if (pairs->as_list() == nullptr) {
    return format_error(edge.place(), "'source_target_pairs' is no list");
  }
  SPIKELOOM_TRY(const std::vector<double> weights, weight_list(edge, pairs->as_list()->size()));
  if (weights.size() != pairs->as_list()->size()) {
    return format_error(edge.place(), "there are more weights than pairs");
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Value::List* pair = (*pairs->as_list())[i].as_list();
    if (pair == nullptr || pair->size() != 2) {
      return format_error(edge.place(), "a pair is written [source, target]");
    }
    SPIKELOOM_TRY(const std::int64_t from, to_integer((*pair)[0], edge.place()));
    SPIKELOOM_TRY(const std::int64_t to, to_integer((*pair)[1], edge.place()));
    if (from < 0 || from >= source.count || to < 0 || to >= target.count) {
      return format_error(edge.place(), fmt::format("there is no pair [{}, {}]", from, to));
    }
    into.point_edges.push_back({source.first + static_cast<std::uint32_t>(from),
                                target.first + static_cast<std::uint32_t>(to),
                                static_cast<std::uint32_t>(into.group_edges.size()), weights[i]});
  }
  return {};
}

Status read_group_edge(const EdgeFields& edge, std::uint32_t source, std::uint32_t target,
                       SanafeNetwork& into) {
  SPIKELOOM_TRY(const std::string type, edge.fields().text("type"));
  const NeuronGroup& from = into.groups[source];
  const NeuronGroup& to = into.groups[target];
  GroupEdge joined;
  joined.source = source;
  joined.target = target;
  if (type == "sparse") return read_points(edge, from, to, into);
  if (type == "dense") {
    constexpr std::array<std::string_view, 1> known = {"type"};
    SPIKELOOM_CHECK(edge.check(known));
    SPIKELOOM_TRY(joined.weights, weight_list(edge, std::uint64_t{from.count} * to.count));
  } else if (type == "conv2d") {
    SPIKELOOM_CHECK(edge.check(kConvolutionKeys));
    joined.is_convolution = true;
    SPIKELOOM_TRY(joined.convolution, convolution_of(edge, from, to));
    const Convolution& c = joined.convolution;
    // The kernel is not larger than the input, so this fits 64 bits as well.
    const std::uint64_t kernel = std::uint64_t{c.kernel_width} * c.kernel_height * c.input_channels;
    if (kernel > (std::uint64_t{1} << 32)) {
      return Error{.code = ErrorCode::kResource, .what = "a kernel of more than 2^32 weights"};
    }
    SPIKELOOM_TRY(joined.weights, weight_list(edge, kernel * c.kernel_count));
  } else {
    return unsupported(edge.place(), fmt::format("edges of type '{}'", type));
  }
  into.group_edges.push_back(std::move(joined));
  return {};
}

Status read_edge(const std::string& description, const Value& attributes, const Place& place,
                 SanafeNetwork& into) {
  const Place here = fmt::format("{}: edge '{}'", place, description);
  const std::size_t arrow = description.find("->");
  if (arrow == std::string::npos) return format_error(here, "an edge is written 'a -> b'");
  const std::string_view text = description;
  SPIKELOOM_TRY(const EndPoint source, end_point(trimmed(text.substr(0, arrow)), into, here));
  SPIKELOOM_TRY(const EndPoint target, end_point(trimmed(text.substr(arrow + 2)), into, here));
  if (source.neuron.has_value() != target.neuron.has_value()) {
    return format_error(here, "an edge joins two groups, or two neurons");
  }
  SPIKELOOM_TRY(const EdgeFields edge, EdgeFields::of(attributes, here));
  if (!source.neuron) return read_group_edge(edge, source.group, target.group, into);
  SPIKELOOM_CHECK(edge.check({}));
  SPIKELOOM_TRY(const Value* value, edge.weight());
  SPIKELOOM_TRY(const double weight, to_number(*value, here));
  into.point_edges.push_back({*source.neuron, *target.neuron,
                              static_cast<std::uint32_t>(into.group_edges.size()), weight});
  return {};
}

/// Synapses of a group edge, and the sources that have to be looked at to find them.
std::uint64_t effort(const GroupEdge& edge, const SanafeNetwork& network) {
  const std::uint64_t sources = network.groups[edge.source].count;
  if (!edge.is_convolution) return sources * network.groups[edge.target].count;
  const Convolution& c = edge.convolution;
  const std::uint64_t kernel = std::uint64_t{c.kernel_width} * c.kernel_height * c.input_channels;
  return sources + kernel * network.groups[edge.target].count;
}

}  // namespace

Status read_edges(const Value& edges, const Place& place, const SanafeLimits& limits,
                  SanafeNetwork& into) {
  if (!edges.is_null() && edges.as_list() == nullptr) {
    return format_error(place, "'edges' is no list");
  }
  for (const Value* item : edges.is_null() ? std::vector<const Value*>{} : items_of(edges)) {
    if (item->as_map() == nullptr) return format_error(place, "an edge is 'a -> b: attributes'");
    for (const auto& [description, attributes] : *item->as_map()) {
      SPIKELOOM_CHECK(read_edge(description, attributes, place, into));
    }
  }
  std::uint64_t all = into.point_edges.size();
  for (const GroupEdge& edge : into.group_edges) {
    all += effort(edge, into);
    if (all > limits.synapses) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more synapses than are read",
                   .where = place,
                   .expected = fmt::format("up to {}", limits.synapses)};
    }
  }
  std::stable_sort(into.point_edges.begin(), into.point_edges.end(),
                   [](const PointEdge& a, const PointEdge& b) { return a.source < b.source; });
  return {};
}

}  // namespace spikeloom::emulator
