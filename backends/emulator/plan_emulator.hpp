#pragma once
/// Runs a Plan, tick by tick: packets through the routers' tables, rows in the cores, and what each
/// core and link had to do.
///
///     SPIKELOOM_TRY(auto machine, PlanEmulator::create(program, plan, {}));
///     machine.tick(events);             // those of the Input nodes in this tick
///     machine.sent(node);               // what a population sent
///
/// A tick: events from outside go out as packets of their slices; every core then reads the sums of
/// its neurons, steps them (snn/neuron_equations.hpp, recurrent_equations.hpp) and sends a packet
/// for each that fires; the receiving cores walk their rows and add to the sums of later ticks, or
/// of this one where a link has no delay: a tick then has rounds, one for each population on the
/// way. A packet starts at its core's chip; at each chip the first entry that matches decides,
/// without one it goes straight on, and is dropped where it came from a core or leaves the machine.
/// Machines without tables deliver to the cores that hold rows. Words are looked up outside of the
/// machine (an Embedding's vector arrives as events), and so is what a Decoder makes of the last
/// layer: it is not run.
///
/// Numbers (core_numbers.hpp): integers; ring16, where excitatory and inhibitory products of every
/// weight node go into slots apart that stop at 65,535; or float32. There a core takes what arrived
/// in the order of its senders (node, neuron), so that sums do not depend on the mapping, as they
/// do on a real machine, which adds up as packets come; they may differ from cpu's by rounding.
///
/// Work of a core in a tick, in cycles of the target's constants:
///     cycles.tick + neurons x cycles.neuron + packets x cycles.packet + events x cycles.synapse
/// Its clock is core.clock or core.fast_clock (Performance). A tick in which a core needs more than
/// tick.seconds x clock is overrun. By default the machine waits for it, and the result is that of
/// cpu. With `real_time` it does not: what a core has not added up by then waits, goes into sums
/// one tick later, and counts as late.
///
/// How packets get into each other's way is one of two models (PlanOptions::timing):
///
/// * `analytic` adds up: packets are there when they are sent, and a core is done when it has
///   worked off all of them.
/// * `events` sends each through routers and links, one event after the other
///   (packet_network_private.hpp): a core begins with a packet when it has arrived and those before
///   it are done. Full outputs stop what is behind them, packets that wait too long are dropped,
///   and sent again where the target reinjects; what is lost for good is dropped. With `real_time`
///   a packet that is still on its way when its tick ends is late.
///
/// How long a tick lasts: tick.seconds, or as long as the slowest core takes where that is more;
/// with `free_running`, or without tick.seconds, just so long. Rounds come one after the other,
/// each as long as its slowest core.
///
/// Losses are never silent: each dropped packet, late packet and slot that stopped is listed, up to
/// a bound, and counted.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/emulator/network_timing.hpp"
#include "backends/emulator/plan_program.hpp"

namespace spikeloom::emulator {

/// Clock of cores: the slow level, the fast one, or in every tick the slow one unless the core's
/// work takes longer than the tick. (Höppner et al., arXiv 1903.08941, choose by received spikes.)
/// With Timing::kEvents a core changes to the fast level when it gets to know of that much work.
enum class Performance : std::uint8_t { kSlow, kFast, kByLoad };

struct PlanOptions {
  Arithmetic arithmetic = Arithmetic::kInteger;  ///< or kRing16, kFloat32
  bool real_time = false;
  bool free_running = false;
  Performance performance = Performance::kSlow;
  /// State h of recurrent layers is 0 before every tick that is a multiple of this; 0: never.
  std::int64_t state_reset = 0;
  bool keep_ticks = false;  ///< history() has every tick's record and core loads
  Timing timing = Timing::kAnalytic;
  /// So many losses are listed, so many overruns and so many saturations; all are counted.
  std::size_t most_losses = 10000;
};

/// An event from outside, or what a population's neuron sent.
struct PlacedEvent {
  std::uint32_t node = 0;   ///< index into Program::nodes
  std::uint32_t index = 0;  ///< neuron
  double value = 1.0;       ///< an integer, or in float32 a float
};

/// Cycles of all cores together.
struct SpentCycles {
  double tick = 0.0, neurons = 0.0, packets = 0.0, synapses = 0.0;
  void add(const SpentCycles& other);
  void subtract(const SpentCycles& other);
  double total() const { return tick + neurons + packets + synapses; }
};

struct TickRecord {
  std::uint64_t events = 0;      ///< sent, by neurons and from outside
  std::uint64_t packets = 0;     ///< that left a core: one per event
  std::uint64_t deliveries = 0;  ///< to cores
  std::uint64_t unused = 0;      ///< deliveries that found no row
  std::uint64_t hops = 0;        ///< links crossed
  std::uint64_t synaptic_events = 0;
  std::uint64_t dropped = 0;    ///< cores that needed a packet and did not get it
  std::uint64_t late = 0;       ///< packets that were added up a tick or more too late
  std::uint64_t overruns = 0;   ///< cores
  std::uint64_t saturated = 0;  ///< ring16: slots that stopped at their limit
  double most_cycles = 0.0;
  std::uint32_t busiest_core = 0;  ///< index into Plan::cores
  std::uint64_t timed_out = 0;     ///< packets that a router dropped after waiting
  std::uint64_t reinjected = 0;    ///< of them, those that were sent again
  double seconds = 0.0;            ///< that the tick lasts
  double busy_seconds = 0.0;       ///< until its last core is done
  SpentCycles slow, fast;          ///< by level

  void add(const TickRecord& other);
};

enum class LossKind : std::uint8_t {
  kDropped,   ///< the tables do not lead to the core
  kTimedOut,  ///< a router dropped it after waiting, and it was not sent again
  kLate,
  kUnfinished,  ///< it still waited when the run ended
};
struct Loss {
  LossKind kind = LossKind::kDropped;
  std::int64_t tick = 0;               ///< when it was dropped, or added up too late
  std::int64_t sent = 0;               ///< tick
  std::uint32_t node = 0, neuron = 0;  ///< of the sender
  std::uint32_t core = 0;              ///< index into Plan::cores
};

/// A core that took longer than its tick.
struct Overrun {
  std::int64_t tick = 0;
  std::uint32_t core = 0;  ///< index into Plan::cores
  double cycles = 0.0;     ///< of what it got done
};

/// A slot of ring16 that would have gone beyond its limit, at the tick that reads it.
struct Saturation {
  std::int64_t tick = 0;
  std::uint32_t node = 0, neuron = 0;  ///< whose slot it is
  std::uint32_t core = 0;              ///< index into Plan::cores
  bool excitatory = true;
};

/// Packets over a link.
struct LinkPackets {
  std::uint32_t link = 0;  ///< chip x 6 + direction
  std::uint32_t packets = 0;
};

/// A tick, kept: what the machine did, cycles of every core, and links that were used.
struct KeptTick {
  TickRecord record;
  std::vector<float> core_cycles;
  std::vector<LinkPackets> links;
};

/// What a core did since the start.
struct PlanCoreLoad {
  std::uint64_t packets = 0, synaptic_events = 0, spikes = 0, overruns = 0, late = 0;
  std::uint64_t sent = 0;  ///< packets, those of events from outside too
  double cycles = 0.0, most_cycles = 0.0;
  double most_wanted = 0.0;  ///< cycles of a tick with the packets that had to wait
};
/// Packets that crossed a link of a chip, by direction.
struct PlanLinkLoad {
  std::uint32_t chip = 0;
  std::uint8_t direction = 0;
  std::uint64_t packets = 0, most_in_a_tick = 0;
  // With Timing::kEvents.
  std::uint64_t timed_out = 0;  ///< packets that waited for it too long
  double busy_seconds = 0.0;    ///< while it carried one, or could not pass it on
};

class PlanEmulator {
 public:
  /// The errors of CoreNumbers::of() and place_program(). `images`: what cores and chips are loaded
  /// with; rows that they hold are read from there. The Program has to stay.
  static Result<PlanEmulator> create(const Program& program, const mapping::Plan& plan,
                                     const PlanOptions& options,
                                     const mapping::PlanImages* images = nullptr);
  ~PlanEmulator();
  PlanEmulator(PlanEmulator&&) noexcept;
  PlanEmulator& operator=(PlanEmulator&&) noexcept;

  /// Runs one tick. Events of one neuron add up; those of an Input that an Embedding reads are
  /// words. kShape: an event outside an Input node, or a value that no word holds.
  Status tick(std::span<const PlacedEvent> input);

  /// Ends the run: packets that wait at cores or are on their way, which only `real_time` leaves,
  /// count as dropped and are listed. No tick may follow.
  void finish();

  std::int64_t ticks_done() const;
  const TickRecord& last() const;
  TickRecord total() const;
  /// What a population sent in the last tick, in rising order; of an Output that adds up weights,
  /// its sums that are not 0.
  const std::vector<PlacedEvent>& sent(std::uint32_t node) const;
  /// Whether the node is a population or an Output.
  bool sends(std::uint32_t node) const;

  const std::vector<Loss>& losses() const;
  const std::vector<Overrun>& overruns() const;
  const std::vector<Saturation>& saturations() const;
  /// The membrane of a neuron after the last tick; 0 for what has none.
  double membrane(std::uint32_t node, std::uint32_t neuron) const;
  const std::vector<KeptTick>& history() const;
  const std::vector<PlanCoreLoad>& core_loads() const;
  std::vector<PlanLinkLoad> link_loads() const;
  const PlanProgram& placed() const;
  /// Cycles that a tick has at the fastest level it may use; 0: no limit.
  double cycles_of_a_tick() const;

 private:
  struct State;
  explicit PlanEmulator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spikeloom::emulator
