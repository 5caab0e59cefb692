#include "snn/discretisation.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>

#include <fmt/format.h>

namespace spikeloom {
namespace {

using Getter = std::string (*)(const Discretisation&);
using Setter = bool (*)(Discretisation&, std::string_view);

struct Option {
  OptionInfo info;
  Getter get;
  Setter set;
};

bool parse_real(std::string_view text, double& value) {
  double parsed = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(parsed)) {
    return false;
  }
  value = parsed;
  return true;
}

bool parse_positive(std::string_view text, double& value) {
  double parsed = 0.0;
  if (!parse_real(text, parsed) || parsed <= 0.0) return false;
  value = parsed;
  return true;
}

std::string real_text(double value) { return fmt::format("{}", value); }

/// The words of an enumeration, in the order of its enumerators.
template <auto Member, const auto& Words>
std::string get_word(const Discretisation& d) {
  return std::string(Words[static_cast<std::size_t>(d.*Member)]);
}

template <auto Member, const auto& Words>
bool set_word(Discretisation& d, std::string_view text) {
  const auto found = std::find(Words.begin(), Words.end(), text);
  if (found == Words.end()) return false;
  using Enum = std::remove_reference_t<decltype(d.*Member)>;
  d.*Member = static_cast<Enum>(found - Words.begin());
  return true;
}

template <auto Member>
std::string get_real(const Discretisation& d) {
  return real_text(d.*Member);
}

template <auto Member>
bool set_positive(Discretisation& d, std::string_view text) {
  return parse_positive(text, d.*Member);
}

template <auto Member>
bool set_any_real(Discretisation& d, std::string_view text) {
  return parse_real(text, d.*Member);
}

template <auto Member>
std::string get_bit(const Discretisation& d) {
  return std::to_string(d.*Member);
}

template <auto Member>
bool set_bit(Discretisation& d, std::string_view text) {
  if (text != "0" && text != "1") return false;
  d.*Member = text == "1" ? 1 : 0;
  return true;
}

using Words2 = std::array<std::string_view, 2>;
using Words3 = std::array<std::string_view, 3>;
using Words4 = std::array<std::string_view, 4>;
constexpr Words3 kTimeUnits = {"s", "ms", "steps"};
constexpr Words4 kIntegrators = {"euler", "exponential", "raw", "raw-euler"};
constexpr Words3 kDecayInputs = {"none", "current", "all"};
constexpr Words2 kIfGains = {"r", "r-dt"};
constexpr Words3 kMembraneUnits = {"file", "gain", "threshold"};
constexpr Words3 kFixedPoints = {"none", "loihi", "floor"};
constexpr Words4 kResets = {"zero", "subtract", "once", "none"};
constexpr Words2 kResetTimings = {"same", "next"};
constexpr Words3 kSpikeRules = {"gt", "ge", "multi"};
constexpr Words2 kSpikeTimes = {"grid", "substep"};
constexpr Words2 kSpikeValues = {"unit", "per-dt"};
constexpr Words2 kCubaOrders = {"new", "old"};
constexpr Words3 kClamps = {"none", "if-threshold", "threshold"};
constexpr Words2 kRecords = {"after", "before"};
constexpr Words2 kSpikeRecords = {"crossing", "arrival"};
constexpr Words2 kDuplicates = {"sum", "once"};
constexpr Words2 kOffOn = {"off", "on"};

std::string get_dt(const Discretisation& d) { return d.dt > 0.0 ? real_text(d.dt) : "unknown"; }

std::string get_clamp(const Discretisation& d) {
  if (d.clamp == Clamp::kValue) return real_text(d.clamp_value);
  return std::string(kClamps[static_cast<std::size_t>(d.clamp)]);
}

bool set_clamp(Discretisation& d, std::string_view text) {
  if (set_word<&Discretisation::clamp, kClamps>(d, text)) return true;
  if (!parse_real(text, d.clamp_value)) return false;
  d.clamp = Clamp::kValue;
  return true;
}

std::string get_bias_start(const Discretisation& d) {
  return d.recurrent_bias_at_start ? "on" : "off";
}

bool set_bias_start(Discretisation& d, std::string_view text) {
  if (text != kOffOn[0] && text != kOffOn[1]) return false;
  d.recurrent_bias_at_start = text == kOffOn[1];
  return true;
}

std::string get_reset_every(const Discretisation& d) { return std::to_string(d.reset_every); }

bool set_reset_every(Discretisation& d, std::string_view text) {
  double steps = 0.0;
  if (!parse_real(text, steps) || steps < 0.0 || steps > 1e15 || steps != std::trunc(steps)) {
    return false;
  }
  d.reset_every = static_cast<std::int64_t>(steps);
  return true;
}

#define SPIKELOOM_WORD_OPTION(name, values, meaning, member, words)    \
  Option {                                                             \
    {name, values, meaning}, get_word<&Discretisation::member, words>, \
        set_word<&Discretisation::member, words>                       \
  }

constexpr std::array kOptions = {
    Option{{"dt", "SECONDS", "time step, in units of --time-unit"},
           get_dt,
           set_positive<&Discretisation::dt>},
    SPIKELOOM_WORD_OPTION("time-unit", "s|ms|steps", "unit of the file's time constants and of dt",
                          time_unit, kTimeUnits),
    SPIKELOOM_WORD_OPTION("integrator", "euler|exponential|raw|raw-euler",
                          "decay and gain of one step", integrator, kIntegrators),
    Option{{"input-gain", "G", "factor on the summed input of every neuron"},
           get_real<&Discretisation::input_gain>,
           set_any_real<&Discretisation::input_gain>},
    SPIKELOOM_WORD_OPTION("decay-input", "none|current|all",
                          "whether the decay applies to the input as well", decay_input,
                          kDecayInputs),
    SPIKELOOM_WORD_OPTION("if-gain", "r|r-dt", "input gain of nodes without tau", if_gain,
                          kIfGains),
    SPIKELOOM_WORD_OPTION("membrane-unit", "file|gain|threshold",
                          "unit of the membrane: the file's, input gain 1, or threshold 1",
                          membrane_unit, kMembraneUnits),
    Option{{"weight-scale", "S", "factor on neuron inputs"},
           get_real<&Discretisation::weight_scale>,
           set_positive<&Discretisation::weight_scale>},
    Option{{"threshold-scale", "S", "factor on thresholds, resets and leak drives"},
           get_real<&Discretisation::threshold_scale>,
           set_positive<&Discretisation::threshold_scale>},
    SPIKELOOM_WORD_OPTION("fixed-point", "none|loihi|floor",
                          "integer state with 12-bit decays; how their products round", fixed_point,
                          kFixedPoints),
    SPIKELOOM_WORD_OPTION("reset", "zero|subtract|once|none",
                          "what a spike does to the membrane (zero: to v_reset)", reset, kResets),
    SPIKELOOM_WORD_OPTION("reset-timing", "same|next", "step at which a spike and its reset act",
                          reset_timing, kResetTimings),
    SPIKELOOM_WORD_OPTION("spike-rule", "gt|ge|multi", "when a neuron fires", spike_rule,
                          kSpikeRules),
    SPIKELOOM_WORD_OPTION("spike-time", "grid|substep", "where in a step a spike happens",
                          spike_time, kSpikeTimes),
    SPIKELOOM_WORD_OPTION("spike-value", "unit|per-dt", "what a spike carries", spike_value,
                          kSpikeValues),
    SPIKELOOM_WORD_OPTION("cuba-order", "new|old", "which current drives the membrane", cuba_order,
                          kCubaOrders),
    Option{{"recurrent-bias-at-start", "on|off", "a recurrent bias acts at step 0 too"},
           get_bias_start,
           set_bias_start},
    Option{{"clamp", "none|if-threshold|threshold|VALUE", "lowest value of a membrane"},
           get_clamp,
           set_clamp},
    SPIKELOOM_WORD_OPTION("record-v", "after|before", "record the membrane after or before reset",
                          record_membrane, kRecords),
    SPIKELOOM_WORD_OPTION("record-spikes", "crossing|arrival",
                          "record a spike when the membrane crosses, or one step later",
                          record_spikes, kSpikeRecords),
    Option{{"link-delay", "0|1", "steps between populations (0: recurrent links only)"},
           get_bit<&Discretisation::link_delay>,
           set_bit<&Discretisation::link_delay>},
    Option{{"input-delay", "0|1", "steps on links from Input nodes"},
           get_bit<&Discretisation::input_delay>,
           set_bit<&Discretisation::input_delay>},
    Option{{"reset-every", "STEPS", "neurons start afresh so often, later layers later; 0: never"},
           get_reset_every,
           set_reset_every},
    SPIKELOOM_WORD_OPTION("duplicate-edges", "sum|once", "what a repeated edge means",
                          duplicate_edges, kDuplicates),
};
#undef SPIKELOOM_WORD_OPTION

constexpr auto kOptionInfos = [] {
  std::array<OptionInfo, kOptions.size()> infos{};
  for (std::size_t i = 0; i < kOptions.size(); ++i) infos[i] = kOptions[i].info;
  return infos;
}();

const Option* find_option(std::string_view name) {
  const auto found = std::find_if(kOptions.begin(), kOptions.end(),
                                  [&](const Option& o) { return o.info.name == name; });
  return found == kOptions.end() ? nullptr : &*found;
}

struct Preset {
  std::string_view name;
  std::vector<std::pair<std::string_view, std::string_view>> options;
};

/// Where each producer departs from the literal reading of NIR; sources in docs/discretisation.md.
const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = {
      {"nir", {}},
      {"norse", {{"recurrent-bias-at-start", "off"}}},
      {"snntorch", {{"membrane-unit", "gain"}}},
      {"sinabs",
       {{"integrator", "raw"},
        {"reset", "subtract"},
        {"spike-rule", "multi"},
        {"clamp", "if-threshold"}}},
      {"rockpool",
       {{"integrator", "raw"},
        {"decay-input", "current"},
        {"reset", "subtract"},
        {"spike-rule", "multi"}}},
      {"spyx", {{"reset", "subtract"}, {"reset-timing", "next"}}},
      {"nengo", {{"integrator", "exponential"}, {"membrane-unit", "threshold"}}},
      {"lava", {{"link-delay", "1"}, {"input-delay", "1"}}},
      {"spinnaker2", {{"membrane-unit", "gain"}, {"link-delay", "1"}}},
      {"slayer",
       {{"weight-scale", "64"},
        {"threshold-scale", "64"},
        {"fixed-point", "loihi"},
        {"record-spikes", "arrival"},
        {"link-delay", "1"}}},
      {"exact", {{"integrator", "exponential"}, {"spike-time", "substep"}}},
  };
  return all;
}

}  // namespace

double Discretisation::spike_amplitude() const {
  return spike_value == SpikeValue::kPerDt && dt > 0.0 ? 1.0 / dt : 1.0;
}

Time Discretisation::step_time() const {
  const double unit = time_unit == TimeUnit::kMilliseconds ? 1e6 : 1e9;
  const double nanoseconds = dt * unit;
  return nanoseconds < 9e18 ? static_cast<Time>(std::llround(nanoseconds)) : 0;
}

std::span<const OptionInfo> discretisation_options() { return kOptionInfos; }

std::string get_option(const Discretisation& discretisation, std::string_view name) {
  const Option* option = find_option(name);
  return option == nullptr ? std::string() : option->get(discretisation);
}

Status set_option(Discretisation& discretisation, std::string_view name, std::string_view text) {
  const Option* option = find_option(name);
  if (option == nullptr) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = fmt::format("there is no discretisation option '{}'", name),
                 .next = "see docs/discretisation.md"};
  }
  if (!option->set(discretisation, text)) {
    return Error{.what = fmt::format("'{}' cannot be this", name),
                 .where = fmt::format("--{}", name),
                 .expected = std::string(option->info.values),
                 .got = fmt::format("'{}'", text)};
  }
  return {};
}

std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

Result<std::vector<std::pair<std::string_view, std::string_view>>> preset_options(
    std::string_view preset) {
  for (const Preset& known : presets()) {
    if (known.name == preset) return known.options;
  }
  return Error{.code = ErrorCode::kNotFound,
               .what = fmt::format("there is no preset '{}'", preset),
               .where = "--preset",
               .expected = fmt::format("one of {}", fmt::join(preset_names(), ", "))};
}

Result<Discretisation> make_preset(std::string_view preset) {
  SPIKELOOM_TRY(const auto options, preset_options(preset));
  Discretisation made;
  made.preset = std::string(preset);
  for (const auto& [name, value] : options) SPIKELOOM_CHECK(set_option(made, name, value));
  return made;
}

Value to_value(const Discretisation& discretisation) {
  Value value = Value::map();
  value.set("preset", discretisation.preset);
  for (const OptionInfo& option : kOptionInfos) {
    if (option.name == "dt") {
      value.set("dt", discretisation.dt > 0.0 ? Value(discretisation.dt) : Value());
    } else {
      const std::string text = get_option(discretisation, option.name);
      double number = 0.0;
      value.set(option.name, parse_real(text, number) ? Value(number) : Value(text));
    }
  }
  return value;
}

Result<Discretisation> discretisation_from_value(const Value& value) {
  Discretisation made;
  const Value::Map* map = value.as_map();
  if (map == nullptr) {
    return Error{.code = ErrorCode::kFormat, .what = "a discretisation is a map of options"};
  }
  for (const auto& [name, entry] : *map) {
    if (name == "preset" && entry.as_string() != nullptr) {
      made.preset = *entry.as_string();
    } else if (entry.as_string() != nullptr) {
      SPIKELOOM_CHECK(set_option(made, name, *entry.as_string()));
    } else if (entry.is_number()) {
      SPIKELOOM_CHECK(set_option(made, name, real_text(entry.number())));
    } else if (!entry.is_null()) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "an option of a discretisation is text or a number",
                   .where = name};
    }
  }
  return made;
}

}  // namespace spikeloom
