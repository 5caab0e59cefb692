#include "backends/reference/session.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/input_queue.hpp"
#include "base/stopwatch.hpp"

namespace spikeloom::reference {
namespace {

using Clock = std::chrono::steady_clock;

template <typename Real>
Ring<Real> make_ring(std::size_t length, std::size_t width) {
  return {std::vector<std::vector<Real>>(length, std::vector<Real>(width, Real{0}))};
}

std::size_t longest(const std::vector<std::uint32_t>& steps) {
  return steps.empty() ? 0 : *std::max_element(steps.begin(), steps.end());
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
  SPIKELOOM_CHECK(check_push(program_, elements_.size(), element, port));
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
      return excess_error(program_, e, {step_, place.first, place.second, sum}, limit);
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
  for (const Record& r : records_) r.give(sink);
  records_.clear();
  stats_.seconds.record += seconds_since(start);
  return {};
}

template <typename Real>
Status ReferenceSession<Real>::latest(std::uint32_t element, std::uint32_t node,
                                      std::span<float> out) const {
  SPIKELOOM_CHECK(
      check_latest(program_, executable_->options(), elements_.size(), element, node, out.size()));
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
  for (const Record& r : records_) bytes += r.bytes();
  stats_.peak_memory_bytes = std::max(stats_.peak_memory_bytes, bytes);
}

template class ReferenceSession<float>;
template class ReferenceSession<double>;
template class ReferenceSession<std::int32_t>;

}  // namespace spikeloom::reference
