#include "energy/machine_power.hpp"

#include <numeric>

namespace spikeloom {

double MachineEnergy::total() const {
  return base + board + sleep + network + std::accumulate(tasks.begin(), tasks.end(), 0.0);
}

MachineEnergy machine_energy(const MachinePower& power, const MachineWork& work) {
  MachineEnergy energy;
  const double chip_seconds = work.seconds * work.chips;
  energy.base = chip_seconds * power.base;
  energy.board = chip_seconds * power.board;
  energy.network = work.hops * power.hop;
  if (power.levels.empty()) return energy;
  energy.sleep = chip_seconds * power.cores * power.levels[0].sleep;
  for (std::size_t l = 0; l < work.cycles.size() && l < power.levels.size(); ++l) {
    const CoreLevel& level = power.levels[l];
    for (std::size_t task = 0; task < kCoreTasks; ++task) {
      const double awake = work.cycles[l][task] / level.clock;
      energy.tasks[task] += awake * (level.active + level.sleep - power.levels[0].sleep);
    }
  }
  return energy;
}

Value to_value(const MachineEnergy& energy) {
  Value value = Value::map();
  value.set("base", energy.base).set("board", energy.board).set("sleep", energy.sleep);
  constexpr const char* names[] = {"tick", "neurons", "packets", "synapses"};
  for (std::size_t task = 0; task < kCoreTasks; ++task) value.set(names[task], energy.tasks[task]);
  return value.set("network", energy.network).set("total", energy.total());
}

}  // namespace spikeloom
