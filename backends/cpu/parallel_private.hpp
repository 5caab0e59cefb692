#pragma once
/// The threads of a session, and splitting one step's work over them. parallel.cpp is the one
/// place that knows oneTBB.

#include <algorithm>
#include <cstddef>
#include <memory>

#include "backends/cpu/workers.hpp"

namespace spikeloom::cpu {

/// A borrowed callable, for calls that a template cannot take across a source file.
class PartFunction {
 public:
  template <typename F>
  explicit PartFunction(const F& f)
      : object_(&f), call_([](const void* object, std::size_t part) {
          (*static_cast<const F*>(object))(part);
        }) {}
  void operator()(std::size_t part) const { call_(object_, part); }

 private:
  const void* object_;
  void (*call_)(const void*, std::size_t);
};

/// The threads that share the work of a session.
class Arena {
 public:
  explicit Arena(int threads);
  ~Arena();
  /// Calls f(0) on a thread of the arena, the caller where it can be, and waits for it.
  void execute(PartFunction f);

 private:
  struct Threads;
  std::unique_ptr<Threads> threads_;
};

/// How many threads run at once here, whatever is asked for.
int most_threads();

/// Calls f(part) for every part in [0, parts), on the threads of the arena it is called in; returns
/// when all are done. Every part sees what was written before the call, and the caller sees what
/// the parts wrote; among parts nothing is ordered. `owned`: a thread gets the same parts in every
/// call, as far as it can.
void run_parts(std::size_t parts, PartFunction f, bool owned = false);

/// Calls f(part, first, last) for up to `workers.threads` ranges that cover [0, size), each a
/// multiple of `unit` but for the last; parts count from 0 in the order of the ranges. One range
/// for one thread. Ranges of a Plan are its shares of the size, to the nearest unit. Called from
/// within the session's arena.
template <typename F>
void for_ranges(std::size_t size, std::size_t unit, const Workers& workers, F&& f) {
  const std::size_t units = (size + unit - 1) / unit;
  const bool planned = !workers.cuts.empty() && workers.threads > 1 && units > 1;
  const auto threads = static_cast<std::size_t>(std::max(1, workers.threads));
  const std::size_t parts = planned ? threads : std::min(units, threads);
  if (parts <= 1) {
    if (size > 0) f(std::size_t{0}, std::size_t{0}, size);
    return;
  }
  const auto bound = [&](std::size_t part) {
    if (!planned) return units * part / parts * unit;
    const std::size_t whole = std::max<std::size_t>(1, workers.cuts.back());
    return (units * workers.cuts[part] + whole / 2) / whole * unit;
  };
  const auto run = [&](std::size_t part) {
    const std::size_t first = bound(part), last = std::min(size, bound(part + 1));
    if (first < last) f(part, first, last);
  };
  run_parts(parts, PartFunction(run), planned);
}

}  // namespace spikeloom::cpu
