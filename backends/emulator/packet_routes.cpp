#include <algorithm>
#include <array>

#include "backends/emulator/packet_routes_private.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::uint32_t kDirections = 6;
constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

struct Step {
  std::int64_t x = 0, y = 0;
};
/// E, NE, N, W, SW, S.
constexpr std::array<Step, kDirections> kSteps = {
    {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};

}  // namespace

PacketRoutes::PacketRoutes(const mapping::Plan& plan)
    : plan_(plan), has_tables_(plan.target.constants.table_entries > 0.0) {
  const mapping::Target& target = plan.target;
  const auto width = static_cast<std::uint32_t>(target.width);
  const std::size_t chips = std::size_t{width} * target.rows.size();
  table_.assign(chips, nullptr);
  for (const mapping::PlanTable& table : plan.tables) {
    if (table.chip < chips) table_[table.chip] = &table;
  }
  for (std::uint32_t core = 0; core < plan.cores.size(); ++core) {
    core_[{plan.cores[core].chip, plan.cores[core].core}] = core;
  }
  neighbour_.assign(chips * kDirections, kNowhere);
  for (std::uint32_t chip = 0; chip < chips; ++chip) {
    for (std::uint32_t d = 0; d < kDirections; ++d) {
      const bool diagonal = d == 1 || d == 4;
      if (target.topology == mapping::Topology::kFlat) continue;
      if (target.topology == mapping::Topology::kMesh && diagonal) continue;
      neighbour_[chip * kDirections + d] =
          neighbour(chip % width + kSteps[d].x, chip / width + kSteps[d].y);
    }
  }
  for (const auto& link : plan.faults.links) {
    const std::uint32_t chip = neighbour(link.x, link.y);
    if (chip == kNowhere || link.direction < 0 || link.direction > 5) continue;
    const auto d = static_cast<std::uint32_t>(link.direction);
    const std::uint32_t other = neighbour_[chip * kDirections + d];
    neighbour_[chip * kDirections + d] = kNowhere;
    if (other != kNowhere) neighbour_[other * kDirections + (d + 3) % kDirections] = kNowhere;
  }
}

/// The chip at a place that works; kNowhere where there is none.
std::uint32_t PacketRoutes::neighbour(std::int64_t x, std::int64_t y) const {
  const mapping::Target& target = plan_.target;
  const auto width = static_cast<std::int64_t>(target.width);
  const auto height = static_cast<std::int64_t>(target.rows.size());
  if (target.wraps) {
    x = (x % width + width) % width;
    y = (y % height + height) % height;
  }
  if (x < 0 || y < 0 || y >= height) return kNowhere;
  const mapping::ChipSpan& row = target.rows[static_cast<std::size_t>(y)];
  if (x < row.first || x >= row.end) return kNowhere;
  for (const auto& dead : plan_.faults.chips) {
    if (dead[0] == x && dead[1] == y) return kNowhere;
  }
  return static_cast<std::uint32_t>(y * width + x);
}

PacketRoute PacketRoutes::follow(std::uint32_t key, std::uint32_t chip) const {
  struct Copy {
    std::uint32_t chip = 0;
    std::uint32_t direction = kNowhere;  ///< that it moves in; kNowhere: it starts here
  };
  PacketRoute route;
  std::vector<Copy> open = {{chip, kNowhere}};
  // A tree crosses a link once: a packet that comes back to one goes round in a ring.
  while (!open.empty() && route.links.size() <= neighbour_.size()) {
    const Copy copy = open.back();
    open.pop_back();
    const mapping::PlanTable* table = table_[copy.chip];
    const mapping::RoutingEntry* entry = nullptr;
    if (table != nullptr) {
      const auto at = std::find_if(table->entries.begin(), table->entries.end(),
                                   [&](const auto& e) { return e.matches(key); });
      if (at != table->entries.end()) entry = &*at;
    }
    std::uint32_t directions = 0;
    if (entry != nullptr && entry->route < plan_.routes.size()) {
      const mapping::PlanRoute& to = plan_.routes[entry->route];
      directions = to.links;
      for (const std::uint16_t core : to.cores) {
        const auto found = core_.find({copy.chip, core});
        if (found == core_.end()) {
          ++route.drops;
        } else {
          route.cores.push_back(found->second);
        }
      }
    } else if (copy.direction != kNowhere) {
      directions = 1U << copy.direction;
    } else {
      ++route.drops;
    }
    for (std::uint32_t d = 0; d < kDirections; ++d) {
      if ((directions >> d & 1U) == 0) continue;
      const std::uint32_t link = copy.chip * kDirections + d;
      if (neighbour_[link] == kNowhere) {
        ++route.drops;
        continue;
      }
      route.links.push_back(link);
      open.push_back({neighbour_[link], d});
    }
  }
  route.drops += static_cast<std::uint32_t>(open.size());
  std::sort(route.cores.begin(), route.cores.end());
  route.cores.erase(std::unique(route.cores.begin(), route.cores.end()), route.cores.end());
  return route;
}

}  // namespace spikeloom::emulator
