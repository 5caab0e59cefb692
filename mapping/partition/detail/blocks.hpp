#pragma once
/// A partition that knows, at every moment, what moving any vertex would gain.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "mapping/partition/hypergraph.hpp"

namespace spikeloom::mapping::detail {

constexpr std::uint32_t kNoLimit = std::numeric_limits<std::uint32_t>::max();

/// What each part can hold.
struct PartLimits {
  std::uint32_t parts = 0;
  std::vector<std::uint32_t> capacity;  ///< (parts, resources)
  std::uint32_t axons = kNoLimit;       ///< sources that a part receives from, itself included
};

/// Parts of a hypergraph, with the gain table of k-way refinement: moving v from its part to t
/// saves
///
///     benefit(v) = weight of v's nets that have no other pin in v's part, minus
///     penalty(v, t) = weight of v's nets that have no pin in t.
///
/// A move touches only nets that enter or leave a part, or come down to one pin there.
class Blocks {
 public:
  Blocks(const Hypergraph& graph, const PartLimits& limits);

  void assign(std::span<const std::uint32_t> part);

  std::uint32_t parts() const { return limits_.parts; }
  const std::vector<std::uint32_t>& part() const { return part_; }
  std::uint32_t part(std::uint32_t v) const { return part_[v]; }
  std::uint32_t load(std::uint32_t p, std::uint32_t r = 0) const {
    return load_[std::size_t{p} * graph_.resources + r];
  }
  std::uint32_t axons(std::uint32_t p) const { return axons_[p]; }

  std::int32_t gain(std::uint32_t v, std::uint32_t to) const {
    return benefit_[v] - penalty_[std::size_t{v} * limits_.parts + to];
  }
  std::int32_t benefit(std::uint32_t v) const { return benefit_[v]; }

  /// Whether `to` has room for v, in everything but axons.
  bool has_room(std::uint32_t v, std::uint32_t to) const {
    const auto weight = graph_.weights(v);
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      const std::size_t at = std::size_t{to} * graph_.resources + r;
      if (load_[at] + weight[r] > limits_.capacity[at]) return false;
    }
    return true;
  }
  /// Whether `to` can listen to the sources that v needs.
  bool has_axons(std::uint32_t v, std::uint32_t to) const {
    return limits_.axons == kNoLimit || axons_[to] + new_axons(v, to) <= limits_.axons;
  }
  bool fits(std::uint32_t v, std::uint32_t to) const { return has_room(v, to) && has_axons(v, to); }
  /// Whether a part keeps its limits.
  bool within(std::uint32_t p) const {
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      const std::size_t at = std::size_t{p} * graph_.resources + r;
      if (load_[at] > limits_.capacity[at]) return false;
    }
    return axons_[p] <= limits_.axons;
  }
  /// How far all parts together are over their limits; 0 when the partition is feasible.
  std::uint64_t excess() const;

  /// Moves v; `rises(u)` is called for every other vertex one of whose gains grew, with the gain
  /// that it may now reach.
  template <typename F>
  void move(std::uint32_t v, std::uint32_t to, F rises);

 private:
  std::uint32_t new_axons(std::uint32_t v, std::uint32_t to) const;
  /// Pins of e in p that receive its spikes.
  bool receives(std::uint32_t e, std::uint32_t p) const {
    const bool silent = !graph_.loops(e) && part_[graph_.pins(e)[0]] == p;
    return count_[std::size_t{e} * limits_.parts + p] > (silent ? 1U : 0U);
  }
  void count_axons();

  const Hypergraph& graph_;
  const PartLimits& limits_;
  std::vector<std::uint32_t> part_, load_, axons_;
  std::vector<std::uint32_t> count_;  ///< (nets, parts): pins of a net in a part
  std::vector<std::int32_t> benefit_, penalty_;
};

template <typename F>
void Blocks::move(std::uint32_t v, std::uint32_t to, F rises) {
  const std::uint32_t from = part_[v];
  const std::size_t parts = limits_.parts;
  const auto weight = graph_.weights(v);
  for (std::uint32_t r = 0; r < graph_.resources; ++r) {
    load_[from * std::size_t{graph_.resources} + r] -= weight[r];
    load_[to * std::size_t{graph_.resources} + r] += weight[r];
  }
  const bool with_axons = limits_.axons != kNoLimit;
  std::int32_t benefit = 0;
  for (const std::uint32_t e : graph_.nets_of(v)) {
    const auto w = static_cast<std::int32_t>(graph_.net_weight[e]);
    const auto pins = graph_.pins(e);
    std::uint32_t* count = count_.data() + e * parts;
    // A source that is no target of its own receives nothing, wherever it is.
    const bool receiver = with_axons && (pins[0] != v || graph_.loops(e));
    if (receiver && !receives(e, to)) axons_[to] += graph_.axons(e);
    if (--count[from] == 0) {
      for (const std::uint32_t u : pins) penalty_[u * parts + from] += w;
    } else if (count[from] == 1) {
      for (const std::uint32_t u : pins) {
        if (part_[u] != from || u == v) continue;
        benefit_[u] += w;
        rises(u, std::numeric_limits<std::int32_t>::max());
        break;
      }
    }
    if (++count[to] == 1) {
      benefit += w;
      for (const std::uint32_t u : pins) {
        penalty_[u * parts + to] -= w;
        if (u != v) rises(u, benefit_[u] - penalty_[u * parts + to]);
      }
    } else if (count[to] == 2) {
      for (const std::uint32_t u : pins) {
        if (part_[u] != to || u == v) continue;
        benefit_[u] -= w;
        break;
      }
    }
    if (receiver && !receives(e, from)) axons_[from] -= graph_.axons(e);
  }
  benefit_[v] = benefit;
  part_[v] = to;
}

}  // namespace spikeloom::mapping::detail
