#include "mapping/population_graph.hpp"

#include <cmath>

#include <fmt/format.h>

namespace spikeloom::mapping {
namespace {

constexpr std::uint64_t kMostNeurons = std::uint64_t{1} << 31;

Error wrong(const std::string& where, std::string what) {
  return Error{.code = ErrorCode::kInvalidArgument, .what = std::move(what), .where = where};
}

Status check_window(const Projection& projection, const Population& source,
                    const Population& target, const std::string& where) {
  const Window& window = projection.window;
  for (const WindowAxis& axis : {window.rows, window.columns}) {
    constexpr std::int64_t kFar = 1 << 24;
    if (axis.stride < 1 || axis.extent < 1 || axis.stride > kFar || axis.extent > kFar ||
        axis.pad < -kFar || axis.pad > kFar) {
      return wrong(where, "a window is out of range");
    }
  }
  if (window.groups < 1 || source.shape[0] % window.groups != 0 ||
      target.shape[0] % window.groups != 0) {
    return wrong(where, "the channels do not divide into the groups of the window");
  }
  return {};
}

Status check_list(const Projection& projection, const Population& source, const Population& target,
                  const std::string& where) {
  if (projection.list == nullptr) return wrong(where, "the list of synapses is missing");
  const SynapseList& list = *projection.list;
  if (list.start.size() != std::size_t{target.neurons()} + 1 || list.start.front() != 0 ||
      list.start.back() != list.source.size()) {
    return wrong(where, "the list of synapses does not fit the target");
  }
  for (std::size_t t = 0; t + 1 < list.start.size(); ++t) {
    if (list.start[t] > list.start[t + 1]) return wrong(where, "a list of synapses goes back");
  }
  for (const std::uint32_t neuron : list.source) {
    if (neuron >= source.neurons()) return wrong(where, "a synapse comes from no neuron");
  }
  return {};
}

}  // namespace

const char* to_string(Pattern pattern) {
  switch (pattern) {
    case Pattern::kAll:
      return "all";
    case Pattern::kOneToOne:
      return "one-to-one";
    case Pattern::kWindow:
      return "window";
    case Pattern::kRandom:
      return "random";
    case Pattern::kList:
      return "list";
  }
  return "";
}

Status check(const PopulationGraph& graph) {
  if (graph.populations.empty()) return wrong(graph.name, "there is no population");
  std::vector<char> windowed(graph.populations.size(), 0);
  for (const Projection& projection : graph.projections) {
    if (projection.pattern != Pattern::kWindow) continue;
    for (const std::uint32_t end : {projection.source, projection.target}) {
      if (end < windowed.size()) windowed[end] = 1;
    }
  }
  std::uint64_t neurons = 0;
  for (std::size_t p = 0; p < graph.populations.size(); ++p) {
    const Population& population = graph.populations[p];
    if (windowed[p] == 0 && population.shape[0] * std::uint64_t{population.shape[1]} != 1) {
      return wrong(population.name, "channels and rows have no meaning without a window");
    }
    std::uint64_t own = 1;
    for (const std::uint32_t n : population.shape) {
      own *= n;
      if (own == 0 || own >= kMostNeurons) {
        return wrong(population.name, "a population has no neurons, or too many");
      }
    }
    neurons += own;
    if (neurons >= kMostNeurons) return wrong(population.name, "there are too many neurons");
    if (!(population.rate >= 0.0) || !std::isfinite(population.rate) || population.rate > 1e9) {
      return wrong(population.name, "the rate is out of range");
    }
    if (population.state_values > 1'000'000 || population.sums > 1000) {
      return wrong(population.name, "the state of a neuron is out of range");
    }
  }
  for (std::size_t i = 0; i < graph.projections.size(); ++i) {
    const Projection& projection = graph.projections[i];
    const std::string where = fmt::format("projection {}", i);
    if (projection.source >= graph.populations.size() ||
        projection.target >= graph.populations.size()) {
      return wrong(where, "an end is no population");
    }
    const Population& source = graph.populations[projection.source];
    const Population& target = graph.populations[projection.target];
    if (target.source) return wrong(where, "a source of events receives something");
    if (projection.weight_bytes > 8 || projection.gates < 1 || projection.gates > 16 ||
        projection.delay > 1'000'000 || projection.rows > kMostNeurons ||
        !(projection.synapses >= 0.0) || projection.synapses > 1e18) {
      return wrong(where, "a number is out of range");
    }
    if (projection.pattern == Pattern::kOneToOne && source.neurons() != target.neurons()) {
      return wrong(where, "one-to-one between populations of different sizes");
    }
    if (projection.pattern == Pattern::kWindow) {
      SPIKELOOM_CHECK(check_window(projection, source, target, where));
    }
    if (projection.pattern == Pattern::kList) {
      SPIKELOOM_CHECK(check_list(projection, source, target, where));
    }
  }
  return {};
}

}  // namespace spikeloom::mapping
