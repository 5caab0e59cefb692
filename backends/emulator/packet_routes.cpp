#include <algorithm>
#include <array>
#include <utility>

#include "backends/emulator/packet_routes_private.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::uint32_t kDirections = kLinkDirections;

struct Step {
  std::int64_t x = 0, y = 0;
};
/// E, NE, N, W, SW, S.
constexpr std::array<Step, kDirections> kSteps = {
    {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};

/// A core that a packet passes twice, in a ring, takes it once.
void keep_first_deliveries(PacketRoute& route) {
  std::vector<std::uint32_t> seen, kept;
  for (RouteStep& step : route.steps) {
    const auto first = static_cast<std::uint32_t>(kept.size());
    for (std::uint32_t i = step.first_core; i < step.end_core; ++i) {
      const std::uint32_t core = route.delivered[i];
      const auto place = std::lower_bound(seen.begin(), seen.end(), core);
      if (place != seen.end() && *place == core) continue;
      seen.insert(place, core);
      kept.push_back(core);
    }
    step.first_core = first;
    step.end_core = static_cast<std::uint32_t>(kept.size());
  }
  route.delivered = std::move(kept);
}

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
    std::uint32_t step = 0;
    std::uint32_t direction = kNowhere;  ///< that it moves in; kNowhere: it starts here
  };
  PacketRoute route;
  route.steps.push_back({.chip = chip});
  route.starts = {0};
  std::vector<Copy> open = {{0, kNowhere}};
  // A tree crosses a link once: a packet that comes back to one goes round in a ring.
  while (!open.empty() && route.links.size() <= neighbour_.size()) {
    const Copy copy = open.back();
    open.pop_back();
    RouteStep here = route.steps[copy.step];
    here.first_core = static_cast<std::uint32_t>(route.delivered.size());
    const mapping::PlanTable* table = table_[here.chip];
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
        const auto found = core_.find({here.chip, core});
        if (found == core_.end()) {
          ++route.drops;
        } else {
          route.delivered.push_back(found->second);
        }
      }
    } else if (copy.direction != kNowhere) {
      directions = 1U << copy.direction;
    } else {
      ++route.drops;
    }
    here.end_core = static_cast<std::uint32_t>(route.delivered.size());
    here.next = static_cast<std::uint32_t>(route.steps.size());
    for (std::uint32_t d = 0; d < kDirections; ++d) {
      if ((directions >> d & 1U) == 0) continue;
      const std::uint32_t link = here.chip * kDirections + d;
      if (neighbour_[link] == kNowhere) {
        ++route.drops;
        continue;
      }
      here.links |= static_cast<std::uint8_t>(1U << d);
      route.links.push_back(link);
      open.push_back({static_cast<std::uint32_t>(route.steps.size()), d});
      route.steps.push_back({.chip = neighbour_[link]});
    }
    route.steps[copy.step] = here;
  }
  route.drops += static_cast<std::uint32_t>(open.size());
  route.cores = route.delivered;
  std::sort(route.cores.begin(), route.cores.end());
  route.cores.erase(std::unique(route.cores.begin(), route.cores.end()), route.cores.end());
  if (route.cores.size() < route.delivered.size()) keep_first_deliveries(route);
  return route;
}

std::uint32_t PacketRoutes::direction_to(std::uint32_t from, std::uint32_t to) const {
  const auto width = static_cast<std::uint32_t>(plan_.target.width);
  const std::uint32_t x = from % width, y = from / width;
  if (x != to % width) return x < to % width ? 0 : 3;
  return y < to / width ? 2 : 5;
}

PacketRoute PacketRoutes::messages(const std::vector<std::uint32_t>& cores,
                                   std::uint32_t chip) const {
  PacketRoute route;
  const bool joined = plan_.target.topology != mapping::Topology::kFlat;
  for (const std::uint32_t core : cores) {
    route.starts.push_back(static_cast<std::uint32_t>(route.steps.size()));
    std::uint32_t at = chip;
    const std::uint32_t end = joined ? plan_.cores[core].chip : chip;
    while (at != kNowhere && at != end) {
      const std::uint32_t d = direction_to(at, end);
      const std::uint32_t link = at * kDirections + d;
      const bool works = neighbour_[link] != kNowhere;
      route.steps.push_back({.chip = at,
                             .links = static_cast<std::uint8_t>(works ? 1U << d : 0U),
                             .next = static_cast<std::uint32_t>(route.steps.size()) + 1});
      if (works) route.links.push_back(link);
      at = neighbour_[link];
    }
    if (at == kNowhere) {
      ++route.drops;
      continue;
    }
    const auto first = static_cast<std::uint32_t>(route.delivered.size());
    route.delivered.push_back(core);
    route.steps.push_back({.chip = at, .first_core = first, .end_core = first + 1});
  }
  route.cores = route.delivered;
  std::sort(route.cores.begin(), route.cores.end());
  return route;
}

}  // namespace spikeloom::emulator
