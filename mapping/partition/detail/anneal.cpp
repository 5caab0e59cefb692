#include "mapping/partition/detail/anneal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.hpp"
#include "mapping/partition/detail/moves_private.hpp"

namespace spikeloom::mapping::detail {
namespace {

/// A cheap sequence (xorshift64*, Vigna 2016): proposals take several numbers each.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed)
      : state_(std::uint64_t{RandomStream{seed, 0xa44ea1}.words(0)[0]} << 32 | 1U) {}
  std::uint32_t below(std::size_t n) {
    return static_cast<std::uint32_t>((next() >> 32) * static_cast<std::uint64_t>(n) >> 32);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DU;
  }
  std::uint64_t state_;
};

/// Proposals between changes of temperature and price.
constexpr int kSteps = 256;
/// One proposal of so many goes to any part, the others to one that a net touches.
constexpr std::uint32_t kFar = 8;
/// Sweeps times pins: a move costs as much as its vertex has nets.
constexpr double kWork = 2e8;
constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

class Annealing {
 public:
  Annealing(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks,
            const AnnealOptions& options)
      : graph_(graph),
        limits_(limits),
        blocks_(blocks),
        options_(options),
        draw_(options.seed),
        members_(graph, blocks) {}

  void run() {
    if (graph_.vertices == 0 || limits_.parts < 2) return;
    measure();
    const double sweeps = std::min(static_cast<double>(options_.sweeps),
                                   kWork / static_cast<double>(graph_.pin.size() + 1));
    const double steps = std::ceil(sweeps * graph_.vertices);
    const double first = options_.heat * change_, cooling = std::log(options_.cooling) / steps;
    const double price = options_.price * change_ / share_, rising = std::log(options_.steep);
    for (double step = 0.0; step < steps; step += kSteps) {
      temperature_ = first * std::exp(-cooling * step);
      price_ = price * std::exp(rising * step / steps);
      for (int i = 0; i < kSteps; ++i) propose();
    }
  }

 private:
  /// A part that one of v's nets touches; v's own when the draw finds no other.
  std::uint32_t neighbour(std::uint32_t v) {
    const auto nets = graph_.nets_of(v);
    if (nets.empty()) return draw_.below(limits_.parts);
    const auto pins = graph_.pins(nets[draw_.below(nets.size())]);
    return blocks_.part(pins[draw_.below(pins.size())]);
  }

  /// How much more p is over its limits, as shares of them, when `out` leaves it and `in` enters.
  double more_over(std::uint32_t p, std::uint32_t out, std::uint32_t in) const {
    double sum = 0.0;
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      const std::int64_t capacity = limits_.capacity[std::size_t{p} * graph_.resources + r];
      const std::int64_t before = std::int64_t{blocks_.load(p, r)} - capacity;
      std::int64_t after = before;
      if (out != kNobody) after -= graph_.weights(out)[r];
      if (in != kNobody) after += graph_.weights(in)[r];
      const std::int64_t more =
          std::max<std::int64_t>(after, 0) - std::max<std::int64_t>(before, 0);
      sum += static_cast<double>(more) / static_cast<double>(std::max<std::int64_t>(capacity, 1));
    }
    return sum;
  }

  /// Mean change of packets of a move, and mean share of a part that a vertex takes.
  void measure() {
    double sum = 0.0, share = 0.0;
    for (std::uint32_t v = 0; v < graph_.vertices; ++v) {
      const std::uint32_t to = neighbour(v);
      if (to != blocks_.part(v)) sum += std::abs(blocks_.gain(v, to));
      for (std::uint32_t r = 0; r < graph_.resources; ++r) {
        share += static_cast<double>(graph_.weights(v)[r]) / std::max(limits_.capacity[r], 1U);
      }
    }
    change_ = std::max(1.0, sum / graph_.vertices);
    share_ = std::max(1e-6, share / (graph_.vertices * static_cast<double>(graph_.resources)));
  }

  bool accepted(double worse, double luck) const {
    return worse <= 0.0 || luck < std::exp(-worse / temperature_);
  }

  void propose() {
    const std::uint32_t v = draw_.below(graph_.vertices), from = blocks_.part(v);
    const std::uint32_t to = draw_.below(kFar) == 0 ? draw_.below(limits_.parts) : neighbour(v);
    if (to == from || !blocks_.has_axons(v, to)) return;
    const double luck = draw_.uniform();
    const auto& others = members_.of(to);
    const bool alone = draw_.below(2) == 0 || others.empty();
    const std::uint32_t u = alone ? kNobody : others[draw_.below(others.size())];
    const double worse =
        price_ * (more_over(from, v, u) + more_over(to, u, v)) - blocks_.gain(v, to);
    if (alone) {
      if (accepted(worse, luck)) move(v, to);
      return;
    }
    // Nets of both make an exchange worse than this, never better.
    if (!accepted(worse - blocks_.gain(u, from), luck)) return;
    move(v, to);
    if (accepted(worse - blocks_.gain(u, from), luck) && blocks_.has_axons(u, from)) {
      move(u, from);
    } else {
      move(v, from);
    }
  }

  void move(std::uint32_t v, std::uint32_t to) {
    members_.move(v, blocks_.part(v), to);
    blocks_.move(v, to, [](std::uint32_t, std::int32_t) {});
  }

  const Hypergraph& graph_;
  const PartLimits& limits_;
  Blocks& blocks_;
  const AnnealOptions& options_;
  Sequence draw_;
  Members members_;
  double change_ = 1.0, share_ = 1.0, temperature_ = 1.0, price_ = 0.0;
};

}  // namespace

void anneal(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks,
            const AnnealOptions& options) {
  Annealing(graph, limits, blocks, options).run();
}

}  // namespace spikeloom::mapping::detail
