#include "tests/support/lane_engine.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include <ucontext.h>

#include "base/random.hpp"

namespace spikeloom::test {
namespace {

constexpr std::size_t kStack = std::size_t{256} << 10;

/// Those who wait for one another.
struct Meeting {
  std::uint32_t size = 0, arrived = 0;
  std::uint64_t round = 0;

  /// Whether this was the last to come.
  bool come() {
    if (++arrived != size) return false;
    arrived = 0;
    ++round;
    return true;
  }
};

struct Fiber {
  ucontext_t context{};
  const Meeting* waits_for = nullptr;
  std::uint64_t round = 0;  ///< until which it waits
  bool done = false;
};

struct Warp {
  Meeting meeting{32};
  std::uint64_t given[2][32] = {};
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Meeting meeting;
  const std::function<void(std::uint32_t)>* body = nullptr;
  ucontext_t scheduler{};
  std::uint32_t current = 0;
};
Block* block = nullptr;  ///< one at a time

void wait_for(const Meeting& meeting, std::uint64_t round) {
  Fiber& own = block->fibers[block->current];
  own.waits_for = &meeting;
  own.round = round;
  swapcontext(&own.context, &block->scheduler);
}

void enter() {
  (*block->body)(block->current);
  Fiber& own = block->fibers[block->current];
  own.done = true;
  swapcontext(&own.context, &block->scheduler);
}

bool can_go_on(const Fiber& fiber) {
  return !fiber.done && (fiber.waits_for == nullptr || fiber.waits_for->round > fiber.round);
}

}  // namespace

std::uint32_t current_thread() { return block->current; }

const std::uint64_t* meet_lanes(std::uint64_t own) {
  const std::uint32_t thread = block->current;
  Warp& warp = block->warps[thread / 32];
  const std::uint64_t round = warp.meeting.round;
  std::uint64_t* const given = warp.given[round % 2];
  given[thread % 32] = own;
  if (!warp.meeting.come()) wait_for(warp.meeting, round);
  return given;
}

void meet_block() {
  const std::uint64_t round = block->meeting.round;
  if (!block->meeting.come()) wait_for(block->meeting, round);
}

bool run_fibers(std::uint32_t threads, std::uint64_t seed,
                const std::function<void(std::uint32_t)>& body) {
  Block own;
  static std::vector<std::unique_ptr<char[]>> stacks;  // one block at a time
  while (stacks.size() < threads) stacks.emplace_back(new char[kStack]);
  own.fibers.resize(threads);
  own.warps.resize(threads / 32);
  own.meeting.size = threads;
  own.body = &body;
  block = &own;
  for (std::uint32_t t = 0; t < threads; ++t) {
    ucontext_t& context = own.fibers[t].context;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks[t].get();
    context.uc_stack.ss_size = kStack;
    makecontext(&context, enter, 0);
  }
  std::vector<std::uint32_t> order(threads);
  std::iota(order.begin(), order.end(), 0U);
  const RandomStream random{seed, 1};
  for (std::uint32_t i = threads; i > 1; --i)
    std::swap(order[i - 1], order[random.words(i)[0] % i]);
  std::uint32_t left = threads;
  bool moved = true;
  while (left > 0 && moved) {
    moved = false;
    for (const std::uint32_t thread : order) {
      Fiber& fiber = own.fibers[thread];
      if (!can_go_on(fiber)) continue;
      moved = true;
      fiber.waits_for = nullptr;
      own.current = thread;
      swapcontext(&own.scheduler, &fiber.context);
      left -= fiber.done ? 1 : 0;
    }
  }
  block = nullptr;
  return left == 0;
}

}  // namespace spikeloom::test
