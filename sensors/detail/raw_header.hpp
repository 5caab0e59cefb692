#pragma once
/// The text in front of Prophesee's files: lines "% key value", up to "% end" or the first line
/// that does not begin so.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "sensors/codec.hpp"

namespace spikeloom::detail {

struct RawHeader {
  std::size_t bytes = 0;    ///< of the whole header
  std::string format = {};  ///< "EVT2", "EVT21", "EVT3"; empty: not said
  std::string endianness = {};
  std::uint32_t version = 0;  ///< of a DAT file
  std::uint32_t width = 0;    ///< declared, or that of the sensor it names; 0: not said
  std::uint32_t height = 0;
};

/// Nothing while the header may go on beyond `head`. kFormat: a size that is none.
Result<std::optional<RawHeader>> parse_raw_header(std::span<const std::byte> head, bool whole);

/// The same for an EVT file; kFormat when the header names another format than `format`.
Result<std::optional<RawHeader>> read_evt_header(std::span<const std::byte> head, bool whole,
                                                 std::string_view format);

/// Whether a file that begins so is of this format; "DAT" for DAT.
Match match_raw_header(std::span<const std::byte> head, std::string_view format);

/// The header that is written.
std::string raw_header_text(std::string_view format, std::string_view version,
                            const WriteOptions& options);

}  // namespace spikeloom::detail
