#include "mapping/machine.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/connected_components.hpp>
#include <fmt/format.h>

namespace spikeloom::mapping {
namespace {

constexpr std::array<std::array<std::int32_t, 2>, kDirections> kSteps = {
    {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};
constexpr std::uint64_t kMostChips = std::uint64_t{1} << 18;
constexpr std::uint64_t kMostCores = std::uint64_t{1} << 23;
/// Machines of at most so many chips keep every distance.
constexpr std::uint32_t kDistanceChips = 2048;

Error no_such(const std::string& what) {
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = fmt::format("a fault names {}, which this machine does not have", what)};
}

}  // namespace

const char* direction_name(int direction) {
  constexpr std::array<const char*, kDirections> names = {"E", "NE", "N", "W", "SW", "S"};
  return names[static_cast<std::size_t>(direction)];
}

Result<Machine> Machine::make(const Target& target, const Faults& faults) {
  Machine made;
  made.topology_ = target.topology;
  made.width_ = target.width;
  made.height_ = target.height();
  made.wraps_ = target.wraps;
  const auto width = static_cast<std::uint64_t>(made.width_);
  const std::uint64_t chips = width * static_cast<std::uint64_t>(made.height_);
  const auto count = static_cast<std::int32_t>(target.constants.cores);
  const std::uint64_t cores = chips * static_cast<std::uint64_t>(count);
  if (chips > kMostChips || cores > kMostCores) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the machine is too large",
                 .where = target.name,
                 .expected = fmt::format("at most {} chips and {} cores", kMostChips, kMostCores),
                 .got = fmt::format("{} and {}", chips, cores)};
  }
  made.works_.assign(chips, 0);
  for (std::int32_t y = 0; y < made.height_; ++y) {
    const ChipSpan& row = target.rows[static_cast<std::size_t>(y)];
    for (std::int32_t x = row.first; x < row.end; ++x) made.works_[made.chip(x, y)] = 1;
  }
  const auto there = [&](std::int32_t x, std::int32_t y) {
    return x >= 0 && y >= 0 && x < made.width_ && y < made.height_ &&
           target.rows[static_cast<std::size_t>(y)].first <= x &&
           x < target.rows[static_cast<std::size_t>(y)].end;
  };
  for (const auto& [x, y] : faults.chips) {
    if (!there(x, y)) return no_such(fmt::format("chip ({}, {})", x, y));
    made.works_[made.chip(x, y)] = 0;
  }
  const auto first = static_cast<std::int32_t>(target.constants.first_core);
  std::vector<std::uint16_t> all;
  for (std::int32_t core = first; core < first + count; ++core) {
    all.push_back(static_cast<std::uint16_t>(core));
  }
  made.cores_.resize(chips);
  for (std::size_t chip = 0; chip < chips; ++chip) {
    if (made.works_[chip] != 0) made.cores_[chip] = all;
  }
  for (const auto& [x, y, core] : faults.cores) {
    if (!there(x, y) || core < first || core >= first + count) {
      return no_such(fmt::format("core {} of chip ({}, {})", core, x, y));
    }
    std::erase(made.cores_[made.chip(x, y)], static_cast<std::uint16_t>(core));
  }
  made.neighbour_.assign(chips * kDirections, kNoChip);
  const auto behind = [&](std::int32_t x, std::int32_t y, int direction) {
    const bool diagonal = direction == 1 || direction == 4;
    if (made.topology_ == Topology::kFlat || (made.topology_ == Topology::kMesh && diagonal)) {
      return kNoChip;
    }
    x += kSteps[static_cast<std::size_t>(direction)][0];
    y += kSteps[static_cast<std::size_t>(direction)][1];
    if (made.wraps_) {
      x = (x + made.width_) % made.width_;
      y = (y + made.height_) % made.height_;
    }
    return there(x, y) ? made.chip(x, y) : kNoChip;
  };
  for (std::uint32_t chip = 0; chip < chips; ++chip) {
    if (made.works_[chip] == 0) continue;
    for (int d = 0; d < kDirections; ++d) {
      const std::uint32_t other = behind(made.x(chip), made.y(chip), d);
      if (other == kNoChip || other == chip || made.works_[other] == 0) continue;
      made.neighbour_[chip * kDirections + static_cast<std::uint32_t>(d)] = other;
    }
  }
  for (const auto& [x, y, direction] : faults.links) {
    const bool known = there(x, y) && direction >= 0 && direction < kDirections;
    const std::uint32_t other = known ? behind(x, y, direction) : kNoChip;
    if (other == kNoChip) return no_such(fmt::format("link {} of chip ({}, {})", direction, x, y));
    made.neighbour_[made.chip(x, y) * kDirections + static_cast<std::uint32_t>(direction)] =
        kNoChip;
    made.neighbour_[other * kDirections + static_cast<std::uint32_t>(opposite(direction))] =
        kNoChip;
  }
  for (std::size_t chip = 0; chip < chips; ++chip) {
    made.working_chips_ += made.works_[chip] != 0 ? 1U : 0U;
    made.working_cores_ += made.cores_[chip].size();
  }
  if (made.working_cores_ == 0) {
    return Error{.code = ErrorCode::kResource,
                 .what = "no core of the machine works",
                 .where = target.name,
                 .got = fmt::format("0 of {}", cores)};
  }
  made.join();
  if (chips <= kDistanceChips) {
    made.distance_.resize(chips * chips);
    for (std::uint32_t a = 0; a < chips; ++a) {
      for (std::uint32_t b = 0; b < chips; ++b) {
        made.distance_[std::size_t{a} * chips + b] = static_cast<std::uint16_t>(made.far(a, b));
      }
    }
  }
  return made;
}

/// The piece with most cores; of equals the one with the lowest chip.
void Machine::join() {
  boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS> links(chips());
  for (std::uint32_t chip = 0; chip < chips(); ++chip) {
    for (int d = 0; d < kDirections; ++d) {
      const std::uint32_t other = neighbour(chip, d);
      if (other != kNoChip && other > chip) boost::add_edge(chip, other, links);
    }
  }
  std::vector<std::uint32_t> piece(chips());
  const auto pieces = static_cast<std::size_t>(boost::connected_components(
      links,
      boost::make_iterator_property_map(piece.begin(), boost::get(boost::vertex_index, links))));
  std::vector<std::uint64_t> cores(pieces, 0);
  for (std::uint32_t chip = 0; chip < chips(); ++chip) cores[piece[chip]] += cores_[chip].size();
  const auto largest = std::max_element(cores.begin(), cores.end());
  joined_cores_ = *largest;
  joined_.resize(chips());
  for (std::uint32_t chip = 0; chip < chips(); ++chip) {
    joined_[chip] = works(chip) && piece[chip] == largest - cores.begin() ? 1 : 0;
  }
}

std::string Machine::name(std::uint32_t chip) const {
  return fmt::format("chip ({}, {})", x(chip), y(chip));
}

std::uint32_t Machine::far(std::uint32_t from, std::uint32_t to) const {
  const std::int32_t dx = x(to) - x(from), dy = y(to) - y(from);
  const auto length = [this](std::int32_t a, std::int32_t b) {
    // NE and SW go along both axes at once.
    const bool together = topology_ == Topology::kHex && (a > 0) == (b > 0);
    return together ? std::max(std::abs(a), std::abs(b)) : std::abs(a) + std::abs(b);
  };
  std::int32_t best = length(dx, dy);
  if (wraps_) {
    const std::int32_t other_x = dx > 0 ? dx - width_ : dx + width_;
    const std::int32_t other_y = dy > 0 ? dy - height_ : dy + height_;
    best = std::min({best, length(other_x, dy), length(dx, other_y), length(other_x, other_y)});
  }
  return static_cast<std::uint32_t>(best);
}

}  // namespace spikeloom::mapping
