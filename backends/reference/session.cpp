#include "backends/reference/session.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"

namespace spikeloom::reference {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename Real>
Ring<Real> make_ring(std::size_t length, std::size_t width) {
  return {std::vector<std::vector<Real>>(length, std::vector<Real>(width, Real{0}))};
}

std::size_t longest(const std::vector<std::uint32_t>& steps) {
  return steps.empty() ? 0 : *std::max_element(steps.begin(), steps.end());
}

/// The state before the first step.
template <typename Real>
void start_neurons(const NeuronCoefficients& c, NodeState<Real>& state) {
  std::fill(state.neurons.begin(), state.neurons.end(), NeuronState<Real>{});
  for (std::size_t i = 0; i < c.initial.size(); ++i) {
    state.neurons[i].membrane = static_cast<Real>(c.initial[i]);
  }
}

}  // namespace

template <typename Real>
ReferenceSession<Real>::ReferenceSession(
    std::shared_ptr<const ReferenceExecutable<Real>> executable, std::uint32_t batch)
    : executable_(std::move(executable)),
      program_(executable_->program()),
      step_time_(spikeloom::session_step_time(program_.discretisation)),
      elements_(batch) {
  clear();
}

template <typename Real>
void ReferenceSession<Real>::clear() {
  step_ = 0;
  pending_count_ = 0;
  records_.clear();
  cancelled_ = false;
  stats_ = {};
  stats_.backend = "reference";
  stats_.arithmetic = to_string(executable_->options().arithmetic);
  for (const ProgramNode& node : program_.nodes) {
    NodeStats stats;
    stats.name = node.name;
    stats.kind = node.kind;
    stats_.nodes.push_back(std::move(stats));
  }
  for (ElementState<Real>& element : elements_) {
    element.pending.clear();
    element.latest.assign(program_.inputs.size(), std::numeric_limits<Time>::min());
    element.nodes.clear();
    for (const ProgramNode& node : program_.nodes) {
      NodeState<Real> state;
      state.in.assign(static_cast<std::size_t>(node.in_size), Real{0});
      state.out.assign(static_cast<std::size_t>(node.out_size), Real{0});
      if (const auto* neuron = std::get_if<op::Neuron>(&node.operation)) {
        state.neurons.resize(state.out.size());
        start_neurons(neuron->coefficients, state);
        state.before_reset.resize(state.out.size());
      } else if (std::holds_alternative<op::Recurrent>(node.operation)) {
        state.recurrent.state.assign(state.out.size(), Real{0});
        state.recurrent.output.assign(state.out.size(), Real{0});
      } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
        state.delayed = make_ring<Real>(longest(delay->steps) + 1, state.in.size());
      }
      for (const Link& link : node.inputs) {
        state.links.push_back(make_ring<Real>(link.delay, state.in.size()));
      }
      element.nodes.push_back(std::move(state));
    }
    seed_links(element);
  }
  update_peak_memory();
}

/// Fills the links that carry their cycle's response to silence before step 0: every stateless
/// node is evaluated once with all neurons, and all that lies outside its cycle, silent.
template <typename Real>
void ReferenceSession<Real>::seed_links(ElementState<Real>& element) {
  const bool wanted =
      std::any_of(program_.nodes.begin(), program_.nodes.end(), [](const ProgramNode& node) {
        return std::any_of(node.inputs.begin(), node.inputs.end(),
                           [](const Link& link) { return link.bias_at_start; });
      });
  if (!wanted) return;
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    const Operation& operation = program_.nodes[n].operation;
    if (std::holds_alternative<op::Neuron>(operation) ||
        std::holds_alternative<op::Delay>(operation) ||
        std::holds_alternative<op::Input>(operation)) {
      continue;
    }
    gather_inputs(element, n, true);
    NodeStats uncounted;
    compute(n, element.nodes[n], uncounted);
  }
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    const ProgramNode& node = program_.nodes[n];
    for (std::size_t l = 0; l < node.inputs.size(); ++l) {
      if (!node.inputs[l].bias_at_start) continue;
      for (auto& slot : element.nodes[n].links[l].slots) {
        slot = element.nodes[node.inputs[l].source].out;
      }
    }
  }
  for (NodeState<Real>& state : element.nodes) std::fill(state.out.begin(), state.out.end(), 0);
}

template <typename Real>
Status ReferenceSession<Real>::push(std::uint32_t element, std::uint32_t port,
                                    const EventSpan& events) {
  const auto start = Clock::now();
  if (element >= elements_.size() || port >= program_.inputs.size()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such input",
                 .expected = fmt::format("batch element below {}, port below {}", elements_.size(),
                                         program_.inputs.size()),
                 .got = fmt::format("element {}, port {}", element, port)};
  }
  const ProgramNode& input = program_.nodes[program_.inputs[port]];
  const RunOptions& options = executable_->options();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (static_cast<std::int64_t>(events.index[i]) >= input.out_size) {
      return Error{.code = ErrorCode::kShape,
                   .what = "an event lies outside the input",
                   .where = fmt::format("input \"{}\", event {}", input.name, i),
                   .expected = fmt::format("an index below {}", input.out_size),
                   .got = std::to_string(events.index[i])};
    }
    const double value = events.value.empty() ? 1.0 : events.value[i];
    if (std::is_integral_v<Real> && (value != std::trunc(value) || std::abs(value) > kEventLimit)) {
      return Error{.what = "an integer network takes integer values",
                   .where = fmt::format("input \"{}\", event {}", input.name, i),
                   .expected = fmt::format("an integer within +-{}", kEventLimit),
                   .got = fmt::format("{}", value),
                   .next = "code the input as counts, or give --arithmetic float32"};
    }
    Time& latest = elements_[element].latest[port];
    if (events.time[i] < latest) ++stats_.input.out_of_order;
    latest = std::max(latest, events.time[i]);
    std::int64_t step = floor_div(events.time[i], step_time_);
    if (step < step_) {
      ++stats_.input.late;
      if (options.late == LatePolicy::kError) {
        return Error{.what = "an event belongs to a step that is already done",
                     .where = fmt::format("input \"{}\", event {}", input.name, i),
                     .expected = fmt::format("step {} or later", step_),
                     .got = fmt::format("step {}", step),
                     .next = "push events before advancing past them, or choose another policy"};
      }
      if (options.late == LatePolicy::kDrop) {
        ++stats_.input.dropped;
        continue;
      }
      step = step_;
    }
    if (pending_count_ >= options.max_pending_events) {
      if (options.overflow == OverflowPolicy::kError) {
        return Error{.code = ErrorCode::kResource,
                     .what = "too many events wait for their step",
                     .expected = fmt::format("at most {}", options.max_pending_events),
                     .next = "advance more often, or raise max_pending_events"};
      }
      ++stats_.input.dropped;
      continue;
    }
    elements_[element].pending[step].push_back({port, events.index[i], value});
    ++pending_count_;
  }
  stats_.seconds.input += seconds_since(start);
  return {};
}

template <typename Real>
Status ReferenceSession<Real>::advance(Time until) {
  cancelled_ = false;
  const std::int64_t target = floor_div(until, step_time_);
  const auto start = Clock::now();
  while (step_ < target) {
    if (cancelled_) {
      stats_.seconds.compute += seconds_since(start);
      return Error{.code = ErrorCode::kCancelled,
                   .what = "the run was cancelled",
                   .where = fmt::format("after step {}", step_)};
    }
    if constexpr (std::is_integral_v<Real>) SPIKELOOM_CHECK(check_input());
    for (std::uint32_t e = 0; e < elements_.size(); ++e) run_step(e);
    ++step_;
    ++stats_.steps;
  }
  update_peak_memory();
  stats_.seconds.compute += seconds_since(start);
  return {};
}

template <typename Real>
Status ReferenceSession<Real>::check_input() {
  const double limit = executable_->integer().input_limit;
  for (std::size_t e = 0; e < elements_.size(); ++e) {
    auto& pending = elements_[e].pending;
    const auto due = pending.find(step_);
    if (due == pending.end()) continue;
    std::map<std::pair<std::uint32_t, std::uint32_t>, double> sums;
    for (const PendingEvent& event : due->second) sums[{event.port, event.index}] += event.value;
    for (const auto& [place, sum] : sums) {
      if (std::abs(sum) <= limit) continue;
      pending_count_ -= due->second.size();
      stats_.input.dropped += due->second.size();
      pending.erase(due);
      return Error{
          .what = "an input value is larger than the overflow proof allows",
          .where = fmt::format("step {}, batch element {}, input \"{}\", element {}", step_, e,
                               program_.nodes[program_.inputs[place.first]].name, place.second),
          .expected = fmt::format("an integer within +-{}", limit),
          .got = fmt::format("{}", sum),
          .next = "give --clip, a shorter bin, or --arithmetic float32"};
    }
  }
  return {};
}

template <typename Real>
void ReferenceSession<Real>::run_step(std::uint32_t element_index) {
  ElementState<Real>& element = elements_[element_index];
  take_input(element);
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    if (program_.nodes[n].early) publish_early(n, element.nodes[n]);
  }
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    gather_inputs(element, n);
    compute(n, element.nodes[n], stats_.nodes[n]);
    record(element_index, n, element.nodes[n]);
  }
  push_links(element);
}

/// Sets the outputs of the Input nodes from the events of this step.
template <typename Real>
void ReferenceSession<Real>::take_input(ElementState<Real>& element) {
  for (const std::uint32_t n : program_.inputs) {
    std::fill(element.nodes[n].out.begin(), element.nodes[n].out.end(), Real{0});
  }
  const auto due = element.pending.find(step_);
  if (due == element.pending.end()) return;
  for (const PendingEvent& event : due->second) {
    Real& sum = element.nodes[program_.inputs[event.port]].out[event.index];
    if constexpr (std::is_integral_v<Real>) {
      // The whole sum is within the proven limit; on the way to it there may be more.
      sum = static_cast<Real>(std::int64_t{sum} + static_cast<std::int64_t>(event.value));
    } else {
      sum += static_cast<Real>(event.value);
    }
  }
  pending_count_ -= due->second.size();
  element.pending.erase(due);
}

/// in <- sum over links of the source's output, `delay` steps ago.
template <typename Real>
void ReferenceSession<Real>::gather_inputs(ElementState<Real>& element, std::uint32_t node,
                                           bool cycle_only) {
  NodeState<Real>& state = element.nodes[node];
  const std::vector<Link>& links = program_.nodes[node].inputs;
  std::fill(state.in.begin(), state.in.end(), Real{0});
  for (std::size_t l = 0; l < links.size(); ++l) {
    if (cycle_only && !links[l].in_cycle) continue;
    const auto& slots = state.links[l].slots;
    const std::vector<Real>& source = slots.empty()
                                          ? element.nodes[links[l].source].out
                                          : slots[static_cast<std::size_t>(step_) % slots.size()];
    for (std::size_t i = 0; i < state.in.size(); ++i) state.in[i] += source[i];
  }
}

/// Outputs that depend on the state before this step only.
template <typename Real>
void ReferenceSession<Real>::publish_early(std::uint32_t node, NodeState<Real>& state) {
  const Discretisation& d = program_.discretisation;
  if (const auto* delay = std::get_if<op::Delay>(&program_.nodes[node].operation)) {
    const std::size_t length = state.delayed.slots.size();
    for (std::size_t i = 0; i < state.out.size(); ++i) {
      const std::size_t slot =
          (static_cast<std::size_t>(step_) + length - delay->steps[i]) % length;
      state.out[i] = state.delayed.slots[slot][i];
    }
    return;
  }
  const auto& parameters = executable_->prepared()[node].neurons;
  const auto amplitude = static_cast<Real>(d.spike_amplitude());
  for (std::size_t i = 0; i < state.out.size(); ++i) {
    state.out[i] = late_spikes(state.neurons[i], parameters[i], d) * amplitude;
  }
}

template <typename Real>
template <typename Op>
PairCount ReferenceSession<Real>::add_up(const Op& operation, std::uint32_t node,
                                         NodeState<Real>& state, NodeStats& stats) {
  const PreparedNode<Real>& prepared = executable_->prepared()[node];
  const auto sum = [&](const Weights<Real>& weights, const SourceRows<Real>& rows,
                       const std::vector<Real>& in, std::vector<Real>& out) {
    if constexpr (std::is_same_v<Op, op::RandomSparse>) {
      return apply(rows, in, out);
    } else {
      return apply(operation, weights, in, out);
    }
  };
  if constexpr (std::is_same_v<Real, std::int32_t>) {
    if (executable_->options().arithmetic == Arithmetic::kRing16) {
      const RingWeights& ring = prepared.ring;
      const auto ring_part = [&](bool excitatory, const std::vector<Real>& in,
                                 std::vector<Real>& out) {
        return excitatory ? sum(ring.excitatory, ring.excitatory_rows, in, out)
                          : sum(ring.inhibitory, ring.inhibitory_rows, in, out);
      };
      std::vector<Real> slots(state.out.size());
      const PairCount count = ring_sum(ring_part, ring.shift, state.in, slots, stats.saturated);
      const std::vector<Real> silence(state.in.size());
      sum(prepared.weights, prepared.rows, silence, state.out);  // the bias alone
      for (std::size_t i = 0; i < slots.size(); ++i) state.out[i] += slots[i];
      return count;
    }
  }
  return sum(prepared.weights, prepared.rows, state.in, state.out);
}

template <typename Real>
template <typename Op>
void ReferenceSession<Real>::run_language(const Op& operation, std::uint32_t node,
                                          NodeState<Real>& state, NodeStats& stats) {
  OperationCount count;
  if constexpr (std::is_same_v<Op, op::Relu>) {
    for (std::size_t i = 0; i < state.out.size(); ++i) {
      state.out[i] = std::max(state.in[i], Real{0});
    }
  } else if constexpr (std::is_same_v<Op, op::Recurrent>) {
    const std::int64_t every = executable_->options().state_reset;
    RecurrentState<Real>& recurrent = state.recurrent;
    if (every > 0 && step_ % every == 0) {
      std::fill(recurrent.state.begin(), recurrent.state.end(), Real{0});
    }
    const std::vector<Real>& threshold = executable_->prepared()[node].threshold;
    if constexpr (std::is_integral_v<Real>) {
      count = step(operation, executable_->integer().nodes[node], threshold, state.in, recurrent);
    } else {
      count = step(operation, threshold, state.in, recurrent);
    }
    state.out = recurrent.output;
    stats.neuron_updates += state.out.size();
    stats.executed_updates += state.out.size();
    stats.bytes.state += state.out.size() * sizeof(Real) * 4;
  } else if constexpr (std::is_same_v<Op, op::Embedding>) {
    if constexpr (std::is_integral_v<Real>) {
      look_up(operation, executable_->integer().nodes[node], state.in, state.out);
    } else {
      look_up(operation, state.in, state.out);
    }
    stats.bytes.weights += state.out.size() * sizeof(Real);
  } else {
    const std::vector<Real>& words = executable_->prepared()[node].words;
    if constexpr (std::is_integral_v<Real>) {
      count = decode(operation, executable_->integer().nodes[node], words, state.in, state.out);
    } else {
      count = decode(operation, words, state.in, state.out);
    }
  }
  stats.ac += count.ac;
  stats.mac += count.mac;
  stats.executed_mac += count.ac + count.mac;
  stats.bytes.weights += (count.ac + count.mac) * sizeof(Real);
}

template <typename Real>
void ReferenceSession<Real>::compute(std::uint32_t node, NodeState<Real>& state, NodeStats& stats) {
  const ProgramNode& layer = program_.nodes[node];
  const PreparedNode<Real>& prepared = executable_->prepared()[node];
  const Discretisation& d = program_.discretisation;
  if (std::holds_alternative<op::Output>(layer.operation) &&
      !executable_->options().record_outputs) {
    return;
  }
  PairCount pairs;
  std::visit(
      [&](const auto& o) {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Input>) {
          // The step's events are already in `out`.
        } else if constexpr (std::is_same_v<Op, op::Output> || std::is_same_v<Op, op::Identity>) {
          state.out = state.in;
        } else if constexpr (std::is_same_v<Op, op::Pool>) {
          apply(o, state.in, state.out);
        } else if constexpr (std::is_same_v<Op, op::Scale>) {
          for (std::size_t i = 0; i < state.out.size(); ++i) {
            state.out[i] = prepared.factor[i] * state.in[i];
          }
        } else if constexpr (std::is_same_v<Op, op::Threshold>) {
          for (std::size_t i = 0; i < state.out.size(); ++i) {
            state.out[i] = state.in[i] > prepared.threshold[i] ? Real{1} : Real{0};
          }
        } else if constexpr (std::is_same_v<Op, op::Delay>) {
          auto& slots = state.delayed.slots;
          slots[static_cast<std::size_t>(step_) % slots.size()] = state.in;
          if (!layer.early) publish_early(node, state);
        } else if constexpr (std::is_same_v<Op, op::Neuron>) {
          const auto amplitude = static_cast<Real>(d.spike_amplitude());
          if (o.restarts_at(step_)) start_neurons(o.coefficients, state);
          for (std::size_t i = 0; i < state.out.size(); ++i) {
            NeuronState<Real>& neuron = state.neurons[i];
            if (layer.early) {
              state.before_reset[i] = neuron.membrane;
              step_after_late_spikes(neuron, state.out[i] / amplitude, state.in[i],
                                     prepared.neurons[i], d);
            } else {
              const auto result = step(neuron, state.in[i], prepared.neurons[i], d);
              state.before_reset[i] = result.before_reset;
              state.out[i] =
                  prepared.neurons[i].spiking ? result.spikes * amplitude : neuron.membrane;
            }
          }
          stats.neuron_updates += state.out.size();
          stats.executed_updates += state.out.size();
          stats.bytes.state += state.out.size() * sizeof(NeuronState<Real>) * 2;
        } else if constexpr (std::is_same_v<Op, op::Recurrent> ||
                             std::is_same_v<Op, op::Embedding> || std::is_same_v<Op, op::Decoder> ||
                             std::is_same_v<Op, op::Relu>) {
          run_language(o, node, state, stats);
        } else {
          pairs = add_up(o, node, state, stats);
        }
      },
      layer.operation);

  // Counts of docs/counting.md. This backend multiplies whatever the value, so it executes macs.
  const bool cheap = weight_class(layer.operation) != WeightClass::kGeneral;
  stats.ac += pairs.unit + (cheap ? pairs.graded : 0);
  stats.mac += cheap ? 0 : pairs.graded;
  stats.executed_mac += pairs.unit + pairs.graded;
  stats.bytes.weights += (pairs.unit + pairs.graded) * sizeof(Real);
  stats.dense_macs += static_cast<std::uint64_t>(layer.dense_macs);
  const bool is_input = std::holds_alternative<op::Input>(layer.operation);
  for (const Real value : is_input ? state.out : state.in) {
    if (value == Real{0}) continue;
    ++stats.events_in;
    stats.value_sum += static_cast<double>(value);
  }
  for (const Real value : state.out) {
    if (value == Real{0}) continue;
    ++stats.events_out;
    stats.bytes.events += sizeof(std::uint32_t) + sizeof(Real);
  }
}

template <typename Real>
void ReferenceSession<Real>::push_links(ElementState<Real>& element) {
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    const std::vector<Link>& links = program_.nodes[n].inputs;
    for (std::size_t l = 0; l < links.size(); ++l) {
      auto& slots = element.nodes[n].links[l].slots;
      if (slots.empty()) continue;
      slots[static_cast<std::size_t>(step_) % slots.size()] = element.nodes[links[l].source].out;
    }
  }
}

template <typename Real>
void ReferenceSession<Real>::record(std::uint32_t element_index, std::uint32_t node,
                                    const NodeState<Real>& state) {
  for (const Variable variable : executable_->records()[node]) {
    Record made{node, variable, element_index, step_, {}, {}};
    if (variable == Variable::kSpikes || variable == Variable::kOutput) {
      for (std::uint32_t i = 0; i < state.out.size(); ++i) {
        if (state.out[i] == Real{0}) continue;
        made.index.push_back(i);
        made.value.push_back(static_cast<double>(state.out[i]));
      }
      if (made.index.empty()) continue;
    } else {
      const bool before = program_.discretisation.record_membrane == RecordMembrane::kBeforeReset;
      for (std::size_t i = 0; i < state.neurons.size(); ++i) {
        const NeuronState<Real>& neuron = state.neurons[i];
        const Real value = variable == Variable::kCurrent ? neuron.current
                           : before                       ? state.before_reset[i]
                                                          : neuron.membrane;
        made.value.push_back(static_cast<double>(value));
      }
    }
    records_.push_back(std::move(made));
  }
}

template <typename Real>
Status ReferenceSession<Real>::read(Sink& sink) {
  const auto start = Clock::now();
  for (const Record& r : records_) {
    if (r.variable == Variable::kSpikes || r.variable == Variable::kOutput) {
      sink.events(r.node, r.variable, r.element, r.step, r.index, r.value);
    } else {
      sink.state(r.node, r.variable, r.element, r.step, r.value);
    }
  }
  records_.clear();
  stats_.seconds.record += seconds_since(start);
  return {};
}

template <typename Real>
Status ReferenceSession<Real>::latest(std::uint32_t element, std::uint32_t node,
                                      std::span<float> out) const {
  SPIKELOOM_CHECK(check_latest(program_, elements_.size(), element, node, out.size()));
  const std::vector<Real>& values = elements_[element].nodes[node].out;
  double unit = 1.0;
  if constexpr (std::is_integral_v<Real>) {
    unit = std::ldexp(1.0, -executable_->integer().nodes[node].exponent);
  }
  std::transform(values.begin(), values.end(), out.begin(),
                 [&](Real value) { return static_cast<float>(value) * static_cast<float>(unit); });
  return {};
}

template <typename Real>
Status ReferenceSession<Real>::reset() {
  clear();
  return {};
}

template <typename Real>
void ReferenceSession<Real>::update_peak_memory() {
  std::uint64_t bytes = pending_count_ * sizeof(PendingEvent);
  for (const ElementState<Real>& element : elements_) {
    for (const NodeState<Real>& state : element.nodes) {
      bytes += (state.in.size() + state.out.size() + state.before_reset.size()) * sizeof(Real);
      bytes += state.neurons.size() * sizeof(NeuronState<Real>);
      bytes += state.delayed.slots.size() * state.in.size() * sizeof(Real);
      for (const auto& ring : state.links) {
        bytes += ring.slots.size() * state.in.size() * sizeof(Real);
      }
    }
  }
  for (const Record& r : records_) {
    bytes +=
        sizeof(Record) + r.index.size() * sizeof(std::uint32_t) + r.value.size() * sizeof(double);
  }
  stats_.peak_memory_bytes = std::max(stats_.peak_memory_bytes, bytes);
}

template class ReferenceSession<float>;
template class ReferenceSession<double>;
template class ReferenceSession<std::int32_t>;

}  // namespace spikeloom::reference
