#pragma once
/// Input events as the device takes them.

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include "backends/input_queue.hpp"

namespace spikeloom::cuda {

/// Below this all partial sums of whole numbers are exact in float32.
inline constexpr double kMostExact = 1 << 23;

/// Calls f(port, index, value) for the events of a step of a batch element. Whole numbers are added
/// up on the device, where their order is unknown and makes no difference; others here, in the
/// order of their arrival.
template <typename V, typename F>
void for_each_sum(std::span<const QueuedEvent> due, F f) {
  if (due.empty()) return;
  double most = 0.0;
  bool whole = true;
  for (const QueuedEvent& event : due) {
    most += std::abs(event.value);
    whole = whole && event.value == std::trunc(event.value);
  }
  if (std::is_integral_v<V> || (whole && most <= kMostExact)) {
    for (const QueuedEvent& event : due) f(event.port, event.index, static_cast<V>(event.value));
    return;
  }
  std::vector<QueuedEvent> sorted(due.begin(), due.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const QueuedEvent& a, const QueuedEvent& b) {
    return a.port != b.port ? a.port < b.port : a.index < b.index;
  });
  for (std::size_t i = 0; i < sorted.size();) {
    const QueuedEvent& first = sorted[i];
    V sum = 0;
    for (; i < sorted.size() && sorted[i].port == first.port && sorted[i].index == first.index;
         ++i) {
      sum += static_cast<V>(sorted[i].value);
    }
    f(first.port, first.index, sum);
  }
}

}  // namespace spikeloom::cuda
