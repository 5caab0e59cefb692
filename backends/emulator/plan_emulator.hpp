#pragma once
/// Runs a Plan, tick by tick: packets through the routers' tables, rows in the cores, and what each
/// core and link had to do.
///
///     SPIKELOOM_TRY(auto machine, PlanEmulator::create(program, integer, plan, {}));
///     machine.tick(events);             // those of the Input nodes in this tick
///     machine.sent(node);               // what a population sent
///
/// A tick: events from outside go out as packets of their slices; every core then reads the sums of
/// its neurons, steps them (snn/neuron_equations.hpp) and sends a packet for each that fires; the
/// receiving cores walk their rows and add to the sums of later ticks. A packet starts at its
/// core's chip; at each chip the first entry that matches decides, without one it goes straight on,
/// and is dropped where it came from a core or leaves the machine. Machines without tables deliver
/// to the cores that hold rows.
///
/// Work of a core in a tick, in cycles of the target's constants:
///     cycles.tick + neurons x cycles.neuron + packets x cycles.packet + events x cycles.synapse
/// A tick in which a core needs more than tick.seconds x core.clock is overrun. By default the
/// machine waits for it, and the result is that of cpu. With `real_time` it does not: what a core
/// has not added up by then waits, goes into sums one tick later, and counts as late.
///
/// Losses are never silent: each dropped packet and late packet is listed, up to a bound, and
/// counted.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/emulator/plan_program.hpp"

namespace spikeloom::emulator {

struct PlanOptions {
  bool real_time = false;
  std::size_t most_losses = 10000;  ///< so many are listed; all are counted
};

/// An event from outside, or what a population's neuron sent.
struct PlacedEvent {
  std::uint32_t node = 0;   ///< index into Program::nodes
  std::uint32_t index = 0;  ///< neuron
  std::int32_t value = 1;
};

struct TickRecord {
  std::uint64_t events = 0;      ///< sent, by neurons and from outside
  std::uint64_t packets = 0;     ///< that left a core: one per event
  std::uint64_t deliveries = 0;  ///< to cores
  std::uint64_t unused = 0;      ///< deliveries that found no row
  std::uint64_t hops = 0;        ///< links crossed
  std::uint64_t synaptic_events = 0;
  std::uint64_t dropped = 0;   ///< cores that needed a packet and did not get it
  std::uint64_t late = 0;      ///< packets that were added up a tick or more too late
  std::uint64_t overruns = 0;  ///< cores
  double most_cycles = 0.0;
  std::uint32_t busiest_core = 0;  ///< index into Plan::cores

  void add(const TickRecord& other);
};

enum class LossKind : std::uint8_t { kDropped, kLate };
struct Loss {
  LossKind kind = LossKind::kDropped;
  std::int64_t tick = 0;
  std::uint32_t node = 0, neuron = 0;  ///< of the sender
  std::uint32_t core = 0;              ///< index into Plan::cores
};

/// What a core did since the start.
struct PlanCoreLoad {
  std::uint64_t packets = 0, synaptic_events = 0, spikes = 0, overruns = 0, late = 0;
  double cycles = 0.0, most_cycles = 0.0;
};
/// Packets that crossed a link of a chip, by direction.
struct PlanLinkLoad {
  std::uint32_t chip = 0;
  std::uint8_t direction = 0;
  std::uint64_t packets = 0, most_in_a_tick = 0;
};

class PlanEmulator {
 public:
  /// The errors of place_program(). The Program has to stay.
  static Result<PlanEmulator> create(const Program& program, const IntegerProgram& integer,
                                     const mapping::Plan& plan, const PlanOptions& options);
  ~PlanEmulator();
  PlanEmulator(PlanEmulator&&) noexcept;
  PlanEmulator& operator=(PlanEmulator&&) noexcept;

  /// Runs one tick. Events of one neuron add up. kShape: an event outside an Input node.
  Status tick(std::span<const PlacedEvent> input);

  std::int64_t ticks_done() const;
  const TickRecord& last() const;
  TickRecord total() const;
  /// What a population sent in the last tick, in rising order; of an Output that adds up weights,
  /// its sums that are not 0.
  const std::vector<PlacedEvent>& sent(std::uint32_t node) const;

  const std::vector<Loss>& losses() const;
  const std::vector<PlanCoreLoad>& core_loads() const;
  std::vector<PlanLinkLoad> link_loads() const;
  const PlanProgram& placed() const;
  /// Cycles that a tick has; 0: no limit.
  double cycles_of_a_tick() const;

 private:
  struct State;
  explicit PlanEmulator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spikeloom::emulator
