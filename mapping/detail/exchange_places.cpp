#include "mapping/detail/exchange_places.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "base/random.hpp"
#include "mapping/detail/chip_nets.hpp"

namespace spikeloom::mapping::detail {
namespace {

/// Steps of Prim's algorithm and the like, some tens of milliseconds; and tries for each group.
constexpr std::uint64_t kWork = 20'000'000, kTries = 60;
constexpr std::uint32_t kNobody = 0xFFFFFFFF;

/// Slices of a population that lie on one chip and move as one.
struct Group {
  std::uint32_t chip = 0, slices = 0;
  std::uint64_t bytes = 0;          ///< of the chip's memory
  std::vector<std::uint32_t> sets;  ///< that it sends to or is a target of, each once
};

/// A set of targets, by groups.
struct Net {
  std::vector<std::uint32_t> targets;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> senders;  ///< group, how many slices
  std::uint64_t cost = 0;
};

class Search {
 public:
  Search(const Slicing& slicing, const TargetSets& sets, const Machine& machine,
         const Target& target, std::uint64_t seed, const std::vector<std::uint32_t>& chip_of)
      : machine_(machine),
        memory_(static_cast<std::uint64_t>(target.constants.shared_bytes)),
        tree_(machine),
        stream_{seed, 0xe8c4a49e},
        group_of_(chip_of.size()),
        nets_(sets.sets.size()),
        on_(machine.chips()),
        free_(machine.chips(), 0),
        bytes_(machine.chips(), 0),
        seen_chip_(machine.chips(), 0),
        seen_net_(sets.sets.size(), 0) {
    make_groups(slicing, chip_of);
    make_nets(sets);
  }

  void run() {
    const std::uint64_t tries = kTries * groups_.size();
    for (std::uint64_t i = 0; i < tries && work_ < kWork; ++i) propose(stream_.words(i));
  }

  std::vector<std::uint32_t> chips() const {
    std::vector<std::uint32_t> chip_of(group_of_.size());
    for (std::size_t s = 0; s < chip_of.size(); ++s) chip_of[s] = groups_[group_of_[s]].chip;
    return chip_of;
  }

 private:
  void make_groups(const Slicing& slicing, const std::vector<std::uint32_t>& chip_of) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> number;
    for (std::uint32_t s = 0; s < chip_of.size(); ++s) {
      const auto next = static_cast<std::uint32_t>(groups_.size());
      const auto at = number.try_emplace({slicing.slices[s].population, chip_of[s]}, next).first;
      if (at->second == next) groups_.push_back({chip_of[s], 0, 0, {}});
      group_of_[s] = at->second;
      ++groups_[at->second].slices;
      groups_[at->second].bytes += slicing.slices[s].use.shared_bytes;
    }
    for (std::uint32_t chip = 0; chip < machine_.chips(); ++chip) {
      if (machine_.joined(chip)) {
        free_[chip] = static_cast<std::uint32_t>(machine_.cores(chip).size());
      }
    }
    for (std::uint32_t g = 0; g < groups_.size(); ++g) enter(g, groups_[g].chip);
  }

  void make_nets(const TargetSets& sets) {
    const auto belongs = [this](std::uint32_t group, std::uint32_t net) {
      std::vector<std::uint32_t>& of = groups_[group].sets;
      if (of.empty() || of.back() != net) of.push_back(net);
    };
    for (std::uint32_t s = 0; s < sets.of_slice.size(); ++s) {
      if (sets.of_slice[s] == 0) continue;
      auto& senders = nets_[sets.of_slice[s]].senders;
      if (senders.empty() || senders.back().first != group_of_[s]) {
        senders.emplace_back(group_of_[s], 0);
      }
      ++senders.back().second;
    }
    for (std::uint32_t n = 1; n < nets_.size(); ++n) {
      Net& net = nets_[n];
      for (const std::uint32_t s : sets.sets[n]) net.targets.push_back(group_of_[s]);
      std::sort(net.targets.begin(), net.targets.end());
      net.targets.erase(std::unique(net.targets.begin(), net.targets.end()), net.targets.end());
      for (const std::uint32_t g : net.targets) belongs(g, n);
      for (const auto& sender : net.senders) belongs(sender.first, n);
      net.cost = cost(net);
    }
  }

  /// Links of the trees of all its senders.
  std::uint64_t cost(const Net& net) {
    chips_.assign(1, 0);
    ++round_;
    for (const std::uint32_t g : net.targets) {
      const std::uint32_t chip = groups_[g].chip;
      if (seen_chip_[chip] != round_) chips_.push_back(chip);
      seen_chip_[chip] = round_;
    }
    std::uint64_t sum = 0;
    for (const auto& [group, slices] : net.senders) {
      const std::uint32_t source = groups_[group].chip;
      // The source's chip first, and not twice.
      const auto same = std::find(chips_.begin() + 1, chips_.end(), source);
      if (same != chips_.end()) {
        std::swap(chips_[1], *same);
        sum += slices * tree_.length(std::span(chips_).subspan(1));
      } else {
        chips_[0] = source;
        sum += slices * tree_.length(chips_);
      }
      work_ += chips_.size() * chips_.size() + 8;
    }
    work_ += net.targets.size();
    return sum;
  }

  void leave(std::uint32_t g) {
    auto& here = on_[groups_[g].chip];
    here.erase(std::find(here.begin(), here.end(), g));
    free_[groups_[g].chip] += groups_[g].slices;
    bytes_[groups_[g].chip] -= groups_[g].bytes;
  }
  void enter(std::uint32_t g, std::uint32_t chip) {
    groups_[g].chip = chip;
    on_[chip].push_back(g);
    free_[chip] -= groups_[g].slices;
    bytes_[chip] += groups_[g].bytes;
  }
  /// g, and other if there is one, each to the other's place.
  void move(std::uint32_t g, std::uint32_t to, std::uint32_t other) {
    const std::uint32_t from = groups_[g].chip;
    leave(g);
    if (other != kNobody) {
      leave(other);
      enter(other, from);
    }
    enter(g, to);
  }

  bool fits(std::uint32_t g, std::uint32_t to, std::uint32_t other) const {
    const std::uint32_t from = groups_[g].chip;
    const std::uint32_t comes = groups_[g].slices;
    const std::uint32_t goes = other != kNobody ? groups_[other].slices : 0;
    if (comes > free_[to] + goes || goes > free_[from] + comes) return false;
    if (memory_ == 0) return true;
    const std::uint64_t in = groups_[g].bytes;
    const std::uint64_t out = other != kNobody ? groups_[other].bytes : 0;
    return bytes_[to] - out + in <= memory_ && bytes_[from] - in + out <= memory_;
  }

  /// A chip where one of g's partners lies, or one beside it.
  std::uint32_t drawn_chip(std::uint32_t g, const std::array<std::uint32_t, 4>& words) const {
    const Group& group = groups_[g];
    const Net& net = nets_[group.sets[words[1] % group.sets.size()]];
    const std::uint32_t which = words[2] % (net.targets.size() + net.senders.size());
    const std::uint32_t partner = which < net.targets.size()
                                      ? net.targets[which]
                                      : net.senders[which - net.targets.size()].first;
    const std::uint32_t direction = words[3] % (kDirections + 1);
    const std::uint32_t chip = groups_[partner].chip;
    return direction == kDirections ? chip : machine_.neighbour(chip, static_cast<int>(direction));
  }

  void propose(const std::array<std::uint32_t, 4>& words) {
    ++work_;
    const std::uint32_t g = words[0] % groups_.size();
    if (groups_[g].sets.empty()) return;
    const std::uint32_t from = groups_[g].chip, to = drawn_chip(g, words);
    if (to == kNoChip || to == from || !machine_.joined(to)) return;
    std::uint32_t other = kNobody;
    if (!fits(g, to, other)) {
      if (on_[to].empty()) return;
      other = on_[to][(words[3] >> 8) % on_[to].size()];
      if (!fits(g, to, other)) return;
    }
    ++net_round_;
    touched_.clear();
    std::uint64_t before = 0, after = 0;
    for (const std::uint32_t who : {g, other}) {
      if (who == kNobody) continue;
      for (const std::uint32_t n : groups_[who].sets) {
        if (seen_net_[n] == net_round_) continue;
        seen_net_[n] = net_round_;
        touched_.emplace_back(n, 0);
        before += nets_[n].cost;
      }
    }
    move(g, to, other);
    for (auto& [n, now] : touched_) {
      now = cost(nets_[n]);
      after += now;
      if (after >= before) break;
    }
    if (after >= before) {
      move(g, from, other);
      return;
    }
    for (const auto& [n, now] : touched_) nets_[n].cost = now;
  }

  const Machine& machine_;
  std::uint64_t memory_;  ///< of a chip; 0: no limit
  SpanningTree tree_;
  RandomStream stream_;
  std::vector<std::uint32_t> group_of_;  ///< by slice
  std::vector<Group> groups_;
  std::vector<Net> nets_;
  std::vector<std::vector<std::uint32_t>> on_;  ///< groups of a chip
  std::vector<std::uint32_t> free_;             ///< cores of a chip
  std::vector<std::uint64_t> bytes_;            ///< of a chip's memory that are taken
  std::vector<std::uint32_t> seen_chip_, seen_net_, chips_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> touched_;
  std::uint32_t round_ = 0, net_round_ = 0;
  std::uint64_t work_ = 0;
};

}  // namespace

void exchange_places(const Slicing& slicing, const TargetSets& sets, const Machine& machine,
                     const Target& target, std::uint64_t seed,
                     std::vector<std::uint32_t>& chip_of) {
  if (machine.working_chips() < 2 || chip_of.empty()) return;
  Search search(slicing, sets, machine, target, seed, chip_of);
  search.run();
  chip_of = search.chips();
}

}  // namespace spikeloom::mapping::detail
