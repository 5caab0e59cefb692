#include <algorithm>
#include <limits>

#include "backends/emulator/analytic_timing_private.hpp"

namespace spikeloom::emulator {

double AnalyticTiming::step(std::span<const CoreTraffic> cores) {
  receivers_.assign(cores.size(), {std::numeric_limits<double>::infinity(), 0.0, 0.0});
  double last = 0.0;
  for (const CoreTraffic& core : cores) {
    double now = 0.0;
    for (const Message& message : core.messages) {
      const Axon& axon = *message.axon;
      now += message.generation;
      const double arrival = now + axon.way_latency;
      Receiver& receiver = receivers_[axon.core];
      receiver.first = std::min(receiver.first, arrival);
      receiver.done = std::max(receiver.done, arrival + axon.receive_latency);
      receiver.work += axon.receive_latency;
    }
    last = std::max(last, now + core.tail);
  }
  for (const Receiver& receiver : receivers_) {
    if (receiver.done == 0.0) continue;
    last = std::max({last, receiver.done, receiver.first + receiver.work});
  }
  return last;
}

}  // namespace spikeloom::emulator
