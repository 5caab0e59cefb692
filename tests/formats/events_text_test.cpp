/// Events as text and CSV.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sensors/digest.hpp"
#include "sensors/recording_io.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Result<ReadRecording> read(std::string_view text, const ReadOptions& options = {},
                           const std::string& name = "test.txt") {
  return read_recording_bytes(bytes_of(text), name, options);
}

EventPacket events_of(std::string_view text, const ReadOptions& options = {}) {
  auto result = read(text, options);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
  return result.ok() ? result->recording.events : EventPacket{};
}

std::string failure_of(std::string_view text, const ReadOptions& options = {}) {
  const auto result = read(text, options);
  EXPECT_FALSE(result.ok()) << text;
  return result.ok() ? "" : result.error().message();
}

bool mentions(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

EventPacket packet(std::vector<Time> time, std::vector<std::uint16_t> x,
                   std::vector<std::uint16_t> y, std::vector<std::uint8_t> polarity) {
  return {std::move(time), std::move(x), std::move(y), std::move(polarity)};
}

// Expected values: Python's decimal and hashlib over the same lines.
TEST(EventsText, ReadsSliderDepth) {
  constexpr const char* kPath = "acceptance/events/text/slider_depth_events_chunk.txt";
  REQUIRE_SHARED(kPath);
  const auto read =
      read_recording(test::shared_path(kPath).string(), {.width = 240, .height = 180});
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->report.format, "text");
  const RecordingInfo info = recording_info(read->recording);
  EXPECT_EQ(info.events, 50000U);
  EXPECT_EQ(info.on, 21147U);
  EXPECT_EQ(info.first, 3811000);
  EXPECT_EQ(info.last, 174156000);
  EXPECT_EQ(info.max_x, 239U);
  EXPECT_EQ(info.max_y, 179U);
  EXPECT_EQ(info.digest, "15e62c36c183a4642f4c9b93ffc4331e1663943e02712597fe055197b0517e53");
  EXPECT_EQ(read->recording.events.time[1], 3820001) << "seconds are exact to the nanosecond";
  EXPECT_EQ(read->recording.events.time[12345], 56776001);
}

TEST(EventsText, SecondsWithAPointMicrosecondsWithout) {
  EXPECT_EQ(events_of("0.5 1 2 1\n1.25 3 4 0\n"),
            packet({500000000, 1250000000}, {1, 3}, {2, 4}, {1, 0}));
  EXPECT_EQ(events_of("5 1 2 1\n7 3 4 0"), packet({5000, 7000}, {1, 3}, {2, 4}, {1, 0}));
  EXPECT_EQ(events_of("5 1 2 1", {.time_unit = EventTimeUnit::kMilliseconds}),
            packet({5000000}, {1}, {2}, {1}));
  EXPECT_EQ(events_of("1.5 1 2 1", {.time_unit = EventTimeUnit::kMicroseconds}),
            packet({1500}, {1}, {2}, {1}));
  EXPECT_EQ(events_of("1.0000000005 1 2 1"), packet({1000000001}, {1}, {2}, {1}));
  // np.savetxt writes every column like this.
  EXPECT_EQ(events_of("2.500000000000000000e-01 1.000000000000000000e+00 "
                      "2.0e+00 1.0e+00\n"),
            packet({250000000}, {1}, {2}, {1}));
  EXPECT_EQ(events_of("1700000000.123456789 1 2 1"), packet({1700000000123456789}, {1}, {2}, {1}));
  EXPECT_EQ(events_of("-0.000000001 1 2 1\n0.0 1 2 0"), packet({-1, 0}, {1, 1}, {2, 2}, {1, 0}));
}

TEST(EventsText, IntegerFirstAndRealLaterIsRefusedWithTheOption) {
  const std::string message = failure_of("0 1 2 1\n0.001 1 2 1\n");
  EXPECT_TRUE(mentions(message, "line 2")) << message;
  EXPECT_TRUE(mentions(message, "unit of time")) << message;
  EXPECT_EQ(events_of("0 1 2 1\n0.001 1 2 1\n", {.time_unit = EventTimeUnit::kSeconds}).time[1],
            kMillisecond);
}

TEST(EventsText, HeadersNameColumnsAndUnits) {
  const EventPacket expected = packet({5000000, 6000000}, {1, 3}, {2, 4}, {1, 0});
  EXPECT_EQ(events_of("x,y,p,t_ms\n1,2,1,5\n3,4,0,6\n"), expected);
  EXPECT_EQ(events_of("x,y,polarity,timestamp [ms]\r\n1,2,1,5\r\n3,4,0,6\r\n"), expected);
  EXPECT_EQ(events_of("x;y;pol;id;t(ns)\n1;2;1;77;5000000\n3;4;0;78;6000000\n"), expected);
  EXPECT_EQ(events_of("# t_ms x y p\n5 1 2 1\n6 3 4 0\n"), expected);
  EXPECT_EQ(events_of("time_ms\tx\ty\tp\n5\t1\t2\t1\n6\t3\t4\t0\n"), expected);
  EXPECT_EQ(events_of("\xEF\xBB\xBFt_ms,x,y,p\n5,1,2,1\n6,3,4,0\n"), expected);
  EXPECT_EQ(events_of("1 2 1 5\n3 4 0 6\n",
                      {.columns = "xypt", .time_unit = EventTimeUnit::kMilliseconds}),
            expected);
  EXPECT_EQ(events_of("9 1 2 1 5\n9 3 4 0 6\n",
                      {.columns = "-xypt", .time_unit = EventTimeUnit::kMilliseconds}),
            expected);
  EXPECT_EQ(events_of("t_us,x\n5,700\n6,1\n"), packet({5000, 6000}, {700, 1}, {0, 0}, {1, 1}));
  EXPECT_TRUE(mentions(failure_of("a,b,c,d\n1,2,3,4\n"), "line 1"));
}

TEST(EventsText, CommentsBlankLinesAndSizes) {
  const auto rpg = read("240 180\n0.1 239 179 1\n");
  ASSERT_TRUE(rpg.ok()) << rpg.error().message();
  EXPECT_EQ(rpg->recording.width, 240U);
  EXPECT_EQ(rpg->recording.height, 180U);
  EXPECT_EQ(rpg->recording.events.size(), 1U);
  const auto comment = read("# from a sensor\n\n# width 34 height 30\n0.1 33 29 1\n% done\n");
  ASSERT_TRUE(comment.ok()) << comment.error().message();
  EXPECT_EQ(comment->recording.width, 34U);
  EXPECT_EQ(comment->recording.height, 30U);
  EXPECT_TRUE(mentions(failure_of("34 30\n0.1 34 0 1\n"), "line 2"));
  EXPECT_EQ(read("34 30\n0.1 0 0 1\n", {.width = 32, .height = 30}).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(EventsText, Polarities) {
  EXPECT_EQ(events_of("1 0 0 -1\n2 0 0 1\n").polarity, (std::vector<std::uint8_t>{0, 1}));
  EXPECT_TRUE(mentions(failure_of("1 0 0 -1\n2 0 0 0\n"), "line 2"));
  EXPECT_TRUE(mentions(failure_of("1 0 0 2\n"), "polarity"));
}

TEST(EventsText, ErrorsNameTheLine) {
  const std::string good = "1 0 0 1\n2 0 0 1\n";
  for (const char* bad : {"3 0 0\n", "3 0 0 1 9\n", "3 -1 0 1\n", "3 65536 0 1\n", "3 0.5 0 1\n",
                          "x 0 0 1\n", "1 0 0 1\n", "nan 0 0 1\n", "3,,0,1\n", "3 0 0 \x01\n",
                          "99999999999999999999 0 0 1\n", "9223372036854776 0 0 1\n"}) {
    const auto result = read(good + bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::kFormat) << bad;
    EXPECT_EQ(result.error().where, "test.txt: line 3") << bad;
    const auto lenient = read(good + bad, {.lenient = true});
    ASSERT_TRUE(lenient.ok()) << bad;
    EXPECT_EQ(lenient->recording.events.size(), 2U) << bad;
    EXPECT_EQ(lenient->report.dropped_bytes, std::string(bad).size()) << bad;
  }
  const std::string endless(100000, '1');
  EXPECT_TRUE(mentions(failure_of(good + endless), "line 3"));
  EXPECT_EQ(events_of("2 0 0 1\n1 0 0 1\n", {.unsorted = true}).time[1], 1000);
}

TEST(EventsText, DetectsByContentThenByExtension) {
  const auto format = [](std::string_view text, const std::string& name) {
    const auto result = read(text, {}, name);
    return result.ok() ? result->report.format : result.error().message();
  };
  EXPECT_EQ(format("1 2 3 1\n", "noname"), "text");
  EXPECT_EQ(format("t,x,y,p\n1,2,3,1\n", "noname"), "csv");
  EXPECT_EQ(format("1,2,3,1\n", "events.txt"), "csv");
  EXPECT_EQ(format("", "events.csv"), "csv");
  EXPECT_EQ(format("1 2 3 1\n", "events.bin"), "text");
  EXPECT_TRUE(
      mentions(format(std::string_view("\0\1\2\3\4", 5), "noname"), "nmnist, bs1, bs3, text, csv"));
  EXPECT_TRUE(mentions(format("hello there\n", "letter"), "name the format"));
}

TEST(EventsText, BadOptionsAreRefused) {
  EXPECT_TRUE(mentions(failure_of("1 2 3 1\n", {.columns = "txyz"}), "txyp"));
  EXPECT_TRUE(mentions(failure_of("1 2 3 1\n", {.columns = "xyp"}), "txyp"));
  EXPECT_TRUE(mentions(failure_of("1 2 3 1\n", {.columns = "ttxy"}), "txyp"));
  EXPECT_TRUE(mentions(failure_of("1 2 3 1\n", {.format = "evt9"}), "evt9"));
  EXPECT_FALSE(parse_event_time_unit("fortnight").ok());
  EXPECT_EQ(*parse_event_time_unit("us"), EventTimeUnit::kMicroseconds);
}

TEST(EventsText, WriteThenReadIsTheIdentity) {
  Recording recording;
  recording.width = 640;
  recording.height = 480;
  recording.events = packet({-1500, 0, 999, 123456789, 1700000000123456789}, {0, 639, 5, 6, 7},
                            {479, 0, 1, 2, 3}, {0, 1, 1, 0, 1});
  for (const char* extension : {"txt", "csv"}) {
    const std::string path = testing::TempDir() + "events_text_copy." + extension;
    const auto losses = write_recording(recording, path);
    ASSERT_TRUE(losses.ok()) << losses.error().message();
    const auto back = read_recording(path);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(back->recording.events, recording.events) << extension;
    const bool keeps_size = std::string(extension) == "txt";
    EXPECT_EQ(back->recording.width, keeps_size ? 640U : 0U);
    EXPECT_EQ(losses->empty(), keeps_size);
    std::filesystem::remove(path);
  }
}

TEST(EventsText, PiecesOfAnySizeGiveTheSameEvents) {
  const std::string text = "# t_us x y p\r\n1 2 3 1\r\n\r\n20 4 5 0\r\n300 6 7 1";
  const EventPacket whole = events_of(text);
  ASSERT_EQ(whole.size(), 3U);
  const auto codec = find_event_codec("text");
  ASSERT_TRUE(codec.ok());
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    auto decoder = (*codec)->make_decoder({});
    ASSERT_TRUE(decoder.ok());
    EventPacket events;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE((*decoder)->feed(bytes_of(text.substr(at, piece)), events).ok());
    }
    ASSERT_TRUE((*decoder)->finish(events).ok());
    EXPECT_EQ(events, whole) << piece;
    EXPECT_EQ((*decoder)->facts().valid_bytes, text.size());
  }
}

TEST(EventsText, FileErrorsNameTheFile) {
  const auto missing = read_recording("no/such/file.txt");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(mentions(missing.error().message(), "no/such/file.txt"));
  const auto folder = read_recording(testing::TempDir());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo) << folder.error().message();
  EXPECT_FALSE(write_recording({}, "no/such/file.txt").ok());
  const auto unknown = write_recording({}, testing::TempDir() + "a.mp4");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kAmbiguous) << unknown.error().message();
}

TEST(EventsText, StreamsInPacketsOfBoundedSize) {
  const std::string path = testing::TempDir() + "events_text_long.txt";
  constexpr std::uint64_t kLines = 400000;
  {
    std::ofstream file(path);
    for (std::uint64_t i = 0; i < kLines; ++i) file << i << " 1 2 1\n";
  }
  auto stream = RecordingStream::open(path);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EventPacket events;
  std::uint64_t count = 0;
  std::size_t largest = 0;
  while (true) {
    const auto more = stream->next(events);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    count += events.size();
    largest = std::max(largest, events.size());
  }
  EXPECT_EQ(count, kLines);
  EXPECT_EQ(stream->report().events, kLines);
  EXPECT_LT(largest, std::size_t{100000});
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace spikeloom
