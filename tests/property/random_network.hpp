#pragma once
/// Random small networks, options and inputs for property tests.
///
/// Structure (kinds, shapes, links, options) is drawn through rapidcheck, so that a failure shrinks
/// to a small network; the many numbers inside come from one seed. A chain of layers grows from one
/// or two Inputs, with skip links, repeated edges, and loops that lead back into neurons.

#include <cstdint>
#include <vector>

#include "snn/program.hpp"

namespace spikeloom::test {

/// What the numbers of a network are made of.
enum class Numbers {
  kDyadic,   ///< few fractional bits, decays 0, 1/2, 3/4, 1: float32 is exact for some ten steps
  kInteger,  ///< integers, decays n / 4096: integer arithmetic takes it
  kReal,     ///< anything
};

struct NetworkPlan {
  Numbers numbers = Numbers::kDyadic;
  bool long_runs = false;  ///< nothing that grows without bound in hundreds of steps
};

/// Draws a network and lowers it. Discards the case (RC_PRE) where integers are refused because
/// their sums might overflow.
Program random_program(const NetworkPlan& plan);

/// One event of an input port.
struct InputEvent {
  std::int64_t step = 0;
  std::uint32_t port = 0, index = 0;
  double value = 1.0;
};

/// Events in steps [0, steps), in order of the steps: about a third of `active_steps` of the steps
/// hold events; an element may get several in one step, and negative ones.
std::vector<InputEvent> random_input(const Program& program, Numbers numbers, std::int64_t steps);

/// The same in short bursts between long silences.
std::vector<InputEvent> random_bursts(const Program& program, Numbers numbers, std::int64_t steps);

/// A number in [low, high].
int between(int low, int high);
/// True in one of `n` cases; shrinks to false.
bool one_in(int n);

}  // namespace spikeloom::test
