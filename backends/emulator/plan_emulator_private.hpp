#pragma once
/// The machine behind a PlanEmulator.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backends/emulator/linear_path_private.hpp"
#include "backends/emulator/packet_network_private.hpp"
#include "backends/emulator/packet_routes_private.hpp"
#include "backends/emulator/plan_emulator.hpp"

namespace spikeloom::emulator {

/// Of a parameter that may be absent.
template <typename V>
V at_or(const std::vector<V>& values, std::size_t i) {
  return values.empty() ? V{0} : values[i];
}

/// Of IntegerNeurons or NeuronCoefficients.
template <typename V, typename Neurons>
equations::Coefficients<V> coefficients_of(const Neurons& n, std::size_t i) {
  const auto at = [i](const auto& values) { return static_cast<V>(at_or(values, i)); };
  return {.current_decay = at(n.current_decay),
          .current_gain = at(n.current_gain),
          .decay = at(n.decay),
          .gain = at(n.gain),
          .drive = at(n.drive),
          .threshold = at(n.threshold),
          .reset = at(n.reset),
          .clamp = at(n.clamp)};
}

/// A neuron's memory.
struct NeuronWords {
  Word current = 0, membrane = 0;
};

/// A packet in the queue of a core.
struct Received {
  std::uint32_t slice = 0, within = 0;
  Word value = 0;
  std::int64_t sent = 0;    ///< tick
  Picoseconds arrived = 0;  ///< of Timing::kEvents
};

/// A packet that a core sends in this round, so many cycles after it began with it.
struct Outgoing {
  std::uint32_t slice = 0, within = 0;
  Word value = 0;
  double cycles = 0.0;
};

/// A packet on its way, by its number in the network.
struct Travelling {
  std::uint32_t slice = 0, within = 0;
  Word value = 0;
  std::int64_t sent = 0;  ///< tick
};

/// An Output that records what populations sent, some ticks ago.
struct DirectOutput {
  struct Source {
    std::uint32_t population = 0;
    std::int64_t delay = 0;     ///< the longest
    std::vector<Term> arrival;  ///< of each of its neurons
  };
  std::uint32_t node = 0;
  std::vector<Source> sources;
  std::vector<PlacedEvent> arrived;
};

struct CoreMemory {
  std::vector<Word> sums;              ///< (tick modulo slots, word of a sum)
  std::vector<NeuronWords> neurons;    ///< a recurrent unit keeps h in `membrane`
  std::vector<std::uint32_t> waiting;  ///< refractory steps to go; empty where nothing has any
  std::vector<Received> queue;
  double cycles = 0.0;  ///< of this tick: all neurons, and packets so far
  SpentCycles spent;
  std::vector<double> by_round;
  double stepping = 0.0;  ///< cycles since it began with this round, its packets apart
  // Of Timing::kEvents:
  bool is_fast = false;       ///< its level in this tick
  Picoseconds now = 0;        ///< until when it is busy
  SpentCycles before;         ///< `spent` before this round's neurons
  std::uint32_t stepped = 0;  ///< neurons that do not stand for events from outside
};

/// Words on their way to an Embedding, by tick modulo length.
struct WordInput {
  std::uint32_t population = 0, source = 0;  ///< the Embedding's; node that words arrive at
  std::int64_t delay = 0;
  std::vector<std::vector<PlacedEvent>> waiting;
};

struct PlanEmulator::State {
  State(const Program& p, CoreNumbers n, const mapping::Plan& m, const PlanOptions& o)
      : program(p),
        numbers(std::move(n)),
        words_are(numbers.format()),
        plan(m),
        options(o),
        routes(plan) {}

  void start();
  Status find_outputs();
  Status follow_output(LinearNodes& nodes, std::vector<const Link*>& way,
                       std::vector<std::uint32_t>& over, DirectOutput& output) const;
  void collect_outputs();
  Status find_words();
  Status take_input(std::span<const PlacedEvent> input);
  void take_words();
  void look_up(const WordInput& words, const std::vector<PlacedEvent>& events);
  void send_inputs();
  void reset_units();
  void add_late_constants();
  void step_core(std::uint32_t core, std::uint32_t round);
  Word read_sum(const PlacedPopulation& population, const PlacedSlice& slice, std::uint32_t neuron,
                std::size_t first, std::size_t slot);
  Word step_neuron(const PlacedPopulation& population, std::uint32_t neuron, CoreMemory& memory,
                   std::uint32_t number, std::span<const Word> sums) const;
  Word step_spiking(const PlacedPopulation& population, std::uint32_t neuron, CoreMemory& memory,
                    std::uint32_t number, Word sum) const;
  Word early_spikes(const PlacedPopulation& population, std::uint32_t neuron,
                    const NeuronWords& words) const;
  Word step_early(const PlacedPopulation& population, std::uint32_t neuron, NeuronWords& words,
                  Word sum) const;
  void send_early();
  Word step_unit(const PlacedPopulation& population, std::uint32_t unit, NeuronWords& state,
                 std::span<const Word> sums) const;
  Word step_real_unit(const PlacedPopulation& population, std::uint32_t unit, NeuronWords& state,
                      std::span<const Word> sums) const;
  void send(std::uint32_t slice, std::uint32_t within, Word value, double cycles);
  void deliver(std::uint32_t core, const Received& packet);
  const PacketRoute& route_of(std::uint32_t slice, std::uint32_t within);
  void note_drops(const PacketRoute& route, std::uint32_t slice, std::uint32_t within);
  void work_off_packets(std::uint32_t core, std::uint32_t round);
  void sort_by_sender(std::span<Received> queue) const;
  void add_row(std::uint32_t core, const Received& packet);
  void note(LossKind kind, std::int64_t from_tick, std::uint32_t slice, std::uint32_t within,
            std::uint32_t core);
  void close_core(std::uint32_t core);
  void finish_tick();

  double row_cycles(std::uint32_t core, std::uint32_t slice, std::uint32_t within) const;

  // Timing::kEvents: timed_packets.cpp.
  void start_network();
  void begin_timed_tick();
  void choose_levels();
  void post_packets();
  void travel();
  void arrive_at_last();
  void travel_until(Picoseconds end);
  void meet();
  bool finishes(std::uint32_t core, const Received& packet, double cycles);
  double busy_seconds() const;
  double clock_of(const CoreMemory& memory) const;

  const Program& program;
  CoreNumbers numbers;
  WordFormat words_are;
  mapping::Plan plan;
  PlanOptions options;
  PacketRoutes routes;
  PlanProgram placed;
  std::uint32_t slots = 1;
  double slow_cycles = 0.0, tick_cycles = 0.0;  ///< of a tick: at the slow level, at the fastest
  std::vector<CoreMemory> cores;
  std::vector<double> round_seconds;
  std::vector<WordInput> words;
  std::vector<equations::StepOptions> step_options_of;  ///< by population
  std::vector<std::int32_t> population_of;              ///< by node
  std::vector<std::vector<PlacedEvent>> sent;           ///< by population
  std::vector<DirectOutput> outputs;
  std::vector<std::vector<std::vector<PlacedEvent>>> history;  ///< of `sent`, by tick modulo length
  std::vector<std::vector<Word>> input_sums;                   ///< by population
  std::vector<std::vector<RingShift>> shifts;                  ///< by population and pair of slots
  std::vector<std::vector<equations::Coefficients<float>>> real_neurons;  ///< float32
  std::vector<std::vector<std::uint32_t>> route_number;                   ///< by slice and neuron
  std::deque<PacketRoute> known_routes;    ///< which stay where they are
  std::unique_ptr<PacketNetwork> network;  ///< of Timing::kEvents
  bool acts_at_once = false;               ///< some synapse has no delay
  Picoseconds tick_start = 0;
  std::vector<Outgoing> outgoing;
  std::vector<Travelling> travelling;
  std::vector<std::uint64_t> link_packets, link_now, link_most;
  std::vector<PlanCoreLoad> loads;
  std::vector<Loss> losses;
  std::vector<Overrun> overruns;
  std::vector<Saturation> saturations;
  std::vector<KeptTick> kept;
  TickRecord record, total;
  std::int64_t tick = 0;
};

}  // namespace spikeloom::emulator
