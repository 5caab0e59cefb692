#pragma once
/// The XML in the header of an AEDAT 4 file: which streams there are.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace spikeloom::detail {

struct Aedat4Stream {
  std::string type = {};  ///< "EVTS", "IMUS", "FRME", "TRIG", ...
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// The streams by number: the nodes below "outInfo", their attribute typeIdentifier, and sizeX and
/// sizeY of their node "info". Everything else is passed over. kFormat: no XML of this kind.
Result<std::map<std::int32_t, Aedat4Stream>> parse_aedat4_info(std::string_view xml);

/// What is written: one stream of events.
std::string aedat4_info_text(std::uint32_t width, std::uint32_t height);

}  // namespace spikeloom::detail
