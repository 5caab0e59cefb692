#pragma once
/// What refinement and repair share: the best move of a vertex, a queue of moves, members of parts.

#include <cstdint>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "mapping/partition/detail/blocks.hpp"

namespace spikeloom::mapping::detail {

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::min();

struct Move {
  std::int32_t gain = kNever;
  std::uint32_t to = 0;
};

/// Where v would gain most among the parts that have room for it; of equals the emptiest.
inline Move best_move(const Blocks& blocks, std::uint32_t v) {
  Move best;
  const std::uint32_t from = blocks.part(v);
  for (std::uint32_t p = 0; p < blocks.parts(); ++p) {
    const std::int32_t gain = blocks.gain(v, p);
    if (gain < best.gain || p == from) continue;
    if (gain == best.gain && blocks.load(p) >= blocks.load(best.to)) continue;
    if (!blocks.has_room(v, p)) continue;
    if (!blocks.has_axons(v, p)) continue;
    best = {gain, p};
  }
  return best;
}

/// Vertices by the gain they may reach. An entry is stale when its vertex has another bound now.
class Queue {
 public:
  explicit Queue(std::uint32_t vertices) : bound_(vertices, kNever) {}

  void push(std::uint32_t v, std::int32_t bound) {
    bound_[v] = bound;
    heap_.push({bound, v});
  }
  bool rises(std::uint32_t v, std::int32_t bound) const { return bound > bound_[v]; }
  std::int32_t bound(std::uint32_t v) const { return bound_[v]; }
  bool pop(std::uint32_t& v, std::int32_t& bound) {
    while (!heap_.empty()) {
      const auto [top_bound, top] = heap_.top();
      heap_.pop();
      if (top_bound != bound_[top]) continue;
      v = top;
      bound = top_bound;
      bound_[v] = kNever;
      return true;
    }
    return false;
  }

 private:
  std::priority_queue<std::pair<std::int32_t, std::uint32_t>> heap_;
  std::vector<std::int32_t> bound_;
};

/// Members of every part, to look through the one that a vertex wants to enter.
class Members {
 public:
  Members(const Hypergraph& graph, const Blocks& blocks)
      : of_(blocks.parts()), at_(graph.vertices) {
    for (std::uint32_t v = 0; v < graph.vertices; ++v) add(v, blocks.part(v));
  }
  const std::vector<std::uint32_t>& of(std::uint32_t part) const { return of_[part]; }
  void move(std::uint32_t v, std::uint32_t from, std::uint32_t to) {
    std::vector<std::uint32_t>& old = of_[from];
    at_[old.back()] = at_[v];
    old[at_[v]] = old.back();
    old.pop_back();
    add(v, to);
  }

 private:
  void add(std::uint32_t v, std::uint32_t part) {
    at_[v] = static_cast<std::uint32_t>(of_[part].size());
    of_[part].push_back(v);
  }
  std::vector<std::vector<std::uint32_t>> of_;
  std::vector<std::uint32_t> at_;
};

}  // namespace spikeloom::mapping::detail
