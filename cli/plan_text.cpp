#include "cli/plan_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

using namespace mapping;

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.1f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

std::string shape_text(const Extent3& shape) {
  if (shape[0] == 1 && shape[1] == 1) return fmt::format("{}", shape[2]);
  return fmt::format("{} x {} x {}", shape[0], shape[1], shape[2]);
}

std::string target_name(const Target& target) { return target.name + ":" + target.size; }

/// The most that a core of population p takes.
CoreUse largest(const Plan& plan, const PlanPopulation& population) {
  CoreUse most;
  for (std::uint32_t i = 0; i < population.slices; ++i) {
    const CoreUse& use = plan.cores[plan.slices[population.first_slice + i].core].use;
    if (use.data_bytes() >= most.data_bytes()) most = use;
  }
  return most;
}

Value use_value(const CoreUse& use) {
  Value value = Value::map();
  value.set("neurons", use.neurons).set("synapses", use.synapses);
  value.set("in_axons", use.in_axons).set("out_axons", use.out_axons);
  value.set("data_bytes", use.data_bytes()).set("state_bytes", use.state_bytes);
  value.set("buffer_bytes", use.buffer_bytes).set("table_bytes", use.table_bytes);
  value.set("row_bytes", use.row_bytes).set("chip_bytes", use.shared_bytes);
  return value.set("cycles", use.cycles);
}

Value off_chip_value(const std::vector<OffChip>& off_chip) {
  Value list = Value::list();
  for (const OffChip& one : off_chip) {
    Value value = Value::map();
    value.set("name", one.name).set("why", one.why).set("bytes", one.bytes);
    list.push(std::move(value));
  }
  return list;
}

std::string off_chip_text(const std::vector<OffChip>& off_chip) {
  std::string text;
  for (const OffChip& one : off_chip) {
    text += fmt::format("not on the chip: {} ({}; {})\n", one.name, bytes_text(one.bytes), one.why);
  }
  return text;
}

}  // namespace

Value plan_value(const Plan& plan) {
  const PlanCost cost = mapping::cost(plan);
  Value value = Value::map();
  value.set("kind", "plan").set("network", plan.network).set("target", target_name(plan.target));
  Value populations = Value::list();
  for (const PlanPopulation& population : plan.populations) {
    Value one = Value::map();
    one.set("name", population.name).set("source", population.source);
    one.set("neurons",
            std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2]);
    one.set("cores", population.slices).set("rate", population.rate);
    one.set("tile", Value(Value::List{population.tile[0], population.tile[1], population.tile[2]}));
    populations.push(one.set("largest", use_value(largest(plan, population))));
  }
  value.set("populations", std::move(populations));
  value.set("cores", cost.cores).set("chips", cost.chips);
  value.set("packets", cost.packets).set("hops", cost.hops);
  value.set("tree_links", cost.tree_links).set("max_link_trees", cost.max_link_trees);
  value.set("max_link_load", cost.max_link_load);
  value.set("raw_max", cost.raw_max).set("raw_sum", cost.raw_sum);
  value.set("table_max", cost.table_max).set("table_sum", cost.table_sum);
  value.set("proven", true);  // anything else is an error
  value.set("max_cycles", cost.max_cycles);
  return value.set("off_chip", off_chip_value(plan.off_chip));
}

std::string plan_text(const Plan& plan) {
  const PlanCost cost = mapping::cost(plan);
  std::string text =
      fmt::format("{} on {}: {} cores of {} chip{}\n\n", plan.network, target_name(plan.target),
                  with_commas(cost.cores), with_commas(cost.chips), cost.chips == 1 ? "" : "s");
  Table table({"population", "neurons", "cores", "tile", "synapses", "memory a core", "cycles"}, 1);
  for (const PlanPopulation& population : plan.populations) {
    const CoreUse use = largest(plan, population);
    table.row(
        {population.name + (population.source ? " (source)" : ""), shape_text(population.shape),
         with_commas(population.slices), shape_text(population.tile), with_commas(use.synapses),
         bytes_text(static_cast<double>(use.data_bytes())), fmt::format("{:.0f}", use.cycles)});
  }
  text += table.text() + "\n";
  if (!plan.trees.empty()) {
    text +=
        fmt::format("packets  {:.1f} a tick to cores, {:.1f} over links; the busiest link {:.1f}\n",
                    cost.packets, cost.hops, cost.max_link_load);
    text += fmt::format("tables   {} entries, the largest {} of {:.0f}; raw {}, {}\n",
                        with_commas(cost.table_sum), with_commas(cost.table_max),
                        plan.target.constants.table_entries, with_commas(cost.raw_sum),
                        with_commas(cost.raw_max));
    text += "proven   compressed tables route every key as the trees say\n";
  }
  const double tick = plan.target.constants.clock * plan.target.constants.tick_seconds;
  if (tick > 0.0) {
    text += fmt::format("time     the busiest core needs {:.2f} of a tick in real time\n",
                        cost.max_cycles / tick);
  }
  return text + off_chip_text(plan.off_chip);
}

Value fit_value(const FitReport& report, const Target& target) {
  Value value = Value::map();
  value.set("target", target_name(target)).set("fits", report.fits);
  value.set("cores_needed", report.cores_needed).set("cores", report.cores);
  Value populations = Value::list();
  for (const FitPopulation& population : report.populations) {
    Value one = Value::map();
    one.set("name", population.name).set("neurons", population.neurons);
    one.set("cores", population.slices);
    one.set("bound_by",
            population.bound_by ? Value(mapping::to_string(*population.bound_by)) : Value());
    populations.push(
        one.set("share", population.share).set("largest", use_value(population.largest)));
  }
  value.set("populations", std::move(populations));
  value.set("problem", report.problem ? Value(report.problem->message()) : Value());
  Value changes = Value::list();
  for (const std::string& change : report.changes) changes.push(change);
  value.set("changes", std::move(changes));
  value.set("slowdown", report.slowdown);
  return value.set("off_chip", off_chip_value(report.off_chip));
}

std::string fit_text(const FitReport& report, const Target& target) {
  std::string text;
  if (!report.populations.empty()) {
    Table table({"population", "bound by", "neurons", "cores", "memory a core", "of the limit"}, 2);
    for (const FitPopulation& population : report.populations) {
      table.row({population.name,
                 population.bound_by ? mapping::to_string(*population.bound_by) : "-",
                 with_commas(population.neurons), with_commas(population.slices),
                 bytes_text(static_cast<double>(population.largest.data_bytes())),
                 fmt::format("{:.0f} %", 100.0 * population.share)});
    }
    text += table.text() + "\n";
  }
  text += off_chip_text(report.off_chip);
  if (report.fits) {
    text += fmt::format("fits {}: {} of {} cores", target_name(target),
                        with_commas(report.cores_needed), with_commas(report.cores));
    if (report.slowdown > 0.0) {
      text +=
          fmt::format("; the busiest core needs {:.2f} of a tick in real time", report.slowdown);
    }
    return text + "\n";
  }
  text += fmt::format("does not fit {}: {}\n", target_name(target), report.problem->message());
  for (const std::string& change : report.changes) text += "would help: " + change + "\n";
  return text;
}

}  // namespace spikeloom::cli
