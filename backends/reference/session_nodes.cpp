/// What every node of a reference session does in a step.

#include <algorithm>

#include "backends/reference/session.hpp"

namespace spikeloom::reference {

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

#define SPIKELOOM_INSTANTIATE(Real)                                                              \
  template void ReferenceSession<Real>::gather_inputs(ElementState<Real>&, std::uint32_t, bool); \
  template void ReferenceSession<Real>::publish_early(std::uint32_t, NodeState<Real>&);          \
  template void ReferenceSession<Real>::compute(std::uint32_t, NodeState<Real>&, NodeStats&);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(double)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::reference
