/// Saving and loading the reference session.

#include "backends/checkpoint.hpp"
#include "backends/reference/session.hpp"

namespace spikeloom::reference {
namespace {

/// The `count` values that entered last, oldest first; `next` is the step about to be computed.
template <typename Real>
std::vector<std::vector<double>> unroll(const Ring<Real>& ring, std::size_t count,
                                        std::int64_t next) {
  std::vector<std::vector<double>> slots;
  const std::size_t length = ring.slots.size();
  for (std::size_t back = count; back > 0; --back) {
    const auto& slot =
        ring.slots[(static_cast<std::size_t>(next) + length * count - back) % length];
    slots.emplace_back(slot.begin(), slot.end());
  }
  return slots;
}

template <typename Real>
void roll(const std::vector<std::vector<double>>& slots, std::int64_t next, Ring<Real>& ring) {
  const std::size_t length = ring.slots.size();
  const std::size_t count = slots.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t back = count - i;
    ring.slots[(static_cast<std::size_t>(next) + length * count - back) % length].assign(
        slots[i].begin(), slots[i].end());
  }
}

/// Slots of a Delay node's ring that carry state: all but the one of the present step.
template <typename Real>
std::size_t delay_slots(const NodeState<Real>& state) {
  return state.delayed.slots.empty() ? 0 : state.delayed.slots.size() - 1;
}

}  // namespace

template <typename Real>
Result<Checkpoint> ReferenceSession<Real>::save() const {
  CheckpointState saved;
  saved.step = step_;
  saved.stats = stats_;
  for (const ElementState<Real>& element : elements_) {
    CheckpointElement out;
    out.latest = element.latest;
    for (std::size_t n = 0; n < element.nodes.size(); ++n) {
      const NodeState<Real>& state = element.nodes[n];
      CheckpointNode node;
      const auto* neuron = std::get_if<op::Neuron>(&program_.nodes[n].operation);
      for (const NeuronState<Real>& s : state.neurons) {
        node.membrane.push_back(static_cast<double>(s.membrane));
        if (neuron->coefficients.has_current) {
          node.current.push_back(static_cast<double>(s.current));
        }
        if (!neuron->coefficients.refractory.empty()) node.waiting.push_back(s.waiting);
      }
      for (const Real h : state.recurrent.state) node.membrane.push_back(static_cast<double>(h));
      for (const Real y : state.recurrent.output) node.current.push_back(static_cast<double>(y));
      node.delay = unroll(state.delayed, delay_slots(state), step_);
      for (const Ring<Real>& ring : state.links) {
        node.links.push_back(unroll(ring, ring.slots.size(), step_));
      }
      out.nodes.push_back(std::move(node));
    }
    for (const auto& [step, events] : element.pending) {
      for (const PendingEvent& event : events) {
        out.pending.push_back({step, event.port, event.index, event.value});
      }
    }
    saved.elements.push_back(std::move(out));
  }
  return write_checkpoint(saved, program_, executable_->options().arithmetic);
}

template <typename Real>
Status ReferenceSession<Real>::load(std::span<const std::byte> checkpoint) {
  SPIKELOOM_TRY(
      const CheckpointState saved,
      read_checkpoint(checkpoint, program_, executable_->options().arithmetic, elements_.size()));
  SPIKELOOM_CHECK(reset());
  step_ = saved.step;
  stats_.steps = saved.stats.steps;
  stats_.nodes = saved.stats.nodes;
  stats_.input = saved.stats.input;
  for (std::size_t e = 0; e < elements_.size(); ++e) {
    ElementState<Real>& element = elements_[e];
    element.latest = saved.elements[e].latest;
    for (std::size_t n = 0; n < element.nodes.size(); ++n) {
      NodeState<Real>& state = element.nodes[n];
      const CheckpointNode& node = saved.elements[e].nodes[n];
      for (std::size_t i = 0; i < state.neurons.size(); ++i) {
        state.neurons[i].membrane = static_cast<Real>(node.membrane[i]);
        if (!node.waiting.empty()) state.neurons[i].waiting = node.waiting[i];
        if (!node.current.empty()) state.neurons[i].current = static_cast<Real>(node.current[i]);
      }
      for (std::size_t i = 0; i < state.recurrent.state.size(); ++i) {
        state.recurrent.state[i] = static_cast<Real>(node.membrane[i]);
        state.recurrent.output[i] = static_cast<Real>(node.current[i]);
      }
      roll(node.delay, step_, state.delayed);
      for (std::size_t l = 0; l < state.links.size(); ++l) {
        roll(node.links[l], step_, state.links[l]);
      }
    }
    for (const CheckpointEvent& event : saved.elements[e].pending) {
      element.pending[event.step].push_back({event.port, event.index, event.value});
      ++pending_count_;
    }
  }
  return {};
}

template Result<Checkpoint> ReferenceSession<float>::save() const;
template Result<Checkpoint> ReferenceSession<double>::save() const;
template Result<Checkpoint> ReferenceSession<std::int32_t>::save() const;
template Status ReferenceSession<float>::load(std::span<const std::byte>);
template Status ReferenceSession<double>::load(std::span<const std::byte>);
template Status ReferenceSession<std::int32_t>::load(std::span<const std::byte>);

}  // namespace spikeloom::reference
