#pragma once
/// Who shares the work of a node: so many threads, with even parts or those of a Plan.

#include <cstddef>
#include <span>

namespace spikeloom::cpu {

struct Workers {
  Workers(int count = 1, std::span<const std::size_t> of_plan = {})  // NOLINT: a number will do
      : threads(count), cuts(of_plan) {}
  /// The same, or one thread where more are not worth it.
  Workers when(bool worth) const { return worth ? *this : Workers(); }

  int threads;
  /// Elements before each thread's part, and all of them: threads + 1 numbers; empty: even parts.
  std::span<const std::size_t> cuts;
};

}  // namespace spikeloom::cpu
