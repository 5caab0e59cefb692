#include "backends/emulator/chip.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace spikeloom::emulator {

std::int64_t UnitName::find(std::string_view name) const {
  if (!indexed) return name == base ? 0 : -1;
  if (!name.starts_with(base)) return -1;
  name.remove_prefix(base.size());
  if (name.size() < 3 || name.front() != '[' || name.back() != ']') return -1;
  name = name.substr(1, name.size() - 2);
  std::uint32_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size()) return -1;
  return index >= first && index <= last ? static_cast<std::int64_t>(index - first) : -1;
}

double Chip::barrier_seconds(std::uint64_t used_tiles) const {
  if (barrier.empty()) return 0.0;
  const auto above = barrier.upper_bound(used_tiles);
  return above == barrier.begin() ? above->second : std::prev(above)->second;
}

std::string Chip::core_name(std::uint32_t core) const {
  return fmt::format("{}.{}", cores[core].tile, cores[core].offset);
}

std::uint32_t Chip::max_cores_per_tile() const {
  std::uint32_t most = 0;
  for (const Tile& tile : tiles) most = std::max(most, tile.core_count);
  return most;
}

Way way_between(const Chip& chip, std::uint32_t source_tile, std::uint32_t destination_tile) {
  const Tile& source = chip.tiles[source_tile];
  const Tile& destination = chip.tiles[destination_tile];
  const HopCosts& energy = chip.hop_costs[destination.costs];
  const HopCosts& latency = chip.hop_costs[source.costs];
  const bool east = source.x < destination.x;
  const bool north = source.y < destination.y;
  const std::uint32_t x_hops = east ? destination.x - source.x : source.x - destination.x;
  const std::uint32_t y_hops = north ? destination.y - source.y : source.y - destination.y;
  Way way;
  way.hops = x_hops + y_hops;
  way.cost.energy = x_hops * (east ? energy.east : energy.west).energy +
                    y_hops * (north ? energy.north : energy.south).energy;
  way.cost.latency = x_hops * (east ? latency.east : latency.west).latency +
                     y_hops * (north ? latency.north : latency.south).latency;
  return way;
}

}  // namespace spikeloom::emulator
