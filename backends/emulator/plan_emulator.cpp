#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "backends/emulator/plan_emulator_private.hpp"
#include "snn/step_options.hpp"

namespace spikeloom::emulator {

void PlanEmulator::State::start() {
  slots = placed.longest_delay + 1;
  const mapping::TargetConstants& constants = plan.target.constants;
  slow_cycles = constants.tick_seconds * constants.clock;
  const bool may_be_fast =
      options.performance != Performance::kSlow && constants.fast_clock > constants.clock;
  tick_cycles = may_be_fast ? constants.tick_seconds * constants.fast_clock : slow_cycles;
  round_seconds.resize(placed.rounds);
  cores.resize(placed.cores.size());
  loads.resize(placed.cores.size());
  for (std::size_t c = 0; c < cores.size(); ++c) {
    const std::size_t neurons = placed.cores[c].neurons;
    cores[c].sums.assign(std::size_t{slots} * placed.cores[c].sums, 0);
    for (const LateConstant& start : placed.cores[c].at_start) {
      Word* const sum =
          &cores[c].sums[static_cast<std::size_t>(start.after % slots) * placed.cores[c].sums +
                         start.sum];
      if (numbers.is_ring()) {
        sum[start.value < 0 ? 1 : 0] += start.value < 0 ? -start.value : start.value;
      } else {
        *sum = words_are.sum(*sum, start.value);
      }
    }
    cores[c].neurons.assign(neurons, {});
    cores[c].by_round.assign(placed.rounds, 0.0);
  }
  population_of.assign(program.nodes.size(), -1);
  sent.resize(placed.populations.size());
  input_sums.resize(placed.populations.size());
  step_options_of.resize(placed.populations.size());
  shifts.resize(placed.populations.size());
  real_neurons.resize(placed.populations.size());
  for (std::size_t p = 0; p < placed.populations.size(); ++p) {
    const PlacedPopulation& population = placed.populations[p];
    population_of[population.node] = static_cast<std::int32_t>(p);
    if (is_outside(population.kind)) {
      input_sums[p].assign(population.slice.size(), 0);
    }
    for (const SlotPair& pair : population.pairs) {
      shifts[p].push_back(numbers.integer(pair.node).ring);
    }
    if (population.kind != PlacedKind::kNeuron) continue;
    const ProgramNode& node = program.nodes[population.node];
    const auto& neuron = std::get<op::Neuron>(node.operation);
    step_options_of[p] = step_options(node, neuron.coefficients, program.discretisation);
    const std::vector<double>& initial = neuron.coefficients.initial;
    for (std::size_t n = 0; words_are.is_real && n < population.slice.size(); ++n) {
      real_neurons[p].push_back(coefficients_of<float>(neuron.coefficients, n));
    }
    if (!neuron.coefficients.refractory.empty()) {
      for (const std::uint32_t s : population.slice) {
        CoreMemory& memory = cores[placed.slices[s].core];
        memory.waiting.resize(memory.neurons.size());
      }
    }
    for (std::uint32_t n = 0; n < initial.size(); ++n) {
      const PlacedSlice& slice = placed.slices[population.slice[n]];
      cores[slice.core].neurons[slice.first + population.within[n]].membrane =
          words_are.of(initial[n]);
    }
  }
  for (const PlacedSlice& slice : placed.slices) {
    route_number.emplace_back(slice.neurons.size(), ~std::uint32_t{0});
    if (is_outside(placed.populations[slice.population].kind)) continue;
    cores[slice.core].stepped += static_cast<std::uint32_t>(slice.neurons.size());
  }
  link_packets.assign(routes.links(), 0);
  link_now.assign(routes.links(), 0);
  link_most.assign(routes.links(), 0);
}

/// Recurrent layers forget h where the run says so.
void PlanEmulator::State::reset_units() {
  if (options.state_reset <= 0 || tick % options.state_reset != 0) return;
  for (const PlacedSlice& slice : placed.slices) {
    if (placed.populations[slice.population].kind != PlacedKind::kRecurrent) continue;
    for (std::uint32_t i = 0; i < slice.neurons.size(); ++i) {
      cores[slice.core].neurons[slice.first + i].membrane = 0;
    }
  }
}

/// Biases that reach their sums through delays.
void PlanEmulator::State::add_late_constants() {
  for (std::uint32_t core = 0; core < cores.size(); ++core) {
    const auto slot = static_cast<std::size_t>(tick % slots) * placed.cores[core].sums;
    for (const LateConstant& constant : placed.cores[core].late_constants) {
      if (tick < constant.after) continue;
      Word& sum = cores[core].sums[slot + constant.sum];
      sum = words_are.sum(sum, constant.value);
    }
  }
}

/// What a sum holds; its words begin anew. `first` is its first word among those of the core.
Word PlanEmulator::State::read_sum(const PlacedPopulation& population, const PlacedSlice& slice,
                                   std::uint32_t neuron, std::size_t first, std::size_t slot) {
  std::vector<Word>& sums = cores[slice.core].sums;
  const Word constant = placed.cores[slice.core].constant[first];
  Word value = words_are.sum(std::exchange(sums[slot + first], 0), constant);
  if (!numbers.is_ring()) return value;
  value -= std::exchange(sums[slot + first + 1], 0);
  const auto p = static_cast<std::size_t>(population_of[population.node]);
  const auto take = [&](std::size_t word, int shift, bool excitatory) {
    const Word held = std::exchange(sums[slot + first + word], 0);
    if (held <= kRingLimit) return held << shift;
    ++record.saturated;
    if (saturations.size() < options.most_losses) {
      saturations.push_back({tick, population.node, neuron, slice.core, excitatory});
    }
    return kRingLimit << shift;
  };
  for (std::size_t pair = 0; pair < shifts[p].size(); ++pair) {
    Word read = take(2 * pair + 2, shifts[p][pair].excitatory, true);
    read -= take(2 * pair + 3, shifts[p][pair].inhibitory, false);
    const std::vector<Word>& factor = population.pairs[pair].factor;
    value += factor.empty() ? read : read * factor[neuron];
  }
  return value;
}

/// Spikes that leave before any neuron of the tick reads its sum.
void PlanEmulator::State::send_early() {
  for (std::uint32_t s = 0; s < placed.slices.size(); ++s) {
    const PlacedSlice& slice = placed.slices[s];
    const PlacedPopulation& population = placed.populations[slice.population];
    if (!population.early) continue;
    for (std::uint32_t i = 0; i < slice.neurons.size(); ++i) {
      const Word value =
          early_spikes(population, slice.neurons[i], cores[slice.core].neurons[slice.first + i]);
      if (value == 0) continue;
      sent[slice.population].push_back(
          {population.node, slice.neurons[i], words_are.number(value)});
      ++loads[slice.core].spikes;
      send(s, i, value, 0.0);
    }
  }
}

/// Reads the sums of the core's neurons that step in this round, steps them, and sends what they
/// say.
void PlanEmulator::State::step_core(std::uint32_t core, std::uint32_t round) {
  const PlacedCore& here = placed.cores[core];
  CoreMemory& memory = cores[core];
  const auto slot = static_cast<std::size_t>(tick % slots) * here.sums;
  double done = memory.stepping;
  memory.before = memory.spent;
  std::vector<Word> sums;
  for (const std::uint32_t s : here.slices) {
    const PlacedSlice& slice = placed.slices[s];
    const PlacedPopulation& population = placed.populations[slice.population];
    if (population.round != round || is_outside(population.kind)) continue;
    const double each = plan.target.constants.cycles_neuron;
    const double cost = each * static_cast<double>(slice.neurons.size());
    memory.spent.neurons += cost;
    memory.by_round[round] += cost;
    sums.resize(population.sums);
    for (std::uint32_t i = 0; i < slice.neurons.size(); ++i) {
      for (std::uint32_t k = 0; k < population.sums; ++k) {
        const std::size_t sum = std::size_t{i} * population.sums + k;
        sums[k] = read_sum(population, slice, slice.neurons[i],
                           slice.first_sum + sum * population.words, slot);
      }
      const Word value = step_neuron(population, slice.neurons[i], memory, slice.first + i, sums);
      if (value == 0) continue;
      sent[slice.population].push_back(
          {population.node, slice.neurons[i], words_are.number(value)});
      if (population.kind == PlacedKind::kSum) continue;
      ++loads[core].spikes;
      send(s, i, value, done + each * (i + 1));
    }
    done += cost;
  }
  memory.stepping = done;
}

const PacketRoute& PlanEmulator::State::route_of(std::uint32_t slice, std::uint32_t within) {
  std::uint32_t& number = route_number[slice][within];
  if (number != ~std::uint32_t{0}) return known_routes[number];
  PacketRoute route;
  if (routes.has_tables()) {
    route =
        routes.follow(plan.slices[slice].key | within, plan.cores[placed.slices[slice].core].chip);
  } else {
    route =
        routes.messages(placed.slices[slice].listeners, plan.cores[placed.slices[slice].core].chip);
  }
  // Neurons of one slice mostly share their way.
  if (within > 0 && route_number[slice][within - 1] != ~std::uint32_t{0}) {
    const PacketRoute& last = known_routes[route_number[slice][within - 1]];
    if (last == route) {
      number = route_number[slice][within - 1];
      return known_routes[number];
    }
  }
  number = static_cast<std::uint32_t>(known_routes.size());
  known_routes.push_back(std::move(route));
  return known_routes.back();
}

/// `cycles` of the core since it began with this round's neurons.
void PlanEmulator::State::send(std::uint32_t slice, std::uint32_t within, Word value,
                               double cycles) {
  ++record.events;
  if (placed.slices[slice].listeners.empty()) return;
  ++record.packets;
  ++loads[placed.slices[slice].core].sent;
  const PacketRoute& route = route_of(slice, within);
  record.hops += route.links.size();
  for (const std::uint32_t link : route.links) {
    ++link_packets[link];
    ++link_now[link];
  }
  note_drops(route, slice, within);
  if (network) {
    outgoing.push_back({slice, within, value, cycles});
    return;
  }
  for (const std::uint32_t core : route.cores) deliver(core, {slice, within, value, tick});
}

void PlanEmulator::State::deliver(std::uint32_t core, const Received& packet) {
  ++record.deliveries;
  ++loads[core].packets;
  cores[core].queue.push_back(packet);
}

/// Cores that hold synapses of the neuron and are not among those its packet reached.
void PlanEmulator::State::note_drops(const PacketRoute& route, std::uint32_t slice,
                                     std::uint32_t within) {
  for (const std::uint32_t core : placed.slices[slice].listeners) {
    if (std::binary_search(route.cores.begin(), route.cores.end(), core)) continue;
    if (!placed.cores[core].find(slice)->has_effect(within)) continue;
    ++record.dropped;
    note(LossKind::kDropped, tick, slice, within, core);
  }
}

void PlanEmulator::State::note(LossKind kind, std::int64_t from_tick, std::uint32_t slice,
                               std::uint32_t within, std::uint32_t core) {
  if (losses.size() >= options.most_losses) return;
  const PlacedSlice& from = placed.slices[slice];
  losses.push_back({kind, tick, from_tick, placed.populations[from.population].node,
                    from.neurons[within], core});
}

/// What a packet costs a core that gets it.
double PlanEmulator::State::row_cycles(std::uint32_t core, std::uint32_t slice,
                                       std::uint32_t within) const {
  const RowBlock* block = placed.cores[core].find(slice);
  const std::uint32_t events =
      block == nullptr ? 0 : block->start[within + 1] - block->start[within];
  const mapping::TargetConstants& constants = plan.target.constants;
  return constants.cycles_packet + events * constants.cycles_synapse;
}

/// Walks the rows of the packets that wait at a core, as far as its tick lasts.
void PlanEmulator::State::work_off_packets(std::uint32_t core, std::uint32_t round) {
  const mapping::TargetConstants& constants = plan.target.constants;
  CoreMemory& memory = cores[core];
  if (words_are.is_real && !network) sort_by_sender(memory.queue);
  std::size_t done = 0;
  for (; done < memory.queue.size(); ++done) {
    const Received& packet = memory.queue[done];
    const RowBlock* block = placed.cores[core].find(packet.slice);
    const std::uint32_t events =
        block == nullptr ? 0 : block->start[packet.within + 1] - block->start[packet.within];
    const double cost = row_cycles(core, packet.slice, packet.within);
    if (network) {
      if (!finishes(core, packet, cost)) break;
    } else if (options.real_time && tick_cycles > 0.0 && memory.cycles + cost > tick_cycles) {
      break;
    }
    memory.cycles += cost;
    memory.by_round[round] += cost;
    memory.spent.packets += constants.cycles_packet;
    memory.spent.synapses += events * constants.cycles_synapse;
    if (events == 0) {
      ++record.unused;
      continue;
    }
    if (packet.sent != tick) {
      ++record.late;
      ++loads[core].late;
      note(LossKind::kLate, packet.sent, packet.slice, packet.within, core);
    }
    record.synaptic_events += events;
    loads[core].synaptic_events += events;
  }
  // In which order packets came decides about time alone.
  const std::span worked_off(memory.queue.data(), done);
  if (words_are.is_real && network) sort_by_sender(worked_off);
  for (const Received& packet : worked_off) add_row(core, packet);
  memory.queue.erase(memory.queue.begin(),
                     memory.queue.begin() + static_cast<std::ptrdiff_t>(done));
}

/// Sums of real numbers depend on the order: this one does not depend on the mapping.
void PlanEmulator::State::sort_by_sender(std::span<Received> queue) const {
  const auto sender = [this](const Received& packet) {
    const PlacedSlice& slice = placed.slices[packet.slice];
    return std::tuple(packet.sent, placed.populations[slice.population].node,
                      slice.neurons[packet.within]);
  };
  std::sort(queue.begin(), queue.end(),
            [&](const Received& a, const Received& b) { return sender(a) < sender(b); });
}

void PlanEmulator::State::add_row(std::uint32_t core, const Received& packet) {
  const PlacedCore& here = placed.cores[core];
  const RowBlock* found = here.find(packet.slice);
  if (found == nullptr) return;
  const RowBlock& block = *found;
  std::vector<Word>& sums = cores[core].sums;
  const auto now = static_cast<std::uint32_t>(tick % slots);
  const auto walk = [&](auto add) {
    for (std::uint32_t k = block.start[packet.within]; k != block.start[packet.within + 1]; ++k) {
      const PlacedSynapse& synapse = block.synapses[k];
      const std::uint32_t slot = (now + synapse.delay) % slots;
      add(&sums[std::size_t{slot} * here.sums + synapse.sum], synapse.weight);
    }
  };
  if (words_are.is_real) {
    const float value = WordFormat::real(packet.value);
    walk([value](Word* sum, Word weight) {
      *sum = WordFormat::of_real(WordFormat::real(*sum) + WordFormat::real(weight) * value);
    });
  } else if (numbers.is_ring()) {
    walk([value = packet.value](Word* slots_of_sum, Word weight) {
      const Word product = weight * value;
      slots_of_sum[product < 0 ? 1 : 0] += product < 0 ? -product : product;
    });
  } else {
    walk([value = packet.value](Word* sum, Word weight) { *sum += weight * value; });
  }
}

/// Counts what a core did in the tick, at the level that it did it at.
void PlanEmulator::State::close_core(std::uint32_t core) {
  const mapping::TargetConstants& constants = plan.target.constants;
  CoreMemory& memory = cores[core];
  PlanCoreLoad& load = loads[core];
  const bool is_fast =
      network ? memory.is_fast
              : tick_cycles > slow_cycles &&
                    (options.performance == Performance::kFast || memory.cycles > slow_cycles);
  const double limit = is_fast ? tick_cycles : slow_cycles;
  const bool ends_late =
      network && memory.now - tick_start > picoseconds(plan.target.constants.tick_seconds);
  if (limit > 0.0 && (memory.cycles > limit || ends_late || !memory.queue.empty())) {
    ++record.overruns;
    ++load.overruns;
    if (overruns.size() < options.most_losses) overruns.push_back({tick, core, memory.cycles});
  }
  if (memory.cycles > record.most_cycles) {
    record.most_cycles = memory.cycles;
    record.busiest_core = core;
  }
  load.cycles += memory.cycles;
  load.most_cycles = std::max(load.most_cycles, memory.cycles);
  double wanted = memory.cycles;
  for (const Received& packet : memory.queue) {
    wanted += row_cycles(core, packet.slice, packet.within);
  }
  load.most_wanted = std::max(load.most_wanted, wanted);
  (is_fast ? record.fast : record.slow).add(memory.spent);
  const double clock = is_fast ? constants.fast_clock : constants.clock;
  for (std::size_t round = 0; round < round_seconds.size() && clock > 0.0; ++round) {
    round_seconds[round] = std::max(round_seconds[round], memory.by_round[round] / clock);
  }
}

void PlanEmulator::State::finish_tick() {
  std::fill(round_seconds.begin(), round_seconds.end(), 0.0);
  for (std::uint32_t core = 0; core < cores.size(); ++core) close_core(core);
  record.busy_seconds = std::accumulate(round_seconds.begin(), round_seconds.end(), 0.0);
  if (network) record.busy_seconds = busy_seconds();
  const double period = plan.target.constants.tick_seconds;
  record.seconds = record.busy_seconds;
  if (!options.free_running && (options.real_time || period > record.seconds)) {
    record.seconds = period;
  }
  if (options.keep_ticks) {
    KeptTick& now = kept.emplace_back();
    now.record = record;
    for (const CoreMemory& memory : cores) {
      now.core_cycles.push_back(static_cast<float>(memory.cycles));
    }
    for (std::uint32_t link = 0; link < link_now.size(); ++link) {
      if (link_now[link] == 0) continue;
      now.links.push_back({link, static_cast<std::uint32_t>(link_now[link])});
    }
  }
  for (std::size_t link = 0; link < link_now.size(); ++link) {
    link_most[link] = std::max(link_most[link], std::exchange(link_now[link], 0));
  }
  for (auto& events : sent) {
    std::sort(events.begin(), events.end(),
              [](const PlacedEvent& a, const PlacedEvent& b) { return a.index < b.index; });
  }
  collect_outputs();
  total.add(record);
  tick_start += picoseconds(record.seconds);
  ++tick;
}

PlanEmulator::PlanEmulator(std::unique_ptr<State> state) : state_(std::move(state)) {}
PlanEmulator::~PlanEmulator() = default;
PlanEmulator::PlanEmulator(PlanEmulator&&) noexcept = default;
PlanEmulator& PlanEmulator::operator=(PlanEmulator&&) noexcept = default;

Result<PlanEmulator> PlanEmulator::create(const Program& program, const mapping::Plan& plan,
                                          const PlanOptions& options,
                                          const mapping::PlanImages* images) {
  SPIKELOOM_TRY(CoreNumbers numbers, CoreNumbers::of(program, options.arithmetic));
  auto state = std::make_unique<State>(program, std::move(numbers), plan, options);
  SPIKELOOM_TRY(state->placed, place_program(program, state->numbers, plan, images));
  state->start();
  state->start_network();
  SPIKELOOM_CHECK(state->find_words());
  SPIKELOOM_CHECK(state->find_outputs());
  return PlanEmulator(std::move(state));
}

Status PlanEmulator::tick(std::span<const PlacedEvent> input) {
  State& s = *state_;
  s.record = {};
  for (auto& events : s.sent) events.clear();
  const mapping::TargetConstants& constants = s.plan.target.constants;
  const auto all = static_cast<std::uint32_t>(s.cores.size());
  for (std::uint32_t core = 0; core < all; ++core) {
    CoreMemory& memory = s.cores[core];
    memory.cycles = constants.cycles_tick + memory.stepped * constants.cycles_neuron;
    memory.spent = {.tick = constants.cycles_tick};
    std::fill(memory.by_round.begin(), memory.by_round.end(), 0.0);
    memory.by_round[0] = constants.cycles_tick;
    memory.stepping = constants.cycles_tick;
    memory.before = {};
  }
  s.reset_units();
  s.add_late_constants();
  if (s.network) s.begin_timed_tick();
  SPIKELOOM_CHECK(s.take_input(input));
  s.send_early();
  // What came from outside is added up before the neurons look: it may count in this very tick.
  const std::uint32_t last = s.placed.rounds - 1;
  for (std::uint32_t round = 0; round <= last; ++round) {
    if (s.network && s.acts_at_once) {
      if (round == 0) s.post_packets();
      s.travel();
    }
    for (std::uint32_t core = 0; core < all && (!s.network || s.acts_at_once); ++core) {
      s.work_off_packets(core, round);
    }
    for (std::uint32_t core = 0; core < all; ++core) s.step_core(core, round);
    if (s.network) s.post_packets();
    if (s.network && round < last) s.meet();
  }
  if (s.network) s.travel();
  for (std::uint32_t core = 0; core < all; ++core) s.work_off_packets(core, last);
  s.finish_tick();
  return {};
}

}  // namespace spikeloom::emulator
