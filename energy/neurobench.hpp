#pragma once
/// NeuroBench's metrics, number for number as its harness computes them (PyPI neurobench 2.3.0).
///
/// What is peculiar to them, and kept:
/// - Synaptic operations count pairs of a non-zero input and a non-zero weight; a weight stored as
///   zero costs nothing (docs/counting.md counts it). Bias, pooling and neurons cost nothing.
/// - Whether a layer's operations are MACs or ACs is decided per call, that is per step and batch:
///   one input other than -1, 0, 1 makes all of them MACs, so the figures depend on the batch.
/// - Dense puts ones everywhere; padding contributes nothing. Figures are per sample, summed over
///   its steps (the published leaderboard divides by steps).
/// - Footprint adds parameters and buffers at 4 bytes: an snnTorch neuron layer with scalar
///   parameters has 5 buffers (beta, threshold, graded_spikes_factor, reset_mechanism_val, mem),
///   one with a synaptic current 7 (alpha, syn besides), and a recurrent one 1 more (spk).
/// - Activation sparsity is over the outputs of spiking layers, the last one included; the input
///   is not; per batch, then averaged by batch size.
/// - Membrane updates are the membranes that a step changed, and all of them in the first step.
/// - Neuron operations: updates times 4 (LIF, IF), or 6 with a synaptic current (8 with reset to
///   zero); in a network with recurrent neurons the harness fails and reports 0.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/program.hpp"

namespace spikeloom {

struct NeuroBenchMetrics {
  double footprint_bytes = 0.0, parameters = 0.0, connection_sparsity = 0.0;
  double activation_sparsity = 0.0;
  double effective_macs = 0.0, effective_acs = 0.0, dense = 0.0;  ///< per sample
  double membrane_updates = 0.0;
  double neuron_operations = 0.0, neuron_operations_dense = 0.0;
};
Value to_value(const NeuroBenchMetrics& metrics);

/// What one sample did: one entry per node of the Program.
struct NeuroBenchNodeTrace {
  std::vector<std::int64_t> step;  ///< of every non-zero output, rising
  std::vector<std::uint32_t> index;
  std::vector<double> value;
  /// (steps, neurons), after each step, for neuron nodes; empty: membrane updates stay 0.
  std::vector<double> membrane;
};
struct NeuroBenchSample {
  std::int64_t steps = 0;
  std::vector<NeuroBenchNodeTrace> nodes;
};

/// The static metrics alone.
NeuroBenchMetrics neurobench_static(const Program& program);

class NeuroBenchCounter {
 public:
  /// kUnsupported: a weight node that PyTorch has no layer for (RandomSparse).
  static Result<NeuroBenchCounter> create(const Program& program);

  /// One batch of the harness. kShape: samples of different lengths, or of another network.
  Status add_batch(std::span<const NeuroBenchSample> batch);
  NeuroBenchMetrics metrics() const;

 private:
  explicit NeuroBenchCounter(const Program& program) : program_(&program) {}
  void count_synapses(std::uint32_t node, std::span<const NeuroBenchSample> batch);
  void count_neurons(std::uint32_t node, const NeuroBenchSample& sample);

  const Program* program_;
  std::vector<std::vector<std::uint32_t>> fan_out_;  ///< per weight node and input element
  std::uint64_t samples_ = 0, macs_ = 0, acs_ = 0, dense_ = 0, updates_ = 0;
  std::uint64_t neuron_ops_ = 0, neuron_dense_ = 0;
  double sparsity_times_samples_ = 0.0;
};

}  // namespace spikeloom
