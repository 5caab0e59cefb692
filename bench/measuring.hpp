#pragma once
/// Clocks in seconds, and how a program of this folder ends.

#include <chrono>
#include <cstdio>

#include "base/result.hpp"

namespace spikeloom {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What other programs on this machine call now, to match measurements of power.
inline double wall_clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Says what has failed.
inline int exit_code(const Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return 1;
}

}  // namespace spikeloom
