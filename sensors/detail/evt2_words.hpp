#pragma once
/// The inner loop of EVT 2.0.

#include <cstddef>

#include "sensors/detail/event_block.hpp"

namespace spikeloom::detail {

/// Appends the events of the leading CD words (kinds 0 and 1) of `count` little-endian 32-bit
/// words, until the block is full, and returns how many words were used. `high` is the time of the
/// last time high word. Up to EventBlock::kSlack events behind the last may hold anything.
std::size_t decode_evt2_run(const std::byte* words, std::size_t count, Time high,
                            EventBlock& block);

}  // namespace spikeloom::detail
