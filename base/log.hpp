#pragma once
/// Sinks that a library reports to: it never prints. The default sinks drop everything.

#include <cstdint>
#include <functional>
#include <string_view>

namespace spikeloom {

enum class LogLevel { kDebug, kInfo, kWarning };

/// Receives one line without a newline.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Receives how much of a long task is done; returning false asks the task to stop.
using ProgressSink = std::function<bool(std::int64_t done, std::int64_t total)>;

}  // namespace spikeloom
