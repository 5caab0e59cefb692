#pragma once
/// The emulator behind the backend contract: a Program and its Plan as an Executable.
///
///     SPIKELOOM_TRY(auto executable, emulator::compile_planned(program, options, plan));
///     SPIKELOOM_TRY(auto session, executable->open());   // push, advance, read as anywhere
///
/// A step is a tick. The elements of a batch are machines of their own. Input is checked and queued
/// as cpu does it, and what is recorded equals cpu's in runs without losses (plan_emulator.hpp).
///
/// Recorded are spikes and y of populations and Outputs, and membranes after the reset: what lies
/// between populations exists in no core. stats() counts events out, updates and the input; what a
/// core has no counter for (ac, mac, events_in, value_sum, dense_macs, bytes, saturated) stays 0:
/// PlanEmulator::total() has the machine's own counts. Checkpoints are refused: packets in queues
/// and sums of later ticks are no values of links, which those of the other backends hold.

#include <memory>

#include "backends/backend.hpp"
#include "backends/emulator/plan_emulator.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::emulator {

class PlanSession : public Session {
 public:
  /// The machine of a batch element: what it did, lost and cost.
  virtual const PlanEmulator& machine(std::uint32_t element = 0) const = 0;
};

/// `how.arithmetic` and `how.state_reset` become those of `options`; losses that are listed are
/// those of the whole session. kShape: a Plan or images of another program. kUnsupported, with the
/// node: what is not emulated, and variables that no core has.
Result<std::shared_ptr<const Executable>> compile_planned(
    const Program& program, RunOptions options, const mapping::Plan& plan, PlanOptions how = {},
    const mapping::PlanImages* images = nullptr);

}  // namespace spikeloom::emulator
