#pragma once
/// A slice and everything that one thread touches while it moves it.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/simulation/detail/delivery.hpp"
#include "backends/simulation/detail/neurons.hpp"
#include "backends/simulation/detail/regenerated.hpp"
#include "backends/simulation/detail/rows.hpp"
#include "backends/simulation/detail/slices.hpp"
#include "backends/simulation/detail/stimuli.hpp"
#include "backends/simulation/engine.hpp"
#include "event/aligned_buffer.hpp"

namespace spikeloom::simulation {

/// Adds up the time between its calls; nothing where `on` is false.
class PhaseClock {
 public:
  explicit PhaseClock(bool on);
  void add_to(double& phase);

 private:
  bool on_;
  double last_ = 0.0;
};

class SliceState {
 public:
  /// `network` stays where it is. `units`: weight_units(network).
  static Result<SliceState> make(const Network& network, Slice slice,
                                 const std::vector<double>& units, const EngineOptions& options);

  /// What the coming step can begin with before all spikes of the last one are known, and what
  /// leaves state() and save() as they are: what is due of the spikes that are known is delivered.
  /// Neurons that take their input one by one can do nothing then.
  void prepare(EnginePhases& phases, bool measure);
  /// The step: the rest of what is due, stimuli, neurons.
  void move(std::int64_t step, EnginePhases& phases, bool measure);

  /// `source` fired in step `fired`; `now` is the step that begins or has begun.
  void add(std::uint32_t source, std::int64_t fired, std::int64_t now);

  /// Asks the memory for what add(source) will read.
  void fetch(std::uint32_t source) const {
    if (regenerated_ == nullptr) rows_.fetch(source);
  }

  /// Who fired in step `step`, the last one or the one before; ascending.
  const std::vector<std::uint32_t>& spikes(std::int64_t step) const { return spikes_[step & 1]; }

  /// Drops spikes on their way.
  void forget_spikes();

  /// Bytes of the sums.
  static double expected_bytes(const Network& network, const Slice& slice,
                               const EngineOptions& options);

  const Slice& slice() const { return slice_; }
  NeuronGroup& neurons(std::size_t part) { return *neurons_[part]; }
  const NeuronGroup& neurons(std::size_t part) const { return *neurons_[part]; }
  std::uint64_t events() const { return events_; }
  void set_events(std::uint64_t events) { events_ = events; }
  std::uint64_t synapses() const { return rows_.synapses(); }
  std::uint64_t synapse_bytes() const;

 private:
  /// The sums of what arrives in the coming step.
  std::int32_t* input() {
    return accumulators_.data() +
           static_cast<std::size_t>(deliveries_.turn()) * slice_.accumulators;
  }

  Slice slice_;
  AlignedBuffer<std::int32_t> accumulators_;  ///< an array for each turn of deliveries_
  Receivers receivers_;
  std::vector<LazyNeurons*> lazy_;                     ///< of neurons_
  std::vector<bool> is_lazy_;                          ///< of each part
  std::vector<std::unique_ptr<NeuronGroup>> neurons_;  ///< of each part
  std::vector<Stimuli> stimuli_;
  std::vector<std::uint32_t> first_;  ///< number of each part's first neuron
  Rows rows_;
  Deliveries deliveries_{1, 1, 1};
  std::unique_ptr<RegeneratedRows> regenerated_;  ///< instead of rows and deliveries
  std::vector<std::vector<std::uint32_t>> part_spikes_;
  std::vector<std::uint32_t> spikes_[2];  ///< of even and odd steps
  std::uint64_t events_ = 0;
};

}  // namespace spikeloom::simulation
