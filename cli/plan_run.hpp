#pragma once
/// `run --backend emulator` for a network that spikeloom maps: its Plan, tick by tick.

#include <string>

#include "base/result.hpp"
#include "cli/console.hpp"
#include "cli/run_batch.hpp"

namespace spikeloom::cli {

struct PlanFlags {
  std::string plan;    ///< file; empty: mapped here
  std::string target;  ///< to map onto; empty: spinnaker2
  bool real_time = false;
};

/// Maps where no Plan is given, runs every recording, and says what each Output counted, what the
/// machine did and what was lost. kExitNo when a packet was dropped or late. kUnsupported: another
/// arithmetic than integer.
Result<int> run_on_plan(RunJob job, const PlanFlags& flags, Console& console);

}  // namespace spikeloom::cli
