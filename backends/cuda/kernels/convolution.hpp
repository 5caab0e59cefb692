#pragma once
/// Convolutions by events: a thread owns one output channel of some rows of the plane.
///
/// A block holds the sums of a tile of channels over a band of output rows in shared memory and
/// walks the active inputs in ascending order. A sum belongs to one thread: no atomic additions,
/// and float32 sums are those of the other backends.

#include "backends/cuda/kernels/active_list.hpp"

namespace spikeloom::cuda {

/// Along one axis: the outputs [first, last) that an input coordinate may reach.
struct Reach {
  std::uint16_t first = 0, last = 0;
};

template <typename V, typename W>
struct ConvolutionKernel {
  using List = ActiveList<32>;
  struct Event {
    std::uint16_t channel, row, column;
    std::uint8_t row_class, column_class;  ///< of the first output that it may reach
  };
  struct Shared {
    List list;
    Tally<V> tally;
    Event event[List::kSources];
    V value[List::kSources];
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  const W* weight = nullptr;  ///< (in channels, taps, out channels of a group)
  const V* scale = nullptr;   ///< one per channel; may be null
  const V* bias = nullptr;
  const Reach* row_reach = nullptr;     ///< one per input row
  const Reach* column_reach = nullptr;  ///< one per input column
  std::uint32_t groups = 1, in_group = 1, out_group = 1;
  std::int32_t in_rows = 1, in_columns = 1, out_rows = 1, out_columns = 1;
  std::int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1;
  std::int32_t dilation_rows = 1, dilation_columns = 1, pad_rows = 0, pad_columns = 0;
  // A block: `channels` of a group, `band` output rows, shared by threads / channels threads. An
  // input reaches at most row_span x column_span outputs, one of each class of rows and columns
  // that leave the same rest: a thread owns the outputs of a class (or of some).
  std::int32_t row_span = 1, column_span = 1;
  std::uint32_t channels = 1, band = 1, threads_per_channel = 1;
  Parts parts;  ///< bands of at most `band` rows, in order

  SPIKELOOM_KERNEL std::uint32_t sources() const {
    return in_group * static_cast<std::uint32_t>(in_rows * in_columns);
  }
  SPIKELOOM_KERNEL std::uint32_t channel_tiles() const { return tiles(out_group, channels); }
  SPIKELOOM_KERNEL std::uint32_t bands() const {
    return parts.tiles_of(static_cast<std::uint32_t>(out_rows), band);
  }
  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return groups * channel_tiles() * bands() * rows.count();
  }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return channels * threads_per_channel; }
  SPIKELOOM_KERNEL std::uint32_t stride() const { return channels | 1; }  // no bank conflicts
  SPIKELOOM_KERNEL std::uint32_t sum_count() const {
    return stride() * band * static_cast<std::uint32_t>(out_columns);
  }
  std::size_t shared_bytes() const { return sizeof(Shared) + sum_count() * sizeof(V); }
  SPIKELOOM_KERNEL std::uint32_t phases() const {
    return List::chunks(sources()) * List::kPhases + 2;
  }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    V* const sums = reinterpret_cast<V*>(&shared + 1);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const std::uint32_t band_index = tile % bands();
    const std::uint32_t channel_tile = tile / bands() % channel_tiles();
    const std::uint32_t group = tile / bands() / channel_tiles();
    const std::uint32_t chunk = phase / List::kPhases;
    const std::uint64_t start = std::uint64_t{group} * sources();
    const std::uint64_t first = start + std::uint64_t{chunk} * List::kSources;
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      for (std::uint32_t i = place.thread; i < sum_count(); i += place.threads) sums[i] = V{0};
    }
    if (chunk < List::chunks(sources())) {
      switch (phase % List::kPhases) {
        case 0:
          shared.list.read(place, in.masks(step, element), first, start + sources());
          return;
        case 1:
          shared.list.count(place);
          return;
        case 2: {
          const V* const x = in.values(step, element) + first;
          const bool counts = band_index == 0 && channel_tile == 0;
          shared.list.list(place, [&](std::uint32_t at, std::uint32_t source) {
            const V value = in.unit ? V{1} : x[source];
            const std::uint32_t i = chunk * List::kSources + source;
            const auto plane = static_cast<std::uint32_t>(in_rows * in_columns);
            const std::uint32_t position = i % plane;
            const Event event{static_cast<std::uint16_t>(i / plane),
                              static_cast<std::uint16_t>(position / in_columns),
                              static_cast<std::uint16_t>(position % in_columns), 0, 0};
            shared.value[at] = value;
            shared.event[at] = with_classes(event);
            if (counts) local.tally.count_pairs(value, taps(event) * out_group);
          });
          return;
        }
        default:
          add(place, shared, sums, group, channel_tile, band_index);
          return;
      }
    }
    if (phase % List::kPhases == 0) {
      finish(place, sums, out.values(step, element), group, channel_tile, band_index, local);
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, out.tally);
    }
  }

 private:
  /// The tap that leads from an input to an output coordinate, or -1.
  SPIKELOOM_KERNEL static std::int32_t tap(std::int32_t input, std::int32_t output,
                                           std::int32_t stride, std::int32_t dilation,
                                           std::int32_t pad, std::int32_t kernel) {
    const std::int32_t shifted = input + pad - output * stride;
    if (dilation == 1) return shifted < kernel ? shifted : -1;
    if (shifted % dilation != 0) return -1;
    return shifted / dilation < kernel ? shifted / dilation : -1;
  }
  SPIKELOOM_KERNEL std::int32_t row_tap(std::int32_t input, std::int32_t output) const {
    return tap(input, output, stride_rows, dilation_rows, pad_rows, kernel_rows);
  }
  SPIKELOOM_KERNEL std::int32_t column_tap(std::int32_t input, std::int32_t output) const {
    return tap(input, output, stride_columns, dilation_columns, pad_columns, kernel_columns);
  }

  /// In-bounds taps of an event.
  SPIKELOOM_KERNEL std::uint32_t taps(const Event& event) const {
    std::uint32_t in_row = 0, in_column = 0;
    const Reach r = row_reach[event.row], c = column_reach[event.column];
    for (std::int32_t o = r.first; o < r.last; ++o) in_row += row_tap(event.row, o) >= 0 ? 1 : 0;
    for (std::int32_t o = c.first; o < c.last; ++o) {
      in_column += column_tap(event.column, o) >= 0 ? 1 : 0;
    }
    return in_row * in_column;
  }

  SPIKELOOM_KERNEL void add(const Place& place, const Shared& shared, V* sums, std::uint32_t group,
                            std::uint32_t channel_tile, std::uint32_t band_index) const {
    const std::uint32_t channel = channel_tile * channels + place.thread % channels;
    if (channel >= out_group) return;
    const auto band_first = static_cast<std::int32_t>(parts.first(band_index, band));
    const auto band_last = static_cast<std::int32_t>(
        parts.last(band_index, static_cast<std::uint32_t>(out_rows), band));
    const std::uint32_t taps = static_cast<std::uint32_t>(kernel_rows * kernel_columns);
    const std::uint32_t count = shared.list.size();
    const W* const of_channel =
        weight + static_cast<std::size_t>(group) * in_group * taps * out_group + channel;
    const std::int32_t classes = row_span * column_span;
    for (auto own = static_cast<std::int32_t>(place.thread / channels); own < classes;
         own += static_cast<std::int32_t>(threads_per_channel)) {
      const std::int32_t own_row = own / column_span, own_column = own % column_span;
      for (std::uint32_t k = 0; k < count; ++k) {
        const Event event = shared.event[k];
        const Reach r = row_reach[event.row], c = column_reach[event.column];
        const std::int32_t o = r.first + distance(event.row_class, own_row, row_span);
        const std::int32_t p = c.first + distance(event.column_class, own_column, column_span);
        if (o >= r.last || p >= c.last || o < band_first || o >= band_last) continue;
        const std::int32_t kr = row_tap(event.row, o), kc = column_tap(event.column, p);
        if (kr < 0 || kc < 0) continue;
        const W w =
            of_channel[static_cast<std::size_t>(event.channel * taps + kr * kernel_columns + kc) *
                       out_group];
        sums[static_cast<std::size_t>((o - band_first) * out_columns + p) * stride() +
             place.thread % channels] += static_cast<V>(w) * shared.value[k];
      }
    }
  }
  /// From class `from` up to class `to`.
  SPIKELOOM_KERNEL static std::int32_t distance(std::int32_t from, std::int32_t to,
                                                std::int32_t span) {
    return to >= from ? to - from : to - from + span;
  }
  SPIKELOOM_KERNEL Event with_classes(Event event) const {
    event.row_class = static_cast<std::uint8_t>(row_reach[event.row].first % row_span);
    event.column_class = static_cast<std::uint8_t>(column_reach[event.column].first % column_span);
    return event;
  }

  SPIKELOOM_KERNEL void finish(const Place& place, const V* sums, V* y, std::uint32_t group,
                               std::uint32_t channel_tile, std::uint32_t band_index,
                               Local& local) const {
    const std::uint32_t first_row = parts.first(band_index, band);
    const std::uint32_t band_rows =
        parts.last(band_index, static_cast<std::uint32_t>(out_rows), band) - first_row;
    const auto columns = static_cast<std::uint32_t>(out_columns);
    const std::uint32_t pixels = band_rows * columns;
    const std::uint32_t plane = static_cast<std::uint32_t>(out_rows) * columns;
    for (std::uint32_t k = place.thread; k < pixels * channels; k += place.threads) {
      const std::uint32_t pixel = k % pixels, own = k / pixels;
      const std::uint32_t in_its_group = channel_tile * channels + own;
      if (in_its_group >= out_group) continue;
      const std::uint32_t channel = group * out_group + in_its_group;
      const V value =
          completed(sums[static_cast<std::size_t>(pixel) * stride() + own], scale, bias, channel);
      y[static_cast<std::size_t>(channel) * plane + std::size_t{first_row} * columns + pixel] =
          value;
      local.tally.count(value);
    }
  }
};

}  // namespace spikeloom::cuda
