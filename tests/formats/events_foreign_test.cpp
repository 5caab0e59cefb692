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

}  // namespace
}  // namespace spikeloom
