#pragma once
/// Splitting one step's work over threads, when there is enough of it.

#include <algorithm>
#include <cstddef>

#include <tbb/parallel_for.h>

namespace spikeloom::cpu {

/// Calls f(part, first, last) for up to `threads` ranges that cover [0, size), each a multiple of
/// `unit` but for the last; parts count from 0 in the order of the ranges. One range when threads
/// is 1. Called from within the session's arena.
template <typename F>
void for_ranges(std::size_t size, std::size_t unit, int threads, F&& f) {
  const std::size_t units = (size + unit - 1) / unit;
  const std::size_t parts = threads < 2 ? 1 : std::min(units, static_cast<std::size_t>(threads));
  if (parts <= 1) {
    if (size > 0) f(std::size_t{0}, std::size_t{0}, size);
    return;
  }
  tbb::parallel_for(std::size_t{0}, parts, [&](std::size_t part) {
    const std::size_t first = units * part / parts * unit;
    const std::size_t last = std::min(size, units * (part + 1) / parts * unit);
    if (first < last) f(part, first, last);
  });
}

}  // namespace spikeloom::cpu
