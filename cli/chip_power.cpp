#include "cli/chip_power.hpp"

#include <fmt/format.h>

#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

void add_rows(Table& table, const std::vector<Foretold>& figures, bool with_error) {
  for (const Foretold& figure : figures) {
    table.row({figure.what, fmt::format("{:.4g} {}", figure.predicted, figure.unit),
               fmt::format("{:.4g} {}", figure.published, figure.unit),
               with_error ? fmt::format("{:+.1f} %", 100.0 * figure.error()) : "input",
               figure.note});
  }
}

}  // namespace

MachinePower machine_power(const mapping::Target& target) {
  const mapping::TargetConstants& c = target.constants;
  MachinePower power{.base = c.power_base,
                     .board = c.power_board,
                     .cores = c.power_cores,
                     .hop = c.hop_joules,
                     .levels = {}};
  if (c.clock > 0.0) power.levels.push_back({c.clock, c.power_sleep, c.power_active});
  if (c.fast_clock > c.clock) {
    power.levels.push_back({c.fast_clock, c.power_fast_sleep, c.power_fast_active});
  }
  return power;
}

Result<ChipFigures> built_in_chip_figures() {
  const auto costs = [](const std::string& name, bool fast) -> Result<EventCosts> {
    SPIKELOOM_TRY(const mapping::Target target, mapping::load_target(name));
    const mapping::TargetConstants& c = target.constants;
    return EventCosts{c.cycles_synapse, c.cycles_neuron, fast ? c.fast_clock : c.clock,
                      fast ? c.power_fast_active : c.power_active};
  };
  SPIKELOOM_TRY(const EventCosts fast, costs("spinnaker2", true));
  SPIKELOOM_TRY(const EventCosts first, costs("spinnaker1", false));
  return chip_figures(fast, first);
}

std::string chip_figures_text(const ChipFigures& figures) {
  Table table({"figure", "ours", "published", "error", ""}, 1);
  add_rows(table, figures.inputs, false);
  add_rows(table, figures.foretold, true);
  std::string text = table.text();
  text +=
      "\nSpiNNaker2's five measured states: three calibrate the law, two are foretold; the "
      "first row is the one above.\n\n";
  Table choices({"calibrated on", "foretold", "error", "foretold", "error"}, 1);
  const std::span<const ChipState> states = spinnaker2_states();
  for (const Calibration& one : figures.calibrations) {
    std::vector<std::string> cells = {fmt::format("{}; {}; {}", states[one.known[0]].name,
                                                  states[one.known[1]].name,
                                                  states[one.known[2]].name)};
    for (const Foretold& other : one.others) {
      cells.push_back(fmt::format("{}: {:.3f} W", other.what, other.predicted));
      cells.push_back(fmt::format("{:+.1f} %", 100.0 * other.error()));
    }
    choices.row(std::move(cells));
  }
  return text + choices.text();
}

}  // namespace spikeloom::cli
