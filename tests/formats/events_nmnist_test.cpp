/// N-MNIST .bin / SLAYER .bs2. Counts, times and digests were computed with NumPy and hashlib from
/// the layout alone.

#include <cstddef>
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

struct Golden {
  const char* path;
  std::uint64_t events;
  std::uint64_t on;
  Time first_us;
  Time last_us;
  std::uint32_t max_x;
  const char* digest;
};

constexpr Golden kGolden[] = {
    {"acceptance/events/slayer/sample_nmnist.bin", 4325, 2145, 654, 311175, 33,
     "35feb1bcb32c1ccf060f7d5fd3cb1dfa98dc85bcc3cd9cdb72ffd2689cbd7192"},
    {"acceptance/events/slayer/NMNIST_1.bs2", 4681, 2328, 893, 305924, 33,
     "fffc672a3a6f0e95f19ea565b1cb73f103377c0f5272b371f77d366d8add5d59"},
    {"acceptance/gesture/clips/1.bs2", 63471, 32164, 28, 1449996, 127,
     "347f0f949c982bbd898d879b1b3123b098500e85d9c36ae49dcb19d794ddd88d"},
    {"acceptance/gesture/clips/9.bs2", 141773, 70469, 25, 1449993, 127,
     "73bbdf27e631319cf32fd7bc8e6ea95e3d2234b60d36327e5ab16058331cd46b"},
};

std::vector<std::byte> bytes_of(const std::vector<int>& values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::byte> file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

Result<ReadRecording> read(const std::vector<int>& values, ReadOptions options = {}) {
  options.format = "nmnist";
  const auto bytes = bytes_of(values);
  return read_recording_bytes(bytes, "test", options);
}

/// One record at `us`, pixel (7, 15), ON.
std::vector<int> record_at(int us) { return {7, 15, 0x80 | us >> 16, us >> 8 & 0xFF, us & 0xFF}; }

std::vector<int> records_at(const std::vector<int>& times) {
  std::vector<int> all;
  for (const int us : times) {
    const auto record = record_at(us);
    all.insert(all.end(), record.begin(), record.end());
  }
  return all;
}

TEST(EventsNmnist, ReadsPublishedRecordings) {
  for (const Golden& golden : kGolden) {
    REQUIRE_SHARED(golden.path);
    const auto read = read_recording(test::shared_path(golden.path).string());
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->report.format, "nmnist");
    EXPECT_EQ(read->report.events, golden.events);
    EXPECT_EQ(read->report.file_bytes, 5 * golden.events);
    const RecordingInfo info = recording_info(read->recording);
    EXPECT_EQ(info.events, golden.events);
    EXPECT_EQ(info.on, golden.on);
    EXPECT_EQ(info.first, golden.first_us * kMicrosecond);
    EXPECT_EQ(info.last, golden.last_us * kMicrosecond);
    EXPECT_EQ(info.max_x, golden.max_x);
    EXPECT_EQ(info.width, 0U) << "the format does not say the size";
    EXPECT_EQ(info.digest, golden.digest);
  }
}

TEST(EventsNmnist, ReadsTheBitsOfARecord) {
  const auto off = read({1, 2, 0x01, 0x02, 0x03});
  ASSERT_TRUE(off.ok());
  EXPECT_EQ(off->recording.events.x, std::vector<std::uint16_t>{1});
  EXPECT_EQ(off->recording.events.y, std::vector<std::uint16_t>{2});
  EXPECT_EQ(off->recording.events.polarity, std::vector<std::uint8_t>{0});
  EXPECT_EQ(off->recording.events.time, std::vector<Time>{0x010203 * kMicrosecond});
  const auto on = read({255, 254, 0xFF, 0xFF, 0xFF});
  ASSERT_TRUE(on.ok());
  EXPECT_EQ(on->recording.events.polarity, std::vector<std::uint8_t>{1});
  EXPECT_EQ(on->recording.events.time, std::vector<Time>{0x7FFFFF * kMicrosecond});
}

TEST(EventsNmnist, UndoesTheWrapOfTheCounter) {
  const auto result = read(records_at({8388600, 10, 5000000, 20}));
  ASSERT_TRUE(result.ok()) << result.error().message();
  constexpr Time kRange = Time{1} << 23;
  EXPECT_EQ(
      result->recording.events.time,
      (std::vector<Time>{8388600 * kMicrosecond, (kRange + 10) * kMicrosecond,
                         (kRange + 5000000) * kMicrosecond, (2 * kRange + 20) * kMicrosecond}));
}

TEST(EventsNmnist, SmallStepBackIsAnErrorUnlessUnsorted) {
  const auto strict = read(records_at({100, 90, 120}));
  ASSERT_FALSE(strict.ok());
  EXPECT_EQ(strict.error().code, ErrorCode::kFormat);
  EXPECT_NE(strict.error().message().find("byte 5"), std::string::npos) << strict.error().message();
  const auto unsorted = read(records_at({8388600, 10, 20}), {.unsorted = true});
  ASSERT_TRUE(unsorted.ok());
  EXPECT_EQ(unsorted->recording.events.time[1], 10 * kMicrosecond);
}

TEST(EventsNmnist, CutRecordNamesItsByteAndLenientKeepsTheRest) {
  auto values = records_at({1, 2, 3});
  values.resize(values.size() - 2);
  const auto strict = read(values);
  ASSERT_FALSE(strict.ok());
  EXPECT_EQ(strict.error().code, ErrorCode::kFormat);
  EXPECT_EQ(strict.error().where, "test: byte 10");
  const auto lenient = read(values, {.lenient = true});
  ASSERT_TRUE(lenient.ok());
  EXPECT_EQ(lenient->recording.events.size(), 2U);
  EXPECT_EQ(lenient->report.dropped_bytes, 3U);
  ASSERT_TRUE(lenient->report.dropped_for.has_value());
  EXPECT_EQ(lenient->report.warnings().size(), 1U);
}

TEST(EventsNmnist, PixelOutsideTheGivenSize) {
  auto values = records_at({1, 2});
  values[5] = 34;  // x of the second record
  const auto result = read(values, {.width = 34, .height = 34});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().where, "test: byte 5");
  EXPECT_TRUE(read(values, {.width = 35, .height = 34}).ok());
  EXPECT_EQ(read(values, {.width = 34}).error().code, ErrorCode::kInvalidArgument);
}

TEST(EventsNmnist, PiecesOfAnySizeGiveTheSameEvents) {
  constexpr const char* kPath = "acceptance/events/slayer/sample_nmnist.bin";
  REQUIRE_SHARED(kPath);
  const auto bytes = file_bytes(test::shared_path(kPath));
  const auto whole = read_recording_bytes(bytes, "a.bin");
  ASSERT_TRUE(whole.ok());
  const auto codec = find_event_codec("nmnist");
  ASSERT_TRUE(codec.ok());
  for (const std::size_t piece : {1, 2, 3, 4, 6, 7, 64, 4999}) {
    auto decoder = (*codec)->make_decoder({});
    ASSERT_TRUE(decoder.ok());
    EventPacket events;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
      ASSERT_TRUE((*decoder)->feed(part, events).ok());
    }
    ASSERT_TRUE((*decoder)->finish(events).ok());
    EXPECT_EQ(events, whole->recording.events) << "pieces of " << piece;
  }
}

TEST(EventsNmnist, TruncatedAnywhereFailsExactlyWhereARecordIsCut) {
  constexpr const char* kPath = "acceptance/events/slayer/NMNIST_1.bs2";
  REQUIRE_SHARED(kPath);
  const auto bytes = file_bytes(test::shared_path(kPath));
  for (std::size_t k = 0; k < 200; ++k) {
    const std::size_t size = bytes.size() * k / 200 + k % 7;
    const auto result =
        read_recording_bytes(std::span(bytes).first(size), "cut.bs2", {.width = 34, .height = 34});
    EXPECT_EQ(result.ok(), size % 5 == 0) << size;
    if (!result.ok()) {
      EXPECT_EQ(result.error().where, "cut.bs2: byte " + std::to_string(size / 5 * 5));
    } else {
      EXPECT_EQ(result->recording.events.size(), size / 5);
    }
  }
}

TEST(EventsNmnist, WriteThenReadIsTheIdentity) {
  constexpr const char* kPath = "acceptance/gesture/clips/1.bs2";
  REQUIRE_SHARED(kPath);
  const auto read = read_recording(test::shared_path(kPath).string());
  ASSERT_TRUE(read.ok());
  const std::string path = testing::TempDir() + "events_nmnist_copy.bs2";
  const auto losses = write_recording(read->recording, path);
  ASSERT_TRUE(losses.ok()) << losses.error().message();
  EXPECT_TRUE(losses->empty());
  EXPECT_EQ(file_bytes(path), file_bytes(test::shared_path(kPath)));
  std::filesystem::remove(path);
}

TEST(EventsNmnist, WritesAcrossTheWrapAndRefusesWhatAReaderWouldLose) {
  const std::string path = testing::TempDir() + "events_nmnist_wrap.bin";
  Recording recording;
  recording.width = 34;
  recording.height = 30;
  recording.events.push_back(8388607 * kMicrosecond + 5, 1, 2, 0);
  recording.events.push_back(8388608 * kMicrosecond, 3, 4, 1);
  const auto losses = write_recording(recording, path);
  ASSERT_TRUE(losses.ok()) << losses.error().message();
  EXPECT_EQ(losses->size(), 2U) << "a time finer than a microsecond, and the size";
  const auto back = read_recording(path);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->recording.events.time,
            (std::vector<Time>{8388607 * kMicrosecond, 8388608 * kMicrosecond}));
  std::filesystem::remove(path);

  const auto refused = [&](Time time, std::uint16_t x) {
    Recording bad;
    bad.events.push_back(5 * kMicrosecond, 0, 0, 0);
    bad.events.push_back(time, x, 0, 0);
    const auto result = write_recording(bad, path);
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.ok() ? ErrorCode::kIo : result.error().code, ErrorCode::kUnsupported);
    EXPECT_FALSE(std::filesystem::exists(path)) << "nothing half-written";
  };
  refused(6 * kMicrosecond, 256);
  refused(4 * kMicrosecond, 0);
  refused((Time{1} << 23) * kMicrosecond + 5 * kMicrosecond, 0);
  refused((Time{1} << 24) * kMicrosecond, 0);
  refused(-kMicrosecond, 0);
}

TEST(EventsNmnist, EmptyFileIsAnEmptyRecording) {
  const auto result = read({});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->recording.events.empty());
}

}  // namespace
}  // namespace spikeloom
