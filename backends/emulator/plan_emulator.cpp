#include "backends/emulator/plan_emulator.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "backends/emulator/packet_routes_private.hpp"
#include "snn/step_options.hpp"

namespace spikeloom::emulator {
namespace {

using Coefficients = equations::Coefficients<std::int32_t>;
using NeuronState = equations::State<std::int32_t>;

/// A packet in the queue of a core.
struct Received {
  std::uint32_t slice = 0, within = 0;
  std::int32_t value = 0;
  std::int64_t sent = 0;  ///< tick
};

/// An Output that records what populations sent, some ticks ago.
struct DirectOutput {
  struct Source {
    std::uint32_t population = 0;
    std::int64_t delay = 0;
  };
  std::uint32_t node = 0;
  std::vector<Source> sources;
  std::vector<PlacedEvent> arrived;
};

struct CoreMemory {
  std::vector<std::int32_t> sums;  ///< (tick modulo slots, neuron)
  std::vector<NeuronState> neurons;
  std::vector<Received> queue;
  double cycles = 0.0;  ///< of this tick, so far
};

std::int32_t at_or(const std::vector<std::int32_t>& values, std::uint32_t i) {
  return values.empty() ? 0 : values[i];
}

Coefficients coefficients_of(const IntegerNeurons& n, std::uint32_t i) {
  return {.current_decay = at_or(n.current_decay, i),
          .current_gain = at_or(n.current_gain, i),
          .decay = at_or(n.decay, i),
          .gain = at_or(n.gain, i),
          .drive = at_or(n.drive, i),
          .threshold = at_or(n.threshold, i),
          .reset = at_or(n.reset, i),
          .clamp = at_or(n.clamp, i)};
}

}  // namespace

void TickRecord::add(const TickRecord& other) {
  events += other.events;
  packets += other.packets;
  deliveries += other.deliveries;
  unused += other.unused;
  hops += other.hops;
  synaptic_events += other.synaptic_events;
  dropped += other.dropped;
  late += other.late;
  overruns += other.overruns;
  if (other.most_cycles > most_cycles) {
    most_cycles = other.most_cycles;
    busiest_core = other.busiest_core;
  }
}

struct PlanEmulator::State {
  State(const Program& p, const IntegerProgram& i, const mapping::Plan& m, const PlanOptions& o)
      : program(p), integer(i), plan(m), options(o), routes(plan) {}

  void start();
  Status find_outputs();
  Status follow_output(std::uint32_t at, std::int64_t delay, DirectOutput& output) const;
  void collect_outputs();
  Status take_input(std::span<const PlacedEvent> input);
  void step_core(std::uint32_t core);
  std::int32_t step_neuron(const PlacedPopulation& population, std::uint32_t neuron,
                           NeuronState& state, std::int32_t sum) const;
  void send(std::uint32_t slice, std::uint32_t within, std::int32_t value);
  const PacketRoute& route_of(std::uint32_t slice, std::uint32_t within);
  void note_drops(const PacketRoute& route, std::uint32_t slice, std::uint32_t within);
  void work_off_packets(std::uint32_t core);
  void add_row(std::uint32_t core, const Received& packet);
  void note(LossKind kind, std::uint32_t slice, std::uint32_t within, std::uint32_t core);
  void finish_tick();

  const Program& program;
  IntegerProgram integer;
  mapping::Plan plan;
  PlanOptions options;
  PacketRoutes routes;
  PlanProgram placed;
  std::uint32_t slots = 1;
  double tick_cycles = 0.0;
  std::vector<CoreMemory> cores;
  std::vector<equations::StepOptions> step_options_of;  ///< by population
  std::vector<std::int32_t> population_of;              ///< by node
  std::vector<std::vector<PlacedEvent>> sent;           ///< by population
  std::vector<DirectOutput> outputs;
  std::vector<std::vector<std::vector<PlacedEvent>>> history;  ///< of `sent`, by tick modulo length
  std::vector<std::vector<std::int32_t>> input_sums;           ///< by population
  std::vector<std::vector<std::uint32_t>> route_number;        ///< by slice and neuron
  std::vector<PacketRoute> known_routes;
  std::vector<std::uint64_t> link_packets, link_now, link_most;
  std::vector<PlanCoreLoad> loads;
  std::vector<Loss> losses;
  TickRecord record, total;
  std::int64_t tick = 0;
};

void PlanEmulator::State::start() {
  slots = placed.longest_delay + 1;
  const mapping::TargetConstants& constants = plan.target.constants;
  tick_cycles = constants.tick_seconds * constants.clock;
  cores.resize(placed.cores.size());
  loads.resize(placed.cores.size());
  for (std::size_t c = 0; c < cores.size(); ++c) {
    const std::size_t neurons = placed.cores[c].neurons;
    cores[c].sums.assign(slots * neurons, 0);
    cores[c].neurons.assign(neurons, {});
  }
  population_of.assign(program.nodes.size(), -1);
  sent.resize(placed.populations.size());
  input_sums.resize(placed.populations.size());
  step_options_of.resize(placed.populations.size());
  for (std::size_t p = 0; p < placed.populations.size(); ++p) {
    const PlacedPopulation& population = placed.populations[p];
    population_of[population.node] = static_cast<std::int32_t>(p);
    if (population.kind == PlacedKind::kInput) input_sums[p].assign(population.slice.size(), 0);
    if (population.kind != PlacedKind::kNeuron) continue;
    const ProgramNode& node = program.nodes[population.node];
    const auto& neuron = std::get<op::Neuron>(node.operation);
    step_options_of[p] = step_options(node, neuron.coefficients, program.discretisation);
    const std::vector<std::int32_t>& initial = integer.nodes[population.node].neurons.initial;
    for (std::uint32_t n = 0; n < initial.size(); ++n) {
      const PlacedSlice& slice = placed.slices[population.slice[n]];
      cores[slice.core].neurons[slice.first + population.within[n]].membrane = initial[n];
    }
  }
  for (const PlacedSlice& slice : placed.slices) {
    route_number.emplace_back(slice.neurons.size(), ~std::uint32_t{0});
  }
  link_packets.assign(routes.links(), 0);
  link_now.assign(routes.links(), 0);
  link_most.assign(routes.links(), 0);
}

Status PlanEmulator::State::follow_output(std::uint32_t at, std::int64_t delay,
                                          DirectOutput& output) const {
  for (const Link& link : program.nodes[at].inputs) {
    const std::int64_t total_delay = delay + link.delay;
    const std::int32_t population = population_of[link.source];
    if (population >= 0) {
      output.sources.push_back({static_cast<std::uint32_t>(population), total_delay});
    } else if (std::holds_alternative<op::Identity>(program.nodes[link.source].operation)) {
      SPIKELOOM_CHECK(follow_output(link.source, total_delay, output));
    } else {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "an Output behind this node is not emulated",
                   .where = program.nodes[link.source].name};
    }
  }
  return {};
}

Status PlanEmulator::State::find_outputs() {
  std::int64_t longest = 0;
  for (const std::uint32_t node : program.outputs) {
    if (population_of[node] >= 0) continue;
    DirectOutput output;
    output.node = node;
    SPIKELOOM_CHECK(follow_output(node, 0, output));
    for (const auto& source : output.sources) longest = std::max(longest, source.delay);
    outputs.push_back(std::move(output));
  }
  history.resize(static_cast<std::size_t>(longest) + 1);
  return {};
}

/// Adds up what arrives at the Outputs in this tick.
void PlanEmulator::State::collect_outputs() {
  const auto length = static_cast<std::int64_t>(history.size());
  history[static_cast<std::size_t>(tick % length)] = sent;
  for (DirectOutput& output : outputs) {
    std::map<std::uint32_t, std::int32_t> sums;
    for (const auto& source : output.sources) {
      if (source.delay > tick) continue;
      const auto& then = history[static_cast<std::size_t>((tick - source.delay) % length)];
      for (const PlacedEvent& event : then[source.population]) sums[event.index] += event.value;
    }
    output.arrived.clear();
    for (const auto& [index, value] : sums) {
      if (value != 0) output.arrived.push_back({output.node, index, value});
    }
  }
}

/// Adds up the events of each input neuron and sends those that are not 0.
Status PlanEmulator::State::take_input(std::span<const PlacedEvent> input) {
  for (const PlacedEvent& event : input) {
    const std::int32_t p = event.node < population_of.size() ? population_of[event.node] : -1;
    if (p < 0 || placed.populations[static_cast<std::size_t>(p)].kind != PlacedKind::kInput ||
        event.index >= placed.populations[static_cast<std::size_t>(p)].slice.size()) {
      return Error{
          .code = ErrorCode::kShape,
          .what = "an event lies outside the inputs",
          .where = fmt::format("tick {}, node {}, element {}", tick, event.node, event.index)};
    }
  }
  for (const PlacedEvent& event : input) {
    input_sums[static_cast<std::size_t>(population_of[event.node])][event.index] += event.value;
  }
  for (std::size_t p = 0; p < placed.populations.size(); ++p) {
    const PlacedPopulation& population = placed.populations[p];
    for (std::uint32_t n = 0; n < input_sums[p].size(); ++n) {
      const std::int32_t value = std::exchange(input_sums[p][n], 0);
      if (value == 0) continue;
      sent[p].push_back({population.node, n, value});
      send(population.slice[n], population.within[n], value);
    }
  }
  return {};
}

std::int32_t PlanEmulator::State::step_neuron(const PlacedPopulation& population,
                                              std::uint32_t neuron, NeuronState& state,
                                              std::int32_t sum) const {
  const IntegerNode& node = integer.nodes[population.node];
  switch (population.kind) {
    case PlacedKind::kInput:
      return 0;
    case PlacedKind::kSum:
      return sum;
    case PlacedKind::kThreshold:
      return sum > node.threshold[neuron] ? 1 : 0;
    case PlacedKind::kNeuron:
      break;
  }
  const auto p = static_cast<std::size_t>(population_of[population.node]);
  std::int32_t before = 0;
  const std::int32_t spikes = equations::step(state, sum, coefficients_of(node.neurons, neuron),
                                              step_options_of[p], before);
  return step_options_of[p].spiking ? spikes : state.membrane;
}

/// Reads the sums of the core's neurons, steps them, and sends what they say.
void PlanEmulator::State::step_core(std::uint32_t core) {
  const PlacedCore& here = placed.cores[core];
  CoreMemory& memory = cores[core];
  const auto slot = static_cast<std::size_t>(tick % slots) * here.neurons;
  for (const LateConstant& constant : here.late_constants) {
    if (tick >= constant.after) memory.sums[slot + constant.neuron] += constant.value;
  }
  for (const std::uint32_t s : here.slices) {
    const PlacedSlice& slice = placed.slices[s];
    const PlacedPopulation& population = placed.populations[slice.population];
    if (population.kind == PlacedKind::kInput) continue;
    for (std::uint32_t i = 0; i < slice.neurons.size(); ++i) {
      const std::uint32_t n = slice.first + i;
      const std::int32_t sum = std::exchange(memory.sums[slot + n], 0) + here.constant[n];
      const std::int32_t value = step_neuron(population, slice.neurons[i], memory.neurons[n], sum);
      if (value == 0) continue;
      sent[slice.population].push_back({population.node, slice.neurons[i], value});
      if (population.kind == PlacedKind::kSum) continue;
      ++loads[core].spikes;
      send(s, i, value);
    }
  }
}

const PacketRoute& PlanEmulator::State::route_of(std::uint32_t slice, std::uint32_t within) {
  std::uint32_t& number = route_number[slice][within];
  if (number != ~std::uint32_t{0}) return known_routes[number];
  PacketRoute route;
  if (routes.has_tables()) {
    route =
        routes.follow(plan.slices[slice].key | within, plan.cores[placed.slices[slice].core].chip);
  } else {
    route.cores = placed.slices[slice].listeners;
  }
  // Neurons of one slice mostly share their way.
  if (within > 0 && route_number[slice][within - 1] != ~std::uint32_t{0}) {
    const PacketRoute& last = known_routes[route_number[slice][within - 1]];
    if (last.cores == route.cores && last.links == route.links && last.drops == route.drops) {
      number = route_number[slice][within - 1];
      return known_routes[number];
    }
  }
  number = static_cast<std::uint32_t>(known_routes.size());
  known_routes.push_back(std::move(route));
  return known_routes.back();
}

void PlanEmulator::State::send(std::uint32_t slice, std::uint32_t within, std::int32_t value) {
  ++record.events;
  if (placed.slices[slice].listeners.empty()) return;
  ++record.packets;
  const PacketRoute& route = route_of(slice, within);
  record.hops += route.links.size();
  for (const std::uint32_t link : route.links) {
    ++link_packets[link];
    ++link_now[link];
  }
  for (const std::uint32_t core : route.cores) {
    ++record.deliveries;
    ++loads[core].packets;
    cores[core].queue.push_back({slice, within, value, tick});
  }
  note_drops(route, slice, within);
}

/// Cores that hold synapses of the neuron and are not among those its packet reached.
void PlanEmulator::State::note_drops(const PacketRoute& route, std::uint32_t slice,
                                     std::uint32_t within) {
  for (const std::uint32_t core : placed.slices[slice].listeners) {
    if (std::binary_search(route.cores.begin(), route.cores.end(), core)) continue;
    if (!placed.cores[core].find(slice)->has_effect(within)) continue;
    ++record.dropped;
    note(LossKind::kDropped, slice, within, core);
  }
}

void PlanEmulator::State::note(LossKind kind, std::uint32_t slice, std::uint32_t within,
                               std::uint32_t core) {
  if (losses.size() >= options.most_losses) return;
  const PlacedSlice& from = placed.slices[slice];
  losses.push_back(
      {kind, tick, placed.populations[from.population].node, from.neurons[within], core});
}

/// Walks the rows of the packets that wait at a core, as far as its tick lasts.
void PlanEmulator::State::work_off_packets(std::uint32_t core) {
  const mapping::TargetConstants& constants = plan.target.constants;
  CoreMemory& memory = cores[core];
  std::size_t done = 0;
  for (; done < memory.queue.size(); ++done) {
    const Received& packet = memory.queue[done];
    const RowBlock* block = placed.cores[core].find(packet.slice);
    const std::uint32_t events =
        block == nullptr ? 0 : block->start[packet.within + 1] - block->start[packet.within];
    const double cost = constants.cycles_packet + events * constants.cycles_synapse;
    if (options.real_time && tick_cycles > 0.0 && memory.cycles + cost > tick_cycles) break;
    memory.cycles += cost;
    if (events == 0) {
      ++record.unused;
      continue;
    }
    if (packet.sent != tick) {
      ++record.late;
      ++loads[core].late;
      note(LossKind::kLate, packet.slice, packet.within, core);
    }
    record.synaptic_events += events;
    loads[core].synaptic_events += events;
    add_row(core, packet);
  }
  memory.queue.erase(memory.queue.begin(),
                     memory.queue.begin() + static_cast<std::ptrdiff_t>(done));
}

void PlanEmulator::State::add_row(std::uint32_t core, const Received& packet) {
  const PlacedCore& here = placed.cores[core];
  const RowBlock& block = *here.find(packet.slice);
  std::vector<std::int32_t>& sums = cores[core].sums;
  const auto now = static_cast<std::uint32_t>(tick % slots);
  for (std::uint32_t k = block.start[packet.within]; k != block.start[packet.within + 1]; ++k) {
    const PlacedSynapse& synapse = block.synapses[k];
    const std::uint32_t slot = (now + synapse.delay) % slots;
    sums[std::size_t{slot} * here.neurons + synapse.neuron] += synapse.weight * packet.value;
  }
}

void PlanEmulator::State::finish_tick() {
  for (std::uint32_t core = 0; core < cores.size(); ++core) {
    CoreMemory& memory = cores[core];
    PlanCoreLoad& load = loads[core];
    const bool waits = !memory.queue.empty();
    if (tick_cycles > 0.0 && (memory.cycles > tick_cycles || waits)) {
      ++record.overruns;
      ++load.overruns;
    }
    if (memory.cycles > record.most_cycles) {
      record.most_cycles = memory.cycles;
      record.busiest_core = core;
    }
    load.cycles += memory.cycles;
    load.most_cycles = std::max(load.most_cycles, memory.cycles);
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
  ++tick;
}

PlanEmulator::PlanEmulator(std::unique_ptr<State> state) : state_(std::move(state)) {}
PlanEmulator::~PlanEmulator() = default;
PlanEmulator::PlanEmulator(PlanEmulator&&) noexcept = default;
PlanEmulator& PlanEmulator::operator=(PlanEmulator&&) noexcept = default;

Result<PlanEmulator> PlanEmulator::create(const Program& program, const IntegerProgram& integer,
                                          const mapping::Plan& plan, const PlanOptions& options) {
  auto state = std::make_unique<State>(program, integer, plan, options);
  SPIKELOOM_TRY(state->placed, place_program(program, integer, plan));
  state->start();
  SPIKELOOM_CHECK(state->find_outputs());
  return PlanEmulator(std::move(state));
}

Status PlanEmulator::tick(std::span<const PlacedEvent> input) {
  State& s = *state_;
  s.record = {};
  for (auto& events : s.sent) events.clear();
  const mapping::TargetConstants& constants = s.plan.target.constants;
  for (std::size_t core = 0; core < s.cores.size(); ++core) {
    s.cores[core].cycles =
        constants.cycles_tick + s.placed.cores[core].neurons * constants.cycles_neuron;
  }
  SPIKELOOM_CHECK(s.take_input(input));
  // What came from outside is added up before the neurons look: it may count in this very tick.
  for (std::uint32_t core = 0; core < s.cores.size(); ++core) s.work_off_packets(core);
  for (std::uint32_t core = 0; core < s.cores.size(); ++core) s.step_core(core);
  for (std::uint32_t core = 0; core < s.cores.size(); ++core) s.work_off_packets(core);
  s.finish_tick();
  return {};
}

std::int64_t PlanEmulator::ticks_done() const { return state_->tick; }
const TickRecord& PlanEmulator::last() const { return state_->record; }
TickRecord PlanEmulator::total() const { return state_->total; }
const std::vector<Loss>& PlanEmulator::losses() const { return state_->losses; }
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

std::vector<PlanLinkLoad> PlanEmulator::link_loads() const {
  std::vector<PlanLinkLoad> loads;
  for (std::uint32_t link = 0; link < state_->link_packets.size(); ++link) {
    if (state_->link_packets[link] == 0) continue;
    loads.push_back({link / 6, static_cast<std::uint8_t>(link % 6), state_->link_packets[link],
                     state_->link_most[link]});
  }
  return loads;
}

}  // namespace spikeloom::emulator
