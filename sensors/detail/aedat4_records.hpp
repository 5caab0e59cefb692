#pragma once
/// The inner loop of AEDAT 4.0: records of 16 bytes to columns.

#include <cstddef>

#include "sensors/detail/event_block.hpp"

namespace spikeloom::detail {

/// Replaces the block by the events of `count` records (at most EventBlock::kEvents):
///
///     microseconds (64, signed) | x (16) | y (16) | polarity (8) | unused (24)
///
/// False when a time does not fit into 64-bit nanoseconds.
bool decode_aedat4_records(const std::byte* records, std::size_t count, EventBlock& block);

}  // namespace spikeloom::detail
