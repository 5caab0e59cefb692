#pragma once
/// `spikeloom run MODEL --live`: events on standard input or a UDP port, decisions while they
/// arrive.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "cli/common_options.hpp"
#include "cli/console.hpp"
#include "cli/network_file.hpp"
#include "cli/run_flags.hpp"

namespace spikeloom::cli {

struct LiveFlags {
  bool live = false;
  std::string format = "text";     ///< text or binary
  std::string late = "error";      ///< error, drop or next
  std::string overflow = "error";  ///< error or drop
  std::uint64_t max_pending = 1048576;
  std::int64_t every = 0;  ///< a line every so many steps; 0: whenever it changes
  bool wall_clock = false;
  std::optional<std::uint16_t> udp;  ///< port; without one, standard input
};

/// What to run; the parts of `run` that apply to a stream.
struct LiveRequest {
  std::string model;
  ModelFlags model_flags;
  RunFlags run;
  InputFlags input;  ///< columns and the unit of time
  LiveFlags live;
  CommonOptions common;
};

/// The flags of LiveFlags; what cannot go with --live is excluded by name.
void add_live_flags(CLI::App& command, LiveFlags& flags);

/// Reads standard input, or the port, to its end, until --steps are done, or until Ctrl-C
/// (kExitCancelled).
Result<int> run_live(const LiveRequest& request, Console& console);

}  // namespace spikeloom::cli
