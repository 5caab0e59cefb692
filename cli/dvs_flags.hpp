#pragma once
/// The flags that say what a DVS pixel is like.

#include <optional>

#include "sensors/dvs.hpp"

namespace CLI {
class App;
}

namespace spikeloom::cli {

/// What is absent is left as it is.
struct DvsFlags {
  std::optional<double> threshold, threshold_on, threshold_off, sigma, cutoff, leak, shot;
  std::optional<double> refractory_us;
  bool interpolate = false;
};

void add_dvs_flags(CLI::App& command, DvsFlags& flags);
void apply(const DvsFlags& flags, DvsOptions& options);

}  // namespace spikeloom::cli
