#pragma once
/// The files of energy/tables, compiled in (energy/CMakeLists.txt writes the source).

#include <span>
#include <string_view>

namespace spikeloom::detail {

struct EmbeddedTable {
  std::string_view name;  ///< the file's, without ".toml"
  std::string_view text;
};

std::span<const EmbeddedTable> embedded_tables();

}  // namespace spikeloom::detail
