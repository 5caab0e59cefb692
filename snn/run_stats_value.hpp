#pragma once
/// RunStats back from the Value that to_value(RunStats) made, as a recording of run.json has it.

#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom {

/// Counts, bytes and names; not the schedule, seconds and input counts. kFormat names the layer
/// and the key.
Result<RunStats> run_stats_from_value(const Value& value);

}  // namespace spikeloom
