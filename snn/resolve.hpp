#pragma once
/// From a network, a preset's name and explicit options to one Discretisation.
///
/// Where the file holds evidence of its producer it is used; where it does not and the choice
/// changes the result, the run is refused with the option to give. Evidence (facts and sources:
/// docs/discretisation.md):
/// - dt = tau / r and = tau_syn / w_in, one value for all neurons: snnTorch's convention (also
///   written by lava scripts) -> preset snntorch;
/// - r = 1 - 1/tau for all LIF: Spyx's convention, tau in steps -> dt 1, raw-euler, preset spyx;
/// - r = tau exp(-dt/tau) / dt: Rockpool's; gives dt once the preset rockpool is named;
/// - IF with r = 1/dt: SpikingJelly's -> if-gain r-dt, when dt is known and matches.
/// Explicit options always win, whatever their order.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct DiscretisationRequest {
  std::optional<std::string> preset;
  /// (name, value) pairs as set_option takes them.
  std::vector<std::pair<std::string, std::string>> options;
  /// What the model file itself declares; beats detection, is beaten by preset and options.
  std::optional<Discretisation> declared;
};

struct ResolvedDiscretisation {
  Discretisation discretisation;
  std::vector<std::string> notes;  ///< what was detected or assumed, one line each
};

/// dt may still be 0 in the result when no neuron of the network needs it (IF with gain r only).
/// kAmbiguous: dt is needed, not given and not in the file.
Result<ResolvedDiscretisation> resolve_discretisation(const Network& network,
                                                      const DiscretisationRequest& request);

}  // namespace spikeloom
