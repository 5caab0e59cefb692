/// Reads bytes as a block of synapses in a core's memory, in every layout; what encodes again is
/// read back and encodes to the same bytes.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <span>
#include <tuple>

#include "mapping/images.hpp"

using namespace spikeloom::mapping;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeader = 16;
  if (size < kHeader) return 0;
  const auto half = [data](std::size_t at) {
    std::uint16_t value = 0;
    std::memcpy(&value, data + at, sizeof(value));
    return static_cast<std::uint32_t>(value);
  };
  constexpr std::uint32_t kWidths[] = {0, 1, 2, 4};
  BlockLayout layout;
  layout.kind = static_cast<BlockKind>(data[0] % 5);
  layout.weight_bytes = kWidths[data[1] % 4];
  // Sizes beyond every machine are refused, or end where the bytes do. One-to-one connections
  // without weights have none.
  const bool bounded = layout.kind != BlockKind::kOneToOne;
  constexpr std::uint32_t kFew = 256;
  layout.rows = bounded ? half(2) << (data[10] % 17) : half(2) % kFew;
  layout.targets = bounded ? half(4) << (data[11] % 17) : half(4) % kFew;
  layout.gates = bounded ? half(6) << (data[12] % 17) : half(6) % kFew;
  layout.delay = 1U + data[8] % 16U;
  layout.row_words = data[9];
  layout.constants.row_bytes = data[13] % 20;
  layout.constants.word_bytes = data[14] % 6;
  layout.constants.index_bytes = data[15] % 11;
  layout.constants.row_align = data[15] / 11;
  const auto synapses = decode(layout, std::as_bytes(std::span(data + kHeader, size - kHeader)));
  if (!synapses.ok()) return 0;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> seen;
  for (const ImageSynapse& s : *synapses) {
    // Equal to nothing, and in no order.
    if (std::isnan(s.weight) || !seen.insert({s.row, s.gate, s.target}).second) return 0;
  }
  // An image holds zeros for every synapse there might be.
  const std::uint64_t pointers = std::uint64_t{layout.rows} * layout.gates;
  if (pointers > 1U << 12U || pointers * layout.targets > 1U << 16U) return 0;
  const auto bytes = encode(layout, *synapses);
  if (!bytes.ok()) return 0;
  const auto again = decode(layout, *bytes);
  if (!again.ok()) std::abort();
  const auto twice = encode(layout, *again);
  if (!twice.ok() || *twice != *bytes) std::abort();
  return 0;
}
