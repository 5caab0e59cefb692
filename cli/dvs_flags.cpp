#include "cli/dvs_flags.hpp"

#include <CLI/CLI.hpp>

#include "cli/number_check.hpp"

namespace spikeloom::cli {

void add_dvs_flags(CLI::App& command, DvsFlags& flags) {
  constexpr const char* kPixel = "Pixel";
  const auto number = [&](const char* name, std::optional<double>& value, const char* words) {
    command.add_option(name, value, words)->check(not_negative)->group(kPixel);
  };
  number("--threshold", flags.threshold, "ON and OFF threshold, of ln of luminance");
  number("--threshold-on", flags.threshold_on, "ON threshold");
  number("--threshold-off", flags.threshold_off, "OFF threshold");
  number("--sigma", flags.sigma, "spread of thresholds over pixels");
  number("--cutoff", flags.cutoff, "bandwidth at white, Hz; 0: no limit");
  number("--leak", flags.leak, "leak events a second of a pixel");
  number("--shot-noise", flags.shot, "noise events a second of a dark pixel");
  command.add_option("--refractory", flags.refractory_us, "refractory period, us")
      ->check(within(0.0, 1e9))
      ->group(kPixel);
  command.add_flag("--interpolate", flags.interpolate, "times where the threshold is crossed")
      ->group(kPixel);
}

void apply(const DvsFlags& flags, DvsOptions& options) {
  const auto replace = [](double& value, const std::optional<double>& given) {
    if (given) value = *given;
  };
  replace(options.threshold_on, flags.threshold);
  replace(options.threshold_off, flags.threshold);
  replace(options.threshold_on, flags.threshold_on);
  replace(options.threshold_off, flags.threshold_off);
  replace(options.threshold_sigma, flags.sigma);
  replace(options.cutoff_hz, flags.cutoff);
  replace(options.leak_hz, flags.leak);
  replace(options.shot_hz, flags.shot);
  if (flags.refractory_us) {
    options.refractory = static_cast<Time>(*flags.refractory_us * kMicrosecond);
  }
  options.interpolate = options.interpolate || flags.interpolate;
}

}  // namespace spikeloom::cli
