/// Recordings that other programs wrote, and one that is put together from its format's
/// description.
///
/// tests/formats/files holds the same 500 events, by formula, as faery 0.7.1 (DAT 1, EVT 2, EVT 3),
/// dv-processing 2.0.4 (AEDAT 4, Zstandard and plain, with an IMU sample and a trigger) and
/// h5py 3.16 (the layout of SHD) wrote them; make_event_files.py made them.

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "sensors/recording_io.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

std::string file(const std::string& name) {
  return (test::source_dir() / "tests/formats/files" / name).string();
}

/// The formula of make_event_files.py.
EventPacket formula() {
  EventPacket events;
  for (int i = 0; i < 500; ++i) {
    const int group = i / 5;
    events.push_back((5000 + 70 * group) * kMicrosecond,
                     static_cast<std::uint16_t>(group * 17 % 300 + i % 5),
                     static_cast<std::uint16_t>(group * 13 % 240),
                     static_cast<std::uint8_t>(group % 2 == 0 ? 1 : 0));
  }
  return events;
}

TEST(EventsForeign, FilesOfOtherPrograms) {
  const std::map<std::string, std::string> formats = {{"dat1.dat", "dat"},
                                                      {"evt2.raw", "evt2"},
                                                      {"evt3.raw", "evt3"},
                                                      {"none.aedat4", "aedat4"},
                                                      {"zstd.aedat4", "aedat4"}};
  for (const auto& [name, format] : formats) {
    SCOPED_TRACE(name);
    const auto read = read_recording(file(name));
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->report.format, format);
    EXPECT_EQ(read->recording.width, 320U);
    EXPECT_EQ(read->recording.height, 240U);
    EXPECT_EQ(read->recording.events, formula());
    if (format != "aedat4") continue;
    const std::map<std::string, std::uint64_t> skipped(read->report.facts.skipped.begin(),
                                                       read->report.facts.skipped.end());
    EXPECT_EQ(skipped.at("IMUS_packets"), 1U);
    EXPECT_EQ(skipped.at("TRIG_packets"), 1U);
  }
}

TEST(EventsForeign, SpikesOfShd) {
  const EventPacket all = formula();
  for (const std::uint64_t sample : {0, 1}) {
    const auto read = read_recording(file("shd.h5"), {.sample = sample});
    ASSERT_TRUE(read.ok()) << read.error().message();
    const EventPacket& events = read->recording.events;
    ASSERT_EQ(events.size(), sample == 0 ? 100U : 500U);
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events.time[i], all.time[i]) << i;
      EXPECT_EQ(events.x[i], all.x[i]) << i;
      EXPECT_EQ(events.y[i], 0) << i;
      EXPECT_EQ(events.polarity[i], 1) << i;
    }
  }
  EXPECT_FALSE(read_recording(file("shd.h5")).ok()) << "which of two?";
  EXPECT_FALSE(read_recording(file("shd.h5"), {.sample = 2}).ok());
}

/// docs.prophesee.ai, data/encoding_formats/evt21: the upper 32 bits of a word are those of EVT 2.0
/// (kind 4, time low 6, x 11, y 11), the lower ones a mask of pixels from x on.
TEST(EventsForeign, Evt21AsDescribed) {
  const auto word = [](std::uint64_t kind, std::uint64_t low, std::uint64_t x, std::uint64_t y,
                       std::uint64_t mask) {
    return kind << 60 | low << 54 | x << 43 | y << 32 | mask;
  };
  const std::vector<std::uint64_t> words = {
      word(1, 0, 5, 5, 1),                                       // before any time
      std::uint64_t{8} << 60 | std::uint64_t{0x123'4567} << 32,  // time high
      word(1, 9, 32, 7, 0x8000'0005),                            // ON at 32, 34 and 63
      word(0, 63, 100, 719, 0x2),                                // OFF at 101
      std::uint64_t{0xA} << 60 | 1,                              // a trigger
      std::uint64_t{8} << 60 | std::uint64_t{0x123'4568} << 32,
      word(0, 0, 0, 0, 0x1),
  };
  const Time high = Time{0x123'4567} * 64;
  EventPacket expected;
  expected.push_back((high + 9) * kMicrosecond, 32, 7, 1);
  expected.push_back((high + 9) * kMicrosecond, 34, 7, 1);
  expected.push_back((high + 9) * kMicrosecond, 63, 7, 1);
  expected.push_back((high + 63) * kMicrosecond, 101, 719, 0);
  expected.push_back((high + 64) * kMicrosecond, 0, 0, 0);
  for (const bool legacy : {false, true}) {
    SCOPED_TRACE(legacy);
    test::ByteWriter bytes;
    bytes.text(legacy ? "% evt 2.1\n% format EVT21;endianness=legacy;height=720;width=1280\n% end\n"
                      : "% evt 2.1\n% format EVT21;height=720;width=1280\n% end\n");
    for (const std::uint64_t value : words) {
      // "legacy" has the upper half in front.
      bytes.put(legacy ? value >> 32 | value << 32 : value, 8);
    }
    const auto read = read_recording_bytes(bytes.bytes(), "described.raw");
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->report.format, "evt21");
    EXPECT_EQ(read->recording.width, 1280U);
    EXPECT_EQ(read->recording.events, expected);
    const std::map<std::string, std::uint64_t> skipped(read->report.facts.skipped.begin(),
                                                       read->report.facts.skipped.end());
    EXPECT_EQ(skipped.at("trigger"), 1U);
    EXPECT_EQ(skipped.at("words_before_start"), 1U);
  }
}

/// docs.inivation.com, AEDAT file formats, 3.1: packets with a header of 28 bytes; of a polarity
/// event valid (1), polarity (1), y (15), x (15) and 31 bits of microseconds, which the header's
/// overflows go on counting.
TEST(EventsForeign, Aedat31AsDescribed) {
  test::ByteWriter bytes;
  bytes.text("#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n");
  const auto packet = [&bytes](std::uint64_t type, std::uint64_t source, std::uint64_t size,
                               std::uint64_t overflows, std::uint64_t events, std::uint64_t valid) {
    bytes.put(type, 2).put(source, 2).put(size, 4).put(size == 8 ? 4 : 8, 4).put(overflows, 4);
    bytes.put(events + 3, 4).put(events, 4).put(valid, 4);
  };
  const auto event = [&bytes](std::uint64_t valid, std::uint64_t polarity, std::uint64_t x,
                              std::uint64_t y, std::uint64_t us) {
    bytes.put(valid | polarity << 1 | y << 2 | x << 17, 4).put(us, 4);
  };
  packet(0, 1, 8, 0, 1, 1);  // special: skipped
  bytes.put(0, 8);
  packet(1, 1, 8, 0, 3, 2);
  event(1, 1, 127, 3, 1000);
  event(0, 1, 5, 5, 1001);  // not valid
  event(1, 0, 0, 127, 0x7FFF'FFFF);
  packet(3, 1, 36, 0, 2, 2);  // imu6: skipped
  for (int i = 0; i < 2; ++i) bytes.put(0, 36);
  packet(1, 2, 8, 0, 1, 1);  // another source
  event(1, 1, 9, 9, 2000);
  packet(1, 1, 8, 1, 1, 1);
  event(1, 1, 64, 32, 5);
  const auto read = read_recording_bytes(bytes.bytes(), "described.aedat");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->report.format, "aedat3");
  EXPECT_EQ(read->recording.width, 128U);
  EventPacket expected;
  expected.push_back(1000 * kMicrosecond, 127, 3, 1);
  expected.push_back(Time{0x7FFF'FFFF} * kMicrosecond, 0, 127, 0);
  expected.push_back(Time{0x8000'0005} * kMicrosecond, 64, 32, 1);
  EXPECT_EQ(read->recording.events, expected);
  const std::map<std::string, std::uint64_t> skipped(read->report.facts.skipped.begin(),
                                                     read->report.facts.skipped.end());
  EXPECT_EQ(skipped.at("special_packets"), 1U);
  EXPECT_EQ(skipped.at("imu6_packets"), 1U);
  EXPECT_EQ(skipped.at("invalid_events"), 1U);
  EXPECT_EQ(skipped.at("packets_of_other_sources"), 1U);
}

}  // namespace
}  // namespace spikeloom
