#include <algorithm>
#include <array>

#include "mapping/partition/detail/moves_private.hpp"
#include "mapping/partition/detail/refine.hpp"

namespace spikeloom::mapping::detail {
namespace {

/// Exchanges look at this many vertices of each of two parts, by gain, and as many by weight.
constexpr std::size_t kLooks = 20;

/// Moves vertices of p to parts with room until p keeps its limits.
bool empty_out(const Hypergraph& graph, Blocks& blocks, std::uint32_t p) {
  Queue queue(graph.vertices);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    if (blocks.part(v) != p) continue;
    if (const Move move = best_move(blocks, v); move.gain != kNever) queue.push(v, move.gain);
  }
  std::uint32_t v = 0;
  std::int32_t bound = 0;
  while (!blocks.within(p) && queue.pop(v, bound)) {
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
  return blocks.within(p);
}

/// Parts with several resources: moves and exchanges that bring all parts together closer to
/// their limits, though the part that a vertex goes to may be over one of its own.
class Balance {
 public:
  Balance(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks)
      : graph_(graph),
        limits_(limits),
        blocks_(blocks),
        members_(graph, blocks),
        held_(graph.vertices, 0) {}

  /// False when no more is found while some part is over.
  bool run() {
    std::vector<char> stuck(limits_.parts, 0);
    for (std::size_t step = 0; step < 4 * std::size_t{graph_.vertices}; ++step) {
      std::uint32_t worst = limits_.parts;
      double most = 0.0;
      for (std::uint32_t p = 0; p < limits_.parts; ++p) {
        const double over = stuck[p] != 0 ? 0.0 : over_limit(p);
        if (over > most) {
          most = over;
          worst = p;
        }
      }
      if (worst == limits_.parts) break;
      Exchange exchange = best_move_out(worst);
      if (exchange.out == kNobody) exchange = best_exchange(worst);
      if (exchange.out == kNobody || !made(exchange, worst)) stuck[worst] = 1;
    }
    return blocks_.excess() == 0;
  }

 private:
  static constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

  /// `out` goes to `to`, and `in`, if anybody, comes from there.
  struct Exchange {
    std::uint32_t out = kNobody, in = kNobody, to = 0;
    double loss = std::numeric_limits<double>::max();  ///< packets for all of the excess at once
  };

  double over_limit(std::uint32_t p) const {
    double sum = 0.0;
    for (std::uint32_t r = 0; r < graph_.resources; ++r) sum += over(p, r, 0);
    if (limits_.axons != kNoLimit && blocks_.axons(p) > limits_.axons) {
      sum += static_cast<double>(blocks_.axons(p) - limits_.axons) / limits_.axons;
    }
    return sum;
  }
  /// What p with `more` of resource r is over its limit, as a share of that.
  double over(std::uint32_t p, std::uint32_t r, std::int64_t more) const {
    const std::int64_t capacity = limits_.capacity[std::size_t{p} * graph_.resources + r];
    const std::int64_t load = blocks_.load(p, r) + more;
    return load > capacity ? static_cast<double>(load - capacity) / static_cast<double>(capacity)
                           : 0.0;
  }
  /// How much closer to the limits p and q come when p gives v and gets u; axons left out.
  double closer(std::uint32_t p, std::uint32_t q, std::uint32_t v, std::uint32_t u) const {
    double sum = 0.0;
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      std::int64_t leaves = graph_.weights(v)[r];
      if (u != kNobody) leaves -= graph_.weights(u)[r];
      sum += over(p, r, 0) - over(p, r, -leaves) + over(q, r, 0) - over(q, r, leaves);
    }
    return sum;
  }
  /// The share of p's excess that is in axons cannot be told from weights: any leaver may help.
  double hope(std::uint32_t p) const {
    return limits_.axons != kNoLimit && blocks_.axons(p) > limits_.axons ? 1.0 / limits_.axons
                                                                         : 0.0;
  }

  void consider(std::uint32_t p, const Exchange& at, double gain, Exchange& best) const {
    const double step = closer(p, at.to, at.out, at.in) + hope(p);
    if (step <= 1e-9) return;
    const double loss = (1.0 - gain) / step;
    if (loss >= best.loss) return;
    best = at;
    best.loss = loss;
  }

  Exchange best_move_out(std::uint32_t p) const {
    Exchange best;
    for (const std::uint32_t v : members_.of(p)) {
      if (held_[v] != 0) continue;
      for (std::uint32_t q = 0; q < limits_.parts; ++q) {
        if (q == p || !blocks_.has_axons(v, q)) continue;
        consider(p, {v, kNobody, q}, blocks_.gain(v, q), best);
      }
    }
    return best;
  }

  /// Members of `of` that would gain most in `to`, and those with least, or most, of a resource.
  std::vector<std::uint32_t> candidates(std::uint32_t of, std::uint32_t to, std::uint32_t resource,
                                        bool heavy) const {
    std::vector<std::uint32_t> all;
    for (const std::uint32_t v : members_.of(of)) {
      if (held_[v] == 0) all.push_back(v);
    }
    if (all.size() <= 2 * kLooks) return all;
    const auto middle = all.begin() + kLooks;
    const auto weight = [&](std::uint32_t v) { return graph_.weights(v)[resource]; };
    std::nth_element(all.begin(), middle, all.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::int32_t left = blocks_.gain(a, to), right = blocks_.gain(b, to);
      return left != right ? left > right : a < b;
    });
    std::nth_element(middle, middle + kLooks, all.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::uint32_t left = weight(a), right = weight(b);
      if (left != right) return heavy ? left > right : left < right;
      const std::int32_t first = blocks_.gain(a, to), second = blocks_.gain(b, to);
      return first != second ? first > second : a < b;
    });
    all.resize(2 * kLooks);
    return all;
  }

  Exchange best_exchange(std::uint32_t p) const {
    std::uint32_t resource = 0;
    for (std::uint32_t r = 1; r < graph_.resources; ++r) {
      if (over(p, r, 0) > over(p, resource, 0)) resource = r;
    }
    Exchange best;
    for (std::uint32_t q = 0; q < limits_.parts; ++q) {
      if (q == p) continue;
      const std::vector<std::uint32_t> ins = candidates(q, p, resource, false);
      for (const std::uint32_t v : candidates(p, q, resource, true)) {
        for (const std::uint32_t u : ins) {
          consider(p, {v, u, q}, static_cast<double>(blocks_.gain(v, q)) + blocks_.gain(u, p),
                   best);
        }
      }
    }
    return best;
  }

  void move(std::uint32_t v, std::uint32_t to) {
    members_.move(v, blocks_.part(v), to);
    blocks_.move(v, to, [](std::uint32_t, std::int32_t) {});
  }

  /// Makes the exchange unless it brings p and its partner no closer once axons are counted.
  bool made(const Exchange& exchange, std::uint32_t p) {
    const double before = over_limit(p) + over_limit(exchange.to);
    move(exchange.out, exchange.to);
    if (exchange.in != kNobody) move(exchange.in, p);
    if (over_limit(p) + over_limit(exchange.to) < before - 1e-9) return true;
    if (exchange.in != kNobody) move(exchange.in, exchange.to);
    move(exchange.out, p);
    held_[exchange.out] = 1;
    return limits_.axons != kNoLimit;  // another may do better
  }

  const Hypergraph& graph_;
  const PartLimits& limits_;
  Blocks& blocks_;
  Members members_;
  std::vector<char> held_;  ///< tried in vain
};

}  // namespace

bool repair(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks) {
  bool within = true;
  for (std::uint32_t p = 0; p < limits.parts; ++p) {
    if (!blocks.within(p)) within = empty_out(graph, blocks, p) && within;
  }
  return within || Balance(graph, limits, blocks).run();
}

}  // namespace spikeloom::mapping::detail
