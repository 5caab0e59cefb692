#pragma once
/// One way between two populations: operations that are linear.

#include <cstdint>
#include <map>
#include <vector>

#include "backends/emulator/core_numbers.hpp"
#include "base/result.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

/// `weight` times a source's value, `delay` ticks later, at element `index`. Weights of integers
/// are exact: what goes beyond 2^53 on the way does not fit a word either.
struct Term {
  std::uint32_t index = 0, delay = 0;
  double weight = 0.0;
  std::uint32_t pair = 0;        ///< ring16: of slots (ring_slots_private.hpp)
  std::uint32_t delay_held = 0;  ///< what a row in memory has for a delay; 0: it has none
};

/// Rows of a matrix, by source.
struct Columns {
  std::vector<std::int64_t> start;
  std::vector<std::uint32_t> target;
  std::vector<double> weight;
  std::vector<std::uint32_t> delay_held;  ///< as Term has it; empty: none
};

/// Weights of a node on one way as cores' memory holds them, in the units that they are stored in.
struct StoredWeights {
  bool is_there = false;
  std::uint32_t node = 0;
  Columns columns;             ///< of Dense, Sparse and Recurrent (gate x units + unit)
  std::vector<double> kernel;  ///< of a Convolution, in the program's order
  /// Of connections alone, by target: as Term::delay_held.
  std::vector<std::uint32_t> delays;
};

/// Rows of a node: what one element of its input adds to its output.
class LinearNodes {
 public:
  LinearNodes(const Program& program, const CoreNumbers& numbers)
      : program_(program), numbers_(numbers) {}

  /// kUnsupported with the node's name for an operation that is not linear.
  Status apply(std::uint32_t node, std::vector<Term>& terms);
  /// Terms at elements of a population's input become terms at its sums, numbered element x sums +
  /// sum: gates of a recurrent layer through its kernel, taps of a maximum pool; else the same.
  void enter(std::uint32_t node, std::vector<Term>& terms) const;
  /// Terms at units of a recurrent layer become terms at its sums, through its own weights.
  void enter_own(std::uint32_t node, std::vector<Term>& terms) const;
  /// From now on weights of this node are these; null: all are the program's.
  void use(const StoredWeights* stored) { stored_ = stored; }
  /// The node's bias by element of its output; empty without one.
  std::vector<double> bias(std::uint32_t node) const;

 private:
  /// The stored columns of a node; null where the program's count.
  const Columns* stored(std::uint32_t node) const;
  const Columns& columns(std::uint32_t node, const op::Sparse& sparse);
  const Columns& columns(std::uint32_t node, const op::RandomSparse& rule);

  const Program& program_;
  const CoreNumbers& numbers_;
  std::map<std::uint32_t, Columns> columns_;
  const StoredWeights* stored_ = nullptr;
};

/// Terms of one element and delay added up, in rising order of delay and element; `signs_apart`:
/// positive and negative ones each for themselves.
void collect(std::vector<Term>& terms, bool signs_apart);

}  // namespace spikeloom::emulator
