/// The state of a cpu session: made once, set back at every reset.

#include "backends/cpu/neuron_blocks_private.hpp"
#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {

/// Back to the initial state. Memory is kept: a stream of short recordings resets often.
template <typename V>
void CpuSession<V>::clear_element(Element<V>& element) {
  element.queue.clear();
  element.records.clear();
  if (element.nodes.empty()) {
    make_nodes(element);
    find_direct(element);
  }
  for (std::size_t n = 0; n < plans_.size(); ++n) {
    const NodePlan<V>& plan = plans_[n];
    NodeState<V>& state = element.nodes[n];
    for (auto& slot : state.events) slot.clear();
    for (auto& slot : state.dense) slot.clear();
    for (auto& slot : state.calendar) slot.clear();
    for (auto& before : state.prehistory) before = {};
    state.way = {};
    state.announced = {};
    if (plan.population != nullptr) {
      state.awake.clear();
      restart(*plan.population, state, 0);
      std::fill(state.late.begin(), state.late.end(), V{0});
      std::fill(state.before.begin(), state.before.end(), V{0});
      std::fill(state.word_step.begin(), state.word_step.end(), 0);
    } else if (plan.recurrent != nullptr) {
      *state.recurrent = plan.recurrent->make_state();
    }
    NodeStats fresh;
    fresh.name = std::move(element.stats[n].name);
    fresh.kind = std::move(element.stats[n].kind);
    element.stats[n] = std::move(fresh);
  }
}

template <typename V>
void CpuSession<V>::make_nodes(Element<V>& element) {
  for (std::size_t n = 0; n < plans_.size(); ++n) {
    const NodePlan<V>& plan = plans_[n];
    const ProgramNode& node = program_.nodes[n];
    const auto size = static_cast<std::size_t>(node.out_size);
    NodeState<V> state;
    if (plan.dense) {
      state.dense.resize(plan.depth);
      for (auto& slot : state.dense) {
        if (plan.ranged) {
          slot.touched = BlockSet(block_count(size));
        } else {
          slot.resize(size);
        }
      }
    } else {
      state.events.resize(plan.depth);
    }
    state.prehistory.resize(plan.links.size());
    if (plan.population != nullptr) {
      const Population<V>& population = *plan.population;
      const std::size_t blocks = block_count(size);
      state.membrane = AlignedBuffer<V>(blocks * kBlock);
      if (population.arrays.options.has_current) {
        state.current = AlignedBuffer<V>(blocks * kBlock);
      }
      if (node.early) state.late = AlignedBuffer<V>(blocks * kBlock);
      if (population.arrays.traced) state.before = AlignedBuffer<V>(blocks * kBlock);
      if (population.arrays.options.refractory) {
        state.countdown = AlignedBuffer<std::int32_t>(blocks * kBlock);
      }
      state.next_step.resize(blocks);
      state.word_step.resize((blocks + 63) / 64);
      state.awake = BlockSet(blocks);
      state.scattered.resize(plan.links.size());
    } else if (plan.recurrent != nullptr) {
      state.recurrent = std::make_unique<RecurrentState<V>>();
    } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
      std::uint32_t longest = 0;
      for (const std::uint32_t steps : delay->steps) longest = std::max(longest, steps);
      state.calendar.resize(longest + 1);
    }
    element.nodes.push_back(std::move(state));
    element.stats.emplace_back();
    element.stats.back().name = node.name;
    element.stats.back().kind = node.kind;
  }
}

/// What a node reads in every step from one place.
template <typename V>
void CpuSession<V>::find_direct(Element<V>& element) const {
  for (std::size_t n = 0; n < plans_.size(); ++n) {
    const std::vector<LinkPlan>& links = plans_[n].links;
    if (!plans_[n].only_events || links.size() != 1 || links[0].delay != 0) continue;
    const auto& ring = element.nodes[links[0].source].events;
    if (ring.size() == 1) element.nodes[n].direct = &ring[0];
  }
}

/// Fills the links that carry their cycle's response to silence before step 0: the stateless nodes
/// are evaluated once on what reaches them within their cycle while every neuron is silent.
template <typename V>
void CpuSession<V>::seed_links(Element<V>& element) {
  bool wanted = false;
  for (const NodePlan<V>& plan : plans_) {
    for (const LinkPlan& link : plan.links) wanted |= link.bias_at_start;
  }
  if (!wanted) return;
  seeding_ = true;
  for (std::uint32_t n = 0; n < plans_.size(); ++n) {
    const Operation& operation = program_.nodes[n].operation;
    if (!std::holds_alternative<op::Neuron>(operation) &&
        !std::holds_alternative<op::Delay>(operation) &&
        !std::holds_alternative<op::Input>(operation)) {
      run_node(element, n, 0);
    }
  }
  seeding_ = false;
  std::vector<std::vector<Prehistory<V>>> seeds(plans_.size());
  for (std::uint32_t n = 0; n < plans_.size(); ++n) {
    seeds[n].resize(plans_[n].links.size());
    for (std::size_t l = 0; l < plans_[n].links.size(); ++l) {
      const LinkPlan& link = plans_[n].links[l];
      if (!link.bias_at_start || link.delay == 0) continue;
      if (!plans_[link.source].dense) {
        seeds[n][l].events.assign(link.delay, events_slot(element, link.source, 0));
        continue;
      }
      const DenseArray<V>& source = dense_slot(element, link.source, 0);
      const NodePlan<V>& plan = plans_[link.source];
      DenseArray<V> complete;
      complete.resize(static_cast<std::size_t>(program_.nodes[link.source].out_size));
      const Finish<V> finish{plan.scale.data(), plan.bias.data()};
      const auto size = static_cast<std::size_t>(program_.nodes[link.source].out_size);
      for (std::size_t i = 0; i < size; ++i) {
        complete.data[i] = finish(i, source.data[i]);
        complete.nonzero += complete.data[i] != V{0} ? 1 : 0;
        complete.sum += static_cast<double>(complete.data[i]);
      }
      complete.touched.fill();
      for (std::uint32_t d = 0; d < link.delay; ++d) {
        DenseArray<V> copy;
        copy.resize(size);
        std::copy_n(complete.data.data(), complete.data.size(), copy.data.data());
        copy.touched = complete.touched;
        copy.nonzero = complete.nonzero;
        copy.sum = complete.sum;
        seeds[n][l].dense.push_back(std::move(copy));
      }
    }
  }
  clear_element(element);
  for (std::uint32_t n = 0; n < plans_.size(); ++n) {
    element.nodes[n].prehistory = std::move(seeds[n]);
  }
}

#define SPIKELOOM_INSTANTIATE(V)                               \
  template void CpuSession<V>::clear_element(Element<V>&);     \
  template void CpuSession<V>::make_nodes(Element<V>&);        \
  template void CpuSession<V>::find_direct(Element<V>&) const; \
  template void CpuSession<V>::seed_links(Element<V>&);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
