#pragma once
/// What several devices tell each other: every device packs its part of a signal, all packets go to
/// all devices (Gather), and every device unpacks the whole.

#include "backends/cuda/kernels/elementwise.hpp"

namespace spikeloom::cuda {

/// Not a kernel: `words` from every device of a team to all of them, in the order of the devices.
struct Gather {
  const std::uint32_t* from = nullptr;
  std::uint32_t* to = nullptr;  ///< devices x words
  std::size_t words = 0;
};

/// Rows of `words` words: the mask where that says everything, else the values.
template <typename V>
struct PackKernel {
  struct Shared {};
  struct Local {};
  Rows rows;
  Signal<V> in;
  std::uint32_t* to = nullptr;
  std::uint32_t words = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(words, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const std::uint32_t w = tile * kTile + place.thread;
    if (!rows.exists(row) || w >= (in.unit ? in.words : in.size)) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    to[static_cast<std::size_t>(row) * words + w] =
        in.unit ? in.masks(step, element)[w]
                : std::bit_cast<std::uint32_t>(in.values(step, element)[w]);
  }
};

/// Values, mask and counts of the whole from the packets of all devices.
template <typename V>
struct UnpackKernel {
  using Local = TileLocal<V>;
  Rows rows;
  Signal<V> out;
  const std::uint32_t* from = nullptr;    ///< devices x rows x words
  const std::uint32_t* bounds = nullptr;  ///< device d has the elements [bounds[d], bounds[d + 1])
  std::uint32_t words = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    make_tile(place, phase, rows, out, nullptr, local,
              [&](const TilePlace& at) { return value(at.row, at.i); });
  }

 private:
  SPIKELOOM_KERNEL V value(std::uint32_t row, std::uint32_t i) const {
    std::uint32_t device = 0;
    while (i >= bounds[device + 1]) ++device;
    const std::uint32_t* const packet =
        from + (static_cast<std::size_t>(device) * rows.count() + row) * words;
    const std::uint32_t own = i - bounds[device];
    if (out.unit) return (packet[own / 32] >> own % 32 & 1) != 0 ? V{1} : V{0};
    return std::bit_cast<V>(packet[own]);
  }
};

}  // namespace spikeloom::cuda
