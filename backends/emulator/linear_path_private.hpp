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
  /// The node's bias by element of its output; empty without one.
  std::vector<double> bias(std::uint32_t node) const;

 private:
  struct Columns {
    std::vector<std::int64_t> start;
    std::vector<std::uint32_t> target;
    std::vector<double> weight;
  };
  const Columns& columns(std::uint32_t node, const op::Sparse& sparse);
  const Columns& columns(std::uint32_t node, const op::RandomSparse& rule);

  const Program& program_;
  const CoreNumbers& numbers_;
  std::map<std::uint32_t, Columns> columns_;
};

/// Terms of one element and delay added up, in rising order of delay and element; `signs_apart`:
/// positive and negative ones each for themselves.
void collect(std::vector<Term>& terms, bool signs_apart);

}  // namespace spikeloom::emulator
