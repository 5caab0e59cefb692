#pragma once
/// The inner loop of BitmaskRows, chosen by the processor at run time.

#include <cstddef>
#include <cstdint>

namespace spikeloom::detail {

/// Rows of one weight; `words` of 64 bits from one row to the next.
template <typename A>
struct BitmaskCall {
  const std::uint64_t* bits;
  std::size_t words;
  const std::uint32_t* rows;
  std::size_t count;
  A weight;
  std::uint32_t first, last;
  A* acc;  ///< of target `first`
};

void add_bitmask_rows(const BitmaskCall<float>& call);
void add_bitmask_rows(const BitmaskCall<std::int32_t>& call);

}  // namespace spikeloom::detail
