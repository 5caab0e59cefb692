#include "tests/support/plan_checks.hpp"

#include <map>

namespace spikeloom::test {
namespace {

using namespace mapping;

struct Geometry {
  explicit Geometry(const Plan& plan) : plan(plan) {
    for (const auto& [x, y] : plan.faults.chips) dead_chips.insert({x, y});
    for (const auto& [x, y, direction] : plan.faults.links) {
      dead_links.insert({x, y, direction});
      const auto [ox, oy] = step(x, y, direction);
      dead_links.insert({ox, oy, (direction + 3) % 6});
    }
    for (const auto& [x, y, core] : plan.faults.cores) dead_cores.insert({x, y, core});
  }

  std::pair<int, int> step(int x, int y, int direction) const {
    switch (direction) {
      case 0:
        x += 1;
        break;
      case 1:
        x += 1;
        y += 1;
        break;
      case 2:
        y += 1;
        break;
      case 3:
        x -= 1;
        break;
      case 4:
        x -= 1;
        y -= 1;
        break;
      default:
        y -= 1;
        break;
    }
    if (plan.target.wraps) {
      x = (x + plan.target.width) % plan.target.width;
      y = (y + plan.target.height()) % plan.target.height();
    }
    return {x, y};
  }

  bool exists(int x, int y) const {
    if (x < 0 || y < 0 || y >= plan.target.height()) return false;
    const ChipSpan& row = plan.target.rows[static_cast<std::size_t>(y)];
    return x >= row.first && x < row.end && dead_chips.count({x, y}) == 0;
  }

  const Plan& plan;
  std::set<std::pair<int, int>> dead_chips;
  std::set<std::tuple<int, int, int>> dead_links, dead_cores;
};

std::uint32_t neuron_at(const PlanPopulation& population, std::uint32_t position) {
  return population.order.empty() ? position : population.order[position];
}

/// True when neuron s of the source has a synapse on neuron t of the target.
bool connected(const PopulationGraph& graph, const Projection& projection, std::uint32_t s,
               std::uint32_t t) {
  const Extent3& in = graph.populations[projection.source].shape;
  const Extent3& out = graph.populations[projection.target].shape;
  switch (projection.pattern) {
    case Pattern::kAll:
    case Pattern::kRandom:
      return true;
    case Pattern::kOneToOne:
      return s == t;
    case Pattern::kList: {
      const SynapseList& list = *projection.list;
      for (std::uint64_t i = list.start[t]; i < list.start[t + 1]; ++i) {
        if (list.source[i] == s) return true;
      }
      return false;
    }
    case Pattern::kWindow:
      break;
  }
  const auto place = [](std::uint32_t neuron, const Extent3& shape) {
    return std::array<std::int64_t, 3>{neuron / (shape[1] * shape[2]), neuron / shape[2] % shape[1],
                                       neuron % shape[2]};
  };
  const auto source = place(s, in), target = place(t, out);
  const Window& window = projection.window;
  if (source[0] / (in[0] / window.groups) != target[0] / (out[0] / window.groups)) return false;
  const auto inside = [](const WindowAxis& axis, std::int64_t from, std::int64_t to) {
    const std::int64_t first = to * axis.stride - axis.pad;
    return from >= first && from < first + axis.extent;
  };
  return inside(window.rows, source[1], target[1]) && inside(window.columns, source[2], target[2]);
}

}  // namespace

Delivery deliver(const Plan& plan, const PlanSlice& slice, std::uint32_t key) {
  const Geometry geometry(plan);
  std::map<std::uint32_t, const PlanTable*> tables;
  for (const PlanTable& table : plan.tables) tables[table.chip] = &table;
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  struct Packet {
    std::uint32_t chip;
    int from;  ///< direction of the link it came by, seen from the chip; -1: a core
  };
  Delivery delivery;
  std::set<std::uint32_t> visited;
  std::vector<Packet> packets{{plan.cores[slice.core].chip, -1}};
  while (!packets.empty()) {
    const Packet packet = packets.back();
    packets.pop_back();
    const int x = static_cast<int>(packet.chip % width), y = static_cast<int>(packet.chip / width);
    if (!visited.insert(packet.chip).second) {
      delivery.fault = "a packet comes to a chip twice";
      return delivery;
    }
    std::uint32_t links = 0;
    std::vector<std::uint16_t> cores;
    bool matched = false;
    if (const auto found = tables.find(packet.chip); found != tables.end()) {
      for (const RoutingEntry& entry : found->second->entries) {
        if ((key & entry.mask) != entry.key) continue;
        links = plan.routes[entry.route].links;
        cores = plan.routes[entry.route].cores;
        matched = true;
        break;
      }
    }
    if (!matched) {
      if (packet.from < 0) {
        delivery.fault = "a packet from a core finds no entry";
        return delivery;
      }
      links = 1U << ((packet.from + 3) % 6);
    }
    for (const std::uint16_t core : cores) {
      if (geometry.dead_cores.count({x, y, core}) != 0) delivery.fault = "a dead core is reached";
      delivery.cores.insert({packet.chip, core});
    }
    for (int d = 0; d < 6; ++d) {
      if ((links >> d & 1) == 0) continue;
      const auto [to_x, to_y] = geometry.step(x, y, d);
      if (!geometry.exists(to_x, to_y) || geometry.dead_links.count({x, y, d}) != 0) {
        delivery.fault = "a packet takes a link that is dead or not there";
        return delivery;
      }
      ++delivery.links;
      packets.push_back(
          {static_cast<std::uint32_t>(to_y) * width + static_cast<std::uint32_t>(to_x),
           (d + 3) % 6});
    }
  }
  return delivery;
}

CoreSet cores_to_reach(const Plan& plan, const PopulationGraph& graph, const PlanSlice& slice) {
  CoreSet cores;
  const PlanPopulation& source = plan.populations[slice.population];
  for (const Projection& projection : graph.projections) {
    if (projection.source != slice.population) continue;
    const PlanPopulation& target = plan.populations[projection.target];
    for (std::uint32_t i = 0; i < target.slices; ++i) {
      const PlanSlice& other = plan.slices[target.first_slice + i];
      bool reached = false;
      for (std::uint32_t s = slice.first; s < slice.first + slice.count && !reached; ++s) {
        for (std::uint32_t t = other.first; t < other.first + other.count && !reached; ++t) {
          reached = connected(graph, projection, neuron_at(source, s), neuron_at(target, t));
        }
      }
      if (reached) cores.insert({plan.cores[other.core].chip, plan.cores[other.core].core});
    }
  }
  return cores;
}

std::string faults_of(const Plan& plan, const PopulationGraph& graph) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> used;
  for (const PlanCore& core : plan.cores) {
    if (!used.insert({core.chip, core.core}).second) return "a core is used twice";
    const TargetConstants& c = plan.target.constants;
    const auto above = [](std::uint64_t amount, double limit) {
      return limit > 0.0 && static_cast<double>(amount) > limit;
    };
    if (above(core.use.neurons, c.neurons) || above(core.use.data_bytes(), c.data_bytes) ||
        above(core.use.in_axons, c.in_axons) || above(core.use.out_axons, c.out_axons)) {
      return "a core is over a limit";
    }
  }
  for (std::size_t p = 0; p < plan.populations.size(); ++p) {
    const PlanPopulation& population = plan.populations[p];
    std::vector<int> seen(graph.populations[p].neurons(), 0);
    for (std::uint32_t i = 0; i < population.slices; ++i) {
      const PlanSlice& slice = plan.slices[population.first_slice + i];
      for (std::uint32_t at = slice.first; at < slice.first + slice.count; ++at) {
        ++seen[neuron_at(population, at)];
      }
    }
    for (const int times : seen) {
      if (times != 1) return "a neuron is not on exactly one core";
    }
  }
  if (plan.target.constants.table_entries <= 0.0) return "";
  for (std::size_t s = 0; s < plan.slices.size(); ++s) {
    const PlanSlice& slice = plan.slices[s];
    const CoreSet wanted = cores_to_reach(plan, graph, slice);
    if (wanted.empty()) continue;
    for (const std::uint32_t i : {0U, slice.count - 1}) {
      const Delivery delivery = deliver(plan, slice, slice.key | i);
      const std::string where = "slice " + std::to_string(s) + ": ";
      if (!delivery.fault.empty()) return where + delivery.fault;
      if (delivery.cores != wanted) return where + "not exactly its targets are reached";
    }
  }
  return "";
}

}  // namespace spikeloom::test
