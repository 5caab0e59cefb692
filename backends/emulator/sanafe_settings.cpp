#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "backends/emulator/sanafe_network_private.hpp"

namespace spikeloom::emulator {
namespace {

using Parameters = NeuronParameters;

struct NumberKey {
  std::string_view name;
  double Parameters::*member;
};
constexpr std::array<NumberKey, 7> kNumbers = {{
    {"threshold", &Parameters::threshold},
    {"reverse_threshold", &Parameters::reverse_threshold},
    {"reset", &Parameters::reset},
    {"reverse_reset", &Parameters::reverse_reset},
    {"leak_decay", &Parameters::leak_decay},
    {"input_decay", &Parameters::input_decay},
    {"leak", &Parameters::leak},
}};

/// About traces of the program that wrote the file.
constexpr std::array<std::string_view, 6> kWithoutEffect = {
    "log_u",          "log_v", "log_potential", "connections_out", "default_synapse_hw_name",
    "force_potential"};

Result<ResetMode> reset_mode(const Value& value, const Place& place) {
  SPIKELOOM_TRY(const std::string text, to_text(value, place));
  if (text == "none") return ResetMode::kNone;
  if (text == "hard") return ResetMode::kHard;
  if (text == "soft") return ResetMode::kSoft;
  if (text == "saturate") return ResetMode::kSaturate;
  return Error{.code = ErrorCode::kFormat,
               .what = "not a reset mode",
               .where = place,
               .expected = "none, hard, soft or saturate",
               .got = text};
}

Result<std::vector<std::uint8_t>> spike_train(const Value& value, const Place& place) {
  if (value.as_list() == nullptr) return format_error(place, "a spike train is a list");
  std::vector<std::uint8_t> train;
  train.reserve(value.as_list()->size());
  for (const Value& item : *value.as_list()) {
    SPIKELOOM_TRY(const bool spike, to_flag(item, place));
    train.push_back(spike ? 1 : 0);
  }
  return train;
}

/// A fraction; the random kinds are told apart from those at rest.
Result<double> fraction(const Value& value, const Place& place) {
  SPIKELOOM_TRY(const double number, to_number(value, place));
  if (number < 0.0 || number > 1.0) return format_error(place, "a rate is between 0 and 1");
  return number;
}

Status set_input(std::string_view key, const Value& value, const Place& place,
                 NeuronSettings& settings, bool& known) {
  if (key == "spikes") {
    SPIKELOOM_TRY(settings.spikes, spike_train(value, place));
    settings.has_spikes = true;
  } else if (key == "rate") {
    SPIKELOOM_TRY(settings.rate, fraction(value, place));
    settings.has_rate = true;
  } else if (key == "poisson") {
    SPIKELOOM_TRY(const double probability, fraction(value, place));
    settings.random = probability != 0.0;
  } else {
    known = false;
  }
  return {};
}

Status set_mode(std::string_view key, const Value& value, const Place& place,
                NeuronSettings& settings, bool& known) {
  Parameters& parameters = settings.parameters;
  if (key == "reset_mode") {
    SPIKELOOM_TRY(parameters.reset_mode, reset_mode(value, place));
  } else if (key == "reverse_reset_mode") {
    SPIKELOOM_TRY(parameters.reverse_reset_mode, reset_mode(value, place));
  } else if (key == "force_update" || key == "force_update_every_timestep") {
    SPIKELOOM_TRY(parameters.force_update, to_flag(value, place));
  } else if (key == "leak_towards_zero") {
    SPIKELOOM_TRY(parameters.leak_towards_zero, to_flag(value, place));
  } else if (key == "random_mask") {
    SPIKELOOM_TRY(const std::int64_t mask, to_integer(value, place));
    settings.random = mask != 0;
  } else if (key == "refractory_delay") {
    SPIKELOOM_TRY(const std::int64_t delay, to_integer(value, place));
    if (delay > (1 << 30)) return format_error(place, "a refractory delay beyond 2^30 steps");
    parameters.refractory_delay = static_cast<std::int32_t>(std::max<std::int64_t>(delay, 0));
  } else {
    return set_input(key, value, place, settings, known);
  }
  return {};
}

Status set_attribute(std::string_view key, const Value& value, const Place& place,
                     NeuronSettings& settings) {
  for (const NumberKey& number : kNumbers) {
    if (key != number.name) continue;
    SPIKELOOM_TRY(settings.parameters.*number.member, to_number(value, place));
    return {};
  }
  if (key == "bias") {
    SPIKELOOM_TRY(settings.bias, to_number(value, place));
    return {};
  }
  if (key == "potential") {
    SPIKELOOM_TRY(settings.potential, to_number(value, place));
    return {};
  }
  if (std::find(kWithoutEffect.begin(), kWithoutEffect.end(), key) != kWithoutEffect.end()) {
    return {};
  }
  bool known = true;
  SPIKELOOM_CHECK(set_mode(key, value, place, settings, known));
  if (known) return {};
  return unsupported(place, fmt::format("the attribute '{}' is not known", key));
}

/// What a neuron says of its own units: names, and attributes for one unit alone.
Status set_own(std::string_view key, const Value& value, const Place& place,
               NeuronSettings& settings, bool& done) {
  done = true;
  if (key == "log_spikes") {
    SPIKELOOM_TRY(settings.log_spikes, to_flag(value, place));
  } else if (key == "synapse_hw_name") {
    SPIKELOOM_TRY(settings.units.synapse, to_text(value, place));
  } else if (key == "dendrite_hw_name") {
    SPIKELOOM_TRY(settings.units.dendrite, to_text(value, place));
  } else if (key == "soma_hw_name") {
    SPIKELOOM_TRY(settings.units.soma, to_text(value, place));
  } else if (key == "soma" || key == "dendrite") {
    SPIKELOOM_TRY(const Fields fields, Fields::of(value, place));
    NeuronSettings unused;  // an accumulator has no attributes, but a wrong one is still refused
    for (const auto& [name, entry] : fields.entries()) {
      SPIKELOOM_CHECK(set_attribute(name, *entry, place, key == "soma" ? settings : unused));
    }
  } else {
    done = false;
  }
  return {};
}

}  // namespace

Result<NeuronSettings> read_settings(const Value& attributes, NeuronSettings settings,
                                     const Place& place) {
  SPIKELOOM_TRY(const Fields fields, Fields::of(attributes, place));
  for (const auto& [key, value] : fields.entries()) {
    if (key == "soma" || key == "dendrite") continue;  // they come last: they say it more exactly
    bool done = false;
    SPIKELOOM_CHECK(set_own(key, *value, place, settings, done));
    if (!done) SPIKELOOM_CHECK(set_attribute(key, *value, place, settings));
  }
  for (const std::string_view unit : {"dendrite", "soma"}) {
    bool done = false;
    if (const Value* own = fields.find(unit); own != nullptr) {
      SPIKELOOM_CHECK(set_own(unit, *own, place, settings, done));
    }
  }
  return settings;
}

}  // namespace spikeloom::emulator
