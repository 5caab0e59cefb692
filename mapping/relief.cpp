#include "mapping/relief.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "mapping/detail/plan_trees.hpp"
#include "mapping/machine.hpp"

namespace spikeloom::mapping {
namespace {

/// Rounds, and trees that are tried in each.
constexpr int kRounds = 400, kTries = 12;

/// Links of a tree: chip x 6 + direction.
std::vector<std::uint32_t> links_of(const Plan& plan, const PlanTree& tree) {
  std::vector<std::uint32_t> links;
  for (const TreeNode& node : tree.nodes) {
    for (std::uint32_t d = 0; d < kDirections; ++d) {
      if ((plan.routes[node.route].links >> d & 1) != 0) {
        links.push_back(node.chip * kDirections + d);
      }
    }
  }
  return links;
}

class Relief {
 public:
  /// Closes links of the machine while it looks for ways round them.
  Relief(Plan& plan, Machine& machine, const ReliefOptions& options)
      : plan_(plan), machine_(machine), options_(options), finder_(plan, machine) {
    load_.assign(std::size_t{machine.chips()} * kDirections, 0.0);
    for (const PlanSlice& slice : plan.slices) {
      const double own = plan.populations[slice.population].rate * slice.count;
      const std::size_t s = packets_.size();
      packets_.push_back(s < options.slice_packets.size() ? options.slice_packets[s] : own);
      slice_of_core_[{plan.cores[slice.core].chip, plan.cores[slice.core].core}] =
          static_cast<std::uint32_t>(s);
    }
    for (const PlanTree& tree : plan.trees) {
      double packets = 0.0;
      for (const std::uint32_t s : tree.slices) packets += packets_[s];
      rate_.push_back(packets);
      links_.push_back(links_of(plan, tree));
      first_length_.push_back(links_.back().size());
      for (const std::uint32_t link : links_.back()) load_[link] += packets;
    }
  }

  ReliefReport run() {
    ReliefReport report;
    report.before = load_.empty() ? 0.0 : *std::max_element(load_.begin(), load_.end());
    std::set<std::uint32_t> moved;
    for (int round = 0; round < kRounds && report.before > 0.0; ++round) {
      const auto tree = relieve_busiest();
      if (!tree) break;
      moved.insert(*tree);
    }
    report.after = load_.empty() ? 0.0 : *std::max_element(load_.begin(), load_.end());
    report.trees_moved = moved.size();
    for (const std::uint32_t t : moved) {
      report.links_added +=
          static_cast<std::int64_t>(links_[t].size()) - static_cast<std::int64_t>(first_length_[t]);
    }
    return report;
  }

 private:
  /// Leads one tree round the busiest link; nothing where that helps no more.
  std::optional<std::uint32_t> relieve_busiest() {
    const auto hottest =
        static_cast<std::uint32_t>(std::max_element(load_.begin(), load_.end()) - load_.begin());
    std::vector<std::uint32_t> crossing;
    for (std::uint32_t t = 0; t < links_.size(); ++t) {
      const auto& links = links_[t];
      if (rate_[t] > 0.0 && std::find(links.begin(), links.end(), hottest) != links.end()) {
        crossing.push_back(t);
      }
    }
    std::stable_sort(crossing.begin(), crossing.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return rate_[a] > rate_[b]; });
    if (crossing.size() > kTries) crossing.resize(kTries);
    for (const std::uint32_t t : crossing) {
      if (lead_round(t, load_[hottest])) return t;
    }
    return std::nullopt;
  }

  /// Finds a tree without the links that it would make as busy as `most`.
  bool lead_round(std::uint32_t t, double most) {
    for (const std::uint32_t link : links_[t]) load_[link] -= rate_[t];
    struct Link {
      std::uint32_t chip, other;
      int direction;
    };
    std::vector<Link> closed;
    for (std::uint32_t link = 0; link < load_.size(); ++link) {
      if (load_[link] + rate_[t] < most * (1.0 - 1e-9)) continue;
      const std::uint32_t chip = link / kDirections;
      const auto d = static_cast<int>(link % kDirections);
      const std::uint32_t other = machine_.neighbour(chip, d);
      if (other == kNoChip) continue;
      closed.push_back({chip, other, d});
      machine_.set_link(chip, d, other, false);
    }
    auto found = finder_.find(plan_.trees[t].slices, t, targets_of(plan_.trees[t]));
    for (const Link& link : closed) machine_.set_link(link.chip, link.direction, link.other, true);
    bool taken = false;
    if (found.ok()) {
      std::vector<std::uint32_t> links = links_of(plan_, *found);
      if (links.size() <= first_length_[t] + options_.more_links) {
        plan_.trees[t] = *std::move(found);
        links_[t] = std::move(links);
        taken = true;
      }
    }
    for (const std::uint32_t link : links_[t]) load_[link] += rate_[t];
    return taken;
  }

  std::vector<std::uint32_t> targets_of(const PlanTree& tree) const {
    std::vector<std::uint32_t> targets;
    for (const TreeNode& node : tree.nodes) {
      for (const std::uint16_t core : plan_.routes[node.route].cores) {
        targets.push_back(slice_of_core_.at({node.chip, core}));
      }
    }
    return targets;
  }

  Plan& plan_;
  Machine& machine_;
  const ReliefOptions& options_;
  detail::PlanTrees finder_;
  std::vector<double> load_;     ///< packets a tick, by link
  std::vector<double> packets_;  ///< by slice
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> slice_of_core_;
  std::vector<double> rate_;                       ///< by tree
  std::vector<std::vector<std::uint32_t>> links_;  ///< by tree
  std::vector<std::size_t> first_length_;
};

/// Tables of all chips that a tree crosses, made from the trees as they are now.
Status make_tables(Plan& plan, const Machine& machine) {
  std::vector<std::vector<RoutingEntry>> raw(machine.chips());
  for (const PlanTree& tree : plan.trees) {
    for (const TreeNode& node : tree.nodes) {
      for (const RoutingEntry& key : tree.keys) {
        raw[node.chip].push_back(detail::raw_entry(plan, node, key));
      }
    }
  }
  plan.tables.clear();
  for (std::uint32_t chip = 0; chip < raw.size(); ++chip) {
    if (raw[chip].empty()) continue;
    SPIKELOOM_TRY(auto table, detail::compressed_table(plan, machine, chip, raw[chip]));
    plan.tables.push_back(std::move(table));
  }
  return {};
}

}  // namespace

Result<ReliefReport> relieve(Plan& plan, const ReliefOptions& options) {
  if (plan.trees.empty()) return ReliefReport{};
  Plan mended = plan;
  SPIKELOOM_TRY(Machine machine, Machine::make(mended.target, mended.faults));
  ReliefReport report = Relief(mended, machine, options).run();
  if (report.trees_moved == 0) return report;
  if (const Status made = make_tables(mended, machine); !made.ok()) {
    return ReliefReport{
        .before = report.before, .after = report.before, .problem = made.error().message()};
  }
  plan = std::move(mended);
  return report;
}

}  // namespace spikeloom::mapping
