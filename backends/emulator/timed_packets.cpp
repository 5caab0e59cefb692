/// Timing::kEvents: when cores step and send, when packets arrive, and until when a core is busy.

#include <algorithm>
#include <limits>
#include <utility>

#include "backends/emulator/plan_emulator_private.hpp"

namespace spikeloom::emulator {

void PlanEmulator::State::start_network() {
  if (options.timing == Timing::kAnalytic) return;
  network = std::make_unique<PacketNetwork>(plan.target.constants, routes);
  for (const PlacedCore& core : placed.cores) {
    for (const RowBlock& block : core.blocks) {
      acts_at_once |= std::any_of(block.synapses.begin(), block.synapses.end(),
                                  [](const PlacedSynapse& s) { return s.delay == 0; });
    }
  }
}

double PlanEmulator::State::clock_of(const CoreMemory& memory) const {
  const mapping::TargetConstants& constants = plan.target.constants;
  return memory.is_fast ? constants.fast_clock : constants.clock;
}

namespace {

/// No clock, no time.
Picoseconds duration(double cycles, double clock) {
  return clock > 0.0 ? picoseconds(cycles / clock) : 0;
}

}  // namespace

void PlanEmulator::State::begin_timed_tick() {
  const bool is_fast = options.performance == Performance::kFast && tick_cycles > slow_cycles;
  for (CoreMemory& memory : cores) {
    memory.is_fast = is_fast;
    memory.now = tick_start;
  }
}

/// A core takes the fast level as soon as it knows of more work than the slow one's tick holds.
void PlanEmulator::State::choose_levels() {
  if (tick_cycles <= slow_cycles) return;
  std::vector<double> cycles;
  for (const CoreMemory& memory : cores) {
    double& all = cycles.emplace_back(memory.cycles);
    const auto core = static_cast<std::uint32_t>(cycles.size() - 1);
    for (const Received& packet : memory.queue) {
      all += row_cycles(core, packet.slice, packet.within);
    }
  }
  for (const Outgoing& packet : outgoing) {
    for (const std::uint32_t core : route_of(packet.slice, packet.within).cores) {
      cycles[core] += row_cycles(core, packet.slice, packet.within);
    }
  }
  for (std::uint32_t core = 0; core < cores.size(); ++core) {
    CoreMemory& memory = cores[core];
    if (memory.is_fast || cycles[core] <= slow_cycles) continue;
    memory.is_fast = true;
    // What it has done before counts at the slow level.
    record.slow.add(memory.before);
    memory.spent.subtract(memory.before);
  }
}

/// Hands this round's packets to the network, each at the time at which its neuron was done.
void PlanEmulator::State::post_packets() {
  if (options.performance == Performance::kByLoad) choose_levels();
  for (const Outgoing& packet : outgoing) {
    const CoreMemory& sender = cores[placed.slices[packet.slice].core];
    const Picoseconds when = sender.now + duration(packet.cycles, clock_of(sender));
    const std::uint32_t number = network->send(route_of(packet.slice, packet.within), when);
    if (number >= travelling.size()) travelling.resize(std::size_t{number} + 1);
    travelling[number] = {packet.slice, packet.within, packet.value, tick};
  }
  outgoing.clear();
  for (CoreMemory& memory : cores) {
    memory.now += duration(std::exchange(memory.stepping, 0.0), clock_of(memory));
  }
}

/// Moves packets, until all have arrived or, in real time, until the tick ends.
void PlanEmulator::State::travel() {
  const double period = plan.target.constants.tick_seconds;
  const bool stops = options.real_time && period > 0.0;
  travel_until(stops ? tick_start + picoseconds(period) : std::numeric_limits<Picoseconds>::max());
}

/// What is on its way when the run ends.
void PlanEmulator::State::arrive_at_last() {
  travel_until(std::numeric_limits<Picoseconds>::max());
}

void PlanEmulator::State::travel_until(Picoseconds end) {
  network->run(end);
  for (const PacketNetwork::Arrival& arrival : network->arrivals()) {
    const Travelling& packet = travelling[arrival.packet];
    deliver(arrival.core, {packet.slice, packet.within, packet.value, packet.sent, arrival.time});
  }
  network->arrivals().clear();
  for (const PacketNetwork::Lost& lost : network->lost()) {
    const Travelling& packet = travelling[lost.packet];
    const RowBlock* block = placed.cores[lost.core].find(packet.slice);
    if (block == nullptr || !block->has_effect(packet.within)) continue;
    ++record.dropped;
    note(LossKind::kTimedOut, packet.sent, packet.slice, packet.within, lost.core);
  }
  network->lost().clear();
  const NetworkCounts counts = network->take_counts();
  record.timed_out += counts.timed_out;
  record.reinjected += counts.reinjected;
  network->forget();
}

/// Rounds follow each other: none begins before the slowest core is done with the last.
void PlanEmulator::State::meet() {
  Picoseconds last = 0;
  for (const CoreMemory& memory : cores) last = std::max(last, memory.now);
  for (CoreMemory& memory : cores) memory.now = last;
}

/// The core takes up a packet when it is there and those before it are done. False: it would not be
/// done with it before the tick ends, and the packet waits.
bool PlanEmulator::State::finishes(std::uint32_t core, const Received& packet, double cycles) {
  CoreMemory& memory = cores[core];
  const Picoseconds end = std::max(memory.now, packet.arrived) + duration(cycles, clock_of(memory));
  const double period = plan.target.constants.tick_seconds;
  if (options.real_time && period > 0.0 && end > tick_start + picoseconds(period)) return false;
  memory.now = end;
  return true;
}

double PlanEmulator::State::busy_seconds() const {
  Picoseconds last = tick_start;
  for (const CoreMemory& memory : cores) last = std::max(last, memory.now);
  return 1e-12 * static_cast<double>(last - tick_start);
}

}  // namespace spikeloom::emulator
