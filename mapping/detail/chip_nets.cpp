#include "mapping/detail/chip_nets.hpp"

#include <algorithm>
#include <limits>

namespace spikeloom::mapping::detail {

ChipNets::ChipNets(const TargetSets& sets, const std::vector<std::uint32_t>& chip_of) {
  // (set, chip) of every slice, sorted: equal ones are one net.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> senders;
  senders.reserve(chip_of.size());
  for (std::uint32_t s = 0; s < chip_of.size(); ++s) {
    if (sets.of_slice[s] != 0) senders.emplace_back(sets.of_slice[s], chip_of[s]);
  }
  std::sort(senders.begin(), senders.end());
  std::vector<std::size_t> start;
  std::vector<std::uint32_t> targets;
  std::uint32_t of_set = 0;
  for (std::size_t i = 0; i < senders.size();) {
    const auto [set, source] = senders[i];
    std::size_t end = i;
    while (end < senders.size() && senders[end] == senders[i]) ++end;
    if (set != of_set) {
      of_set = set;
      targets.clear();
      for (const std::uint32_t slice : sets.sets[set]) targets.push_back(chip_of[slice]);
      std::sort(targets.begin(), targets.end());
      targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    }
    start.push_back(chips_.size());
    nets_.push_back({end - i, set, {}});
    chips_.push_back(source);
    for (const std::uint32_t chip : targets) {
      if (chip != source) chips_.push_back(chip);
    }
    i = end;
  }
  start.push_back(chips_.size());
  for (std::size_t n = 0; n < nets_.size(); ++n) {
    nets_[n].chips = std::span(chips_).subspan(start[n], start[n + 1] - start[n]);
  }
}

/// Whether the chips hang together by links between them.
bool SpanningTree::all_adjacent(std::span<const std::uint32_t> chips) {
  ++round_;
  for (const std::uint32_t chip : chips) mark_[chip] = round_;
  queue_.assign(1, chips[0]);
  seen_[chips[0]] = round_;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    for (int d = 0; d < kDirections; ++d) {
      const std::uint32_t next = machine_.neighbour(queue_[head], d);
      if (next == kNoChip || mark_[next] != round_ || seen_[next] == round_) continue;
      seen_[next] = round_;
      queue_.push_back(next);
    }
  }
  return queue_.size() == chips.size();
}

std::uint64_t SpanningTree::length(std::span<const std::uint32_t> chips) {
  if (chips.size() < 2) return 0;
  if (all_adjacent(chips)) return chips.size() - 1;
  left_.assign(chips.begin() + 1, chips.end());
  nearest_.assign(left_.size(), std::numeric_limits<std::uint32_t>::max());
  std::uint32_t joined = chips[0];
  std::uint64_t sum = 0;
  while (!left_.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < left_.size(); ++i) {
      nearest_[i] = std::min(nearest_[i], machine_.distance(joined, left_[i]));
      if (nearest_[i] < nearest_[best]) best = i;
    }
    sum += nearest_[best];
    joined = left_[best];
    left_[best] = left_.back();
    nearest_[best] = nearest_.back();
    left_.pop_back();
    nearest_.pop_back();
  }
  return sum;
}

}  // namespace spikeloom::mapping::detail
