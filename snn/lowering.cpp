#include "snn/lowering.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "snn/detail/flatten.hpp"
#include "snn/detail/operations.hpp"
#include "snn/detail/shapes.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom {
namespace {

using detail::Arc;
using detail::FlatGraph;
using detail::FlatNode;

/// Spikes of this node at step t depend on its state before t only. Recording at arrival is that:
/// the step that links of delay 1 would take is spent before the spike leaves, so that whoever
/// looks at the population sees it when its targets do.
bool emits_early(const FlatNode& node, const Discretisation& d) {
  if (std::holds_alternative<node::SigmaDelta>(*node.kind)) return false;
  const bool late =
      d.reset_timing == ResetTiming::kNextStep || d.record_spikes == RecordSpikes::kArrival;
  return late && is_spiking_neuron(*node.kind);
}

/// The delay rules of lowering.hpp.
std::vector<Link> make_links(const FlatGraph& graph, const Discretisation& d) {
  const auto count = static_cast<std::uint32_t>(graph.nodes.size());
  const auto component = detail::strong_component_of(count, graph.arcs);
  std::vector<Link> links;
  for (const auto& [source, target] : graph.arcs) {
    const FlatNode& from = graph.nodes[source];
    const FlatNode& to = graph.nodes[target];
    Link link{.source = source};
    if (std::holds_alternative<node::Input>(*from.kind) && !from.port) {
      link.delay += static_cast<std::uint32_t>(d.input_delay);
    }
    link.in_cycle = component[source] == component[target];
    const bool recurrent = link.in_cycle && is_neuron(*to.kind);
    if (d.link_delay == 1) {
      const bool spent = d.record_spikes == RecordSpikes::kArrival && emits_early(from, d);
      link.delay += is_neuron(*from.kind) && !spent ? 1 : 0;
    } else if (recurrent && !emits_early(to, d)) {
      link.delay += 1;
      link.bias_at_start = d.recurrent_bias_at_start;
    }
    links.push_back(link);
  }
  return links;
}

/// True when the node's output at a step cannot depend on its input at that step.
bool breaks_cycles(const FlatNode& node, const Operation& operation, const Discretisation& d) {
  if (emits_early(node, d)) return true;
  const auto* delay = std::get_if<op::Delay>(&operation);
  return delay != nullptr && std::all_of(delay->steps.begin(), delay->steps.end(),
                                         [](std::uint32_t steps) { return steps > 0; });
}

Result<std::vector<std::uint32_t>> execution_order(const FlatGraph& graph,
                                                   const std::vector<Link>& links,
                                                   const std::vector<Operation>& operations,
                                                   const Discretisation& d) {
  std::vector<Arc> immediate;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const std::uint32_t source = links[i].source;
    if (links[i].delay == 0 && !breaks_cycles(graph.nodes[source], operations[source], d)) {
      immediate.push_back(graph.arcs[i]);
    }
  }
  const auto count = static_cast<std::uint32_t>(graph.nodes.size());
  auto order = detail::topological_order(count, immediate);
  if (order) return *std::move(order);
  const auto component = detail::strong_component_of(count, immediate);
  std::vector<std::string> names;
  std::optional<std::uint32_t> which;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!detail::on_cycle(i, component, immediate)) continue;
    if (!which) which = component[i];
    if (component[i] == *which) names.push_back(fmt::format("\"{}\"", graph.nodes[i].path));
  }
  return Error{.code = ErrorCode::kAmbiguous,
               .what =
                   "a cycle has no delay: no link in it enters a neuron, so its result would "
                   "depend on the order of evaluation",
               .where = fmt::format("nodes {}", fmt::join(names, ", ")),
               .next = "put a neuron or a Delay of at least one step into the cycle"};
}

std::int64_t window_pairs(const op::Convolution& c) {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  for (std::int64_t r = 0; r < c.output.rows; ++r) {
    const TapRange taps = taps_in_bounds(r, c.input.rows, c.kernel.rows, c.stride.rows,
                                         c.dilation.rows, c.pad_before.rows);
    rows += taps.last - taps.first;
  }
  for (std::int64_t k = 0; k < c.output.columns; ++k) {
    const TapRange taps = taps_in_bounds(k, c.input.columns, c.kernel.columns, c.stride.columns,
                                         c.dilation.columns, c.pad_before.columns);
    columns += taps.last - taps.first;
  }
  return rows * columns * c.out_channels * (c.in_channels / c.groups);
}

void describe(ProgramNode& node) {
  if (const auto* dense = std::get_if<op::Dense>(&node.operation)) {
    node.weights = dense->outputs * dense->inputs;
    node.dense_macs = node.weights * dense->repeats;
  } else if (const auto* sparse = std::get_if<op::Sparse>(&node.operation)) {
    node.weights = static_cast<std::int64_t>(sparse->value.size());
    node.dense_macs = sparse->outputs * sparse->inputs;
  } else if (const auto* random = std::get_if<op::RandomSparse>(&node.operation)) {
    node.weights = synapse_count(*random);
    node.dense_macs = random->outputs * random->inputs;
  } else if (const auto* conv = std::get_if<op::Convolution>(&node.operation)) {
    node.weights = static_cast<std::int64_t>(conv->weight.size());
    node.dense_macs = window_pairs(*conv);
  } else if (const auto* neuron = std::get_if<op::Neuron>(&node.operation)) {
    const NeuronCoefficients& c = neuron->coefficients;
    node.state_values =
        node.out_size * (1 + (c.has_current ? 1 : 0) + (c.refractory.empty() ? 0 : 1));
  } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
    for (const std::uint32_t steps : delay->steps) node.state_values += steps;
  } else if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
    const op::SourceMatrix& kernel = layer->kernel;
    const op::SourceMatrix& recurrent = layer->recurrent;
    node.weights = static_cast<std::int64_t>(kernel.value.size() + recurrent.value.size());
    node.dense_macs = kernel.outputs * kernel.inputs + recurrent.outputs * recurrent.inputs;
    node.state_values = 2 * layer->units;
  } else if (const auto* decoder = std::get_if<op::Decoder>(&node.operation)) {
    node.weights = decoder->words * decoder->size;
    node.dense_macs = node.weights;
  } else if (const auto* embedding = std::get_if<op::Embedding>(&node.operation)) {
    node.weights = embedding->words * embedding->size;  // looked up, never multiplied
  }
}

/// Tells recurrent layers that read words, not events.
void mark_dense_inputs(Program& program) {
  for (ProgramNode& node : program.nodes) {
    auto* layer = std::get_if<op::Recurrent>(&node.operation);
    if (layer == nullptr) continue;
    layer->dense_input = std::any_of(node.inputs.begin(), node.inputs.end(), [&](const Link& link) {
      return std::holds_alternative<op::Embedding>(program.nodes[link.source].operation);
    });
  }
}

/// Gives every neuron the phase of `reset_every`: the steps that the longest way from an Input to
/// it takes, cycles left out.
void set_reset_phases(Program& program) {
  const Discretisation& d = program.discretisation;
  if (d.reset_every == 0) return;
  std::vector<std::int64_t> arrival(program.nodes.size(), 0);
  for (std::size_t n = 0; n < program.nodes.size(); ++n) {
    ProgramNode& node = program.nodes[n];
    for (const Link& link : node.inputs) {
      if (link.in_cycle) continue;
      const bool spent =
          program.nodes[link.source].early && d.record_spikes == RecordSpikes::kArrival;
      arrival[n] = std::max(arrival[n], arrival[link.source] + link.delay + (spent ? 1 : 0));
    }
    if (const auto* delay = std::get_if<op::Delay>(&node.operation); delay != nullptr) {
      const auto longest = std::max_element(delay->steps.begin(), delay->steps.end());
      if (longest != delay->steps.end()) arrival[n] += *longest;
    } else if (auto* neuron = std::get_if<op::Neuron>(&node.operation); neuron != nullptr) {
      neuron->reset_period = d.reset_every;
      neuron->reset_phase = arrival[n];
    }
  }
}

/// A spike that leaves a step late resets a step late too. That is the same run unless the
/// membrane keeps something of what came before.
Status check_arrival(const FlatNode& node, const Discretisation& d) {
  if (d.record_spikes == RecordSpikes::kCrossing || !is_spiking_neuron(*node.kind)) return {};
  const bool has_current = std::holds_alternative<node::CubaLif>(*node.kind);
  const bool same = d.reset == Reset::kToVReset || d.reset == Reset::kNone ||
                    (d.reset == Reset::kSubtract && has_current);
  if (d.link_delay == 1 && d.reset_timing == ResetTiming::kSameStep &&
      d.spike_time == SpikeTime::kGrid && same && d.clamp == Clamp::kNone) {
    return {};
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "spikes cannot be recorded at their arrival with these options",
               .where = fmt::format("node \"{}\"", node.path),
               .expected =
                   "link-delay 1, reset zero or none, reset-timing same, spike-time grid, "
                   "no clamp",
               .next = "give --record-spikes crossing"};
}

Status check_sigma_delta(const FlatNode& node, const Discretisation& d) {
  if (!std::holds_alternative<node::SigmaDelta>(*node.kind)) return {};
  if (d.reset_timing == ResetTiming::kSameStep && d.spike_time == SpikeTime::kGrid &&
      d.record_spikes == RecordSpikes::kCrossing && d.spike_amplitude() == 1.0 &&
      d.clamp == Clamp::kNone) {
    return {};
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "a sigma-delta neuron has no reset, no clamp, and events of its own value",
               .where = fmt::format("node \"{}\"", node.path),
               .expected =
                   "reset-timing same, spike-time grid, spike-value unit, record-spikes "
                   "crossing, clamp none",
               .next = "leave these options out"};
}

Status check_combination(const FlatNode& node, const Discretisation& d) {
  SPIKELOOM_CHECK(check_sigma_delta(node, d));
  SPIKELOOM_CHECK(check_arrival(node, d));
  const auto* lif = std::get_if<node::Lif>(node.kind);
  if (lif != nullptr && lif->t_ref &&
      (d.spike_time != SpikeTime::kGrid || d.reset_timing != ResetTiming::kSameStep ||
       d.record_spikes != RecordSpikes::kCrossing)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what =
                     "a refractory period is defined for spikes on the grid of steps that reset "
                     "in the same step",
                 .where = fmt::format("node \"{}\"", node.path),
                 .next = "give --spike-time grid and --reset-timing same"};
  }
  if (!is_spiking_neuron(*node.kind) || d.spike_time != SpikeTime::kSubStep) return {};
  const bool resets = d.reset == Reset::kToVReset || d.reset == Reset::kSubtract;
  if (std::holds_alternative<node::CubaLif>(*node.kind) || !resets ||
      d.reset_timing != ResetTiming::kSameStep || d.spike_rule == SpikeRule::kMultiple ||
      d.fixed_point != FixedPoint::kNone || d.integrator == Integrator::kForwardEuler ||
      d.integrator == Integrator::kRawEuler) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what =
                     "spikes within a step are known in closed form for LIF and IF only, with "
                     "an exponential integrator and reset zero or subtract in the same step",
                 .where = fmt::format("node \"{}\"", node.path),
                 .next = "give --spike-time grid, or other reset options"};
  }
  return {};
}

}  // namespace

Result<Program> lower(const Network& network, const Discretisation& discretisation) {
  SPIKELOOM_TRY(const FlatGraph graph, detail::flatten(network, discretisation.duplicate_edges));
  Program program;
  program.discretisation = discretisation;
  SPIKELOOM_TRY(const auto shapes, detail::infer_shapes(graph, program.notes));
  std::vector<Operation> operations;
  std::vector<std::uint32_t> inputs, outputs;
  for (std::uint32_t i = 0; i < graph.nodes.size(); ++i) {
    const FlatNode& node = graph.nodes[i];
    const std::string place = fmt::format("node \"{}\"", node.path);
    SPIKELOOM_CHECK(check_combination(node, discretisation));
    std::vector<std::string> notes;
    auto made = detail::make_operation(*node.kind, shapes[i].in, discretisation, notes);
    if (!made.ok()) return std::move(made).error().in(place);
    for (const std::string& note : notes) program.notes.push_back(place + ": " + note);
    operations.push_back(*std::move(made));
    if (node.port) continue;
    if (std::holds_alternative<node::Input>(*node.kind)) {
      operations[i] = op::Input{static_cast<std::uint32_t>(inputs.size())};
      inputs.push_back(i);
    } else if (std::holds_alternative<node::Output>(*node.kind)) {
      operations[i] = op::Output{static_cast<std::uint32_t>(outputs.size())};
      outputs.push_back(i);
    }
  }
  const std::vector<Link> links = make_links(graph, discretisation);
  SPIKELOOM_TRY(const auto order, execution_order(graph, links, operations, discretisation));
  std::vector<std::uint32_t> position(order.size());
  for (std::uint32_t p = 0; p < order.size(); ++p) position[order[p]] = p;

  for (const std::uint32_t i : order) {
    ProgramNode node;
    node.name = graph.nodes[i].path;
    node.kind = std::string(kind_name(*graph.nodes[i].kind));
    node.operation = std::move(operations[i]);
    node.in_shape = shapes[i].in;
    node.out_shape = shapes[i].out;
    SPIKELOOM_TRY(node.in_size, element_count(node.in_shape));
    SPIKELOOM_TRY(node.out_size, element_count(node.out_shape));
    node.early = breaks_cycles(graph.nodes[i], node.operation, discretisation);
    describe(node);
    program.nodes.push_back(std::move(node));
  }
  for (std::size_t i = 0; i < links.size(); ++i) {
    Link link = links[i];
    link.source = position[link.source];
    program.nodes[position[graph.arcs[i].second]].inputs.push_back(link);
  }
  set_reset_phases(program);
  mark_dense_inputs(program);
  for (const std::uint32_t i : inputs) program.inputs.push_back(position[i]);
  for (const std::uint32_t i : outputs) program.outputs.push_back(position[i]);
  return program;
}

}  // namespace spikeloom
