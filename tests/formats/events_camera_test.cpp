/// Recordings that cameras and other programs wrote, and every format written and read again.
///
/// Counts, times and digests of the recordings come from other decoders (expelliarmus, faery,
/// aedat) or from NumPy and hashlib over the layout; see shared acceptance/events/README.md.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "sensors/digest.hpp"
#include "sensors/filters.hpp"
#include "sensors/recording_io.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/kernel_targets.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

using test::ByteWriter;
using test::slurp;
using test::TemporaryFolder;

struct Golden {
  const char* path;
  const char* format;
  std::uint64_t events, on;
  std::int64_t first_us, last_us;
  std::uint32_t width, height, max_x, max_y;
  const char* digest;  ///< empty: no other decoder gives these times
};

constexpr Golden kGolden[] = {
    {"prophesee/evt2_sample.raw", "evt2", 539481, 367855, 1317888, 1367888, 640, 480, 599, 475,
     "287b2e8dc0ad960d233d0fc63ef5fe9bb900e55960a816fefff0a55153756309"},
    {"prophesee/evt3_sample.raw", "evt3", 219596, 115532, 11718656, 11727457, 1280, 720, 1279, 719,
     ""},
    {"prophesee/NCARS_obj_004397_td.dat", "dat", 4407, 1671, 0, 99937, 0, 0, 53, 60,
     "f25e9ae3302e555ff97da8826675d20063261aaf3aae0d6e662e49a034b0a421"},
    {"aedat/MovingDarkBox.aedat", "aedat2", 489834, 246923, 946459683, 986269729, 128, 128, 127,
     127, "681fec88410f19829b4ae561b184ab9cdf10884acdc54ae785f0c9d95a905fba"},
    {"aedat/sample.aedat4", "aedat4", 111954, 55023, 1605537493718345, 1605537494308262, 320, 240,
     319, 239, "8e8467d9ac3912a53647b8500d294e4beb233b54fa2345d08a9be133a44155b2"},
    {"es/dvs.es", "es", 473225, 270001, 0, 999000, 320, 240, 319, 239,
     "0e8b5a168fd6f024136faf24807558bec5ed65ebd3300b2712c1e2944fd69f4c"},
    {"slayer/NTIDIGITS_1.bs1", "bs1", 898, 898, 0, 1079040, 0, 0, 63, 0,
     "1e3ee7a0f9051f9936aa51d159f0bc1e23de68aaaf6e43cc86460a93616e2d62"},
    {"slayer/oxford_input.bs1", "bs1", 1889, 1889, 300, 1888800, 0, 0, 199, 0,
     "3793314b8aaabb4df917ddb647798dda1b3da92e8cfec1bd3b08c74eb94dbe00"},
    {"slayer/oxford_output.bs1", "bs1", 10361, 10361, 407, 1886134, 0, 0, 199, 0,
     "89eb0600077e381bde582e84ced079947744d76476e707dd6d78875484099b23"},
    {"slayer/1.bs3", "bs3", 63471, 32164, 28, 1449996, 0, 0, 127, 127,
     "347f0f949c982bbd898d879b1b3123b098500e85d9c36ae49dcb19d794ddd88d"},
};

std::string shared(const std::string& name) {
  return test::shared_path("acceptance/events/" + name).string();
}

std::map<std::string, std::uint64_t> by_name(
    const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
  return {counts.begin(), counts.end()};
}

TEST(EventsCamera, RecordingsAreReadAsOtherDecodersReadThem) {
  REQUIRE_SHARED("acceptance/events/README.md");
  test::for_each_kernel_target([] {
    for (const Golden& golden : kGolden) {
      SCOPED_TRACE(golden.path);
      const auto read = read_recording(shared(golden.path));
      ASSERT_TRUE(read.ok()) << read.error().message();
      EXPECT_EQ(read->report.format, golden.format);
      EXPECT_EQ(read->report.facts.valid_bytes, std::filesystem::file_size(shared(golden.path)));
      const RecordingInfo info = recording_info(read->recording);
      EXPECT_EQ(info.events, golden.events);
      EXPECT_EQ(info.on, golden.on);
      EXPECT_EQ(info.first, golden.first_us * kMicrosecond);
      EXPECT_EQ(info.last, golden.last_us * kMicrosecond);
      EXPECT_EQ(info.width, golden.width);
      EXPECT_EQ(info.height, golden.height);
      EXPECT_EQ(info.max_x, golden.max_x);
      EXPECT_EQ(info.max_y, golden.max_y);
      if (*golden.digest != '\0') {
        EXPECT_EQ(info.digest, golden.digest);
      }
    }
  });
}

TEST(EventsCamera, Evt3RowByRow) {
  REQUIRE_SHARED("acceptance/events/prophesee/evt3_sample.npy");
  const auto ours = read_recording(shared("prophesee/evt3_sample.raw"));
  const auto theirs = read_recording(shared("prophesee/evt3_sample.npy"));
  ASSERT_TRUE(ours.ok() && theirs.ok()) << theirs.error().message();
  EXPECT_EQ(ours->recording.events.x, theirs->recording.events.x);
  EXPECT_EQ(ours->recording.events.y, theirs->recording.events.y);
  EXPECT_EQ(ours->recording.events.polarity, theirs->recording.events.polarity);
  // The other decoder's times drift from row 20,121 on.
  for (std::size_t i = 0; i < 20121; ++i) {
    ASSERT_EQ(ours->recording.events.time[i], theirs->recording.events.time[i]) << i;
  }
}

TEST(EventsCamera, CountsWordsAndPackets) {
  REQUIRE_SHARED("acceptance/events/README.md");
  const auto evt3 = read_recording(shared("prophesee/evt3_sample.raw"), {.count_words = true});
  ASSERT_TRUE(evt3.ok());
  const std::map<std::string, std::uint64_t> words = {
      {"y", 59640},        {"x", 197550},      {"base_x", 10527}, {"vector_12", 21242},
      {"vector_8", 10621}, {"time_low", 8812}, {"time_high", 551}};
  EXPECT_EQ(by_name(evt3->report.facts.counts), words);
  const auto aedat4 = read_recording(shared("aedat/sample.aedat4"));
  ASSERT_TRUE(aedat4.ok());
  EXPECT_EQ(by_name(aedat4->report.facts.counts).at("EVTS_packets"), 59U);
  EXPECT_EQ(by_name(aedat4->report.facts.skipped).at("IMUS_packets"), 59U);
}

TEST(EventsCamera, OtherFilesAreRefusedByName) {
  REQUIRE_SHARED("acceptance/events/README.md");
  const auto generic = read_recording(shared("es/generic.es"));
  ASSERT_FALSE(generic.ok());
  EXPECT_EQ(generic.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(generic.error().message().find("generic"), std::string::npos);
  const auto numbers = read_recording(shared("slayer/Out_0.bsn"));
  ASSERT_FALSE(numbers.ok());
  EXPECT_EQ(numbers.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(numbers.error().message().find("bsn"), std::string::npos);
}

/// What every format can hold: pixels of a small sensor, whole microseconds, ordered, with runs in
/// a row for the formats with vectors, pauses, and equal times.
Recording made_recording(std::size_t count, std::uint32_t width, std::uint32_t height) {
  std::mt19937 random(7);
  const auto below = [&random](std::uint32_t n) {
    return static_cast<std::uint16_t>(random() % n);
  };
  Recording recording;
  recording.width = width;
  recording.height = height;
  std::int64_t us = 123;
  while (recording.events.size() < count) {
    us += below(10) == 0 ? below(20000) : below(3);
    const std::uint16_t y = below(height);
    const auto p = static_cast<std::uint8_t>(below(2));
    const std::uint32_t run = below(4) == 0 ? 1 + below(30) : 1;
    const std::uint32_t start = below(width - std::min(run, width - 1));
    for (std::uint32_t x = start; x < std::min(start + run, width); x += 1 + below(2)) {
      recording.events.push_back(us * kMicrosecond, static_cast<std::uint16_t>(x), y, p);
    }
  }
  return recording;
}

/// The file of a recording in a format, and what was lost.
std::vector<std::byte> written(const Recording& recording, const EventCodec& codec,
                               std::vector<std::string>* losses = nullptr) {
  TemporaryFolder folder;
  const std::string path = folder / "file";
  const auto done = write_recording(recording, path, codec.name);
  EXPECT_TRUE(done.ok()) << codec.name << ": " << done.error().message();
  if (losses != nullptr && done.ok()) *losses = *done;
  return slurp(path);
}

Result<ReadRecording> read_as(const EventCodec& codec, std::span<const std::byte> bytes,
                              ReadOptions options = {}) {
  options.format = std::string(codec.name);
  return read_recording_bytes(bytes, "file", options);
}

std::vector<const EventCodec*> written_formats() {
  std::vector<const EventCodec*> codecs;
  for (const EventCodec& codec : event_codecs()) {
    if (codec.make_encoder != nullptr) codecs.push_back(&codec);
  }
  return codecs;
}

/// bs1 has no y: its recordings lie on one row.
Recording recording_for(const EventCodec& codec, std::size_t count = 3000) {
  Recording recording = made_recording(count, 128, 128);
  if (codec.name == "bs1") std::fill(recording.events.y.begin(), recording.events.y.end(), 0);
  return recording;
}

TEST(EventsCamera, EveryFormatIsWrittenAndReadAgain) {
  ASSERT_EQ(written_formats().size(), event_codecs().size());
  for (const EventCodec* codec : written_formats()) {
    SCOPED_TRACE(codec->name);
    const Recording recording = recording_for(*codec);
    const auto bytes = written(recording, *codec);
    const auto back = read_as(*codec, bytes);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(back->recording.events, recording.events);
    EXPECT_EQ(back->report.facts.valid_bytes, bytes.size());
    // The file of what was read is the same file.
    EXPECT_EQ(written(back->recording.width == 0 ? recording : back->recording, *codec), bytes);
    const auto none = written(Recording{{}, 128, 128}, *codec);
    const auto empty = read_as(*codec, none);
    ASSERT_TRUE(empty.ok()) << empty.error().message();
    EXPECT_TRUE(empty->recording.events.empty());
  }
}

TEST(EventsCamera, EveryPairKeepsWhatBothHold) {
  for (const EventCodec* from : written_formats()) {
    const Recording recording = recording_for(*from, 400);
    const auto read = read_as(*from, written(recording, *from));
    ASSERT_TRUE(read.ok());
    for (const EventCodec* to : written_formats()) {
      SCOPED_TRACE(std::string(from->name) + " to " + std::string(to->name));
      Recording source = read->recording;
      if (source.width == 0) source.width = source.height = 128;  // given, where a file has none
      if (to->name == "bs1") std::fill(source.events.y.begin(), source.events.y.end(), 0);
      std::vector<std::string> losses;
      const auto bytes = written(source, *to, &losses);
      const auto back = read_as(*to, bytes);
      ASSERT_TRUE(back.ok()) << back.error().message();
      EXPECT_EQ(back->recording.events, source.events);
      const bool says_size = std::any_of(losses.begin(), losses.end(), [](const std::string& loss) {
        return loss.find("size") != std::string::npos;
      });
      EXPECT_EQ(says_size, back->recording.width == 0) << "the size is kept, or said to be lost";
    }
  }
}

TEST(EventsCamera, LongPausesAndLateBeginnings) {
  // 40 years after 1970, a pause of three hours, the last microsecond of a counter.
  for (const EventCodec* codec : written_formats()) {
    SCOPED_TRACE(codec->name);
    Recording recording;
    recording.width = recording.height = 128;
    for (const std::int64_t us : {1262304000000000, 1262304000000001, 1262304003000000}) {
      recording.events.push_back(us * kMicrosecond, 5, 0, 1);
    }
    std::vector<std::string> losses;
    const auto bytes = written(recording, *codec, &losses);
    const auto back = read_as(*codec, bytes);
    ASSERT_TRUE(back.ok()) << back.error().message();
    ASSERT_EQ(back->recording.events.size(), 3U);
    const std::vector<Time>& time = back->recording.events.time;
    EXPECT_EQ(time[1] - time[0], kMicrosecond);
    EXPECT_EQ(time[2] - time[0], 3 * kSecond);
    const bool says_origin = std::any_of(losses.begin(), losses.end(), [](const std::string& loss) {
      return loss.find("origin") != std::string::npos;
    });
    EXPECT_EQ(says_origin, time[0] != recording.events.time[0]);
  }
}

TEST(EventsCamera, CountersWrap) {
  // Three hours in steps that every counter can follow.
  Recording recording;
  recording.width = recording.height = 128;
  for (std::int64_t us = 10; us < 10'800'000'000; us += 3'999'999) {
    recording.events.push_back(us * kMicrosecond, 1, 2, 0);
  }
  for (const EventCodec* codec : written_formats()) {
    if (codec->name == "bs1") continue;  // its times are as they stand
    SCOPED_TRACE(codec->name);
    const auto back = read_as(*codec, written(recording, *codec));
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(back->recording.events.time, recording.events.time);
  }
}

TEST(EventsCamera, PiecesOfAnySizeGiveTheSameEvents) {
  for (const EventCodec* codec : written_formats()) {
    SCOPED_TRACE(codec->name);
    const auto bytes = written(recording_for(*codec, 2500), *codec);
    const auto whole = read_as(*codec, bytes);
    ASSERT_TRUE(whole.ok());
    for (const std::size_t piece : {1, 3, 7, 64, 4999}) {
      auto decoder = codec->make_decoder({});
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
}

/// Where a piece ends decides which frames of AEDAT 4.0 are unpacked together, and which words of
/// EVT 3.0 a register holds.
TEST(EventsCamera, PiecesOfRecordingsGiveTheSameEvents) {
  REQUIRE_SHARED("acceptance/events/README.md");
  for (const char* name : {"aedat/sample.aedat4", "prophesee/evt3_sample.raw"}) {
    SCOPED_TRACE(name);
    const auto bytes = slurp(shared(name));
    const auto whole = read_recording(shared(name));
    ASSERT_TRUE(whole.ok());
    const auto codec = find_event_codec(whole->report.format);
    ASSERT_TRUE(codec.ok());
    for (const std::size_t piece : {100, 8333, 16399, 50021, 999983}) {
      auto decoder = (*codec)->make_decoder({});
      ASSERT_TRUE(decoder.ok());
      EventPacket events;
      for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
        ASSERT_TRUE((*decoder)->feed(part, events).ok());
      }
      ASSERT_TRUE((*decoder)->finish(events).ok());
      EXPECT_TRUE(events == whole->recording.events) << "pieces of " << piece;
      EXPECT_EQ((*decoder)->facts().skipped, whole->report.facts.skipped);
    }
  }
}

bool begins_with(const EventPacket& events, const EventPacket& start) {
  return start.size() <= events.size() &&
         std::equal(start.time.begin(), start.time.end(), events.time.begin()) &&
         std::equal(start.x.begin(), start.x.end(), events.x.begin()) &&
         std::equal(start.y.begin(), start.y.end(), events.y.begin()) &&
         std::equal(start.polarity.begin(), start.polarity.end(), events.polarity.begin());
}

/// An error says where, and what lies before the damage is kept.
void check_damaged(const EventCodec& codec, std::span<const std::byte> damaged,
                   const EventPacket& before) {
  const auto strict = read_as(codec, damaged);
  const auto lenient = read_as(codec, damaged, {.lenient = true});
  ASSERT_TRUE(lenient.ok());
  EXPECT_TRUE(begins_with(lenient->recording.events, before));
  if (strict.ok()) {
    EXPECT_EQ(strict->recording.events, lenient->recording.events);
    EXPECT_EQ(lenient->report.dropped_bytes, 0U);
    return;
  }
  ASSERT_TRUE(lenient->report.dropped_for.has_value());
  const std::string& where = strict.error().where;
  // Of HDF5, whose parts lie anywhere, an error names the object.
  EXPECT_TRUE(where.find("byte") != where.npos || where.find("line") != where.npos ||
              where.find("row") != where.npos || where.find("header") != where.npos ||
              codec.name == "npy" || codec.name == "hdf5")
      << strict.error().message();
}

/// Found by fuzzing: a header whose first line is no text has no lines at all.
TEST(EventsCamera, AnAedatHeaderHasAFirstLine) {
  for (const std::string version : {"2.0", "3.1"}) {
    const auto codec = find_event_codec("aedat" + version.substr(0, 1));
    ASSERT_TRUE(codec.ok());
    for (const std::string rest : {"", "\r", "\r\x04vent\r\n# #!\n", "\x01\n#!END-HEADER\r\n"}) {
      SCOPED_TRACE(version + rest);
      const auto bytes = ByteWriter().text("#!AER-DAT" + version + rest).bytes();
      const auto read = read_as(**codec, bytes);
      ASSERT_FALSE(read.ok());
      EXPECT_EQ(read.error().code, ErrorCode::kFormat);
      EXPECT_NE(read.error().message().find("first line"), std::string::npos)
          << read.error().message();
      check_damaged(**codec, bytes, {});
    }
  }
}

void damage(const EventCodec& codec, std::span<const std::byte> bytes, std::size_t flips,
            std::size_t cuts) {
  const auto whole = read_as(codec, bytes);
  ASSERT_TRUE(whole.ok());
  std::mt19937_64 random(1);
  for (std::size_t k = 0; k < cuts; ++k) {
    const std::size_t size = bytes.size() * k / cuts + random() % 3;
    const auto cut = read_as(codec, bytes.first(size), {.lenient = true});
    ASSERT_TRUE(cut.ok());
    EXPECT_TRUE(begins_with(whole->recording.events, cut->recording.events)) << size;
    check_damaged(codec, bytes.first(size), cut->recording.events);
  }
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  for (std::size_t k = 0; k < flips; ++k) {
    const std::size_t at = random() % bytes.size();
    const auto before = read_as(codec, bytes.first(at), {.lenient = true});
    ASSERT_TRUE(before.ok());
    copy[at] ^= static_cast<std::byte>(1 + random() % 255);
    SCOPED_TRACE("byte " + std::to_string(at));
    // Text says its columns and unit in the first line; a change there may mean another file.
    const bool header_rules = codec.name == "text" || codec.name == "csv" || codec.name == "npy";
    check_damaged(codec, copy, header_rules ? EventPacket{} : before->recording.events);
    copy[at] = bytes[at];
  }
}

/// 200 cuts and 1,000 flips of every recording take minutes: with SPIKELOOM_FULL set.
bool damages_in_full() { return std::getenv("SPIKELOOM_FULL") != nullptr; }

TEST(EventsCamera, DamagedFilesOfEveryFormat) {
  const bool full = damages_in_full();
  for (const EventCodec* codec : written_formats()) {
    SCOPED_TRACE(codec->name);
    damage(*codec, written(recording_for(*codec, 600), *codec), full ? 1000 : 200, full ? 200 : 50);
  }
}

TEST(EventsCamera, DamagedRecordings) {
  REQUIRE_SHARED("acceptance/events/README.md");
  std::vector<std::pair<std::string, std::string>> files = {
      {"slayer/NMNIST_1.bs2", "nmnist"},
      {"slayer/sample_nmnist.bin", "nmnist"},
      {"text/slider_depth_events_chunk.txt", "text"},
      {"prophesee/evt3_sample.npy", "npy"}};
  for (const Golden& golden : kGolden) files.emplace_back(golden.path, golden.format);
  const bool full = damages_in_full();
  for (const auto& [path, format] : files) {
    SCOPED_TRACE(path);
    const auto codec = find_event_codec(format);
    ASSERT_TRUE(codec.ok());
    damage(**codec, slurp(shared(path)), full ? 1000 : 4, full ? 200 : 4);
  }
}

/// What is refused whole is refused, or read as what it became, when damaged.
TEST(EventsCamera, DamagedFilesThatAreRefused) {
  REQUIRE_SHARED("acceptance/events/README.md");
  std::mt19937_64 random(2);
  for (const char* name : {"es/generic.es", "slayer/Out_0.bsn"}) {
    const auto bytes = slurp(shared(name));
    ASSERT_FALSE(read_recording_bytes(bytes, name).ok());
    for (std::size_t k = 0; k < 200; ++k) {
      const auto cut = std::span(bytes).first(bytes.size() * k / 200);
      if (cut.empty()) continue;
      EXPECT_FALSE(read_recording_bytes(cut, name).ok()) << k;
    }
    for (std::size_t k = 0; k < 1000; ++k) {
      auto copy = bytes;
      copy[random() % copy.size()] ^= static_cast<std::byte>(1 + random() % 255);
      const auto read = read_recording_bytes(copy, name);
      EXPECT_TRUE(read.ok() || !read.error().message().empty());
    }
  }
}

}  // namespace
}  // namespace spikeloom
