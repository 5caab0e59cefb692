#pragma once
/// A program in the reference's arithmetic: weights and coefficients converted once.
///
/// Real is double, float, or std::int32_t for integer and ring16 runs (docs/integer.md).

#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "backends/reference/neuron.hpp"
#include "backends/reference/operators.hpp"
#include "backends/reference/ring16.hpp"
#include "snn/integer.hpp"

namespace spikeloom::reference {

/// One program node, ready to run.
template <typename Real>
struct PreparedNode {
  Weights<Real> weights;
  SourceRows<Real> rows;                        ///< op::RandomSparse
  RingWeights ring;                             ///< the same weights in a ring16 run
  std::vector<Real> factor;                     ///< op::Scale
  std::vector<Real> threshold;                  ///< op::Threshold, op::Recurrent
  std::vector<NeuronParameters<Real>> neurons;  ///< op::Neuron, one per neuron
  std::vector<Real> words;                      ///< op::Decoder, by source
};

template <typename Real>
class ReferenceExecutable : public Executable {
 public:
  /// `integer` is that of to_integer(program); empty for real arithmetic.
  ReferenceExecutable(Program program, RunOptions options, IntegerProgram integer = {});
  const Program& program() const override { return program_; }
  const RunOptions& options() const override { return options_; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;

  const IntegerProgram& integer() const { return integer_; }
  const std::vector<PreparedNode<Real>>& prepared() const { return prepared_; }
  /// Variables to record of each program node.
  const std::vector<std::vector<Variable>>& records() const { return records_; }

 private:
  Program program_;
  RunOptions options_;
  IntegerProgram integer_;
  std::vector<PreparedNode<Real>> prepared_;
  std::vector<std::vector<Variable>> records_;
};

}  // namespace spikeloom::reference
