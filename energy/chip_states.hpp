#pragma once
/// How far a chip's power can be foretold: a law, calibrated on three measured states, beside the
/// states that it has not seen.
///
///     P = base + N (V / V0)^2 sleep + N_active (V / V0)^2 (f / f0) active
///
/// N cores, of which N_active work, at voltage V and clock f. The last term is switched
/// capacitance; that waiting cores take power as V^2 is an assumption, made before looking at the
/// result. Base, sleep and active are what three states determine, in watts at V0 and f0.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom {

struct ChipState {
  std::string_view name;
  double volts = 0.0, clock = 0.0;   ///< V, Hz
  double cores = 0.0, active = 0.0;  ///< powered, and of them working
  double watts = 0.0;                ///< measured
};

/// SpiNNaker2's five published states (chip paper arXiv 2607.24396 through public notes).
std::span<const ChipState> spinnaker2_states();

/// Watts; sleep and active per core at V0 = 0.5 V and f0 = 150 MHz.
struct PowerLaw {
  double base = 0.0, sleep = 0.0, active = 0.0;
  double watts(const ChipState& state) const;
};

/// kInvalidArgument: three states that leave a constant open.
Result<PowerLaw> calibrate(std::span<const ChipState, 3> states);

/// A figure that a model gives, beside the published one.
struct Foretold {
  std::string what;
  std::string unit;
  double predicted = 0.0, published = 0.0;
  std::string note;
  double error() const { return predicted / published - 1.0; }
};

/// One choice of three states and what it says of the other two.
struct Calibration {
  std::array<std::size_t, 3> known = {};  ///< indices into the states
  PowerLaw law;
  std::vector<Foretold> others;
};
/// Every choice of three that determines the law; the one of the lower level comes first.
std::vector<Calibration> calibrations(std::span<const ChipState> states);

/// The figures of SpiNNaker2 and SpiNNaker1 that follow from clocks, cycles and power, with no
/// constant fitted to them: both states, joules of a synaptic event on a busy chip, and
/// SpiNNaker1's joules of a postsynaptic event and of a neuron and millisecond.
struct ChipFigures {
  std::vector<Foretold> inputs;  ///< `predicted` is what is given
  std::vector<Foretold> foretold;
  std::vector<Calibration> calibrations;
};
/// Cycles of an event and of an update, clocks and power as the targets' files have them.
struct EventCosts {
  double cycles_synapse = 0.0, cycles_neuron = 0.0, clock = 0.0;
  double active = 0.0;  ///< W of a core that works, beside its waiting
};
/// `fast` is SpiNNaker2 at its faster level.
ChipFigures chip_figures(const EventCosts& fast, const EventCosts& spinnaker1);

Value to_value(const ChipFigures& figures);

}  // namespace spikeloom
