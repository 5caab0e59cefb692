#pragma once
/// iaf_psc_exp neurons that are moved when something reaches them, any number of steps at once.
///
/// One step is that of WholeCurrentArrays. n steps without input are one step of n dt: the closed
/// form, rounded once instead of n times. A neuron of which a bound says that it cannot fire
/// without input waits; the others are moved in every step:
///
///     max(V, V_infinity) + max(I, 0) max_n gain(n) < threshold        waits
///
/// So time follows spikes and their synapses, not neurons; results do not depend on threads.
///
/// Neurons get their places in the array when something reaches them for the first time, from the
/// beginning of their segment (slices.hpp) on, and synapses are renumbered when their source fires
/// for the first time: those that take part lie together, however large the network is.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/simulation/detail/neurons.hpp"
#include "event/aligned_buffer.hpp"

namespace spikeloom::simulation {

class LazyNeurons : public NeuronGroup {
 public:
  /// `network` stays where it is.
  LazyNeurons(const Network& network, const Part& part, double unit);

  /// The place of neuron `i` of the part, from now on.
  std::uint32_t place(std::uint32_t i);
  /// Adds `weight` to the current of the neuron at `place`, in the step that step() has begun.
  void receive(std::uint32_t place, std::int32_t weight) {
    Neuron& neuron = neurons_[place];
    if (neuron.last != now_) {
      catch_up(neuron);
      if (!neuron.hot) touched_.push_back(place);
    }
    neuron.received += weight;
  }
  void fetch(std::uint32_t place) const { __builtin_prefetch(&neurons_[place], 1); }
  /// After the last receive() of a step: who has to be watched from now on.
  void settle();

  /// Comes before the receive() of a step; takes no input.
  void step(std::int32_t* input, double current, std::uint32_t first,
            std::vector<std::uint32_t>& spikes) override;
  Status read(std::string_view variable, std::span<double> values) const override;
  std::vector<std::vector<double>> save() const override;
  void load(std::span<const std::vector<double>> columns) override;

  static double expected_bytes(const Part& part) {
    return static_cast<double>(part.size) * (sizeof(Neuron) + 2 * sizeof(std::uint32_t));
  }

  static constexpr std::size_t kColumns = 6;

 private:
  struct Neuron {
    float membrane = 0.0F;
    float current = 0.0F;       ///< units, before what it received in step `last`
    std::int32_t received = 0;  ///< whole, so that its order does not matter
    std::uint32_t last = 0;     ///< the state is that after this step
    std::uint16_t held = 0;     ///< refractory steps from then on
    std::uint16_t hot = 0;      ///< moved in every step
    bool operator==(const Neuron&) const = default;
  };
  /// n steps without input.
  struct Propagator {
    float decay, gain, drive, current_decay;
  };

  static float sum(const Neuron& neuron) {
    return neuron.current + static_cast<float>(neuron.received);
  }
  void catch_up(Neuron& neuron) const;
  bool can_fire(const Neuron& neuron) const {
    const float above = neuron.membrane > resting_ ? neuron.membrane : resting_;
    const float current = sum(neuron);
    return above + (current > 0.0F ? current : 0.0F) * largest_gain_ >= threshold_;
  }

  /// A neuron that nothing has reached yet.
  Neuron untouched(double membrane) const {
    Neuron neuron;
    neuron.membrane = static_cast<float>(membrane - rest_);
    neuron.last = origin_;
    return neuron;
  }
  /// The neuron's state, wherever it is.
  Neuron state_of(std::size_t i, double initial_membrane) const {
    return place_[i] == 0 ? untouched(initial_membrane) : neurons_[place_[i] - 1];
  }
  std::vector<double> initial_membranes() const;

  const Network* network_;
  Part part_;
  std::uint32_t now_ = 0, origin_ = 0;  ///< origin: what untouched neurons have as `last`
  // Pages that nobody writes to take no memory.
  AlignedBuffer<Neuron> neurons_;             ///< by place
  AlignedBuffer<std::uint32_t> place_;        ///< of each neuron, + 1; 0: none yet
  AlignedBuffer<std::uint32_t> neuron_;       ///< at each place
  std::vector<std::uint32_t> free_;           ///< the next place in each segment
  std::vector<Propagator> after_;             ///< n steps; the last one stands for all later ones
  std::vector<std::uint32_t> hot_, touched_;  ///< places
  float threshold_ = 0.0F, reset_ = 0.0F, resting_ = 0.0F, largest_gain_ = 0.0F;
  std::uint16_t refractory_steps_ = 0;
  double unit_ = 1.0, rest_ = 0.0;
};

/// Whether LazyNeurons can have this population: iaf_psc_exp, shared parameters, one synaptic time
/// constant, fed by synapses and an I_e that alone does not make them fire.
bool can_be_lazy(const Network& network, std::uint32_t population);

}  // namespace spikeloom::simulation
