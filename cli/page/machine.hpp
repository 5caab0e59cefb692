#pragma once
/// One self-contained HTML page about a run on an emulated machine: placement, links, packets, load
/// of cores over time, energy by component, losses.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cli {

/// A core of the run.
struct MachineCore {
  std::uint64_t packets = 0, synaptic_events = 0, overruns = 0, late = 0;
  double most_cycles = 0.0;
};

/// A directed link that packets crossed.
struct MachineLink {
  std::uint32_t chip = 0;
  std::string direction;
  std::uint64_t packets = 0, most_in_a_tick = 0, timed_out = 0;
  double busy_seconds = 0.0;
};

struct MachineTick {
  double packets = 0.0, lost = 0.0, overruns = 0.0;
};

/// What a run folder holds, for one recording; `run` is the whole document.
struct MachineRun {
  std::string name;       ///< the model's file
  std::string recording;  ///< that is drawn
  std::size_t recordings = 1;
  Value run;
  mapping::Plan plan;
  std::vector<MachineTick> ticks;
  double seconds = 0.0;                  ///< that the recording took on the machine
  std::vector<std::vector<float>> load;  ///< cycles, by tick and core
  std::vector<MachineCore> cores;
  std::vector<MachineLink> links;
  std::vector<std::vector<std::string>> losses;    ///< cells of losses.csv, its header first
  std::vector<std::vector<std::string>> overruns;  ///< of overruns.csv
};

/// True for a folder of `run --backend emulator --out` of a network that was mapped here.
bool is_machine_run(const std::string& folder);
/// kInvalidArgument: no recording `number`. kFormat: a damaged folder.
Result<MachineRun> read_machine_run(const std::string& folder, std::size_t number);

std::string machine_page(const MachineRun& run);

// The parts, each the body of a section.
std::string placement_part(const MachineRun& run);
std::string links_part(const MachineRun& run);
std::string traffic_part(const MachineRun& run);
std::string load_part(const MachineRun& run);

}  // namespace spikeloom::cli
