#pragma once
/// When each operation of a network in one launch runs, and in which parts.
///
/// A step takes `interval` phases, between which a block waits for all its threads; an operation
/// does step t in phase interval t + lag, so that operations of different steps run side by side,
/// as the layers of a chip's pipeline do (modulo scheduling: Rau, Iterative modulo scheduling,
/// MICRO 1994). Plain data, no device.

#include <cstdint>
#include <vector>

namespace spikeloom::cuda {

/// `after` of step t runs in a later phase than `before` of step t - delay.
struct Dependence {
  std::uint32_t before = 0, after = 0, delay = 0;
};

struct ResidentSchedule {
  std::uint32_t interval = 1;
  std::vector<std::uint32_t> lag;  ///< by operation, the smallest that there can be

  /// Phases from a step's first operation to its last.
  std::uint32_t depth() const;
};

/// The smallest interval for which all dependences can be met, at least `least`. Those of delay 0
/// have `before` < `after`: with as many phases as operations all are met.
ResidentSchedule schedule_phases(std::uint32_t operations, const std::vector<Dependence>& all,
                                 std::uint32_t least);

/// Steps that a ring has to hold where `writer` overwrites what `reader` reads `delay` steps later.
std::uint32_t ring_slots(const ResidentSchedule& schedule, std::uint32_t writer,
                         std::uint32_t reader, std::uint32_t delay);

/// What an operation costs, in any unit, and how many warps find something to do in it.
struct WarpLoad {
  double cost = 0.0;
  std::uint32_t most = 1;
};
/// A part of an operation, for one warp.
struct WarpPart {
  std::uint32_t operation = 0, part = 0, parts = 1;
};

/// Cuts the operations of one phase into parts that warps take one after the other as they become
/// free, the dearest first: none is worth much more than `grain`, if it can be cut so far.
std::vector<WarpPart> cut_work(const std::vector<WarpLoad>& loads, double grain);

}  // namespace spikeloom::cuda
