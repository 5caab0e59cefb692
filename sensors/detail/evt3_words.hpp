#pragma once
/// The inner loop of EVT 3.0: the words that make up nearly all of a stream.

#include <cstddef>
#include <cstdint>

#include "sensors/detail/event_block.hpp"

namespace spikeloom::detail {

/// Kinds of words, their upper four bits.
enum Evt3Word : std::uint32_t {
  kEvt3Y = 0x0,
  kEvt3X = 0x2,
  kEvt3BaseX = 0x3,
  kEvt3Vector12 = 0x4,
  kEvt3Vector8 = 0x5,
  kEvt3TimeLow = 0x6,
  kEvt3Continued4 = 0x7,
  kEvt3TimeHigh = 0x8,
  kEvt3Trigger = 0xA,
  kEvt3Others = 0xE,
  kEvt3Continued12 = 0xF,
};

inline constexpr std::uint32_t kEvt3Pixels = 2048;
inline constexpr std::uint32_t kEvt3NoBase = 0xFFFF'FFFF;

/// What the words so far say about the next event.
struct Evt3State {
  Time high = 0;             ///< of the time high words, wraps undone
  std::uint32_t low_us = 0;  ///< of the last time low word
  std::uint32_t y = 0;       ///< of the last row word
  std::uint32_t base_x = kEvt3NoBase;
  std::uint32_t base_polarity = 0;
  std::uint64_t without_base = 0;  ///< vectors that came before any base
};

/// Decodes the leading words of kinds y, x, time low, base x and vector of `count` little-endian
/// 16-bit words, until the block is full; returns how many words were used. It stops at a word of
/// another kind and at a vector that goes beyond kEvt3Pixels. There has been a row word. Up to
/// EventBlock::kSlack events behind the last may hold anything.
std::size_t decode_evt3_run(const std::byte* words, std::size_t count, Evt3State& state,
                            EventBlock& block);

}  // namespace spikeloom::detail
