#pragma once
/// How long the messages of one step take: two models of the network on chip.
///
/// Both get, for every core, its messages in the order of sending. A message is ready when its core
/// has worked off the neurons before it (`generation` seconds after the last one left), and its
/// receiver is busy with it for axon->receive_latency.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backends/emulator/mapped_program.hpp"
#include "base/result.hpp"

namespace spikeloom::emulator {

struct Message {
  const Axon* axon = nullptr;
  double generation = 0.0;  ///< s of its sender since its last message
};

struct CoreTraffic {
  std::vector<Message> messages;
  double tail = 0.0;  ///< s of work after the last message
};

enum class Timing : std::uint8_t {
  kAnalytic,  ///< sums per core, no contention: closed form
  kEvents,    ///< every message through every router, in cycles
};
const char* to_string(Timing timing);
/// "analytic" or "events".
Result<Timing> parse_timing(std::string_view text);

class NetworkTiming {
 public:
  virtual ~NetworkTiming() = default;
  /// Seconds from the start of a step until every core has sent and received everything.
  virtual double step(std::span<const CoreTraffic> cores) = 0;
};

std::unique_ptr<NetworkTiming> make_network_timing(Timing timing, const MappedProgram& program);

}  // namespace spikeloom::emulator
