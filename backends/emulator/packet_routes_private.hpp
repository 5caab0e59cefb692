#pragma once
/// Where the routers of a Plan's tables take the packets of a key.

#include <cstdint>
#include <map>
#include <vector>

#include "mapping/plan.hpp"

namespace spikeloom::emulator {

inline constexpr std::uint32_t kLinkDirections = 6;
inline constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

/// A packet at one chip of its way.
struct RouteStep {
  std::uint32_t chip = 0;
  std::uint8_t links = 0;  ///< directions that it leaves in, as bits
  /// Steps behind its links, in the order of their directions: steps[next], steps[next + 1], ...
  std::uint32_t next = 0;
  std::uint32_t first_core = 0, end_core = 0;  ///< of PacketRoute::delivered
};

/// The whole way of a packet: cores it reaches, links it crosses, chips that drop it.
struct PacketRoute {
  std::vector<std::uint32_t> cores;  ///< indices into Plan::cores, ascending
  std::vector<std::uint32_t> links;  ///< chip x 6 + direction
  std::uint32_t drops = 0;  ///< no entry at its source, beyond the edge, a dead part, a ring
  std::vector<RouteStep> steps;
  std::vector<std::uint32_t> starts;     ///< steps at the sender: one, or one for each message
  std::vector<std::uint32_t> delivered;  ///< cores, step by step, each once

  friend bool operator==(const PacketRoute& a, const PacketRoute& b) {
    return a.cores == b.cores && a.links == b.links && a.drops == b.drops;
  }
};

class PacketRoutes {
 public:
  explicit PacketRoutes(const mapping::Plan& plan);

  /// Links of the machine that exist: chip x 6 + direction.
  std::size_t links() const { return neighbour_.size(); }
  bool has_tables() const { return has_tables_; }
  /// The chip behind a link, or kNowhere.
  std::uint32_t behind(std::uint32_t link) const { return neighbour_[link]; }
  PacketRoute follow(std::uint32_t key, std::uint32_t chip) const;
  /// On machines without tables: a message to each core, along x first, then along y.
  PacketRoute messages(const std::vector<std::uint32_t>& cores, std::uint32_t chip) const;

 private:
  std::uint32_t neighbour(std::int64_t x, std::int64_t y) const;
  /// On a mesh, the direction that leads on to another chip.
  std::uint32_t direction_to(std::uint32_t from, std::uint32_t to) const;

  const mapping::Plan& plan_;
  bool has_tables_ = false;
  std::vector<std::uint32_t> neighbour_;          ///< by link
  std::vector<const mapping::PlanTable*> table_;  ///< by chip
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> core_;
};

}  // namespace spikeloom::emulator
