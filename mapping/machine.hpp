#pragma once
/// Machine: the chips, cores and links of a target that work.
///
/// A chip is a number, y x width + x. Directions are those of target.hpp; the opposite of d is
/// (d + 3) mod 6.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/target.hpp"

namespace spikeloom::mapping {

inline constexpr int kDirections = 6;
inline constexpr std::uint32_t kNoChip = 0xFFFFFFFF;
constexpr int opposite(int direction) { return (direction + 3) % kDirections; }
/// "E", "NE", "N", "W", "SW", "S".
const char* direction_name(int direction);

class Machine {
 public:
  /// kInvalidArgument: a fault of a chip, core or link that does not exist. kResource: nothing
  /// works, or more than 2^18 chips or 2^23 cores.
  static Result<Machine> make(const Target& target, const Faults& faults = {});

  std::int32_t width() const { return width_; }
  std::int32_t height() const { return height_; }
  bool wraps() const { return wraps_; }
  std::uint32_t chips() const { return static_cast<std::uint32_t>(cores_.size()); }
  std::uint32_t chip(std::int32_t x, std::int32_t y) const {
    return static_cast<std::uint32_t>(y) * static_cast<std::uint32_t>(width_) +
           static_cast<std::uint32_t>(x);
  }
  std::int32_t x(std::uint32_t chip) const {
    return static_cast<std::int32_t>(chip % static_cast<std::uint32_t>(width_));
  }
  std::int32_t y(std::uint32_t chip) const {
    return static_cast<std::int32_t>(chip / static_cast<std::uint32_t>(width_));
  }
  std::string name(std::uint32_t chip) const;  ///< "chip (3, 4)"

  bool works(std::uint32_t chip) const { return works_[chip] != 0; }
  /// Working cores of a chip, ascending; none of a chip that is dead or not there.
  const std::vector<std::uint16_t>& cores(std::uint32_t chip) const { return cores_[chip]; }
  std::uint32_t working_chips() const { return working_chips_; }
  std::uint64_t working_cores() const { return working_cores_; }
  /// Dead links and chips may cut a machine in pieces. Slices go to the piece with most cores.
  bool joined(std::uint32_t chip) const { return joined_[chip] != 0; }
  std::uint64_t joined_cores() const { return joined_cores_; }
  /// The chip behind a link, or kNoChip where there is none that works.
  std::uint32_t neighbour(std::uint32_t chip, int direction) const {
    return neighbour_[chip * kDirections + static_cast<std::uint32_t>(direction)];
  }
  /// The link between two chips works no more, or again, both ways. What is joined() stays as it
  /// was made, for who tries ways for a moment.
  void set_link(std::uint32_t chip, int direction, std::uint32_t other, bool works) {
    neighbour_[chip * kDirections + static_cast<std::uint32_t>(direction)] =
        works ? other : kNoChip;
    neighbour_[other * kDirections + static_cast<std::uint32_t>(opposite(direction))] =
        works ? chip : kNoChip;
  }
  /// Links on a shortest way between two chips if nothing were broken.
  std::uint32_t distance(std::uint32_t from, std::uint32_t to) const {
    return distance_.empty() ? far(from, to) : distance_[std::size_t{from} * chips() + to];
  }

 private:
  std::uint32_t far(std::uint32_t from, std::uint32_t to) const;
  void join();

  Topology topology_ = Topology::kFlat;
  std::int32_t width_ = 0, height_ = 0;
  bool wraps_ = false;
  std::vector<std::uint8_t> works_;
  std::vector<std::vector<std::uint16_t>> cores_;
  std::vector<std::uint32_t> neighbour_;
  std::vector<std::uint16_t> distance_;  ///< of every pair, on machines of few chips
  std::uint32_t working_chips_ = 0;
  std::uint64_t working_cores_ = 0;
  std::vector<std::uint8_t> joined_;
  std::uint64_t joined_cores_ = 0;
};

}  // namespace spikeloom::mapping
