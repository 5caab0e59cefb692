#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "mapping/detail/constant_limits.hpp"
#include "mapping/machine.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::mapping {
namespace {

/// How the synapses of a pattern can lie.
bool fits(Pattern pattern, BlockKind kind) {
  switch (pattern) {
    case Pattern::kAll:
      return kind == BlockKind::kDense || kind == BlockKind::kRows;
    case Pattern::kOneToOne:
      return kind == BlockKind::kOneToOne || kind == BlockKind::kRows;
    case Pattern::kWindow:
      return kind == BlockKind::kKernel;
    case Pattern::kRandom:
      return kind == BlockKind::kSparse || kind == BlockKind::kRows;
    case Pattern::kList:
      return kind == BlockKind::kDense || kind == BlockKind::kSparse || kind == BlockKind::kRows;
  }
  return false;
}

class Checker {
 public:
  explicit Checker(const Plan& plan) : plan_(plan) {}

  Status run() {
    SPIKELOOM_CHECK(check_target());
    auto machine = Machine::make(plan_.target, plan_.faults);
    if (!machine.ok()) return std::move(machine).error().in("target");
    SPIKELOOM_CHECK(check_populations());
    SPIKELOOM_CHECK(check_cores(*machine));
    SPIKELOOM_CHECK(check_slices());
    SPIKELOOM_CHECK(check_blocks());
    SPIKELOOM_CHECK(check_trees(*machine));
    return check_tables(*machine);
  }

 private:
  static Error wrong(const char* group, std::size_t entry, std::string what) {
    return Error{.code = ErrorCode::kFormat,
                 .what = std::move(what),
                 .where = fmt::format("{}, entry {}", group, entry)};
  }

  Status check_target() const {
    const Target& target = plan_.target;
    const bool known =
        static_cast<int>(target.topology) <= static_cast<int>(Topology::kFlat) &&
        static_cast<int>(target.synapses) <= static_cast<int>(SynapseLayout::kPacked);
    if (!known || target.width < 1 || target.width > 4096 || target.rows.empty() ||
        target.rows.size() > 4096 || target.constants.cores < 1.0) {
      return wrong("target", 0, "the machine is out of range");
    }
    for (const TargetEntry& entry : target.entries) {
      if (!detail::constant_in_range(entry.name, entry.value)) {
        return wrong("target", 0, fmt::format("'{}' is out of range", entry.name));
      }
    }
    for (const ChipSpan& row : target.rows) {
      if (row.first < 0 || row.end < row.first || row.end > target.width) {
        return wrong("target", 0, "a row of chips is out of range");
      }
    }
    return {};
  }

  Status check_populations() const {
    for (std::size_t p = 0; p < plan_.populations.size(); ++p) {
      const PlanPopulation& population = plan_.populations[p];
      std::uint64_t neurons = 1;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        neurons *= population.shape[axis];
        if (neurons == 0 || neurons >= std::uint64_t{1} << 31 || population.tile[axis] == 0 ||
            population.tile[axis] > population.shape[axis]) {
          return wrong("populations", p, "the shape is out of range");
        }
      }
      if (!(population.rate >= 0.0) || !std::isfinite(population.rate)) {
        return wrong("populations", p, "the rate is out of range");
      }
      if (population.order.empty()) continue;
      std::vector<char> seen(population.order.size(), 0);
      if (population.order.size() != neurons) {
        return wrong("populations", p, "the order has another length than the population");
      }
      for (const std::uint32_t neuron : population.order) {
        if (neuron >= neurons || seen[neuron]++ != 0) {
          return wrong("populations", p, "the order is no permutation");
        }
      }
    }
    for (std::size_t j = 0; j < plan_.projections.size(); ++j) {
      const PlanProjection& projection = plan_.projections[j];
      if (projection.source >= plan_.populations.size() ||
          projection.target >= plan_.populations.size() ||
          static_cast<int>(projection.pattern) > static_cast<int>(Pattern::kList)) {
        return wrong("projections", j, "an end or the pattern does not exist");
      }
    }
    return {};
  }

  Status check_cores(const Machine& machine) const {
    std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
    for (std::size_t c = 0; c < plan_.cores.size(); ++c) {
      const PlanCore& core = plan_.cores[c];
      if (core.chip >= machine.chips() ||
          !std::binary_search(machine.cores(core.chip).begin(), machine.cores(core.chip).end(),
                              static_cast<std::uint16_t>(std::min(core.core, 65535U)))) {
        return wrong("cores", c, "the core does not exist, or is dead");
      }
      if (!seen.insert({core.chip, core.core}).second) return wrong("cores", c, "it comes twice");
      if (!std::isfinite(core.use.cycles) || core.use.shared_bytes > core.use.row_bytes) {
        return wrong("cores", c, "its use is out of range");
      }
    }
    return {};
  }

  Status check_slices() const {
    std::size_t next = 0;
    for (std::size_t p = 0; p < plan_.populations.size(); ++p) {
      const PlanPopulation& population = plan_.populations[p];
      std::uint64_t position = 0;
      if (population.first_slice != next || population.slices > plan_.slices.size() - next) {
        return wrong("populations", p, "its slices are not the next ones");
      }
      for (; next < std::size_t{population.first_slice} + population.slices; ++next) {
        const PlanSlice& slice = plan_.slices[next];
        if (slice.population != p || slice.first != position || slice.count == 0 ||
            slice.core >= plan_.cores.size()) {
          return wrong("slices", next, "slices do not follow each other through their population");
        }
        position += slice.count;
      }
      const Extent3& shape = population.shape;
      if (position != std::uint64_t{shape[0]} * shape[1] * shape[2]) {
        return wrong("populations", p, "its slices do not hold all neurons");
      }
    }
    if (next != plan_.slices.size()) return wrong("slices", next, "it belongs to no population");
    return plan_.target.constants.table_entries > 0.0 ? check_keys() : Status{};
  }

  Status check_keys() const {
    std::vector<std::uint32_t> by_key(plan_.slices.size());
    std::iota(by_key.begin(), by_key.end(), 0U);
    std::sort(by_key.begin(), by_key.end(), [this](std::uint32_t a, std::uint32_t b) {
      return plan_.slices[a].key < plan_.slices[b].key;
    });
    std::uint64_t free_from = 0;
    for (const std::uint32_t s : by_key) {
      const PlanSlice& slice = plan_.slices[s];
      const std::uint64_t size = std::uint64_t{static_cast<std::uint32_t>(~slice.mask)} + 1;
      if ((size & (size - 1)) != 0 || (slice.key & ~slice.mask) != 0 || slice.count > size ||
          slice.key < free_from) {
        return wrong("slices", s, "its keys are too few, or another slice's too");
      }
      free_from = slice.key + size;
    }
    return {};
  }

  Status check_blocks() const {
    for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
      const PlanBlock& block = plan_.blocks[b];
      if (block.slice >= plan_.slices.size() || block.projection >= plan_.projections.size() ||
          plan_.projections[block.projection].target != plan_.slices[block.slice].population ||
          !fits(plan_.projections[block.projection].pattern, block.kind)) {
        return wrong("blocks", b, "its slice, projection or kind does not fit");
      }
    }
    SPIKELOOM_CHECK(check_memory());
    for (std::size_t r = 0; r < plan_.routes.size(); ++r) {
      if (plan_.routes[r].links >= 1U << kDirections) {
        return wrong("routes", r, "a link does not exist");
      }
    }
    return {};
  }

  /// Blocks lie in the memory of their core or chip, beside each other.
  Status check_memory() const {
    struct Part {
      bool in_chip = false;
      std::uint32_t memory = 0;
      std::uint64_t first = 0, end = 0;
      std::size_t block = 0;
    };
    const TargetConstants& c = plan_.target.constants;
    std::vector<Part> parts;
    for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
      const PlanBlock& block = plan_.blocks[b];
      const double size = block.in_chip ? c.shared_bytes : c.data_bytes;
      const auto most = size > 0.0 ? static_cast<std::uint64_t>(size) : std::uint64_t{1} << 62;
      if (block.bytes > most || block.address > most - block.bytes) {
        return wrong("blocks", b, "it ends beyond its memory");
      }
      if (block.bytes == 0) continue;
      const std::uint32_t core = plan_.slices[block.slice].core;
      parts.push_back({block.in_chip, block.in_chip ? plan_.cores[core].chip : core, block.address,
                       block.address + block.bytes, b});
    }
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
      return std::tie(a.in_chip, a.memory, a.first) < std::tie(b.in_chip, b.memory, b.first);
    });
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const Part& before = parts[i - 1];
      const Part& part = parts[i];
      if (part.in_chip == before.in_chip && part.memory == before.memory &&
          part.first < before.end) {
        return wrong("blocks", part.block, "another block lies where it does");
      }
    }
    return {};
  }

  Status check_trees(const Machine& machine) const {
    std::vector<char> has_tree(plan_.slices.size(), 0);
    std::set<std::pair<std::uint32_t, std::uint32_t>> in_use;
    for (const PlanSlice& slice : plan_.slices) {
      in_use.insert({plan_.cores[slice.core].chip, plan_.cores[slice.core].core});
    }
    for (std::size_t t = 0; t < plan_.trees.size(); ++t) {
      const PlanTree& tree = plan_.trees[t];
      if (tree.slices.empty()) return wrong("trees", t, "it is no slice's");
      for (const std::uint32_t s : tree.slices) {
        if (s >= plan_.slices.size()) return wrong("trees", t, "a slice does not exist");
        if (has_tree[s]++ != 0) return wrong("trees", t, "a slice comes twice");
      }
      if (!std::is_sorted(tree.slices.begin(), tree.slices.end())) {
        return wrong("trees", t, "its slices are out of order");
      }
      // Each chip once, and every one behind a link of one that came before.
      std::set<std::uint32_t> reached;
      for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        const TreeNode& node = tree.nodes[n];
        if (node.chip >= machine.chips() || node.route >= plan_.routes.size() || node.from < -1 ||
            node.from >= kDirections || (node.from < 0) != (n == 0)) {
          return wrong("trees", t, "a chip, route or direction does not exist");
        }
        if (node.from >= 0 && reached.count(machine.neighbour(node.chip, node.from)) == 0) {
          return wrong("trees", t, "a chip is not joined to the tree");
        }
        if (!reached.insert(node.chip).second) return wrong("trees", t, "a chip comes twice");
        for (const std::uint16_t core : plan_.routes[node.route].cores) {
          if (in_use.count({node.chip, core}) == 0) {
            return wrong("trees", t, "it ends at a core without a slice");
          }
        }
      }
      if (tree.nodes.empty()) return wrong("trees", t, "it has no chip");
    }
    return {};
  }

  Status check_tables(const Machine& machine) const {
    std::int64_t last = -1;
    for (std::size_t t = 0; t < plan_.tables.size(); ++t) {
      const PlanTable& table = plan_.tables[t];
      if (table.chip >= machine.chips() || std::int64_t{table.chip} <= last) {
        return wrong("tables", t, "its chip does not exist, or is out of order");
      }
      last = table.chip;
      for (const RoutingEntry& entry : table.entries) {
        if ((entry.key & ~entry.mask) != 0 || entry.route >= plan_.routes.size()) {
          return wrong("tables", t, "an entry's key or route does not fit");
        }
      }
    }
    return {};
  }

  const Plan& plan_;
};

}  // namespace

Status check(const Plan& plan) { return Checker(plan).run(); }

}  // namespace spikeloom::mapping
