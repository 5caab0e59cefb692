#include "mapping/trees.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace spikeloom::mapping {
namespace {

constexpr int kPasses = 3;

std::uint8_t bit(int direction) { return static_cast<std::uint8_t>(1U << direction); }

}  // namespace

TreeFinder::TreeFinder(const Machine& machine)
    : machine_(machine),
      links_(machine.chips(), 0),
      inside_(machine.chips(), 0),
      wanted_(machine.chips(), 0),
      seen_(machine.chips(), 0),
      came_by_(machine.chips(), 0) {}

void TreeFinder::start() {
  for (const std::uint32_t chip : tree_) {
    links_[chip] = 0;
    inside_[chip] = 0;
  }
  tree_.clear();
  tree_links_ = 0;
}

/// Searches from all of the tree at once; joins the first wanted chip found.
bool TreeFinder::join_nearest() {
  ++round_;
  queue_.assign(tree_.begin(), tree_.end());
  for (const std::uint32_t chip : queue_) seen_[chip] = round_;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    const std::uint32_t at = queue_[head];
    for (int d = 0; d < kDirections; ++d) {
      const std::uint32_t next = machine_.neighbour(at, d);
      if (next == kNoChip || seen_[next] == round_) continue;
      seen_[next] = round_;
      came_by_[next] = static_cast<std::int8_t>(d);
      if (wanted_[next] != 1) {
        queue_.push_back(next);
        continue;
      }
      for (std::uint32_t chip = next; inside_[chip] == 0;) {
        const int by = came_by_[chip];
        const std::uint32_t before = machine_.neighbour(chip, opposite(by));
        links_[chip] |= bit(opposite(by));
        links_[before] |= bit(by);
        inside_[chip] = 1;
        if (wanted_[chip] == 1) {
          wanted_[chip] = 2;
          --left_;
        }
        tree_.push_back(chip);
        ++tree_links_;
        chip = before;
      }
      return true;
    }
  }
  return false;
}

bool TreeFinder::grow(std::uint32_t source, std::span<const std::uint32_t> chips,
                      std::uint32_t& missing) {
  start();
  inside_[source] = 1;
  tree_.push_back(source);
  left_ = 0;
  for (const std::uint32_t chip : chips) {
    wanted_[chip] = chip == source ? 2 : 1;
    left_ += chip == source ? 0U : 1U;
  }
  while (left_ > 0) {
    if (join_nearest()) continue;
    missing = *std::find_if(chips.begin(), chips.end(),
                            [this](std::uint32_t chip) { return wanted_[chip] == 1; });
    return false;
  }
  return true;
}

int TreeFinder::degree(std::uint32_t chip) const { return std::popcount(links_[chip]); }

/// Takes out the way that leaves the joint `from` (wanted, a fork or an end) up to the next joint,
/// and joins the halves by a shortest way. True when that is shorter; else the way is put back.
bool TreeFinder::rejoin(std::uint32_t from, int direction) {
  // The way: chips between are passed through only.
  std::vector<Joint> way{{from, direction}};
  std::uint32_t at = machine_.neighbour(from, direction);
  int came = direction;
  while (wanted_[at] == 0 && degree(at) == 2) {
    const int on = std::countr_zero(static_cast<unsigned>(links_[at] & ~bit(opposite(came))));
    way.push_back({at, on});
    at = machine_.neighbour(at, on);
    came = on;
  }
  if (way.size() < 2) return false;
  for (const Joint& joint : way) {
    links_[joint.chip] &= static_cast<std::uint8_t>(~bit(joint.direction));
    const std::uint32_t next = machine_.neighbour(joint.chip, joint.direction);
    links_[next] &= static_cast<std::uint8_t>(~bit(opposite(joint.direction)));
    if (joint.chip != from) inside_[joint.chip] = 0;
  }
  // The half that holds `from`.
  const std::uint32_t half = ++round_;
  queue_.assign(1, from);
  seen_[from] = half;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    for (int d = 0; d < kDirections; ++d) {
      if ((links_[queue_[head]] & bit(d)) == 0) continue;
      const std::uint32_t next = machine_.neighbour(queue_[head], d);
      if (seen_[next] == half) continue;
      seen_[next] = half;
      queue_.push_back(next);
    }
  }
  // From it to the nearest chip of the other, over fewer links than the old way had.
  std::size_t level_end = queue_.size(), length = 1, head = 0;
  std::uint32_t reached = kNoChip;
  while (head < queue_.size() && length < way.size() && reached == kNoChip) {
    for (; head < level_end && reached == kNoChip; ++head) {
      for (int d = 0; d < kDirections; ++d) {
        const std::uint32_t next = machine_.neighbour(queue_[head], d);
        if (next == kNoChip || seen_[next] == half) continue;
        seen_[next] = half;
        came_by_[next] = static_cast<std::int8_t>(d);
        if (inside_[next] != 0) {
          reached = next;
          break;
        }
        queue_.push_back(next);
      }
    }
    level_end = queue_.size();
    ++length;
  }
  if (reached == kNoChip) {
    for (const Joint& joint : way) {
      links_[joint.chip] |= bit(joint.direction);
      const std::uint32_t next = machine_.neighbour(joint.chip, joint.direction);
      links_[next] |= bit(opposite(joint.direction));
      inside_[joint.chip] = 1;
    }
    return false;
  }
  tree_links_ -= static_cast<std::uint32_t>(way.size());
  for (std::uint32_t chip = reached;;) {
    const int by = came_by_[chip];
    const std::uint32_t before = machine_.neighbour(chip, opposite(by));
    links_[chip] |= bit(opposite(by));
    links_[before] |= bit(by);
    ++tree_links_;
    if (inside_[before] != 0) break;
    inside_[before] = 1;
    tree_.push_back(before);
    chip = before;
  }
  return true;
}

bool TreeFinder::shorten(std::span<const std::uint32_t> chips) {
  bool shorter = false;
  // A chip may leave the tree and come back: its place in tree_ is then double, and harmless.
  for (std::size_t i = 0; i < tree_.size() && tree_links_ >= chips.size(); ++i) {
    const std::uint32_t chip = tree_[i];
    for (int d = 0; d < kDirections; ++d) {
      const bool joint = wanted_[chip] != 0 || degree(chip) != 2;
      if (inside_[chip] == 0 || !joint || (links_[chip] & bit(d)) == 0) continue;
      shorter |= rejoin(chip, d);
    }
  }
  return shorter;
}

std::vector<TreeChip> TreeFinder::ordered(std::uint32_t source) const {
  std::vector<TreeChip> nodes{{source, -1, -1}};
  for (std::size_t head = 0; head < nodes.size(); ++head) {
    const std::uint32_t chip = nodes[head].chip;
    const int back = nodes[head].direction < 0 ? -1 : opposite(nodes[head].direction);
    for (int d = 0; d < kDirections; ++d) {
      if (d == back || (links_[chip] & bit(d)) == 0) continue;
      nodes.push_back({machine_.neighbour(chip, d), static_cast<std::int32_t>(head),
                       static_cast<std::int8_t>(d)});
    }
  }
  return nodes;
}

Result<std::vector<TreeChip>> TreeFinder::find(std::uint32_t source,
                                               std::span<const std::uint32_t> chips) {
  std::uint32_t missing = kNoChip;
  const bool whole = grow(source, chips, missing);
  if (whole) {
    wanted_[source] = 2;  // stays, whether it is a target or not
    for (int pass = 0; pass < kPasses && shorten(chips); ++pass) {
    }
  }
  for (const std::uint32_t chip : chips) wanted_[chip] = 0;
  wanted_[source] = 0;
  if (!whole) {
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("there is no way from {} to {}", machine_.name(source),
                                     machine_.name(missing)),
                 .next = "too many links or chips are dead"};
  }
  return ordered(source);
}

}  // namespace spikeloom::mapping
