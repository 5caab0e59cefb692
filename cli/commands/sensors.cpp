/// `spikeloom sensors`: recordings as a camera would send or make them, and the formats there are.

#include <chrono>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/sensors_commands.hpp"
#include "cli/event_flags.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "sensors/recording_io.hpp"
#include "sensors/udp.hpp"

namespace spikeloom::cli {
namespace {

struct SendCommand {
  std::string file;
  std::uint16_t port = 0;
  double rate = 0.0;   ///< events per second; 0: as the recording's times say
  double seconds = 0;  ///< repeat until then
  std::size_t datagram = kUdpDatagram;
  EventFlags events;
  CommonOptions common;
};

using Clock = std::chrono::steady_clock;

/// Waits for moments of the sender's own clock: sleeps, and near the moment asks the clock.
class Pace {
 public:
  Clock::time_point start() const { return start_; }
  void until(double seconds) const {
    const auto moment = start_ + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(seconds));
    constexpr auto kNear = std::chrono::microseconds(200);
    if (moment - Clock::now() > kNear) std::this_thread::sleep_until(moment - kNear / 2);
    while (Clock::now() < moment) std::this_thread::yield();
  }
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

EventPacket part_of(const EventPacket& events, std::size_t begin, std::size_t end, Time shift) {
  EventPacket part;
  const auto from = static_cast<std::ptrdiff_t>(begin);
  const auto to = static_cast<std::ptrdiff_t>(end);
  part.time.assign(events.time.begin() + from, events.time.begin() + to);
  part.x.assign(events.x.begin() + from, events.x.begin() + to);
  part.y.assign(events.y.begin() + from, events.y.begin() + to);
  part.polarity.assign(events.polarity.begin() + from, events.polarity.begin() + to);
  for (Time& time : part.time) time += shift;
  return part;
}

/// Sends one packet: in parts of at most a millisecond, each when its time has come.
struct Sending {
  UdpEventSender& sender;
  const SendCommand& command;
  Pace pace = {};
  std::uint64_t sent = 0;
  std::optional<Time> first = {};

  Status send(const EventPacket& events, Time shift) {
    for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
      if (interrupted()) return interrupted_error();
      end = end_of_part(events, begin);
      const EventPacket part = part_of(events, begin, end, shift);
      if (!first) first = part.time.front();
      pace.until(command.rate > 0 ? static_cast<double>(sent) / command.rate
                                  : to_seconds(part.time.back() - *first));
      SPIKELOOM_CHECK(sender.send(part));
      sent += part.size();
    }
    return {};
  }

 private:
  std::size_t end_of_part(const EventPacket& events, std::size_t begin) const {
    constexpr std::size_t kMost = 4096;
    const std::size_t most = std::min(events.size(), begin + kMost);
    if (command.rate > 0) {
      const auto count = static_cast<std::size_t>(std::min(command.rate * 1e-3, 4096.0));
      return std::min(most, begin + std::max<std::size_t>(count, 1));
    }
    std::size_t end = begin + 1;
    while (end < most && events.time[end] - events.time[begin] < kMillisecond) ++end;
    return end;
  }
};

/// Once from the file, in constant memory; again and again from memory with --seconds.
Status send_file(const ReadOptions& options, Sending& sending) {
  const SendCommand& command = sending.command;
  if (command.seconds <= 0) {
    SPIKELOOM_TRY(auto stream, RecordingStream::open(command.file, options));
    for (EventPacket packet;;) {
      SPIKELOOM_TRY(const bool more, stream.next(packet));
      if (!more) return {};
      SPIKELOOM_CHECK(sending.send(packet, 0));
    }
  }
  SPIKELOOM_TRY(const ReadRecording read, read_recording(command.file, options));
  const EventPacket& events = read.recording.events;
  if (events.empty()) return {};
  const Time period = events.time.back() - events.time.front() + kMicrosecond;
  for (Time shift = 0; sending.pace.elapsed() < command.seconds; shift += period) {
    SPIKELOOM_CHECK(sending.send(events, shift));
  }
  return {};
}

Result<int> send(const SendCommand& command, Console& console) {
  SPIKELOOM_TRY(const ReadOptions options, read_options(command.events));
  SPIKELOOM_TRY(auto sender, UdpEventSender::open(command.port, command.datagram));
  Sending sending{sender, command};
  SPIKELOOM_CHECK(send_file(options, sending));
  const double seconds = sending.pace.elapsed();
  SPIKELOOM_CHECK(sender.finish());
  const double rate = seconds > 0 ? static_cast<double>(sending.sent) / seconds : 0.0;
  if (command.common.json) {
    Value value = Value::map();
    value.set("file", command.file).set("port", std::int64_t{command.port});
    value.set("events", sending.sent).set("seconds", seconds).set("rate", rate);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  SPIKELOOM_CHECK(printed(console.print(
      fmt::format("{}: {} events to 127.0.0.1:{} in {:.3f} s, {:.0f} events/s\n", command.file,
                  with_commas(sending.sent), command.port, seconds, rate))));
  return kExitOk;
}

Result<int> formats(const CommonOptions& common, Console& console) {
  Value list = Value::list();
  Table table({"format", "endings", "read", "write", "what it is"}, 5);
  for (const EventCodec& codec : event_codecs()) {
    std::string endings;
    for (const std::string_view ending : codec.extensions) {
      endings += fmt::format("{}.{}", endings.empty() ? "" : " ", ending);
    }
    const bool writes = codec.make_encoder != nullptr;
    table.row({std::string(codec.name), endings, "yes", writes ? "yes" : "no",
               std::string(codec.description)});
    Value one = Value::map();
    one.set("name", codec.name).set("endings", endings).set("writes", writes);
    list.push(one.set("description", codec.description));
  }
  if (common.json) {
    Value value = Value::map();
    SPIKELOOM_CHECK(printed(console.print_json(value.set("formats", std::move(list)))));
    return kExitOk;
  }
  SPIKELOOM_CHECK(printed(console.print(table.text())));
  return kExitOk;
}

}  // namespace

void add_sensors(CLI::App& app, Chosen& chosen) {
  CLI::App* sensors =
      app.add_subcommand("sensors", "Recordings: simulated, sent, and their formats");
  sensors->require_subcommand(1);
  const auto command = std::make_shared<SendCommand>();
  CLI::App* sub = sensors->add_subcommand("send", "Send a recording over UDP, as fast as it was");
  sub->add_option("FILE", command->file, "the recording")->required();
  sub->add_option("--udp", command->port, "port of the loopback interface")
      ->required()
      ->check(CLI::Range(1, 65535));
  sub->add_option("--rate", command->rate, "events per second, whatever their times say")
      ->check(positive);
  sub->add_option("--seconds", command->seconds, "again and again for so long")->check(positive);
  sub->add_option("--datagram", command->datagram, "bytes of a datagram (1472)")
      ->check(CLI::Range(std::size_t{16}, kUdpLongestDatagram));
  add_event_flags(*sub, command->events);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return send(*command, console); };
  });
  add_sensors_simulate(*sensors, chosen);
  add_sensors_gestures(*sensors, chosen);
  add_sensors_robustness(*sensors, chosen);
  add_sensors_front_end(*sensors, chosen);
  add_sensors_front_end_robustness(*sensors, chosen);
  const auto common = std::make_shared<CommonOptions>();
  CLI::App* list = sensors->add_subcommand("formats", "The formats of recordings");
  add_common_flags(*list, *common);
  list->callback([common, &chosen] {
    chosen.common = *common;
    chosen.action = [common](Console& console) { return formats(*common, console); };
  });
}

}  // namespace spikeloom::cli
