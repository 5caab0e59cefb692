#pragma once
/// For every set of eight lanes of 16 bits: the bytes that bring its lanes to the front, in order.

#include <array>
#include <cstddef>
#include <cstdint>

namespace spikeloom::detail {

alignas(16) inline constexpr auto kLaneGather = [] {
  std::array<std::array<std::uint8_t, 16>, 256> table{};
  for (std::size_t set = 0; set < table.size(); ++set) {
    std::size_t place = 0;
    for (std::size_t lane = 0; lane < 8; ++lane) {
      if ((set >> lane & 1U) == 0) continue;
      table[set][place++] = static_cast<std::uint8_t>(2 * lane);
      table[set][place++] = static_cast<std::uint8_t>(2 * lane + 1);
    }
  }
  return table;
}();

}  // namespace spikeloom::detail
