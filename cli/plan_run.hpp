#pragma once
/// `run --backend emulator` for a network that spikeloom maps: its Plan, tick by tick.

#include <string>

#include "backends/emulator/plan_emulator.hpp"
#include "base/result.hpp"
#include "cli/console.hpp"
#include "cli/mapped_run.hpp"
#include "cli/run_batch.hpp"

namespace spikeloom::cli {

/// Sets what a run on a chip needs: integers, unless another arithmetic is given, and a session of
/// cpu to check the program with. kUnsupported: --arithmetic double.
Status adapt_to_chip(const std::string& model, RunFlags& run);
/// What the flags ask of the emulator, after adapt_to_chip().
emulator::PlanOptions plan_options(const MappedFlags& flags, const RunFlags& run);
/// Hz, of the fastest level that --performance allows.
double fastest_clock(const mapping::TargetConstants& constants, const MappedFlags& flags);
/// Says on stderr what was lost, and what took longer than its tick.
void warn_of_losses(const emulator::TickRecord& total, bool real_time, Console& console);
/// kExitNo when a packet was dropped or late, or a tick overrun that nobody waited for.
int exit_code_of(const emulator::TickRecord& total, bool real_time);

/// Maps where no Plan is given, runs every recording, and says what each Output counted, what the
/// machine did and what was lost; `out` is a folder for the same tick by tick, or empty. kExitNo
/// when a packet was dropped or late.
Result<int> run_on_plan(RunJob job, const MappedFlags& flags, const std::string& out,
                        Console& console);

}  // namespace spikeloom::cli
