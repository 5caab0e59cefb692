#include "energy/chip_states.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr double kVolts = 0.5, kClock = 150e6, kCores = 152.0;
constexpr double kFastVolts = 0.8, kFastClock = 300e6;

constexpr ChipState kStates[] = {
    {"PEs off", kVolts, kClock, 0.0, 0.0, 0.0752},
    {"152 PEs asleep, 0.5 V", kVolts, kClock, kCores, 0.0, 0.2354},
    {"152 PEs CoreMark, 0.5 V, 150 MHz", kVolts, kClock, kCores, kCores, 0.4246},
    {"152 PEs asleep, 0.8 V", kFastVolts, kFastClock, kCores, 0.0, 0.5647},
    {"152 PEs CoreMark, 0.8 V, 300 MHz", kFastVolts, kFastClock, kCores, kCores, 1.2479},
};

using Row = std::array<double, 3>;

/// What base, sleep and active are multiplied by.
Row row_of(const ChipState& state) {
  const double volts = state.volts / kVolts;
  const double square = volts * volts;
  return {1.0, state.cores * square, state.active * square * state.clock / kClock};
}

double determinant(const std::array<Row, 3>& m) {
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

Value foretold_value(const std::vector<Foretold>& figures) {
  Value list = Value::list();
  for (const Foretold& figure : figures) {
    Value one = Value::map();
    one.set("what", figure.what).set("unit", figure.unit).set("predicted", figure.predicted);
    one.set("published", figure.published).set("error", figure.error()).set("note", figure.note);
    list.push(std::move(one));
  }
  return list;
}

}  // namespace

std::span<const ChipState> spinnaker2_states() { return kStates; }

double PowerLaw::watts(const ChipState& state) const {
  const Row row = row_of(state);
  return row[0] * base + row[1] * sleep + row[2] * active;
}

Result<PowerLaw> calibrate(std::span<const ChipState, 3> states) {
  const std::array<Row, 3> rows = {row_of(states[0]), row_of(states[1]), row_of(states[2])};
  const double all = determinant(rows);
  if (std::abs(all) < 1e-9) {
    return Error{
        .code = ErrorCode::kInvalidArgument,
        .what = "three states that do not determine base, sleep and active power",
        .where = fmt::format("{}; {}; {}", states[0].name, states[1].name, states[2].name)};
  }
  Row solved = {};
  for (std::size_t column = 0; column < 3; ++column) {  // Cramer's rule
    std::array<Row, 3> replaced = rows;
    for (std::size_t i = 0; i < 3; ++i) replaced[i][column] = states[i].watts;
    solved[column] = determinant(replaced) / all;
  }
  return PowerLaw{solved[0], solved[1], solved[2]};
}

std::vector<Calibration> calibrations(std::span<const ChipState> states) {
  std::vector<Calibration> made;
  for (std::size_t a = 0; a < states.size(); ++a) {
    for (std::size_t b = a + 1; b < states.size(); ++b) {
      for (std::size_t c = b + 1; c < states.size(); ++c) {
        const std::array<ChipState, 3> known = {states[a], states[b], states[c]};
        const auto law = calibrate(known);
        if (!law.ok()) continue;
        Calibration one{.known = {a, b, c}, .law = *law, .others = {}};
        for (std::size_t i = 0; i < states.size(); ++i) {
          if (i == a || i == b || i == c) continue;
          one.others.push_back({std::string(states[i].name), "W", law->watts(states[i]),
                                states[i].watts, "state not calibrated on"});
        }
        made.push_back(std::move(one));
      }
    }
  }
  return made;
}

ChipFigures chip_figures(const EventCosts& fast, const EventCosts& spinnaker1) {
  ChipFigures figures;
  figures.calibrations = calibrations(kStates);
  const double core_rate = fast.clock / fast.cycles_synapse;
  figures.inputs = {
      {"synaptic events a second and PE, 300 MHz", "1/s", core_rate, 12e6, "given: 25 cycles"},
      {"the same of a chip of 152", "1/s", core_rate * kCores, 1.8e9, "a multiple of it"},
      {"SpiNNaker1: an idle board", "W", 26.84, 26.84, "given"},
      {"SpiNNaker1: a packet in a router", "J", 1e-9, 1e-9, "given"},
  };
  const Calibration& low = figures.calibrations.front();
  figures.foretold = low.others;
  const ChipState busy = {"", kFastVolts, kFastClock, kCores, kCores, 0.0};
  figures.foretold.push_back({"SpiNNaker2: a synaptic event, chip busy", "J",
                              low.law.watts(busy) / (core_rate * kCores), 0.69e-9,
                              "the law's power over the rate that is given"});
  figures.foretold.push_back(
      {"SpiNNaker1: a postsynaptic event", "J",
       spinnaker1.cycles_synapse / spinnaker1.clock * spinnaker1.active, 43e-9,
       "cycles at the published budget of 5,000 events a millisecond, power of an active core"});
  figures.foretold.push_back({"SpiNNaker1: a neuron and millisecond", "J",
                              spinnaker1.cycles_neuron / spinnaker1.clock * spinnaker1.active,
                              100e-9, "the cycles of an update are assumed"});
  return figures;
}

Value to_value(const ChipFigures& figures) {
  Value value = Value::map();
  value.set("inputs", foretold_value(figures.inputs));
  value.set("foretold", foretold_value(figures.foretold));
  Value list = Value::list();
  for (const Calibration& calibration : figures.calibrations) {
    Value one = Value::map();
    Value known = Value::list();
    for (const std::size_t state : calibration.known) {
      known.push(std::string(kStates[state].name));
    }
    one.set("known", std::move(known)).set("base_w", calibration.law.base);
    one.set("sleep_w", calibration.law.sleep).set("active_w", calibration.law.active);
    one.set("others", foretold_value(calibration.others));
    list.push(std::move(one));
  }
  return value.set("calibrations", std::move(list));
}

}  // namespace spikeloom
