#pragma once
/// One way between two populations: operations that are linear over integers.

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

/// `weight` times a source's value, `delay` ticks later, at element `index`.
struct Term {
  std::uint32_t index = 0, delay = 0;
  std::int64_t weight = 0;
};

/// Rows of a node: what one element of its input adds to its output.
class LinearNodes {
 public:
  LinearNodes(const Program& program, const IntegerProgram& integer)
      : program_(program), integer_(integer) {}

  /// kUnsupported with the node's name for an operation that is not linear.
  Status apply(std::uint32_t node, std::vector<Term>& terms);
  /// Terms at elements of a population's input become terms at its sums, numbered element x sums +
  /// sum: gates of a recurrent layer through its kernel, taps of a maximum pool; else the same.
  void enter(std::uint32_t node, std::vector<Term>& terms) const;
  /// Terms at units of a recurrent layer become terms at its sums, through its own weights.
  void enter_own(std::uint32_t node, std::vector<Term>& terms) const;
  /// The node's bias by element of its output; empty without one.
  std::vector<std::int32_t> bias(std::uint32_t node) const;

 private:
  struct Columns {
    std::vector<std::int64_t> start;
    std::vector<std::uint32_t> target;
    std::vector<std::int32_t> weight;
  };
  const Columns& columns(std::uint32_t node, const op::Sparse& sparse);
  const Columns& columns(std::uint32_t node, const op::RandomSparse& rule);

  const Program& program_;
  const IntegerProgram& integer_;
  std::map<std::uint32_t, Columns> columns_;
};

/// Terms of one element and delay added up, in rising order of delay and element.
void collect(std::vector<Term>& terms);

}  // namespace spikeloom::emulator
