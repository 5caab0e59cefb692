#pragma once
/// The neurons of one part of a slice, whatever their model.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backends/simulation/detail/slices.hpp"
#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

class NeuronGroup {
 public:
  virtual ~NeuronGroup() = default;

  /// One step with `input`, the part's sums of what arrives in it, 0 afterwards, and `current` (pA)
  /// besides. Appends `first` + the number in the part of each neuron that fires, ascending.
  virtual void step(std::int32_t* input, double current, std::uint32_t first,
                    std::vector<std::uint32_t>& spikes) = 0;

  /// A state variable in its unit. kNotFound: the model has none of this name.
  virtual Status read(std::string_view variable, std::span<double> values) const = 0;

  /// Everything that step() depends on besides parameters, in columns of the part's size.
  virtual std::vector<std::vector<double>> save() const = 0;
  /// What save() gave, columns of the same sizes.
  virtual void load(std::span<const std::vector<double>> columns) = 0;
};

/// The neurons of `part`, whose input comes in units of `unit`.
Result<std::unique_ptr<NeuronGroup>> make_neurons(const Network& network, const Part& part,
                                                  double unit, bool in_double);

/// Whether a population moves as WholeCurrentArrays (neuron_kernels.hpp) says.
bool has_whole_currents(const Network& network, std::uint32_t population, bool in_double);

/// What WholeCurrentArrays takes, but for the drive: float(from_current (standing + stimuli)).
struct WholeCurrentParameters {
  float decay = 0, gain = 0, current_decay = 0, threshold = 0, reset = 0;
  double from_current = 0.0, standing_current = 0.0, rest = 0.0;
  std::int32_t refractory_steps = 0;
  std::vector<float> initial = {};  ///< membranes of the part's neurons
};
WholeCurrentParameters whole_current_parameters(const Network& network, const Part& part,
                                                double unit);

/// Columns of NeuronGroup::save() for a population.
std::size_t saved_columns(const Network& network, std::uint32_t population, bool in_double);

/// Bytes of make_neurons(), without the input.
double expected_neuron_bytes(const Network& network, const Part& part, bool in_double);

}  // namespace spikeloom::simulation
