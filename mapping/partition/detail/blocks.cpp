#include "mapping/partition/detail/blocks.hpp"

namespace spikeloom::mapping::detail {

Blocks::Blocks(const Hypergraph& graph, const PartLimits& limits)
    : graph_(graph),
      limits_(limits),
      load_(std::size_t{limits.parts} * graph.resources),
      axons_(limits.parts),
      count_(std::size_t{graph.nets()} * limits.parts),
      benefit_(graph.vertices),
      penalty_(std::size_t{graph.vertices} * limits.parts) {}

void Blocks::assign(std::span<const std::uint32_t> part) {
  part_.assign(part.begin(), part.end());
  std::fill(load_.begin(), load_.end(), 0);
  std::fill(count_.begin(), count_.end(), 0);
  std::fill(benefit_.begin(), benefit_.end(), 0);
  const std::size_t parts = limits_.parts;
  for (std::uint32_t v = 0; v < graph_.vertices; ++v) {
    const auto weight = graph_.weights(v);
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      load_[part_[v] * std::size_t{graph_.resources} + r] += weight[r];
    }
  }
  std::vector<std::int32_t> total(graph_.vertices, 0);
  for (std::uint32_t e = 0; e < graph_.nets(); ++e) {
    std::uint32_t* count = count_.data() + e * parts;
    for (const std::uint32_t v : graph_.pins(e)) ++count[part_[v]];
    const auto w = static_cast<std::int32_t>(graph_.net_weight[e]);
    for (const std::uint32_t v : graph_.pins(e)) {
      total[v] += w;
      if (count[part_[v]] == 1) benefit_[v] += w;
    }
  }
  for (std::uint32_t v = 0; v < graph_.vertices; ++v) {
    std::int32_t* row = penalty_.data() + v * parts;
    std::fill(row, row + parts, total[v]);
    for (const std::uint32_t e : graph_.nets_of(v)) {
      const std::uint32_t* count = count_.data() + e * parts;
      const auto w = static_cast<std::int32_t>(graph_.net_weight[e]);
      for (std::size_t p = 0; p < parts; ++p) row[p] -= count[p] > 0 ? w : 0;
    }
  }
  if (limits_.axons != kNoLimit) count_axons();
}

void Blocks::count_axons() {
  std::fill(axons_.begin(), axons_.end(), 0);
  for (std::uint32_t e = 0; e < graph_.nets(); ++e) {
    for (std::uint32_t p = 0; p < limits_.parts; ++p) {
      if (receives(e, p)) axons_[p] += graph_.axons(e);
    }
  }
}

std::uint32_t Blocks::new_axons(std::uint32_t v, std::uint32_t to) const {
  std::uint32_t sum = 0;
  for (const std::uint32_t e : graph_.nets_of(v)) {
    const bool receiver = graph_.pins(e)[0] != v || graph_.loops(e);
    if (receiver && !receives(e, to)) sum += graph_.axons(e);
  }
  return sum;
}

std::uint64_t Blocks::excess() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < load_.size(); ++i) {
    if (load_[i] > limits_.capacity[i]) sum += load_[i] - limits_.capacity[i];
  }
  for (const std::uint32_t axons : axons_) {
    if (limits_.axons != kNoLimit && axons > limits_.axons) sum += axons - limits_.axons;
  }
  return sum;
}

}  // namespace spikeloom::mapping::detail
