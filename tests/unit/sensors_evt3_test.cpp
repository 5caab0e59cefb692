/// The kernels of EVT 3.0 beside its definition, word by word, on streams of all kinds of words.

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "sensors/detail/evt3_words.hpp"
#include "sensors/recording_io.hpp"
#include "tests/support/kernel_targets.hpp"

namespace spikeloom {
namespace {

struct Word {
  std::uint32_t kind, value;
};

/// The format's definition (docs.prophesee.ai, data/encoding_formats/evt3), without wraps.
EventPacket defined(const std::vector<Word>& words) {
  EventPacket events;
  std::uint64_t high = 0, low = 0;
  std::uint32_t y = 0, base = 0, polarity = 0;
  const auto vector = [&](std::uint32_t mask, std::uint32_t bits) {
    for (std::uint32_t k = 0; k < bits; ++k, ++base) {
      if ((mask >> k & 1U) == 0) continue;
      events.push_back(static_cast<Time>(high * 4096 + low) * kMicrosecond,
                       static_cast<std::uint16_t>(base), static_cast<std::uint16_t>(y),
                       static_cast<std::uint8_t>(polarity));
    }
  };
  for (const Word& word : words) {
    switch (word.kind) {
      case 0x0:
        y = word.value & 0x7FF;
        break;
      case 0x2:
        events.push_back(static_cast<Time>(high * 4096 + low) * kMicrosecond,
                         static_cast<std::uint16_t>(word.value & 0x7FF),
                         static_cast<std::uint16_t>(y),
                         static_cast<std::uint8_t>(word.value >> 11));
        break;
      case 0x3:
        base = word.value & 0x7FF;
        polarity = word.value >> 11;
        break;
      case 0x4:
        vector(word.value, 12);
        break;
      case 0x5:
        vector(word.value & 0xFF, 8);
        break;
      case 0x6:
        low = word.value;
        break;
      case 0x8:
        if (word.value != high) low = 0;
        high = word.value;
        break;
      default:  // triggers and what continues others: no events
        break;
    }
  }
  return events;
}

/// A stream as a camera may send it, with `rare` of 100 words neither y, x nor time low.
std::vector<Word> stream(std::size_t count, std::uint32_t rare, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uint32_t high = 5, low = 0, base = 0;
  std::vector<Word> words = {{0x8, high}, {0x6, low}, {0x0, 7}, {0x3, 0}};
  while (words.size() < count) {
    const auto value = static_cast<std::uint32_t>(random());
    if (random() % 100 >= rare) {
      const std::uint32_t kind = value % 8;
      if (kind < 5) {
        words.push_back({0x2, value >> 8 & 0xFFF});
      } else if (kind < 7) {
        words.push_back({0x0, value >> 8 & 0xFFF});
      } else {
        low = std::min(low + (value >> 8 & 3U), 0xFFFU);
        words.push_back({0x6, low});
      }
      continue;
    }
    switch (value % 6) {
      case 0:
        base = value >> 8 & 0x3FF;
        words.push_back({0x3, (value >> 20 & 1U) << 11 | base});
        words.push_back({0x4, value >> 3 & value >> 9 & 0xFFF});
        words.push_back({0x4, value >> 7 & 0xFFF});
        words.push_back({0x5, value >> 13 & 0xFF});
        base += 32;
        break;
      case 1:
        if (base + 12 > 2047) break;
        words.push_back({0x4, value >> 8 & 0xFFF});
        base += 12;
        break;
      case 2:
        if (base + 8 > 2047) break;
        words.push_back({0x5, value >> 8 & 0xFFF});
        base += 8;
        break;
      case 3:
        if (high == 0xFFF) break;
        words.push_back({0x8, ++high});
        low = 0;
        break;
      case 4:
        words.push_back({0x8, high});
        break;
      default:
        words.push_back({0xA, value >> 8 & 0xFFF});
        break;
    }
  }
  return words;
}

std::vector<std::byte> bytes_of(const std::vector<Word>& words) {
  std::vector<std::byte> bytes;
  for (const char c : std::string("% evt 3.0\n% end\n")) bytes.push_back(static_cast<std::byte>(c));
  for (const Word& word : words) {
    const std::uint32_t value = word.kind << 12 | word.value;
    bytes.push_back(static_cast<std::byte>(value & 0xFF));
    bytes.push_back(static_cast<std::byte>(value >> 8));
  }
  return bytes;
}

TEST(SensorsEvt3, EveryKernelDoesWhatTheFormatSays) {
  test::for_each_kernel_target([] {
    for (const std::uint32_t rare : {0, 2, 10, 50, 100}) {
      for (std::uint32_t seed = 0; seed < 20; ++seed) {
        const auto words = stream(100 + 400 * seed, rare, seed);
        const auto read = read_recording_bytes(bytes_of(words), "made.raw");
        ASSERT_TRUE(read.ok()) << read.error().message();
        ASSERT_EQ(read->recording.events, defined(words)) << rare << " " << seed;
      }
    }
  });
}

TEST(SensorsEvt3, PiecesOfAnySizeGiveTheSameEvents) {
  const auto words = stream(2000, 20, 3);
  const auto bytes = bytes_of(words);
  const auto codec = find_event_codec("evt3");
  ASSERT_TRUE(codec.ok());
  for (const std::size_t piece : {1, 2, 5, 17, 333}) {
    auto decoder = (*codec)->make_decoder({});
    ASSERT_TRUE(decoder.ok());
    EventPacket events;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto part = std::span(bytes).subspan(at, std::min(piece, bytes.size() - at));
      ASSERT_TRUE((*decoder)->feed(part, events).ok());
    }
    ASSERT_TRUE((*decoder)->finish(events).ok());
    EXPECT_EQ(events, defined(words)) << piece;
  }
}

}  // namespace
}  // namespace spikeloom
