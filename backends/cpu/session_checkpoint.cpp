/// Saving and loading the cpu session. A checkpoint holds dense values in logical order.

#include <cmath>

#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {
namespace {

template <typename V>
std::vector<double> to_dense(const Events<V>& events, std::size_t size) {
  std::vector<double> dense(size, 0.0);
  for (std::size_t i = 0; i < events.size(); ++i) {
    dense[events.index[i]] = static_cast<double>(events.at(i));
  }
  return dense;
}

template <typename V>
Events<V> to_events(const std::vector<double>& dense) {
  Events<V> events;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    if (dense[i] == 0.0) continue;
    events.index.push_back(static_cast<std::uint32_t>(i));
    events.value.push_back(static_cast<V>(dense[i]));
  }
  events.normalise();
  return events;
}

template <typename V>
DenseArray<V> to_array(const std::vector<double>& dense, const Order& order) {
  DenseArray<V> array;
  array.resize(dense.size());
  for (std::size_t i = 0; i < dense.size(); ++i) {
    array.data[order.physical(i)] = static_cast<V>(dense[i]);
    array.nonzero += dense[i] != 0.0 ? 1 : 0;
    array.sum += dense[i];
  }
  array.touched.fill();
  return array;
}

template <typename T>
std::vector<double> logical(const AlignedBuffer<T>& values, const Order& order, std::size_t size) {
  std::vector<double> out;
  if (values.empty()) return out;
  out.resize(size);
  for (std::size_t p = 0; p < size; ++p) out[order.logical(p)] = static_cast<double>(values[p]);
  return out;
}

template <typename T>
void physical(const std::vector<double>& values, const Order& order, AlignedBuffer<T>& out) {
  if (out.empty() || values.empty()) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[order.physical(i)] = static_cast<T>(values[i]);
  }
}

template <typename V>
void restore_recurrent(const std::vector<double>& h, const std::vector<double>& y,
                       RecurrentState<V>& state) {
  for (std::size_t i = 0; i < h.size(); ++i) {
    state.state[i] = static_cast<V>(h[i]);
    state.output[i] = static_cast<V>(y[i]);
    if (y[i] == 0.0) continue;
    state.events.index.push_back(static_cast<std::uint32_t>(i));
    state.events.value.push_back(static_cast<V>(y[i]));
  }
}

}  // namespace

template <typename V>
Result<Checkpoint> CpuSession<V>::save() const {
  CheckpointState saved;
  saved.step = step_;
  saved.stats = stats();
  // Sleeping neurons are shown at the present step; whether they slept makes no difference.
  auto& elements = const_cast<std::vector<Element<V>>&>(elements_);
  for (Element<V>& element : elements) {
    CheckpointElement out;
    out.latest = element.queue.latest();
    for (std::uint32_t n = 0; n < plans_.size(); ++n) {
      const NodePlan<V>& plan = plans_[n];
      const auto in_size = static_cast<std::size_t>(program_.nodes[n].in_size);
      const auto size = static_cast<std::size_t>(program_.nodes[n].out_size);
      NodeState<V>& state = element.nodes[n];
      CheckpointNode node;
      node.way = state.way.way();
      node.active = state.way.active();
      if (plan.population != nullptr) {
        wake_all(element, n, step_);
        node.membrane = logical(state.membrane, plan.order, size);
        node.current = logical(state.current, plan.order, size);
        for (std::size_t i = 0; i < size && !state.countdown.empty(); ++i) {
          node.waiting.push_back(
              static_cast<std::uint32_t>(state.countdown[plan.order.physical(i)]));
        }
      }
      if (state.recurrent != nullptr) {
        const RecurrentState<V>& recurrent = *state.recurrent;
        node.membrane.assign(recurrent.state.begin(), recurrent.state.begin() + size);
        node.current.assign(recurrent.output.begin(), recurrent.output.begin() + size);
      }
      if (std::holds_alternative<op::Delay>(program_.nodes[n].operation)) {
        node.delay = delay_history(element, n);
      }
      for (std::size_t l = 0; l < plan.links.size(); ++l) {
        std::vector<std::vector<double>> slots;
        for (std::uint32_t back = plan.links[l].delay; back > 0; --back) {
          const View<V> from = view(element, n, l, step_ - back + plan.links[l].delay);
          if (from.events != nullptr) {
            slots.push_back(to_dense(*from.events, in_size));
          } else {
            std::vector<double> dense(in_size);
            for (std::size_t p = 0; p < in_size; ++p) {
              dense[from.order->logical(p)] =
                  static_cast<double>(from.finish(p, from.dense->data[p]));
            }
            slots.push_back(std::move(dense));
          }
        }
        node.links.push_back(std::move(slots));
      }
      out.nodes.push_back(std::move(node));
    }
    for (const QueuedEvent& event : element.queue.waiting()) {
      out.pending.push_back({event.step, event.port, event.index, event.value});
    }
    saved.elements.push_back(std::move(out));
  }
  return write_checkpoint(saved, program_, executable_->options().arithmetic);
}

template <typename V>
Status CpuSession<V>::load(std::span<const std::byte> checkpoint) {
  SPIKELOOM_TRY(
      const CheckpointState saved,
      read_checkpoint(checkpoint, program_, executable_->options().arithmetic, elements_.size()));
  clear();
  step_ = saved.step;
  base_ = saved.step;
  totals_.steps = saved.stats.steps;
  totals_.input = saved.stats.input;
  for (std::size_t e = 0; e < elements_.size(); ++e) {
    Element<V>& element = elements_[e];
    if (e == 0) {
      for (std::size_t n = 0; n < element.stats.size(); ++n) {
        const std::string name = element.stats[n].name, kind = element.stats[n].kind;
        element.stats[n] = saved.stats.nodes[n];
        element.stats[n].name = name;
        element.stats[n].kind = kind;
      }
    }
    std::vector<QueuedEvent> waiting;
    for (const CheckpointEvent& event : saved.elements[e].pending) {
      waiting.push_back({event.step, event.port, event.index, event.value});
    }
    waiting_ += waiting.size();
    element.queue.restore(std::move(waiting), saved.elements[e].latest);
    for (std::uint32_t n = 0; n < plans_.size(); ++n) {
      const NodePlan<V>& plan = plans_[n];
      const CheckpointNode& node = saved.elements[e].nodes[n];
      NodeState<V>& state = element.nodes[n];
      state.way.restore(node.way, node.active);
      if (plan.population != nullptr) {
        physical(node.membrane, plan.order, state.membrane);
        physical(node.current, plan.order, state.current);
        for (std::size_t i = 0; i < node.waiting.size(); ++i) {
          state.countdown[plan.order.physical(i)] = static_cast<std::int32_t>(node.waiting[i]);
        }
        state.next_step.assign(state.next_step.size(), step_);
        state.word_step.assign(state.word_step.size(), step_);
        state.awake.fill();
      }
      if (state.recurrent != nullptr) {
        restore_recurrent(node.membrane, node.current, *state.recurrent);
      }
      if (std::holds_alternative<op::Delay>(program_.nodes[n].operation)) {
        restore_delay(element, n, node.delay);
      }
      for (std::size_t l = 0; l < plan.links.size(); ++l) {
        Prehistory<V>& before = state.prehistory[l];
        before = {};
        for (const auto& slot : node.links[l]) {
          if (plans_[plan.links[l].source].dense) {
            before.dense.push_back(to_array<V>(slot, plans_[plan.links[l].source].order));
          } else {
            before.events.push_back(to_events<V>(slot));
          }
        }
      }
    }
  }
  return {};
}

/// Past inputs of a Delay, oldest first, as far as they are still to come out.
template <typename V>
std::vector<std::vector<double>> CpuSession<V>::delay_history(const Element<V>& element,
                                                              std::uint32_t node) const {
  const auto& steps = std::get<op::Delay>(program_.nodes[node].operation).steps;
  const auto& calendar = element.nodes[node].calendar;
  const std::size_t longest = calendar.size() - 1;
  std::vector<std::vector<double>> history(longest, std::vector<double>(steps.size(), 0.0));
  for (std::size_t ahead = 0; ahead < longest; ++ahead) {
    const Events<V>& due = calendar[(static_cast<std::size_t>(step_) + ahead) % calendar.size()];
    for (std::size_t i = 0; i < due.size(); ++i) {
      // Entered at step_ + ahead - delay: that many places before the end of the history.
      const std::size_t back = steps[due.index[i]] - ahead;
      history[longest - back][due.index[i]] = static_cast<double>(due.at(i));
    }
  }
  return history;
}

template <typename V>
void CpuSession<V>::restore_delay(Element<V>& element, std::uint32_t node,
                                  const std::vector<std::vector<double>>& history) {
  const auto& steps = std::get<op::Delay>(program_.nodes[node].operation).steps;
  auto& calendar = element.nodes[node].calendar;
  for (std::size_t age = 0; age < history.size(); ++age) {
    const std::size_t back = history.size() - age;
    for (std::uint32_t i = 0; i < steps.size(); ++i) {
      if (history[age][i] == 0.0 || steps[i] < back) continue;
      Events<V>& slot =
          calendar[(static_cast<std::size_t>(step_) + steps[i] - back) % calendar.size()];
      slot.index.push_back(i);
      slot.value.push_back(static_cast<V>(history[age][i]));
    }
  }
}

#define SPIKELOOM_INSTANTIATE(V)                           \
  template Result<Checkpoint> CpuSession<V>::save() const; \
  template Status CpuSession<V>::load(std::span<const std::byte>);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
