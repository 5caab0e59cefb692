#pragma once
/// Threads that work in step: all call one function, and meet at a barrier that costs little.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"

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

/// Calls f(thread) on `threads` threads, this one as 0, and waits for all. Calls nothing where the
/// system does not start as many: those that it started would wait for the others for ever.
template <typename F>
Status on_threads(std::size_t threads, const F& f) {
  enum Gate : int { kClosed, kOpen, kTooFew };
  std::atomic<int> gate = kClosed;
  const auto set = [&gate](Gate to) {
    gate = to;
    gate.notify_all();
  };
  std::vector<std::jthread> others;
  try {
    others.reserve(threads);
    for (std::size_t t = 1; t < threads; ++t) {
      others.emplace_back([&f, &gate, t] {
        gate.wait(kClosed);
        if (gate == kOpen) f(t);
      });
    }
  } catch (const std::exception&) {  // of the system, or no memory
    set(kTooFew);
    return Error{.code = ErrorCode::kResource,
                 .what = "the system starts no more threads",
                 .expected = std::to_string(threads),
                 .got = std::to_string(others.size() + 1),
                 .next = "give fewer threads"};
  }
  set(kOpen);
  f(std::size_t{0});
  return {};
}

/// Calls f(thread, i) for every i in [0, count), each as soon as a thread is free; on this thread
/// alone where the system does not start as many.
template <typename F>
void share_out(std::size_t threads, std::size_t count, const F& f) {
  std::atomic<std::size_t> next = 0;
  const auto take = [&](std::size_t thread) {
    for (std::size_t i = next++; i < count; i = next++) f(thread, i);
  };
  if (!on_threads(threads, take).ok()) take(0);
}

}  // namespace spikeloom::simulation
