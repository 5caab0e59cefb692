/// Our decoder of plain LZ4 frames beside liblz4, whose frames it reads and whose verdict on
/// damaged ones it may not contradict.

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <lz4frame.h>

#include "sensors/detail/lz4_frames.hpp"

namespace spikeloom::detail {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kRoom = std::size_t{1} << 20;

Bytes packed(const Bytes& content, LZ4F_blockSizeID_t block, LZ4F_blockMode_t mode, int level) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = block;
  preferences.frameInfo.blockMode = mode;
  preferences.compressionLevel = level;
  Bytes out(LZ4F_compressFrameBound(content.size(), &preferences));
  out.resize(
      LZ4F_compressFrame(out.data(), out.size(), content.data(), content.size(), &preferences));
  return out;
}

/// What liblz4 makes of a frame; false when it finds it damaged or not whole.
bool by_liblz4(const Bytes& frame, Bytes& content) {
  LZ4F_dctx* context = nullptr;
  LZ4F_createDecompressionContext(&context, LZ4F_VERSION);
  content.resize(kRoom);
  std::size_t read = 0;
  std::size_t made = 0;
  std::size_t hint = 1;
  while (hint != 0 && read < frame.size() && made < kRoom) {
    std::size_t in = frame.size() - read;
    std::size_t out = kRoom - made;
    hint = LZ4F_decompress(context, content.data() + made, &out, frame.data() + read, &in, nullptr);
    if (LZ4F_isError(hint) != 0) break;
    read += in;
    made += out;
  }
  LZ4F_freeDecompressionContext(context);
  content.resize(made);
  return hint == 0 && read == frame.size();
}

PlainLz4Header header_of(const Bytes& frame) {
  PlainLz4Header header{};
  std::copy_n(frame.begin(), std::min(header.size(), frame.size()), header.begin());
  return header;
}

Bytes random_bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// Records as AEDAT 4.0 has them: slowly growing times, pixels of a few places.
Bytes records(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(16 * count);
  std::uint64_t time = 1'605'537'493'718'345;
  for (std::size_t i = 0; i < count; ++i) {
    time += random() % 4 == 0 ? random() % 50 : 0;
    const std::uint64_t rest = random() % 320 | (100 + random() % 8) << 16 |
                               static_cast<std::uint64_t>(random() % 2) << 32;
    std::memcpy(bytes.data() + 16 * i, &time, 8);
    std::memcpy(bytes.data() + 16 * i + 8, &rest, 8);
  }
  return bytes;
}

/// Short and long repeats of all distances, between literals of all lengths.
Bytes repeats(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes = random_bytes(40, seed);
  while (bytes.size() < count) {
    const std::size_t back =
        1 + random() % std::min<std::size_t>(bytes.size(), 1U << random() % 17);
    const std::size_t length = 4 + random() % (1U << random() % 10);
    for (std::size_t i = 0; i < length; ++i) bytes.push_back(bytes[bytes.size() - back]);
    for (std::size_t i = random() % (1U << random() % 6); i > 0; --i) {
      bytes.push_back(static_cast<std::byte>(random()));
    }
  }
  bytes.resize(count);
  return bytes;
}

std::vector<Bytes> contents() {
  std::vector<Bytes> all;
  for (const std::size_t count : {1, 5, 12, 13, 16, 63, 64, 65, 200, 5000, 65536, 70000, 200000}) {
    const auto seed = static_cast<std::uint32_t>(count);
    all.push_back(Bytes(count));
    all.push_back(random_bytes(count, seed));
    all.push_back(repeats(count, seed));
    all.push_back(records(count / 16 + 1, seed));
  }
  return all;
}

TEST(Lz4Frames, GiveWhatWasPacked) {
  const std::vector<Bytes> all = contents();
  Bytes first_room(kRoom);
  Bytes second_room(kRoom);
  for (const auto block : {LZ4F_max64KB, LZ4F_max256KB, LZ4F_max4MB}) {
    for (const auto mode : {LZ4F_blockLinked, LZ4F_blockIndependent}) {
      for (const int level : {0, 9}) {
        for (std::size_t i = 0; i + 1 < all.size(); ++i) {
          SCOPED_TRACE(i);
          const Bytes first = packed(all[i], block, mode, level);
          const Bytes second = packed(all[i + 1], block, mode, level);
          const PlainLz4Header header = header_of(first);
          ASSERT_TRUE(is_plain_lz4(header));
          std::array<Lz4Frame, 2> two = {Lz4Frame{first, first_room},
                                         Lz4Frame{second, second_room}};
          // liblz4 takes a smaller size of block where the content fits it.
          const bool alike = header == header_of(second);
          ASSERT_EQ(decode_plain_lz4(header, two), alike);
          const auto same = [](const Lz4Frame& frame, const Bytes& content) {
            return frame.size == content.size() &&
                   std::equal(content.begin(), content.end(), frame.room.begin());
          };
          if (alike) {
            EXPECT_TRUE(same(two[0], all[i]));
            EXPECT_TRUE(same(two[1], all[i + 1]));
          }
          std::array<Lz4Frame, 1> one = {Lz4Frame{first, second_room}};
          ASSERT_TRUE(decode_plain_lz4(header, one));
          EXPECT_TRUE(same(one[0], all[i]));
        }
      }
    }
  }
}

TEST(Lz4Frames, OnlyPlainOnesAreTaken) {
  const Bytes content = records(5000, 1);
  for (int with = 0; with < 3; ++with) {
    LZ4F_preferences_t preferences{};
    if (with == 0) preferences.frameInfo.contentSize = content.size();
    if (with == 1) preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    if (with == 2) preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    Bytes frame(LZ4F_compressFrameBound(content.size(), &preferences));
    LZ4F_compressFrame(frame.data(), frame.size(), content.data(), content.size(), &preferences);
    EXPECT_FALSE(is_plain_lz4(header_of(frame))) << with;
  }
  const Bytes plain = packed(content, LZ4F_max64KB, LZ4F_blockLinked, 0);
  const Bytes other = packed(content, LZ4F_max256KB, LZ4F_blockLinked, 0);
  Bytes room(kRoom);
  std::array<Lz4Frame, 1> frame = {Lz4Frame{other, room}};
  EXPECT_FALSE(decode_plain_lz4(header_of(plain), frame));
}

TEST(Lz4Frames, RoomIsNeverExceeded) {
  const Bytes content = repeats(3000, 3);
  const Bytes frame = packed(content, LZ4F_max64KB, LZ4F_blockLinked, 0);
  for (std::size_t room = 0; room < content.size(); room += 7) {
    Bytes out(room + 64, std::byte{0xAB});
    std::array<Lz4Frame, 1> one = {Lz4Frame{frame, std::span(out).first(room)}};
    EXPECT_FALSE(decode_plain_lz4(header_of(frame), one));
    EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(room), out.end(),
                            [](std::byte byte) { return byte == std::byte{0xAB}; }));
  }
}

TEST(Lz4Frames, DamagedOnesAreTakenOnlyIfLiblz4TakesThem) {
  std::mt19937 random(5);
  Bytes room(kRoom);
  Bytes other_room(kRoom);
  std::size_t taken = 0;
  for (const std::size_t count : {200, 3000}) {
    for (const Bytes& content :
         {records(count / 16, 1), repeats(count, 2), random_bytes(count, 3)}) {
      const Bytes whole = packed(content, LZ4F_max64KB, LZ4F_blockLinked, 0);
      const PlainLz4Header header = header_of(whole);
      for (int trial = 0; trial < 1000; ++trial) {
        Bytes frame = whole;
        if (trial % 4 == 0) {
          frame.resize(random() % frame.size());
        } else {
          for (int flips = 1 + trial % 3; flips > 0; --flips) {
            frame[random() % frame.size()] = static_cast<std::byte>(random());
          }
        }
        std::array<Lz4Frame, 2> two = {Lz4Frame{frame, room}, Lz4Frame{whole, other_room}};
        if (!decode_plain_lz4(header, two)) continue;
        ++taken;
        Bytes theirs;
        ASSERT_TRUE(by_liblz4(frame, theirs)) << trial;
        ASSERT_EQ(two[0].size, theirs.size());
        EXPECT_TRUE(std::equal(theirs.begin(), theirs.end(), room.begin()));
      }
    }
  }
  EXPECT_GT(taken, 300U);  // a changed literal makes another, valid frame
}

}  // namespace
}  // namespace spikeloom::detail
