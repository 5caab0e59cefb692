#pragma once
/// `run` for a network that is already mapped to a chip: SANA-FE's YAML on the emulator.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "cli/common_options.hpp"
#include "cli/console.hpp"

namespace CLI {
class App;
}

namespace spikeloom::mapping {
struct Plan;
}

namespace spikeloom::cli {

struct MappedFlags {
  std::string target;  ///< file of the chip, or machine to map onto; empty: the network's own file
  std::string timing;  ///< events or analytic; empty: events for SANA-FE's, analytic for Plans
  std::string plan;    ///< of a network that spikeloom mapped
  std::shared_ptr<const mapping::Plan> read;  ///< what `plan` holds, once somebody read it
  std::string images;                         ///< folder of `map --images`; empty: made here
  bool real_time = false;                     ///< with a Plan: ticks do not wait
  bool free_running = false;                  ///< ticks last as long as the work in them
  std::string performance = "slow";           ///< slow, fast, load
  std::uint32_t cores = 0;                    ///< to spread a network over; 0: as few as hold it
  std::uint32_t neurons_per_core = 0;         ///< at most; 0: as many as fit
  double tick_seconds = 0.0;                  ///< 0: the target's
};
void add_mapped_flags(CLI::App& command, MappedFlags& flags);
/// A flag that was given and that only a network mapped by spikeloom, run on the emulator, takes;
/// "" without one. `cpu` too takes --plan and --target.
std::string machine_flag(const MappedFlags& flags);

struct MappedRun {
  std::string model;
  MappedFlags flags;
  std::string backend = "auto";
  std::optional<std::int64_t> steps;
  bool has_input = false;  ///< recordings were given
  std::string out;         ///< folder of run.json, steps.csv and spikes.csv; empty: none
  CommonOptions common;
};

/// True for a text with the keys of a mapped network. kAmbiguous when it also has those of another
/// kind of network. A file that cannot be read is no mapped network.
Result<bool> is_mapped_network(const std::string& path);

/// kAmbiguous: no chip, or no number of steps. kUnsupported: another backend, or recordings.
Result<int> run_mapped(MappedRun job, Console& console);

}  // namespace spikeloom::cli
