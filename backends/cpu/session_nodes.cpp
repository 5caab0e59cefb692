/// The stateless nodes of the cpu session, and what they read.

#include <algorithm>
#include <limits>

#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {
namespace {

/// Adds `value` at `index` to a list that need not be sorted; `sort_and_sum` puts it right.
template <typename V>
void sort_and_sum(Events<V>& events) {
  std::vector<std::pair<std::uint32_t, V>> pairs(events.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {events.index[i], events.at(i)};
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  events.clear();
  for (std::size_t i = 0; i < pairs.size();) {
    const std::uint32_t index = pairs[i].first;
    V sum = 0;
    for (; i < pairs.size() && pairs[i].first == index; ++i) sum += pairs[i].second;
    if (sum == V{0}) continue;
    events.index.push_back(index);
    events.value.push_back(sum);
  }
  events.normalise();
}

/// Non-zero values of a dense array in logical order.
template <typename V>
void collect(const std::vector<V>& dense, Events<V>& events) {
  events.clear();
  for (std::size_t i = 0; i < dense.size(); ++i) {
    if (dense[i] == V{0}) continue;
    events.index.push_back(static_cast<std::uint32_t>(i));
    events.value.push_back(dense[i]);
  }
  events.normalise();
}

}  // namespace

template <typename V>
View<V> CpuSession<V>::view(const Element<V>& element, std::uint32_t node, std::size_t link_index,
                            std::int64_t step) const {
  const LinkPlan& link = plans_[node].links[link_index];
  const NodePlan<V>& source = plans_[link.source];
  const std::int64_t then = step - link.delay;
  View<V> view;
  view.order = &source.order;
  if (then < base_ && !element.nodes[node].prehistory[link_index].empty()) {
    const Prehistory<V>& before = element.nodes[node].prehistory[link_index];
    const auto age = static_cast<std::size_t>(link.delay + then - base_);
    if (source.dense) {
      view.dense = &before.dense[age];
    } else {
      view.events = &before.events[age];
    }
    return view;
  }
  const NodeState<V>& state = element.nodes[link.source];
  // The ring was cleared at the start, so steps before it read as silence.
  const std::size_t slot = ring_slot(then + source.depth, source.depth);
  if (source.dense) {
    view.dense = &state.dense[slot];
    if (then >= base_) view.finish = {source.scale.data(), source.bias.data()};
  } else {
    view.events = &state.events[slot];
  }
  return view;
}

template <typename V>
std::vector<V>& CpuSession<V>::gather_dense(Element<V>& element, std::uint32_t node,
                                            std::int64_t step) {
  std::vector<V>& sum = element.nodes[node].logical;
  sum.assign(static_cast<std::size_t>(program_.nodes[node].in_size), V{0});
  for (std::size_t l = 0; l < plans_[node].links.size(); ++l) {
    if (seeding_ && !plans_[node].links[l].in_cycle) continue;
    const View<V> from = view(element, node, l, step);
    if (from.events != nullptr) {
      for (std::size_t i = 0; i < from.events->size(); ++i) {
        sum[from.events->index[i]] += from.events->at(i);
      }
    } else {
      for (std::size_t p = 0; p < sum.size(); ++p) {
        sum[from.order->logical(p)] += from.finish(p, from.dense->data[p]);
      }
    }
  }
  return sum;
}

template <typename V>
const Events<V>& CpuSession<V>::gather_events(Element<V>& element, std::uint32_t node,
                                              std::int64_t step) {
  const NodeState<V>& state = element.nodes[node];
  if (state.direct != nullptr && !seeding_) return *state.direct;
  const NodePlan<V>& plan = plans_[node];
  if (plan.only_events && !seeding_ && plan.links.size() == 1) {
    return *view(element, node, 0, step).events;
  }
  Events<V>& gathered = element.nodes[node].gathered;
  if (!plan.only_events || seeding_) {
    collect(gather_dense(element, node, step), gathered);
    return gathered;
  }
  gathered.clear();
  for (std::size_t l = 0; l < plan.links.size(); ++l) {
    const Events<V>& from = *view(element, node, l, step).events;
    for (std::size_t i = 0; i < from.size(); ++i) {
      gathered.index.push_back(from.index[i]);
      gathered.value.push_back(from.at(i));
    }
  }
  sort_and_sum(gathered);
  return gathered;
}

template <typename V>
void CpuSession<V>::run_copy(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  Events<V>& out = events_slot(element, node, step);
  out.index.assign(in.index.begin(), in.index.end());
  out.value.assign(in.value.begin(), in.value.end());
}

template <typename V>
void CpuSession<V>::run_scale(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  Events<V>& out = events_slot(element, node, step);
  out.clear();
  for (std::size_t i = 0; i < in.size(); ++i) {
    const V value = plans_[node].factor[in.index[i]] * in.at(i);
    if (value == V{0}) continue;
    out.index.push_back(in.index[i]);
    out.value.push_back(value);
  }
  out.normalise();
}

template <typename V>
void CpuSession<V>::run_threshold(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const std::vector<V>& threshold = plans_[node].threshold;
  Events<V>& out = events_slot(element, node, step);
  if (plans_[node].all_thresholds_positive) {
    const Events<V>& in = gather_events(element, node, step);
    count_events(in, element.stats[node]);
    out.clear();
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in.at(i) > threshold[in.index[i]]) out.index.push_back(in.index[i]);
    }
    return;
  }
  const std::vector<V>& in = gather_dense(element, node, step);
  collect(in, element.nodes[node].gathered);
  count_events(element.nodes[node].gathered, element.stats[node]);
  out.clear();
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] > threshold[i]) out.index.push_back(static_cast<std::uint32_t>(i));
  }
}

/// Spreads each event over the windows that it lies in, then reads those windows.
template <typename V>
void CpuSession<V>::run_pool(const op::Pool& pool, Element<V>& element, std::uint32_t node,
                             std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  Events<V>& out = events_slot(element, node, step);
  out.clear();
  if (in.empty()) return;
  NodeState<V>& state = element.nodes[node];
  const std::size_t outputs = plans_[node].out_size;
  if (state.extreme.size() != outputs) {
    state.extreme.assign(outputs, V{0});  // sum, or largest value so far
    state.members.assign(outputs, 0);     // active elements in the window
  }
  const auto out_plane = static_cast<std::uint32_t>(pool.output.rows * pool.output.columns);
  state.sort.start(outputs);
  const bool is_max = pool.kind == op::PoolKind::kMax;
  V* const extremes = state.extreme.data();
  std::uint32_t* const members = state.members.data();
  const auto meet = [&](std::size_t o, V value) {
    if (is_max) {
      extremes[o] = members[o]++ == 0 ? value : std::max(extremes[o], value);
    } else {
      extremes[o] += value;
    }
    state.sort.insert(static_cast<std::uint32_t>(o));
  };
  const NodePlan<V>& plan = plans_[node];
  const std::vector<std::uint32_t>& window = plan.pool_window;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::uint32_t channel = plan.pool_plane.quotient(in.index[i]);
    const std::uint32_t position = in.index[i] - channel * plan.pool_plane.value();
    const std::size_t first_output = std::size_t{channel} * out_plane;
    if (!window.empty()) {
      if (window[position] != kNoWindow) meet(first_output + window[position], in.at(i));
      continue;
    }
    const std::uint32_t row = plan.pool_line.quotient(position);
    const TapRange rows = plan.pool_rows.outputs[row];
    const TapRange columns = plan.pool_columns.outputs[position - row * plan.pool_line.value()];
    for (std::int64_t r = rows.first; r < rows.last; ++r) {
      for (std::int64_t c = columns.first; c < columns.last; ++c) {
        meet(first_output + static_cast<std::size_t>(r * pool.output.columns + c), in.at(i));
      }
    }
  }
  const std::size_t most = window.empty() ? outputs : std::min(outputs, in.size());
  state.sort.take(executable_->kernels(), most, out.index);
  const auto area = static_cast<V>(pool.kernel.rows * pool.kernel.columns);
  std::size_t kept = 0;
  out.value.resize(out.index.size());
  for (const std::uint32_t o : out.index) {
    V value = state.extreme[o];
    if (pool.kind == op::PoolKind::kAverage) value /= area;
    if (is_max && value < V{0}) {
      const std::int64_t r = o % out_plane / pool.output.columns;
      const std::int64_t c = o % pool.output.columns;
      const TapRange rows = taps_in_bounds(r, pool.input.rows, pool.kernel.rows, pool.stride.rows,
                                           1, pool.pad_before.rows);
      const TapRange columns = taps_in_bounds(c, pool.input.columns, pool.kernel.columns,
                                              pool.stride.columns, 1, pool.pad_before.columns);
      const std::int64_t taps = (rows.last - rows.first) * (columns.last - columns.first);
      if (state.members[o] < taps) value = 0;  // a silent element is larger
    }
    state.members[o] = 0;
    state.extreme[o] = V{0};
    out.index[kept] = o;
    out.value[kept] = value;
    kept += value != V{0} ? 1 : 0;
  }
  out.index.resize(kept);
  out.value.resize(kept);
  out.normalise();
}

template <typename V>
void CpuSession<V>::run_delay(const op::Delay& delay, Element<V>& element, std::uint32_t node,
                              std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  auto& calendar = element.nodes[node].calendar;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto due = static_cast<std::size_t>(step) + delay.steps[in.index[i]];
    Events<V>& slot = calendar[due % calendar.size()];
    slot.index.push_back(in.index[i]);
    slot.value.push_back(in.at(i));
  }
  if (!plans_[node].early) publish_early(element, node, step);
}

template <typename V>
void CpuSession<V>::run_projection(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const NodePlan<V>& plan = plans_[node];
  NodeStats& stats = element.stats[node];
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, stats);
  DenseArray<V>& out = dense_slot(element, node, step);
  if (!plan.fused) out.clear();
  const Schedule way = plan.has_choice ? element.nodes[node].way.choose(
                                             *plan.projection, in, executable_->options().schedule)
                                       : Schedule::kRows;
  DeliveryCount count;
  if (plan.ranged) {
    count = plan.projection->announce(in, way, out.touched);
    element.nodes[node].announced = {&in, way, count.executed};
  } else {
    count = plan.projection->deliver(in, way, {step_threads_, plan.cuts}, out);
  }
  ++(way == Schedule::kBitmask ? stats.steps_bitmask
     : way == Schedule::kDense ? stats.steps_dense
                               : stats.steps_rows);
  stats.saturated += count.saturated;
  stats.ac += count.unit + (plan.cheap_weights ? count.graded : 0);
  stats.mac += plan.cheap_weights ? 0 : count.graded;
  stats.executed_ac += count.executed - count.multiplied;
  stats.executed_mac += count.multiplied;
  stats.bytes.weights += count.weight_bytes;

  if (plan.fused) return;
  alignas(64) V complete[kBlock];
  out.nonzero = 0;
  out.sum = 0.0;
  const NeuronKernels<V>& kernels = executable_->kernels();
  const auto tally = [&](std::size_t block) {
    const V* values = out.data.data() + block * kBlock;
    if (!plan.scale.empty() || !plan.bias.empty()) {
      kernels.add(values, plan.scale.empty() ? nullptr : plan.scale.data() + block * kBlock,
                  plan.bias.empty() ? nullptr : plan.bias.data() + block * kBlock, true, complete);
      values = complete;
    }
    const Tally<V> one = kernels.tally(values);
    out.nonzero += one.nonzero;
    out.sum += one.sum;
  };
  if (plan.bias.empty()) {
    out.touched.for_each(tally);
  } else {
    for (std::size_t block = 0; block < out.touched.blocks(); ++block) tally(block);
  }
  stats.events_out += out.nonzero;
  stats.bytes.events += out.nonzero * (sizeof(std::uint32_t) + sizeof(V));
}

template <typename V>
void CpuSession<V>::record(Element<V>& element, std::uint32_t element_index, std::uint32_t node,
                           std::int64_t step) {
  const NodePlan<V>& plan = plans_[node];
  NodeState<V>& state = element.nodes[node];
  const auto size = static_cast<std::size_t>(program_.nodes[node].out_size);
  for (const Variable variable : plan.records) {
    Record made{node, variable, element_index, step, {}, {}};
    if (variable == Variable::kMembrane || variable == Variable::kCurrent) {
      const AlignedBuffer<V>& values = variable == Variable::kCurrent ? state.current
                                       : !state.before.empty()        ? state.before
                                                                      : state.membrane;
      made.value.resize(size);
      for (std::size_t p = 0; p < size; ++p) {
        made.value[plan.order.logical(p)] = static_cast<double>(values[p]);
      }
    } else if (plan.dense) {
      const DenseArray<V>& dense = dense_slot(element, node, step);
      const Finish<V> finish{plan.scale.data(), plan.bias.data()};
      for (std::uint32_t i = 0; i < size; ++i) {
        const std::size_t p = plan.order.physical(i);
        const V value = finish(p, dense.data[p]);
        if (value == V{0}) continue;
        made.index.push_back(i);
        made.value.push_back(static_cast<double>(value));
      }
      if (made.index.empty()) continue;
    } else {
      const Events<V>& events = events_slot(element, node, step);
      if (events.empty()) continue;
      made.index = events.index;
      for (std::size_t i = 0; i < events.size(); ++i) {
        made.value.push_back(static_cast<double>(events.at(i)));
      }
    }
    element.records.push_back(std::move(made));
  }
}

#define SPIKELOOM_INSTANTIATE(V)                                                                  \
  template View<V> CpuSession<V>::view(const Element<V>&, std::uint32_t, std::size_t,             \
                                       std::int64_t) const;                                       \
  template std::vector<V>& CpuSession<V>::gather_dense(Element<V>&, std::uint32_t, std::int64_t); \
  template const Events<V>& CpuSession<V>::gather_events(Element<V>&, std::uint32_t,              \
                                                         std::int64_t);                           \
  template void CpuSession<V>::run_copy(Element<V>&, std::uint32_t, std::int64_t);                \
  template void CpuSession<V>::run_scale(Element<V>&, std::uint32_t, std::int64_t);               \
  template void CpuSession<V>::run_threshold(Element<V>&, std::uint32_t, std::int64_t);           \
  template void CpuSession<V>::run_pool(const op::Pool&, Element<V>&, std::uint32_t,              \
                                        std::int64_t);                                            \
  template void CpuSession<V>::run_delay(const op::Delay&, Element<V>&, std::uint32_t,            \
                                         std::int64_t);                                           \
  template void CpuSession<V>::run_projection(Element<V>&, std::uint32_t, std::int64_t);          \
  template void CpuSession<V>::record(Element<V>&, std::uint32_t, std::uint32_t, std::int64_t);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
