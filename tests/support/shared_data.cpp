#include "tests/support/shared_data.hpp"

#include <cstdlib>

namespace spikeloom::test {

namespace fs = std::filesystem;

fs::path source_dir() { return fs::path(SPIKELOOM_SOURCE_DIR); }

const std::string& spikeloom_binary() {
  static const std::string path = SPIKELOOM_BINARY;
  return path;
}

std::optional<fs::path> shared_dir() {
  if (const char* named = std::getenv("SPIKELOOM_SHARED"); named != nullptr && *named != '\0') {
    if (fs::is_directory(named)) return fs::path(named);
    return std::nullopt;
  }
  for (const fs::path& candidate : {source_dir() / "shared", source_dir() / ".." / "shared"}) {
    if (fs::is_directory(candidate)) return candidate.lexically_normal();
  }
  return std::nullopt;
}

fs::path shared_path(std::string_view relative) {
  return shared_dir().value_or(fs::path()) / relative;
}

std::string shared_missing_reason(std::string_view relative) {
  const std::optional<fs::path> dir = shared_dir();
  if (!dir) {
    return "no shared data: set SPIKELOOM_SHARED to its folder (wanted " + std::string(relative) +
           ")";
  }
  if (!fs::exists(*dir / relative)) {
    return "shared data lacks " + std::string(relative) + " in " + dir->string();
  }
  return {};
}

bool running_in_ci() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace spikeloom::test
