/// What a PlanEmulator says of its run.

#include <algorithm>

#include "backends/emulator/plan_emulator_private.hpp"

namespace spikeloom::emulator {

void SpentCycles::add(const SpentCycles& other) {
  tick += other.tick;
  neurons += other.neurons;
  packets += other.packets;
  synapses += other.synapses;
}

void SpentCycles::subtract(const SpentCycles& other) {
  add({-other.tick, -other.neurons, -other.packets, -other.synapses});
}

void TickRecord::add(const TickRecord& other) {
  seconds += other.seconds;
  busy_seconds += other.busy_seconds;
  slow.add(other.slow);
  fast.add(other.fast);
  events += other.events;
  packets += other.packets;
  deliveries += other.deliveries;
  unused += other.unused;
  hops += other.hops;
  synaptic_events += other.synaptic_events;
  dropped += other.dropped;
  timed_out += other.timed_out;
  reinjected += other.reinjected;
  late += other.late;
  overruns += other.overruns;
  saturated += other.saturated;
  if (other.most_cycles > most_cycles) {
    most_cycles = other.most_cycles;
    busiest_core = other.busiest_core;
  }
}

void PlanEmulator::finish() {
  State& s = *state_;
  s.record = {};
  if (s.network) s.arrive_at_last();
  for (std::uint32_t core = 0; core < s.cores.size(); ++core) {
    for (const Received& packet : s.cores[core].queue) {
      const RowBlock* block = s.placed.cores[core].find(packet.slice);
      if (block == nullptr || !block->has_effect(packet.within)) continue;
      ++s.record.dropped;
      s.note(LossKind::kUnfinished, packet.sent, packet.slice, packet.within, core);
    }
    s.cores[core].queue.clear();
  }
  s.total.add(s.record);
}

std::int64_t PlanEmulator::ticks_done() const { return state_->tick; }
const TickRecord& PlanEmulator::last() const { return state_->record; }
TickRecord PlanEmulator::total() const { return state_->total; }
const std::vector<Loss>& PlanEmulator::losses() const { return state_->losses; }
const std::vector<Overrun>& PlanEmulator::overruns() const { return state_->overruns; }
const std::vector<Saturation>& PlanEmulator::saturations() const { return state_->saturations; }
const std::vector<KeptTick>& PlanEmulator::history() const { return state_->kept; }
const std::vector<PlanCoreLoad>& PlanEmulator::core_loads() const { return state_->loads; }
const PlanProgram& PlanEmulator::placed() const { return state_->placed; }
double PlanEmulator::cycles_of_a_tick() const { return state_->tick_cycles; }

const std::vector<PlacedEvent>& PlanEmulator::sent(std::uint32_t node) const {
  static const std::vector<PlacedEvent> kNothing;
  const std::int32_t p = node < state_->population_of.size() ? state_->population_of[node] : -1;
  if (p >= 0) return state_->sent[static_cast<std::size_t>(p)];
  const auto output = std::find_if(state_->outputs.begin(), state_->outputs.end(),
                                   [&](const DirectOutput& o) { return o.node == node; });
  return output == state_->outputs.end() ? kNothing : output->arrived;
}

bool PlanEmulator::sends(std::uint32_t node) const {
  const State& s = *state_;
  return (node < s.population_of.size() && s.population_of[node] >= 0) ||
         std::any_of(s.outputs.begin(), s.outputs.end(),
                     [&](const DirectOutput& o) { return o.node == node; });
}

double PlanEmulator::membrane(std::uint32_t node, std::uint32_t neuron) const {
  const std::int32_t p = node < state_->population_of.size() ? state_->population_of[node] : -1;
  if (p < 0) return 0.0;
  const PlacedPopulation& population = state_->placed.populations[static_cast<std::size_t>(p)];
  if (population.kind != PlacedKind::kNeuron || neuron >= population.slice.size()) return 0.0;
  const PlacedSlice& slice = state_->placed.slices[population.slice[neuron]];
  return state_->words_are.number(
      state_->cores[slice.core].neurons[slice.first + population.within[neuron]].membrane);
}

std::vector<PlanLinkLoad> PlanEmulator::link_loads() const {
  std::vector<PlanLinkLoad> loads;
  for (std::uint32_t link = 0; link < state_->link_packets.size(); ++link) {
    if (state_->link_packets[link] == 0) continue;
    PlanLinkLoad load = {link / 6, static_cast<std::uint8_t>(link % 6), state_->link_packets[link],
                         state_->link_most[link]};
    if (state_->network) {
      load.timed_out = state_->network->link_timeouts()[link];
      load.busy_seconds = 1e-12 * static_cast<double>(state_->network->link_busy()[link]);
    }
    loads.push_back(load);
  }
  return loads;
}

}  // namespace spikeloom::emulator
