#pragma once
/// Events of `run --live --udp PORT` into a network.

#include <cstdint>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "cli/live_feed.hpp"
#include "sensors/udp.hpp"

namespace spikeloom::cli {

/// Feeds what comes until the sender says that it ends, the run is over, or Ctrl-C (kCancelled).
/// With `wall_clock` an event's time is when it came. kShape: the input takes no address events, or
/// not this one.
Status listen_udp(UdpEventReceiver& receiver, const Shape& shape, bool wall_clock, LiveFeed& feed);

}  // namespace spikeloom::cli
