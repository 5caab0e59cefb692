#include "cli/comparison.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::cli {
namespace {

bool is_spiking(const Operation& operation) {
  if (const auto* neuron = std::get_if<op::Neuron>(&operation)) return neuron->coefficients.spiking;
  return std::holds_alternative<op::Threshold>(operation);
}

const RecordedEvents* events_of(const ComparedRun& run, const std::string& name) {
  for (const RecordedEvents& events : run.outcome.events) {
    if (run.pipeline->program().nodes[events.node].name == name) return &events;
  }
  return nullptr;
}

/// Walks two lists in order of (step, index); calls back with the values of both, 0 where absent.
template <typename Visit>
void merge(const RecordedEvents& a, const RecordedEvents& b, Visit visit) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto key = [](const RecordedEvents& list, std::size_t at) {
    return std::pair(list.step[at], list.index[at]);
  };
  while (i < a.step.size() || j < b.step.size()) {
    const bool left = j == b.step.size() || (i < a.step.size() && key(a, i) <= key(b, j));
    const bool right = i == a.step.size() || (j < b.step.size() && key(b, j) <= key(a, i));
    const auto [step, index] = left ? key(a, i) : key(b, j);
    visit(step, index, left ? a.value[i] : 0.0, right ? b.value[j] : 0.0);
    i += left ? 1 : 0;
    j += right ? 1 : 0;
  }
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double dot = 0.0;
  double aa = 0.0;
  double bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  if (aa == 0.0 && bb == 0.0) return 1.0;
  if (aa == 0.0 || bb == 0.0) return 0.0;
  return dot / std::sqrt(aa * bb);
}

}  // namespace

std::vector<NodeComparison> compare_runs(const ComparedRun& left, const ComparedRun& right,
                                         double tolerance) {
  std::vector<NodeComparison> nodes;
  for (const ProgramNode& layer : left.pipeline->program().nodes) {
    const RecordedEvents* a = events_of(left, layer.name);
    const RecordedEvents* b = events_of(right, layer.name);
    if (a == nullptr || b == nullptr) continue;
    NodeComparison node;
    node.name = layer.name;
    node.kind = layer.kind;
    node.spiking = is_spiking(layer.operation);
    const double allowed = node.spiking ? 0.0 : tolerance;
    std::vector<double> left_sums(static_cast<std::size_t>(layer.out_size), 0.0);
    std::vector<double> right_sums = left_sums;
    merge(*a, *b, [&](std::int64_t step, std::uint32_t index, double x, double y) {
      left_sums[index] += x;
      right_sums[index] += y;
      node.left_sum += x;
      node.right_sum += y;
      const double difference = std::abs(x - y);
      node.largest_difference = std::max(node.largest_difference, difference);
      const double scale = std::max({1.0, std::abs(x), std::abs(y)});
      if (!node.first && difference > allowed * scale) {
        node.first = FirstDifference{step, index, x, y, {}, {}};
      }
    });
    node.cosine = cosine(left_sums, right_sums);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::optional<ThresholdDistance> threshold_distance(const ComparedRun& run, const std::string& node,
                                                    std::int64_t step, std::uint32_t index) {
  const Program& program = run.pipeline->program();
  for (const RecordedState& state : run.outcome.states) {
    const ProgramNode& layer = program.nodes[state.node];
    const auto* neuron = std::get_if<op::Neuron>(&layer.operation);
    if (layer.name != node || neuron == nullptr || !neuron->coefficients.spiking) continue;
    const std::size_t at = static_cast<std::size_t>(step) * state.neurons + index;
    if (at >= state.value.size()) return std::nullopt;
    return ThresholdDistance{state.value[at], neuron->coefficients.threshold[index]};
  }
  return std::nullopt;
}

}  // namespace spikeloom::cli
