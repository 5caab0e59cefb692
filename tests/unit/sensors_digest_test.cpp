#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "sensors/digest.hpp"

namespace spikeloom {
namespace {

std::string sha256(std::string_view text, std::size_t piece) {
  Sha256 digest;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto part = text.substr(at, piece);
    digest.update(std::as_bytes(std::span(part.data(), part.size())));
  }
  return digest.hex();
}

// FIPS 180-4 examples (NIST, "SHA-256" test vectors).
TEST(SensorsDigest, Sha256OfPublishedMessages) {
  EXPECT_EQ(sha256("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  const std::string million(1000000, 'a');
  for (const std::size_t piece : {1, 7, 55, 56, 63, 64, 65, 1000}) {
    EXPECT_EQ(sha256(two_blocks, piece),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(sha256(million, piece),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST(SensorsDigest, InfoOfASmallRecording) {
  Recording recording;
  recording.width = 10;
  recording.height = 20;
  recording.events.push_back(-500, 1, 2, 1);
  recording.events.push_back(1000500, 300, 4, 0);
  recording.events.push_back(2000000000, 5, 600, 1);
  const RecordingInfo info = recording_info(recording);
  EXPECT_EQ(info.events, 3U);
  EXPECT_EQ(info.on, 2U);
  EXPECT_EQ(info.first, -500);
  EXPECT_EQ(info.last, 2000000000);
  EXPECT_EQ(info.width, 10U);
  EXPECT_EQ(info.height, 20U);
  EXPECT_EQ(info.max_x, 300U);
  EXPECT_EQ(info.max_y, 600U);
  EXPECT_DOUBLE_EQ(info.on_fraction(), 2.0 / 3.0);
  EXPECT_NEAR(info.rate(), 3.0 / 2.0000005, 1e-9);
  // hashlib.sha256 of struct.pack('<qHHB', ...) of (-1, 1, 2, 1), (1000, 300, 4, 0),
  // (2000000, 5, 600, 1).
  EXPECT_EQ(info.digest, "40236c02254d7dd346fe36c83eec711d748fc42f7181bb464b7c931cbfe524bb");
}

TEST(SensorsDigest, EmptyRecording) {
  const RecordingInfo info = recording_info({});
  EXPECT_EQ(info.events, 0U);
  EXPECT_FALSE(info.first.has_value());
  EXPECT_EQ(info.rate(), 0.0);
  EXPECT_EQ(info.on_fraction(), 0.0);
  EXPECT_EQ(info.digest, sha256("", 1));
}

TEST(SensorsDigest, PacketsDoNotMatter) {
  Recording recording;
  RecordingSurvey survey;
  for (int i = 0; i < 1000; ++i) {
    recording.events.push_back(i * 1000, static_cast<std::uint16_t>(i % 7), 3,
                               static_cast<std::uint8_t>(i % 2));
    EventPacket one;
    one.push_back(i * 1000, static_cast<std::uint16_t>(i % 7), 3, static_cast<std::uint8_t>(i % 2));
    survey.add(one);
  }
  EXPECT_EQ(survey.info(0, 0).digest, recording_info(recording).digest);
}

}  // namespace
}  // namespace spikeloom
