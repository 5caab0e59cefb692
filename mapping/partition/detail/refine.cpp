#include "mapping/partition/detail/refine.hpp"

#include "mapping/partition/detail/moves_private.hpp"

namespace spikeloom::mapping::detail {
namespace {

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
    // v's move makes no leaver's gain larger, so most exchanges are given up before it is made.
    if (!blocks.has_room(v, wanted.to)) {
      std::int32_t most = kNever;
      for (const std::uint32_t u : members.of(wanted.to)) {
        most = std::max({most, blocks.gain(u, from), best_move(blocks, u).gain});
      }
      if (most == kNever || wanted.gain + most <= 0) continue;
    }
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

}  // namespace spikeloom::mapping::detail
