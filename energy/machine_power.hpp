#pragma once
/// Joules of a many-core machine from how long its parts worked.
///
///     joules = seconds x chips x (base + board + cores x sleep)
///            + cycles / clock x active             for every kind of work, at its level
///            + cycles / clock x (sleep of the level - sleep of the slowest)
///            + hops x joules of a hop
///
/// A core sleeps at the slowest level; while it works it runs at one of `levels` (performance
/// levels, each a voltage with its clock). Constants come from the target's file
/// (mapping/targets), cycles and hops from the emulator.

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace spikeloom {

/// What a core does in a tick.
enum class CoreTask : std::size_t { kTick, kNeurons, kPackets, kSynapses };
inline constexpr std::size_t kCoreTasks = 4;
/// Cycles by CoreTask.
using TaskCycles = std::array<double, kCoreTasks>;

struct CoreLevel {
  double clock = 0.0;   ///< Hz
  double sleep = 0.0;   ///< W of a core that waits
  double active = 0.0;  ///< W more while it works
};

struct MachinePower {
  double base = 0.0;              ///< W of a chip without its cores
  double board = 0.0;             ///< W, a chip's share of its board
  double cores = 0.0;             ///< of a chip, used or not
  double hop = 0.0;               ///< J of a packet in a router
  std::vector<CoreLevel> levels;  ///< slowest first

  /// False for a target whose file gives no power.
  bool known() const { return base > 0.0 && !levels.empty(); }
};

struct MachineWork {
  double seconds = 0.0, chips = 0.0;
  std::vector<TaskCycles> cycles;  ///< of all cores together, by level
  double hops = 0.0;
};

/// Joules by component.
struct MachineEnergy {
  double base = 0.0, board = 0.0, sleep = 0.0;
  std::array<double, kCoreTasks> tasks = {};
  double network = 0.0;

  double total() const;
};

MachineEnergy machine_energy(const MachinePower& power, const MachineWork& work);

/// {base, board, sleep, tick, neurons, packets, synapses, network, total}
Value to_value(const MachineEnergy& energy);

}  // namespace spikeloom
