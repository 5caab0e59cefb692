#pragma once
/// A program in the reference's arithmetic: weights and coefficients converted once.

#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "backends/reference/neuron.hpp"
#include "backends/reference/operators.hpp"

namespace spikeloom::reference {

/// One program node, ready to run.
template <typename Real>
struct PreparedNode {
  Weights<Real> weights;
  SourceRows<Real> rows;                        ///< op::RandomSparse
  std::vector<Real> factor;                     ///< op::Scale
  std::vector<Real> threshold;                  ///< op::Threshold
  std::vector<NeuronParameters<Real>> neurons;  ///< op::Neuron, one per neuron
};

template <typename Real>
class ReferenceExecutable : public Executable {
 public:
  ReferenceExecutable(Program program, RunOptions options);
  const Program& program() const override { return program_; }
  const RunOptions& options() const override { return options_; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;

  const std::vector<PreparedNode<Real>>& prepared() const { return prepared_; }
  /// Variables to record of each program node.
  const std::vector<std::vector<Variable>>& records() const { return records_; }

 private:
  Program program_;
  RunOptions options_;
  std::vector<PreparedNode<Real>> prepared_;
  std::vector<std::vector<Variable>> records_;
};

}  // namespace spikeloom::reference
