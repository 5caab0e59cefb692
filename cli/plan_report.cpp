#include "cli/plan_report.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cli/chip_power.hpp"
#include "cli/table.hpp"
#include "energy/comparison.hpp"

namespace spikeloom::cli {
namespace {

using emulator::SpentCycles;
using emulator::TickRecord;

TaskCycles by_task(const SpentCycles& spent) {
  return {spent.tick, spent.neurons, spent.packets, spent.synapses};
}

Value cycles_value(const SpentCycles& spent) {
  Value value = Value::map();
  value.set("tick", spent.tick).set("neurons", spent.neurons);
  return value.set("packets", spent.packets).set("synapses", spent.synapses);
}

/// Seconds of the Plan's cores together, asleep and at work by level.
Value states_value(const mapping::Plan& plan, const TickRecord& total) {
  const mapping::TargetConstants& c = plan.target.constants;
  const double slow = c.clock > 0.0 ? total.slow.total() / c.clock : 0.0;
  const double fast = c.fast_clock > 0.0 ? total.fast.total() / c.fast_clock : 0.0;
  const double all = total.seconds * static_cast<double>(plan.cores.size());
  Value value = Value::map();
  value.set("asleep", std::max(0.0, all - slow - fast));
  return value.set("slow", slow).set("fast", fast);
}

}  // namespace

const char* loss_name(emulator::LossKind kind) {
  switch (kind) {
    case emulator::LossKind::kDropped:
      return "dropped";
    case emulator::LossKind::kTimedOut:
      return "timed-out";
    case emulator::LossKind::kUnfinished:
      return "unfinished";
    case emulator::LossKind::kLate:
      break;
  }
  return "late";
}

std::string core_name(const mapping::Plan& plan, std::uint32_t core) {
  const mapping::PlanCore& placed = plan.cores[core];
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  return fmt::format("chip ({}, {}) core {}", placed.chip % width, placed.chip / width,
                     placed.core);
}

std::optional<MachineEnergy> plan_energy(const mapping::Plan& plan, const TickRecord& total) {
  const MachinePower power = machine_power(plan.target);
  if (!power.known()) return std::nullopt;
  std::set<std::uint32_t> chips;
  for (const mapping::PlanCore& core : plan.cores) chips.insert(core.chip);
  const MachineWork work{.seconds = total.seconds,
                         .chips = static_cast<double>(chips.size()),
                         .cycles = {by_task(total.slow), by_task(total.fast)},
                         .hops = static_cast<double>(total.packets + total.hops)};
  return machine_energy(power, work);
}

Value machine_value(const mapping::Plan& plan, const TickRecord& total) {
  Value value = Value::map();
  value.set("events", total.events).set("packets", total.packets);
  value.set("deliveries", total.deliveries).set("unused_deliveries", total.unused);
  value.set("hops", total.hops).set("synaptic_events", total.synaptic_events);
  value.set("dropped", total.dropped).set("late", total.late);
  value.set("timed_out", total.timed_out).set("reinjected", total.reinjected);
  value.set("overruns", total.overruns).set("saturated", total.saturated);
  value.set("sim_time_s", total.seconds);
  value.set("busy_time_s", total.busy_seconds).set("cycles", cycles_value(total.slow));
  if (total.fast.total() > 0.0) value.set("cycles_fast", cycles_value(total.fast));
  value.set("core_s", states_value(plan, total));
  if (const auto energy = plan_energy(plan, total)) {
    value.set("energy_j", to_value(*energy));
    if (total.seconds > 0.0) value.set("power_w", energy->total() / total.seconds);
  }
  return value;
}

Value populations_value(const mapping::Plan& plan, const std::vector<std::uint64_t>& events) {
  Value list = Value::list();
  for (const mapping::PlanPopulation& population : plan.populations) {
    const auto node = static_cast<std::size_t>(population.node);
    Value one = Value::map();
    one.set("name", population.name);
    one.set("neurons",
            std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2]);
    one.set("cores", population.slices);
    list.push(one.set("events", node < events.size() ? events[node] : 0));
  }
  return list;
}

Value losses_value(const Program& program, const mapping::Plan& plan,
                   const std::vector<emulator::Loss>& losses) {
  Value list = Value::list();
  for (const emulator::Loss& loss : losses) {
    Value entry = Value::map();
    entry.set("kind", loss_name(loss.kind));
    entry.set("step", loss.tick).set("node", program.nodes[loss.node].name);
    entry.set("neuron", loss.neuron).set("core", core_name(plan, loss.core));
    list.push(std::move(entry));
  }
  return list;
}

Value saturations_value(const Program& program, const mapping::Plan& plan,
                        const std::vector<emulator::Saturation>& saturations) {
  Value list = Value::list();
  for (const emulator::Saturation& saturation : saturations) {
    Value entry = Value::map();
    entry.set("step", saturation.tick).set("node", program.nodes[saturation.node].name);
    entry.set("neuron", saturation.neuron);
    entry.set("slot", saturation.excitatory ? "excitatory" : "inhibitory");
    list.push(entry.set("core", core_name(plan, saturation.core)));
  }
  return list;
}

Value overruns_value(const mapping::Plan& plan, const std::vector<emulator::Overrun>& overruns) {
  Value list = Value::list();
  for (const emulator::Overrun& overrun : overruns) {
    Value entry = Value::map();
    entry.set("step", overrun.tick).set("core", core_name(plan, overrun.core));
    list.push(entry.set("cycles", overrun.cycles));
  }
  return list;
}

std::string machine_text(const mapping::Plan& plan, const TickRecord& total, double tick_cycles) {
  Table machine({"machine", "total"}, 1);
  machine.row({"packets", with_commas(total.packets)});
  machine.row({"deliveries to cores", with_commas(total.deliveries)});
  machine.row({"links crossed", with_commas(total.hops)});
  machine.row({"synaptic events", with_commas(total.synaptic_events)});
  machine.row({"dropped", with_commas(total.dropped)});
  if (total.timed_out > 0) {
    machine.row({"taken out by routers after waiting", with_commas(total.timed_out)});
    machine.row({"of them sent again", with_commas(total.reinjected)});
  }
  machine.row({"late", with_commas(total.late)});
  machine.row({"overrun ticks of cores", with_commas(total.overruns)});
  if (total.saturated > 0) {
    machine.row({"saturated slots", with_commas(total.saturated)});
  }
  std::string text = machine.text() + "\n";
  text += fmt::format("busiest: {}, {:.0f} cycles in a tick", core_name(plan, total.busiest_core),
                      total.most_cycles);
  text += tick_cycles > 0.0 ? fmt::format(" of {:.0f}\n", tick_cycles)
                            : std::string(" (the target has no length of a tick)\n");
  text += fmt::format("time on the machine: {:.4g} s, cores done after {:.4g} s of it\n",
                      total.seconds, total.busy_seconds);
  const auto energy = plan_energy(plan, total);
  if (!energy) return text + "energy: the target's file gives no power\n";
  text += fmt::format("energy (modelled): {}, {:.4g} W\n\n", joules_text(energy->total()),
                      total.seconds > 0.0 ? energy->total() / total.seconds : 0.0);
  Table parts({"component", "energy", "share"}, 1);
  const auto part = [&](const char* name, double joules) {
    if (joules == 0.0) return;
    parts.row(
        {name, joules_text(joules), fmt::format("{:.1f} %", 100.0 * joules / energy->total())});
  };
  part("chips, cores off", energy->base);
  part("boards", energy->board);
  part("waiting cores", energy->sleep);
  part("ticks", energy->tasks[static_cast<std::size_t>(CoreTask::kTick)]);
  part("neuron updates", energy->tasks[static_cast<std::size_t>(CoreTask::kNeurons)]);
  part("packets", energy->tasks[static_cast<std::size_t>(CoreTask::kPackets)]);
  part("synaptic events", energy->tasks[static_cast<std::size_t>(CoreTask::kSynapses)]);
  part("routers", energy->network);
  return text + parts.text();
}

}  // namespace spikeloom::cli
