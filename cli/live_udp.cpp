#include "cli/live_udp.hpp"

#include <chrono>

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "cli/live_input.hpp"
#include "snn/input_coding.hpp"

namespace spikeloom::cli {
namespace {

constexpr Time kLongestWait = 100 * kMillisecond;

Error outside(const EventAxes& axes, const EventPacket& events, std::size_t i,
              std::uint64_t number) {
  return {.code = ErrorCode::kShape,
          .what = "an event lies outside the network's input",
          .where = fmt::format("event {}", number),
          .expected = fmt::format("x below {}, y below {}", axes.columns, axes.rows),
          .got = fmt::format("x {}, y {}", events.x[i], events.y[i])};
}

}  // namespace

Status listen_udp(UdpEventReceiver& receiver, const Shape& shape, bool wall_clock, LiveFeed& feed) {
  SPIKELOOM_TRY(const EventAxes axes, event_axes(shape));
  const auto start = std::chrono::steady_clock::now();
  EventPacket packet;
  LiveEvents events;
  std::uint64_t number = 0;
  for (bool more = true; more && !feed.is_over();) {
    if (interrupted()) return interrupted_error();
    SPIKELOOM_TRY(more, receiver.receive(packet, kLongestWait));
    const Time now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now() - start)
                         .count();
    if (wall_clock) SPIKELOOM_CHECK(feed.complete_until(now));
    const std::size_t count = packet.size();
    events.time.assign(packet.time.begin(), packet.time.end());
    events.value.assign(count, 1.0);
    events.index.resize(count);
    events.number.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!axes.holds(packet.x[i], packet.y[i], packet.polarity[i])) {
        return outside(axes, packet, i, number + 1);
      }
      events.index[i] = axes.index(packet.x[i], packet.y[i], packet.polarity[i]);
      events.number[i] = ++number;
    }
    SPIKELOOM_CHECK(
        feed.take(events, "event", wall_clock ? std::optional<Time>(now) : std::nullopt));
  }
  return feed.finish();
}

}  // namespace spikeloom::cli
