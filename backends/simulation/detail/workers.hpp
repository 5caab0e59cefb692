#pragma once
/// Threads that work in step: all call one function, and meet at a barrier that costs little.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace spikeloom::simulation {

/// Meets `size` threads, in two halves, so that a thread can do something useful until the others
/// have come. What was written before arrive() is seen after wait().
class StepBarrier {
 public:
  explicit StepBarrier(std::size_t size) : size_(static_cast<std::uint32_t>(size)) {}

  /// The last one to come calls f() before anybody goes on. Returns what wait() wants.
  template <typename F>
  std::uint32_t arrive(const F& f) {
    const std::uint32_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      f();
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
    }
    return round;
  }
  /// Spins a while, then sleeps, until all have come to round `round`.
  void wait(std::uint32_t round) const {
    for (int spins = 0; spins < kSpins; ++spins) {
      if (round_.load(std::memory_order_acquire) != round) return;
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  /// Some 10 us. No pause instruction: many of them tell a hypervisor to take the processor away.
  static constexpr int kSpins = 30000;
  std::uint32_t size_;
  alignas(64) std::atomic<std::uint32_t> arrived_ = 0;
  alignas(64) std::atomic<std::uint32_t> round_ = 0;
};

/// Calls f(thread) on `threads` threads, this one as 0, and waits for all.
template <typename F>
void on_threads(std::size_t threads, const F& f) {
  std::vector<std::jthread> others;
  others.reserve(threads);
  for (std::size_t t = 1; t < threads; ++t) others.emplace_back([&f, t] { f(t); });
  f(std::size_t{0});
}

/// Calls f(thread, i) for every i in [0, count), each as soon as a thread is free.
template <typename F>
void share_out(std::size_t threads, std::size_t count, const F& f) {
  std::atomic<std::size_t> next = 0;
  on_threads(threads, [&](std::size_t thread) {
    for (std::size_t i = next++; i < count; i = next++) f(thread, i);
  });
}

}  // namespace spikeloom::simulation
