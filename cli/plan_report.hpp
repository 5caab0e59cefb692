#pragma once
/// What runs by a Plan say: counts of the machine, its time and energy, what was lost where.

#include <string>
#include <vector>

#include "backends/emulator/plan_emulator.hpp"
#include "base/value.hpp"
#include "energy/machine_power.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cli {

/// Losses, overruns and saturations of a recording that a report names; all are counted.
inline constexpr std::size_t kShownLosses = 100;
template <typename T>
void keep_shown(std::vector<T>& listed) {
  if (listed.size() > kShownLosses) listed.resize(kShownLosses);
}

/// "chip (0, 0) core 5".
std::string core_name(const mapping::Plan& plan, std::uint32_t core);

/// "dropped" (no table leads there), "timed-out" (waited too long at a router),
/// "unfinished" (still waited when the run ended), "late".
const char* loss_name(emulator::LossKind kind);

/// Joules of a run by component, for the chips that hold cores of the Plan; nothing where the
/// target's file gives no power.
std::optional<MachineEnergy> plan_energy(const mapping::Plan& plan,
                                         const emulator::TickRecord& total);

/// {events, packets, ..., dropped, late, timed_out, reinjected, overruns, saturated, sim_time_s,
/// busy_time_s, cycles, core_s (asleep, slow, fast), energy_j, power_w}
Value machine_value(const mapping::Plan& plan, const emulator::TickRecord& total);
/// [{name, neurons, cores, events}]; `events` is by Program node.
Value populations_value(const mapping::Plan& plan, const std::vector<std::uint64_t>& events);
/// [{kind, step, node, neuron, core}]
Value losses_value(const Program& program, const mapping::Plan& plan,
                   const std::vector<emulator::Loss>& losses);
/// [{step, node, neuron, slot, core}]
Value saturations_value(const Program& program, const mapping::Plan& plan,
                        const std::vector<emulator::Saturation>& saturations);
/// [{step, core, cycles}]
Value overruns_value(const mapping::Plan& plan, const std::vector<emulator::Overrun>& overruns);

/// The same for people: counts, then time and energy by component.
std::string machine_text(const mapping::Plan& plan, const emulator::TickRecord& total,
                         double tick_cycles);

}  // namespace spikeloom::cli
