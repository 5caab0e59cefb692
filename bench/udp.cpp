/// Events over loopback UDP at a given rate for a given time: what comes, what is lost, and how
/// much memory the receiver takes. Sender and receiver are two processes. With `--work` the
/// receiver is overloaded: what its queue cannot hold is dropped, newest first, and has to be
/// counted.

#include "sensors/udp.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace {

using namespace spikeloom;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPart = 8192;

std::size_t parts_of(double rate, double seconds) {
  return static_cast<std::size_t>(rate * seconds / kPart);
}

int send_events(std::uint16_t port, double rate, double seconds, std::size_t datagram) {
  auto sender = UdpEventSender::open(port, datagram);
  if (!sender.ok()) return 1;
  EventPacket events;
  for (std::size_t i = 0; i < kPart; ++i) {
    events.push_back(0, static_cast<std::uint16_t>(i % 640), static_cast<std::uint16_t>(i % 480),
                     static_cast<std::uint8_t>(i % 2));
  }
  const auto start = Clock::now();
  const std::size_t parts = parts_of(rate, seconds);
  for (std::size_t part = 0; part < parts; ++part) {
    const double due = static_cast<double>(part * kPart) / rate;
    std::this_thread::sleep_until(start + std::chrono::duration<double>(due));
    std::fill(events.time.begin(), events.time.end(), static_cast<Time>(due * kSecond));
    if (!sender->send(events).ok()) return 1;
  }
  return sender->finish().ok() ? 0 : 1;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Events over loopback UDP.");
  double rate = 5e6;
  double seconds = 60.0;
  std::size_t datagram = kUdpDatagram;
  app.add_option("--rate", rate, "events per second (5e6)");
  app.add_option("--seconds", seconds, "how long (60)");
  app.add_option("--datagram", datagram, "bytes (1472)");
  std::size_t queue = std::size_t{64} << 20;
  double work_us = 0.0;
  app.add_option("--queue", queue, "bytes of the socket's queue to ask for (64 MiB)");
  app.add_option("--work", work_us, "us of other work after every packet received (0)");
  CLI11_PARSE(app, argc, argv);
  auto receiver = UdpEventReceiver::open(0, queue);
  if (!receiver.ok()) {
    fmt::print(stderr, "{}\n", receiver.error().message());
    return 1;
  }
  const pid_t child = fork();
  if (child == 0) _exit(send_events(receiver->port(), rate, seconds, datagram));
  EventPacket packet;
  std::size_t early = 0;
  const auto start = Clock::now();
  const double processor = processor_seconds();
  bool more = true;
  while (more && std::chrono::duration<double>(Clock::now() - start).count() < 2 * seconds + 10) {
    const auto received = receiver->receive(packet, kSecond);
    if (!received.ok()) return 1;
    more = *received;
    const auto until = Clock::now() + std::chrono::duration<double, std::micro>(work_us);
    while (Clock::now() < until) {
    }
    if (early == 0 && Clock::now() - start > std::chrono::seconds(2)) early = resident_bytes();
  }
  const std::chrono::duration<double> passed = Clock::now() - start;
  const UdpStats& stats = receiver->stats();
  fmt::print(
      "{{\"sent\": {}, \"events\": {}, \"lost\": {}, \"seconds\": {:.2f}, \"processor_s\": {:.2f}, "
      "\"queue_bytes\": {}, \"resident_after_2s\": {}, \"resident\": {}}}\n",
      parts_of(rate, seconds) * kPart, stats.events, stats.lost, passed.count(),
      processor_seconds() - processor, stats.queue_bytes, early, resident_bytes());
  waitpid(child, nullptr, 0);
  return 0;
}
