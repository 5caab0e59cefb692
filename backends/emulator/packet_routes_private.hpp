#pragma once
/// Where the routers of a Plan's tables take the packets of a key.

#include <cstdint>
#include <map>
#include <vector>

#include "mapping/plan.hpp"

namespace spikeloom::emulator {

/// The whole way of a packet: cores it reaches, links it crosses, chips that drop it.
struct PacketRoute {
  std::vector<std::uint32_t> cores;  ///< indices into Plan::cores, ascending
  std::vector<std::uint32_t> links;  ///< chip x 6 + direction
  std::uint32_t drops = 0;  ///< no entry at its source, beyond the edge, a dead part, a ring
};

class PacketRoutes {
 public:
  explicit PacketRoutes(const mapping::Plan& plan);

  /// Links of the machine that exist: chip x 6 + direction.
  std::size_t links() const { return neighbour_.size(); }
  bool has_tables() const { return has_tables_; }
  PacketRoute follow(std::uint32_t key, std::uint32_t chip) const;

 private:
  std::uint32_t neighbour(std::int64_t x, std::int64_t y) const;

  const mapping::Plan& plan_;
  bool has_tables_ = false;
  std::vector<std::uint32_t> neighbour_;          ///< by link
  std::vector<const mapping::PlanTable*> table_;  ///< by chip
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> core_;
};

}  // namespace spikeloom::emulator
