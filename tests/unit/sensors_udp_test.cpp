/// Events over UDP: the bytes, what is counted, and a socket on the loopback interface.

#include <chrono>
#include <span>
#include <thread>

#include <gtest/gtest.h>

#include "sensors/udp.hpp"

namespace spikeloom {
namespace {

EventPacket three_events() {
  EventPacket events;
  events.push_back(0x1'0000'0005 * kMicrosecond, 0x1234, 0x0056, 1);
  events.push_back(0x1'0000'0006 * kMicrosecond, 1, 2, 0);
  events.push_back(0x1'0000'0006 * kMicrosecond, 65535, 32767, 1);
  return events;
}

TEST(UdpEvents, BytesOfADatagram) {
  UdpEventEncoder encoder;
  std::vector<std::byte> bytes;
  ASSERT_TRUE(encoder.put(three_events(), 0, 2, bytes).ok());
  const std::vector<int> expected = {'S', 'L', 'E', '1', 0,    0,    0,    0,     // header
                                     5,   0,   0,   0,   0x34, 0x12, 0x56, 0x80,  // time, place
                                     6,   0,   0,   0,   1,    0,    2,    0};
  ASSERT_EQ(bytes.size(), expected.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(std::to_integer<int>(bytes[i]), expected[i]) << i;
  }
  bytes.clear();
  encoder.put_end(bytes);
  ASSERT_EQ(bytes.size(), kUdpRecordBytes);
  EXPECT_EQ(bytes[4], std::byte{2}) << "events before it";
  EventPacket high;
  high.push_back(0, 0, 32768, 0);
  EXPECT_EQ(encoder.put(high, 0, 1, bytes).error().code, ErrorCode::kUnsupported);
}

TEST(UdpEvents, LossLatenessAndNonsenseAreCounted) {
  UdpEventEncoder encoder;
  std::vector<std::vector<std::byte>> datagrams(3);
  const EventPacket events = three_events();
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(encoder.put(events, i, i + 1, datagrams[i]).ok());
  }
  UdpEventDecoder decoder;
  EventPacket out;
  EXPECT_TRUE(decoder.take(datagrams[0], out));
  EXPECT_TRUE(decoder.take(datagrams[2], out));
  EXPECT_TRUE(decoder.take(datagrams[1], out));
  EXPECT_TRUE(decoder.take(std::span(datagrams[1]).first(12), out));
  EXPECT_EQ(decoder.stats.events, 2U);
  EXPECT_EQ(decoder.stats.lost, 1U);
  EXPECT_EQ(decoder.stats.late, 1U);
  EXPECT_EQ(decoder.stats.malformed, 1U);
  EXPECT_EQ(out.x, (std::vector<std::uint16_t>{0x1234, 65535}));
  std::vector<std::byte> end;
  encoder.put_end(end);
  EXPECT_FALSE(decoder.take(end, out));
  EXPECT_EQ(decoder.stats.lost, 1U);
}

TEST(UdpEvents, TimeIsUnwrapped) {
  EventPacket events;
  for (const Time us :
       {0xFFFF'FFF0LL, 0x1'0000'0010LL, 0x1'7000'0000LL, 0x1'D000'0000LL, 0x2'0000'0001LL}) {
    events.push_back(us * kMicrosecond, 0, 0, 0);
  }
  UdpEventEncoder encoder;
  std::vector<std::byte> bytes;
  ASSERT_TRUE(encoder.put(events, 0, events.size(), bytes).ok());
  UdpEventDecoder decoder;
  EventPacket out;
  EXPECT_TRUE(decoder.take(bytes, out));
  EXPECT_EQ(out.time, events.time);
}

TEST(UdpEvents, EventsThroughASocket) {
  auto receiver = UdpEventReceiver::open(0);
  ASSERT_TRUE(receiver.ok()) << receiver.error().message();
  EventPacket events;
  for (int i = 0; i < 100'000; ++i) {
    events.push_back(i * kMicrosecond, static_cast<std::uint16_t>(i % 640),
                     static_cast<std::uint16_t>(i % 480), static_cast<std::uint8_t>(i % 2));
  }
  std::thread sending([port = receiver->port(), &events] {
    auto sender = UdpEventSender::open(port);
    ASSERT_TRUE(sender.ok());
    EXPECT_TRUE(sender->send(events).ok());
    EXPECT_TRUE(sender->finish().ok());
  });
  EventPacket all, packet;
  bool more = true;
  for (int turns = 0; more && turns < 10'000; ++turns) {
    const auto received = receiver->receive(packet, kSecond);
    ASSERT_TRUE(received.ok()) << received.error().message();
    more = *received;
    all.time.insert(all.time.end(), packet.time.begin(), packet.time.end());
    all.x.insert(all.x.end(), packet.x.begin(), packet.x.end());
  }
  sending.join();
  EXPECT_FALSE(more) << "the sender's end came";
  const UdpStats& stats = receiver->stats();
  EXPECT_EQ(stats.events + stats.lost, events.size()) << "every event came or is known to be lost";
  EXPECT_EQ(stats.events, all.time.size());
  // A queue as large as was asked for holds them all.
  if (stats.queue_bytes >= (std::size_t{16} << 20)) {
    EXPECT_EQ(stats.lost, 0U);
    EXPECT_EQ(all.time, events.time);
    EXPECT_EQ(all.x, events.x);
  }
}

TEST(UdpEvents, AReceiverThatIsBehindCountsWhatItLostAndSeesTheEnd) {
  auto receiver = UdpEventReceiver::open(0, 10'000);
  ASSERT_TRUE(receiver.ok()) << receiver.error().message();
  EventPacket events;
  for (int i = 0; i < 100'000; ++i) events.push_back(i * kMicrosecond, 1, 2, 0);
  std::thread sending([port = receiver->port(), &events] {
    auto sender = UdpEventSender::open(port);
    ASSERT_TRUE(sender.ok());
    EXPECT_TRUE(sender->send(events).ok());
    EXPECT_TRUE(sender->finish().ok());
  });
  // By now the queue is full of events, and the first end was dropped with the others.
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EventPacket packet;
  bool more = true;
  for (int turns = 0; more && turns < 100; ++turns) {
    const auto received = receiver->receive(packet, 100 * kMillisecond);
    ASSERT_TRUE(received.ok()) << received.error().message();
    more = *received;
  }
  sending.join();
  EXPECT_FALSE(more) << "the sender's end came";
  EXPECT_GT(receiver->stats().lost, 0U);
  EXPECT_EQ(receiver->stats().events + receiver->stats().lost, events.size());
}

TEST(UdpEvents, APortIsTakenOnce) {
  const auto first = UdpEventReceiver::open(0);
  ASSERT_TRUE(first.ok());
  const auto second = UdpEventReceiver::open(first->port());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace spikeloom
