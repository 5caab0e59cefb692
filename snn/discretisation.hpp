#pragma once
/// Discretisation: every choice that turns a network's equations into steps.
///
/// A file such as NIR's leaves these choices open and each producer makes its own, so the same
/// file gives other spikes in another tool. Here they are explicit, printed with every run, and
/// bundled in presets that reproduce each producer (docs/discretisation.md has the table and its
/// sources). Equations: neuron_coefficients.hpp; delays: lowering.hpp.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace spikeloom {

enum class TimeUnit { kSeconds, kMilliseconds, kSteps };
/// Decay and gain of dx/dt = (-x + r u) / tau over one step.
enum class Integrator {
  kForwardEuler,  ///< decay 1 - dt/tau, gain r dt/tau
  kExponential,   ///< decay exp(-dt/tau), gain r (1 - exp(-dt/tau)): exact for constant input
  kRaw,           ///< decay exp(-dt/tau), gain 1: r and w_in are ignored
  kRawEuler,      ///< decay 1 - dt/tau, gain 1: r and w_in are ignored
};
/// What input the decay is applied to as well: x <- decay (x + gain u).
enum class DecayInput { kNone, kCurrent, kAll };
enum class IfGain { kR, kRTimesDt };  ///< gain of nodes without tau: r, or r dt
/// Unit in which a membrane is held, its threshold scaled along: the file's; that in which the
/// input gain is 1; that in which the threshold is 1.
enum class MembraneUnit { kFile, kInputGain, kThreshold };
/// Integer state with 12-bit decays (docs/integer.md). kLoihi: decay products are cut off towards
/// zero, as Loihi shifts magnitudes; kFloor: rounded down, an arithmetic shift.
enum class FixedPoint { kNone, kLoihi, kFloor };
enum class Reset { kToVReset, kSubtract, kSubtractOnce, kNone };
/// kNextStep: a spike is emitted, and its reset applied, one step after the crossing.
enum class ResetTiming { kSameStep, kNextStep };
enum class SpikeRule { kGreater, kGreaterEqual, kMultiple };
/// kSubStep: spikes within a step at their exact time (LIF and IF with constant input).
enum class SpikeTime { kGrid, kSubStep };
enum class SpikeValue { kUnit, kPerDt };  ///< a spike carries 1, or 1/dt (a Dirac pulse)
enum class CubaOrder { kNewCurrent, kOldCurrent };
enum class Clamp { kNone, kMinusThresholdOfIf, kMinusThreshold, kValue };
enum class RecordMembrane { kAfterReset, kBeforeReset };
/// Where a spike is recorded and counted: in the step of its crossing, or in that of its arrival
/// over a link of one step (link_delay 1), which the run's last crossings never see.
enum class RecordSpikes { kCrossing, kArrival };
enum class DuplicateEdges { kSum, kOnce };

struct Discretisation {
  std::string preset = "nir";  ///< the preset these values started from
  double dt = 0.0;             ///< step in units of `time_unit`; 0 while unknown
  TimeUnit time_unit = TimeUnit::kSeconds;
  Integrator integrator = Integrator::kForwardEuler;
  double input_gain = 1.0;  ///< factor on the summed input of every neuron
  DecayInput decay_input = DecayInput::kNone;
  IfGain if_gain = IfGain::kR;
  MembraneUnit membrane_unit = MembraneUnit::kFile;
  double weight_scale = 1.0;     ///< factor on neuron inputs (rounded in fixed point)
  double threshold_scale = 1.0;  ///< factor on thresholds, resets and leak drives
  FixedPoint fixed_point = FixedPoint::kNone;
  Reset reset = Reset::kToVReset;
  ResetTiming reset_timing = ResetTiming::kSameStep;
  SpikeRule spike_rule = SpikeRule::kGreater;
  SpikeTime spike_time = SpikeTime::kGrid;
  SpikeValue spike_value = SpikeValue::kUnit;
  CubaOrder cuba_order = CubaOrder::kNewCurrent;
  bool recurrent_bias_at_start = true;  ///< a recurrent weight node's bias acts at step 0 too
  Clamp clamp = Clamp::kNone;
  double clamp_value = 0.0;  ///< lowest membrane value with Clamp::kValue
  RecordMembrane record_membrane = RecordMembrane::kAfterReset;
  RecordSpikes record_spikes = RecordSpikes::kCrossing;
  int link_delay = 0;
  int input_delay = 0;
  /// Every so many steps all neurons start afresh, each layer as many steps later as its input has
  /// travelled: a new sample of a stream of samples. 0: never.
  std::int64_t reset_every = 0;
  DuplicateEdges duplicate_edges = DuplicateEdges::kSum;

  /// What a spike carries: 1, or 1/dt.
  double spike_amplitude() const;
  /// dt in nanoseconds, rounded; 0 while dt is unknown.
  Time step_time() const;
};

/// One option as the command line and files name it.
struct OptionInfo {
  std::string_view name;     ///< e.g. "reset"; the flag is --reset
  std::string_view values;   ///< e.g. "zero|subtract|once|none"
  std::string_view meaning;  ///< one line
};

/// All options of a Discretisation, in the order they are printed.
std::span<const OptionInfo> discretisation_options();

/// Text of an option's present value. The name must be one of discretisation_options().
std::string get_option(const Discretisation& discretisation, std::string_view name);

/// Sets an option from text; kInvalidArgument lists the allowed values.
Status set_option(Discretisation& discretisation, std::string_view name, std::string_view text);

/// Names of the presets, "nir" first.
std::vector<std::string_view> preset_names();

/// The options in which a preset differs from "nir"; kNotFound lists the names.
Result<std::vector<std::pair<std::string_view, std::string_view>>> preset_options(
    std::string_view preset);

/// A preset's Discretisation; dt stays unknown where the preset does not fix it.
Result<Discretisation> make_preset(std::string_view preset);

/// A map of every option, dt as a number; from_value accepts what to_value wrote.
Value to_value(const Discretisation& discretisation);
Result<Discretisation> discretisation_from_value(const Value& value);

}  // namespace spikeloom
