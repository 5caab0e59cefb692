#pragma once
/// Memory of this process, as Linux reports it.

#include <fstream>
#include <string>

namespace spikeloom::bench {

/// Largest resident size so far in MB; 0 where /proc is missing.
inline double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  const std::string name = "VmHWM:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024.0;
  }
  return 0.0;
}

}  // namespace spikeloom::bench
