#include "mapping/partition/detail/refine.hpp"

#include <limits>
#include <queue>

namespace spikeloom::mapping::detail {
namespace {

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::min();

struct Move {
  std::int32_t gain = kNever;
  std::uint32_t to = 0;
};

/// Where v would gain most among the parts that have room for it; of equals the emptiest.
Move best_move(const Blocks& blocks, std::uint32_t v) {
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

struct Step {
  std::uint32_t vertex, from;
};

std::int64_t pass(const Hypergraph& graph, Blocks& blocks, const RefineOptions& options) {
  Queue queue(graph.vertices);
  std::vector<char> moved(graph.vertices, 0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    if (blocks.benefit(v) == 0) continue;  // all its nets have other pins at home
    if (const Move move = best_move(blocks, v); move.gain != kNever) queue.push(v, move.gain);
  }
  std::vector<Step> steps;
  std::int64_t now = 0, best = 0;
  std::size_t best_steps = 0;
  const auto patience =
      static_cast<std::size_t>(options.patience * static_cast<double>(graph.vertices)) + 50;
  std::uint32_t v = 0;
  std::int32_t bound = 0;
  while (steps.size() - best_steps < patience && queue.pop(v, bound)) {
    if (moved[v] != 0) continue;
    const Move move = best_move(blocks, v);
    if (move.gain == kNever) continue;
    if (move.gain < bound) {
      queue.push(v, move.gain);
      continue;
    }
    steps.push_back({v, blocks.part(v)});
    moved[v] = 1;
    now += move.gain;
    blocks.move(v, move.to, [&](std::uint32_t u, std::int32_t gain) {
      if (moved[u] == 0 && queue.rises(u, gain)) queue.push(u, gain);
    });
    if (now > best) {
      best = now;
      best_steps = steps.size();
    }
  }
  while (steps.size() > best_steps) {
    blocks.move(steps.back().vertex, steps.back().from, [](std::uint32_t, std::int32_t) {});
    steps.pop_back();
  }
  return best;
}

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

/// Vertices that would gain in a part that is full go there if one that leaves it in exchange, to
/// wherever there is room, loses less. Single moves cannot do that when parts are nearly full.
std::int64_t exchange(const Hypergraph& graph, Blocks& blocks) {
  Members members(graph, blocks);
  const auto nobody = [](std::uint32_t, std::int32_t) {};
  std::int64_t total = 0;
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    const std::uint32_t from = blocks.part(v);
    Move wanted{0, from};
    for (std::uint32_t p = 0; p < blocks.parts(); ++p) {
      if (p != from && blocks.gain(v, p) > wanted.gain) wanted = {blocks.gain(v, p), p};
    }
    if (wanted.to == from || !blocks.has_axons(v, wanted.to)) continue;
    blocks.move(v, wanted.to, nobody);
    members.move(v, from, wanted.to);
    if (blocks.within(wanted.to)) {
      total += wanted.gain;
      continue;
    }
    std::uint32_t leaver = v;
    Move leaves;
    for (const std::uint32_t u : members.of(wanted.to)) {
      if (u == v) continue;
      if (const Move move = best_move(blocks, u); move.gain > leaves.gain) {
        leaves = move;
        leaver = u;
      }
    }
    if (leaver != v && wanted.gain + leaves.gain > 0) {
      blocks.move(leaver, leaves.to, nobody);
      members.move(leaver, wanted.to, leaves.to);
      if (blocks.within(wanted.to)) {
        total += wanted.gain + leaves.gain;
        continue;
      }
      blocks.move(leaver, wanted.to, nobody);
      members.move(leaver, leaves.to, wanted.to);
    }
    blocks.move(v, from, nobody);
    members.move(v, wanted.to, from);
  }
  return total;
}

}  // namespace

std::int64_t refine(const Hypergraph& graph, Blocks& blocks, const RefineOptions& options) {
  std::int64_t total = 0;
  for (int i = 0; i < options.passes; ++i) {
    const std::int64_t gained = pass(graph, blocks, options) + exchange(graph, blocks);
    total += gained;
    if (gained == 0) break;
  }
  return total;
}

bool repair(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks) {
  for (std::uint32_t p = 0; p < limits.parts; ++p) {
    const auto over = [&] { return !blocks.within(p); };
    if (!over()) continue;
    Queue queue(graph.vertices);
    for (std::uint32_t v = 0; v < graph.vertices; ++v) {
      if (blocks.part(v) != p) continue;
      if (const Move move = best_move(blocks, v); move.gain != kNever) queue.push(v, move.gain);
    }
    std::uint32_t v = 0;
    std::int32_t bound = 0;
    while (over() && queue.pop(v, bound)) {
      const Move move = best_move(blocks, v);
      if (move.gain == kNever) continue;
      if (move.gain < bound) {
        queue.push(v, move.gain);
        continue;
      }
      blocks.move(v, move.to, [&](std::uint32_t u, std::int32_t gain) {
        if (blocks.part(u) == p && queue.rises(u, gain)) queue.push(u, gain);
      });
    }
    if (over()) return false;
  }
  return true;
}

}  // namespace spikeloom::mapping::detail
