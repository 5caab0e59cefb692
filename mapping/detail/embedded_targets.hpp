#pragma once
/// The files of mapping/targets, compiled in (mapping/CMakeLists.txt writes the source).

#include <span>
#include <string_view>

namespace spikeloom::mapping::detail {

struct EmbeddedTarget {
  std::string_view name;  ///< the file's, without ".toml"
  std::string_view text;
};

std::span<const EmbeddedTarget> embedded_targets();

}  // namespace spikeloom::mapping::detail
