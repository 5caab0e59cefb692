#pragma once
/// What this machine and this build have, for `devices` and `doctor`.

#include <string>
#include <vector>

#include "base/value.hpp"

namespace spikeloom::cli {

/// Vector extensions of this processor that a backend may use, by their usual names.
std::vector<std::string> simd_extensions();

/// {processor, threads, simd, memory_bytes}; a field that is not known is null.
Value host_value();
std::string host_text();

/// [{name, available, description, reason, arithmetics}] of every backend in the registry.
Value backends_value();

}  // namespace spikeloom::cli
