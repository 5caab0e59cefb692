#pragma once
/// Closed form per core, without contention between messages.
///
/// A core sends its messages as soon as they are ready; a message arrives after the latency of its
/// hops. A receiver r that gets its first message at a_r, its last one at b_r and needs R_r for all
/// of them cannot be done before a_r + R_r, nor before b_r and the time for that last one. A step
/// takes as long as the last of all senders and receivers.

#include "backends/emulator/network_timing.hpp"

namespace spikeloom::emulator {

class AnalyticTiming final : public NetworkTiming {
 public:
  double step(std::span<const CoreTraffic> cores) override;

 private:
  struct Receiver {
    double first = 0.0, done = 0.0, work = 0.0;
  };
  std::vector<Receiver> receivers_;
};

}  // namespace spikeloom::emulator
