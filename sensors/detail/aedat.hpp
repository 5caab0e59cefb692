#pragma once
/// What the AEDAT formats share: the chips that files name, and their header of lines with '#'.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::detail {

enum class ChipLayout : std::uint8_t { kDvs128, kDavis, kCochlea };

struct KnownChip {
  std::string_view name;  ///< as headers spell it
  std::uint32_t width, height;
  ChipLayout layout;
};

/// The chip whose name is a part of `text`, whatever its case.
const KnownChip* find_chip(std::string_view text);
/// The chip of exactly this size.
const KnownChip* chip_of_size(std::uint32_t width, std::uint32_t height);
/// The smallest DVS or DAVIS chip that has so many columns and rows.
const KnownChip* chip_that_holds(std::uint32_t width, std::uint32_t height);

struct AedatHeader {
  std::size_t bytes = 0;
  std::vector<std::string_view> lines;  ///< without '#' and the line's end; views into the file
};

/// The lines up to the first that is no text behind a '#', or up to `end`: at least one. Nothing
/// while the header may go on. kFormat when the first line does not begin with `magic` or is no
/// text.
Result<std::optional<AedatHeader>> parse_aedat_header(std::span<const std::byte> head, bool whole,
                                                      std::string_view magic, std::string_view end);

bool begins_with(std::span<const std::byte> head, std::string_view text);

}  // namespace spikeloom::detail
