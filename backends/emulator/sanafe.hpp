#pragma once
/// Reading what SANA-FE reads: a chip description and a network that is already mapped to it, both
/// YAML (docs/formats/sanafe.md has every key).
///
///     architecture: name, attributes (topology mesh, width, height, link_buffer_size, sync_model,
///     latency_sync), tile -> core -> axon_in, synapse, dendrite, soma, axon_out
///     network:  groups (name, attributes, neurons), edges ("a -> b" of type dense, conv2d or
///               sparse, or "a.i -> b.j")
///     mappings: "group.neuron", "group.first..last" or "group" to "tile.core"
///
/// A convolution's weights run over (kernel y, kernel x, input channel, output channel), a dense
/// edge's over (source, target); neurons of a convolution are numbered (channel, y, x); there is no
/// padding. The order of the mappings is the order in which a core works off its neurons.
///
/// Refused by name: plugins, units in two sections, models other than current_based, accumulator,
/// leaky_integrate_fire, truenorth and input, delays, noise, random thresholds and inputs, several
/// axon units in a core, a buffer elsewhere than before the soma, and keys that are not known.

#include <cstdint>
#include <string>

#include "backends/emulator/mapped_program.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::emulator {

struct SanafeFiles {
  std::string network;  ///< path of the file with `network` and `mappings`
  std::string chip;     ///< path of the file with `architecture`; empty: the same file
};

/// Bounds of what a file may ask for: a short text can describe a very large network.
struct SanafeLimits {
  std::uint64_t neurons = std::uint64_t{1} << 22;
  std::uint64_t synapses = std::uint64_t{1} << 26;  ///< 256 MB of whole weights
};

/// kFormat: not YAML, or a field that is missing or no number. kShape: sizes that do not fit.
/// kUnsupported: see above. kResource: beyond the limits, or more neurons than a core holds.
Result<MappedProgram> read_sanafe(const SanafeFiles& files, const SanafeLimits& limits = {});

/// The chip alone.
Result<Chip> read_sanafe_chip(const std::string& path);

/// The same from text; `name` is what errors call it.
Result<Chip> parse_sanafe_chip(const std::string& text, const std::string& name);
Result<MappedProgram> parse_sanafe(const std::string& text, const std::string& name, Chip chip,
                                   const SanafeLimits& limits = {});

}  // namespace spikeloom::emulator
