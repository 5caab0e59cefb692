#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "sensors/detail/aedat.hpp"

namespace spikeloom::detail {
namespace {

// jAER's chip classes; the sizes are those of the pixel arrays.
constexpr std::array<KnownChip, 14> kChips = {{{"DAVIS240A", 240, 180, ChipLayout::kDavis},
                                               {"DAVIS240B", 240, 180, ChipLayout::kDavis},
                                               {"DAVIS240C", 240, 180, ChipLayout::kDavis},
                                               {"DAVIS240", 240, 180, ChipLayout::kDavis},
                                               {"DAVIS346", 346, 260, ChipLayout::kDavis},
                                               {"DAVIS640", 640, 480, ChipLayout::kDavis},
                                               {"DAVIS208", 208, 192, ChipLayout::kDavis},
                                               {"DAVIS128", 128, 128, ChipLayout::kDavis},
                                               {"SBRET10", 240, 180, ChipLayout::kDavis},
                                               {"SEEBETTER", 240, 180, ChipLayout::kDavis},
                                               {"EDVS", 128, 128, ChipLayout::kDvs128},
                                               {"DVS128", 128, 128, ChipLayout::kDvs128},
                                               {"COCHLEA", 64, 8, ChipLayout::kCochlea},
                                               {"DAS1", 64, 8, ChipLayout::kCochlea}}};
constexpr std::array<std::string_view, 6> kWritten = {"DVS128",   "DAVIS208", "DAVIS240C",
                                                      "DAVIS346", "DAVIS640", ""};

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return result;
}

bool is_text(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\t' || byte == '\r';
  });
}

}  // namespace

bool begins_with(std::span<const std::byte> head, std::string_view text) {
  const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
  return bytes.substr(0, text.size()) == text;
}

const KnownChip* find_chip(std::string_view text) {
  const std::string name = upper(text);
  for (const KnownChip& chip : kChips) {
    if (name.find(chip.name) != name.npos) return &chip;
  }
  return nullptr;
}

const KnownChip* chip_of_size(std::uint32_t width, std::uint32_t height) {
  const KnownChip* chip = chip_that_holds(width, height);
  return chip != nullptr && chip->width == width && chip->height == height ? chip : nullptr;
}

const KnownChip* chip_that_holds(std::uint32_t width, std::uint32_t height) {
  for (const std::string_view name : kWritten) {
    const KnownChip* chip = name.empty() ? nullptr : find_chip(name);
    if (chip != nullptr && width <= chip->width && height <= chip->height) return chip;
  }
  return nullptr;
}

Result<std::optional<AedatHeader>> parse_aedat_header(std::span<const std::byte> head, bool whole,
                                                      std::string_view magic,
                                                      std::string_view end) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  AedatHeader header;
  if (!whole && text.size() < magic.size()) return std::optional<AedatHeader>();
  if (text.substr(0, magic.size()) != magic) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "not a file of this format",
                 .where = "byte 0",
                 .expected = fmt::format("\"{}\"", magic)};
  }
  while (header.bytes < text.size() && text[header.bytes] == '#') {
    const std::size_t stop = text.find('\n', header.bytes);
    std::string_view line = text.substr(header.bytes, stop - header.bytes);
    if (!is_text(line)) break;  // an address that begins like a line
    if (stop == text.npos) {
      if (!whole) return std::optional<AedatHeader>();
      break;
    }
    header.bytes = stop + 1;
    if (line.back() == '\r') line.remove_suffix(1);
    header.lines.push_back(line.substr(1));
    if (header.lines.back() == end) return std::optional(std::move(header));
  }
  if (header.lines.empty()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the first line of the header does not end as text",
                 .where = "byte 0",
                 .expected = fmt::format("\"{}\" and the end of the line", magic)};
  }
  // The next line might begin with the next byte.
  if (header.bytes == text.size() && !whole) return std::optional<AedatHeader>();
  return std::optional(std::move(header));
}

}  // namespace spikeloom::detail
