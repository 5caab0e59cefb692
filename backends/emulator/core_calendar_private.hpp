#pragma once
/// What cores wait for: at most one time each, in cycles, and the earliest of them.
///
/// The next 1,024 cycles are a ring of lists, so that a time costs no comparison with others; the
/// few that lie further ahead wait in a heap until the ring has come near.

#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace spikeloom::emulator {

class CoreCalendar {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  explicit CoreCalendar(std::size_t cores) : next_(cores, kNone) { first_.fill(kNone); }

  /// `time` is not before the last one taken; the core waits for nothing else.
  void add(std::uint64_t time, std::uint32_t core) {
    if (time - now_ >= kSpan) {
      far_.emplace(time, core);
      return;
    }
    const std::uint64_t place = time % kSpan;
    next_[core] = first_[place];
    first_[place] = core;
    used_[place / 64] |= std::uint64_t{1} << place % 64;
  }

  /// kNever when no core waits.
  std::uint64_t earliest() const {
    const std::uint64_t start = now_ % kSpan;
    for (std::uint64_t word = 0; word <= kWords; ++word) {
      const std::uint64_t index = (start / 64 + word) % kWords;
      std::uint64_t bits = used_[index];
      if (word == 0) bits &= ~std::uint64_t{0} << start % 64;
      if (word == kWords) bits &= ~(~std::uint64_t{0} << start % 64);
      if (bits == 0) continue;
      const std::uint64_t place = index * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
      return now_ + (place + kSpan - start) % kSpan;
    }
    return far_.empty() ? kNever : far_.top().first;
  }

  /// Moves on to `time`, not later than earliest(), and calls visit(core) for each that waited for
  /// it. The visit may add times after it.
  template <typename Visit>
  void take(std::uint64_t time, Visit visit) {
    now_ = time;
    while (!far_.empty() && far_.top().first - now_ < kSpan) {
      const auto [when, core] = far_.top();
      far_.pop();
      add(when, core);
    }
    const std::uint64_t place = time % kSpan;
    std::uint32_t core = std::exchange(first_[place], kNone);
    used_[place / 64] &= ~(std::uint64_t{1} << place % 64);
    while (core != kNone) {
      const std::uint32_t after = next_[core];
      visit(core);
      core = after;
    }
  }

  /// Back to cycle 0; nobody waits.
  void restart() { now_ = 0; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint64_t kSpan = 1024, kWords = kSpan / 64;

  using Far = std::pair<std::uint64_t, std::uint32_t>;

  std::uint64_t now_ = 0;
  std::array<std::uint32_t, kSpan> first_;
  std::array<std::uint64_t, kWords> used_ = {};
  std::vector<std::uint32_t> next_;  ///< by core, the next one of the same cycle
  std::priority_queue<Far, std::vector<Far>, std::greater<>> far_;
};

}  // namespace spikeloom::emulator
