#pragma once
/// What a run by a Plan leaves in a folder: every tick, core, link and loss (docs/emulator.md).

#include <cstdint>
#include <string>

#include "backends/emulator/plan_emulator.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/program.hpp"

namespace spikeloom::cli {

/// kInvalidArgument: something is there already that is no empty folder. Asked before a run, whose
/// work would be lost at its end.
Status check_new_folder(const std::string& folder);

/// Texts of the files, recording by recording; a run that fails leaves nothing.
class PlanFolder {
 public:
  explicit PlanFolder(const mapping::Plan& plan);
  /// What the populations sent in the machine's last tick.
  void add_spikes(const Program& program, const std::string& recording, std::int64_t step,
                  const emulator::PlanEmulator& machine);
  /// The machine has to have kept its ticks.
  void add(const Program& program, const mapping::Plan& plan, const std::string& recording,
           const emulator::PlanEmulator& machine);
  /// ticks.csv, load.csv, cores.csv, links.csv, link_load.csv, losses.csv, overruns.csv,
  /// spikes.csv, plan.h5 and run.json. kInvalidArgument: the folder is there and not empty.
  Status write(const std::string& folder, const mapping::Plan& plan, const Value& report) const;

 private:
  std::string ticks_, load_, cores_, links_, link_load_, losses_, overruns_, spikes_;
};

}  // namespace spikeloom::cli
