#include "backends/simulation/detail/rows.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <new>

#include <fmt/format.h>

#include "backends/simulation/detail/workers.hpp"
#include "snn/simulation/weight_units.hpp"

namespace spikeloom::simulation {
namespace {

constexpr std::size_t kChunk = 256;  ///< sources that a thread takes at once
constexpr std::int64_t kMostNarrow = 65535;

std::int32_t whole(double value, double unit) {
  return static_cast<std::int32_t>(std::llround(value / unit));
}

/// Makes whole rows of one source, and sorts them by delay.
class RowMaker {
 public:
  RowMaker(const Network& network, const Slice& slice, const Connectivity& connectivity,
           const std::vector<WholeValues>& values)
      : network_(network),
        connectivity_(connectivity),
        values_(values),
        segments_(slice.segments()),
        accumulator_(network, slice) {}

  /// Synapses of `source` of `population` onto the slice.
  std::int64_t length(std::uint32_t population, std::int64_t source) {
    std::int64_t sum = 0;
    for (const std::uint32_t b : connectivity_.blocks_from(population)) {
      const Connectivity::Block& block = connectivity_.blocks()[b];
      if (block.inside && !block.start.empty()) {
        sum += connectivity_.most_in_row(block, source);
        continue;
      }
      synapses_.clear();
      connectivity_.append_row(block, source, scratch_, synapses_);
      sum += std::ssize(synapses_);
    }
    return sum;
  }

  /// Writes the row to `out`, and how many are of each delay and segment to `counts`.
  template <typename Count>
  void make(std::uint32_t population, std::int64_t source, DelayRange delays, std::uint32_t* out,
            Count* counts) {
    const std::size_t places = static_cast<std::size_t>(delays.count) * segments_;
    packed_.clear();
    place_.clear();
    next_.assign(places + 1, 0);
    for (const std::uint32_t b : connectivity_.blocks_from(population)) {
      const Connectivity::Block& block = connectivity_.blocks()[b];
      synapses_.clear();
      connectivity_.append_row(block, source, scratch_, synapses_);
      const WholeValues& values = values_[block.projection];
      const std::uint32_t target = network_.projections[block.projection].target;
      for (const Synapse& synapse : synapses_) {
        const std::int32_t weight = values.weight_of(synapse);
        const auto delay = static_cast<std::size_t>(values.delay_of(synapse) - delays.first);
        const std::uint32_t accumulator = accumulator_(target, synapse.target, weight);
        packed_.push_back(static_cast<std::uint32_t>(weight) << kTargetBits |
                          (accumulator & (kSegment - 1)));
        const std::size_t place = delay * segments_ + accumulator / kSegment;
        place_.push_back(static_cast<std::uint32_t>(place));
        ++next_[place + 1];
      }
    }
    for (std::size_t p = 0; p < places; ++p) {
      counts[p] = static_cast<Count>(next_[p + 1]);
      next_[p + 1] += next_[p];
    }
    for (std::size_t i = 0; i < packed_.size(); ++i) out[next_[place_[i]]++] = packed_[i];
  }

 private:
  const Network& network_;
  const Connectivity& connectivity_;
  const std::vector<WholeValues>& values_;
  std::size_t segments_;
  AccumulatorOf accumulator_;
  Connectivity::Scratch scratch_;
  std::vector<Synapse> synapses_;
  std::vector<std::uint32_t> packed_, place_, next_;
};

}  // namespace

std::int32_t WholeValues::weight_of(const Synapse& synapse) const {
  if (list != nullptr && !list->weight.empty()) return whole(list->weight[synapse.entry], unit);
  return weight(synapse.weight);
}

std::int32_t WholeValues::delay_of(const Synapse& synapse) const {
  if (list != nullptr && !list->delay.empty()) {
    return std::max(whole(list->delay[synapse.entry], dt), 1);
  }
  return delay(synapse.delay);
}

std::vector<WholeValues> whole_values(const Network& network) {
  const std::vector<double> units = weight_units(network);
  std::vector<WholeValues> values;
  for (const Projection& p : network.projections) {
    values.push_back({WholeDraw(p.weight, units[p.target], std::numeric_limits<int>::min()),
                      WholeDraw(p.delay, network.dt, 1), std::get_if<ExplicitList>(&p.rule),
                      units[p.target], network.dt});
  }
  return values;
}

std::vector<DelayRange> delay_ranges(const Network& network) {
  std::vector<DelayRange> ranges(network.populations.size());
  for (const Projection& p : network.projections) {
    auto [shortest, longest] = simulation::range(p.delay);
    const auto* list = std::get_if<ExplicitList>(&p.rule);
    if (list != nullptr && !list->delay.empty()) {
      const auto [least, most] = std::minmax_element(list->delay.begin(), list->delay.end());
      shortest = *least;
      longest = *most;
    }
    const std::int32_t low = std::max(whole(shortest, network.dt), 1);
    DelayRange& range = ranges[p.source];
    const std::int32_t end =
        std::max(range.first + range.count, std::max(whole(longest, network.dt), 1) + 1);
    range.first = range.count == 0 ? low : std::min(range.first, low);
    range.count = end - range.first;
  }
  return ranges;
}

AccumulatorOf::AccumulatorOf(const Network& network, const Slice& slice)
    : places_(network.populations.size()) {
  const std::vector<std::int64_t> first = first_neurons(network);
  for (const Part& part : slice.parts) {
    places_[part.population] = {static_cast<std::uint32_t>(first[part.population] + part.first) -
                                    static_cast<std::uint32_t>(part.accumulator),
                                part.split ? static_cast<std::uint32_t>(part.padded) : 0U};
  }
}

Result<Rows> Rows::make(const Network& network, const Slice& slice,
                        const Connectivity& connectivity, std::size_t threads) {
  const std::vector<WholeValues> values = whole_values(network);
  const std::vector<DelayRange> delays = delay_ranges(network);
  const std::vector<std::int64_t> first = first_neurons(network);
  const auto neurons = static_cast<std::size_t>(first.back());
  std::atomic<bool> failed = false;
  const auto guarded = [&failed](const auto& f) {
    try {
      if (!failed) f();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  };
  Rows rows;
  rows.segments_ = slice.segments();
  guarded([&] {
    std::vector<RowMaker> makers(threads, RowMaker(network, slice, connectivity, values));
    rows.start_ = AlignedBuffer<std::uint32_t>(neurons);
    rows.group_start_.assign(neurons / kGroup + 2, 0);
    // Lengths, and the longest row of each population.
    std::vector<std::int64_t> longest(network.populations.size(), 0);
    for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
      if (delays[p].count == 0) continue;
      const auto size = static_cast<std::size_t>(network.populations[p].size);
      std::vector<std::int64_t> most(threads, 0);
      share_out(threads, (size + kChunk - 1) / kChunk, [&](std::size_t thread, std::size_t chunk) {
        guarded([&] {
          for (std::size_t s = chunk * kChunk; s < std::min(size, (chunk + 1) * kChunk); ++s) {
            const std::int64_t n = makers[thread].length(p, static_cast<std::int64_t>(s));
            rows.start_[static_cast<std::size_t>(first[p]) + s] = static_cast<std::uint32_t>(n);
            most[thread] = std::max(most[thread], n);
          }
        });
      });
      longest[p] = *std::max_element(most.begin(), most.end());
    }
    if (failed) return;
    std::uint64_t sum = 0;
    for (std::size_t s = 0; s < neurons; ++s) {
      if (s % kGroup == 0) rows.group_start_[s / kGroup] = sum;
      const std::uint32_t length = rows.start_[s];
      rows.start_[s] = static_cast<std::uint32_t>(sum - rows.group_start_[s / kGroup]);
      sum += length;
    }
    rows.synapse_ = AlignedBuffer<std::uint32_t>(sum);
    for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
      Sources sources{first[p], first[p + 1], delays[p], longest[p] > kMostNarrow, {}, {}};
      const auto size = static_cast<std::size_t>(network.populations[p].size);
      const std::size_t entries = size * static_cast<std::size_t>(delays[p].count) * rows.segments_;
      (sources.wide
           ? static_cast<void>(sources.wide_counts = AlignedBuffer<std::uint32_t>(entries))
           : static_cast<void>(sources.narrow_counts = AlignedBuffer<std::uint16_t>(entries)));
      rows.sources_.push_back(std::move(sources));
    }
    for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
      if (delays[p].count == 0) continue;
      Sources& sources = rows.sources_[p];
      const auto size = static_cast<std::size_t>(network.populations[p].size);
      share_out(threads, (size + kChunk - 1) / kChunk, [&](std::size_t thread, std::size_t chunk) {
        guarded([&] {
          for (std::size_t s = chunk * kChunk; s < std::min(size, (chunk + 1) * kChunk); ++s) {
            const std::size_t neuron = static_cast<std::size_t>(first[p]) + s;
            std::uint32_t* out =
                rows.synapse_.data() + rows.group_start_[neuron / kGroup] + rows.start_[neuron];
            const std::size_t at = s * static_cast<std::size_t>(delays[p].count) * rows.segments_;
            const auto source = static_cast<std::int64_t>(s);
            if (sources.wide) {
              makers[thread].make(p, source, delays[p], out, sources.wide_counts.data() + at);
            } else {
              makers[thread].make(p, source, delays[p], out, sources.narrow_counts.data() + at);
            }
          }
        });
      });
    }
  });
  if (failed) {
    return Error{
        .code = ErrorCode::kResource,
        .what = "no memory for the synapses",
        .expected = fmt::format("{:.0f} MB", expected_bytes(network, slice, threads).first / 1e6),
        .next = "simulate a smaller network, on more machines, or procedurally"};
  }
  return rows;
}

std::pair<double, double> Rows::expected_bytes(const Network& network, const Slice& slice,
                                               std::size_t threads) {
  double synapses = 0.0;
  for (const Part& part : slice.parts) {
    const double share = static_cast<double>(part.size) /
                         static_cast<double>(network.populations[part.population].size);
    for (const Projection& p : network.projections) {
      if (p.target == part.population) synapses += share * expected_synapses(network, p);
    }
  }
  const std::vector<DelayRange> delays = delay_ranges(network);
  double counts = 0.0, longest = 0.0;
  for (std::size_t p = 0; p < delays.size(); ++p) {
    double row = 0.0;
    for (const Projection& projection : network.projections) {
      if (projection.source != p) continue;
      row +=
          expected_synapses(network, projection) / static_cast<double>(network.populations[p].size);
    }
    longest = std::max(longest, row);
    const double width = row > static_cast<double>(kMostNarrow) ? 4.0 : 2.0;
    counts += width * delays[p].count * static_cast<double>(slice.segments()) *
              static_cast<double>(network.populations[p].size);
  }
  const double row_buffers = 1.5 * longest * (sizeof(Synapse) + 8.0) * static_cast<double>(threads);
  return {4.0 * synapses + counts + 4.0 * static_cast<double>(neuron_count(network)), row_buffers};
}

const Rows::Sources& Rows::sources_of(std::uint32_t source) const {
  std::size_t p = 0;
  while (static_cast<std::int64_t>(source) >= sources_[p].last) ++p;
  return sources_[p];
}

void Rows::fetch(std::uint32_t source) const {
  const Sources& sources = sources_of(source);
  __builtin_prefetch(start_.data() + source);
  __builtin_prefetch(counts(sources, source));
}

Rows::Row Rows::row(std::uint32_t source) const {
  const Sources& sources = sources_of(source);
  Row row;
  row.synapse = synapse_.data() + group_start_[source / kGroup] + start_[source];
  row.first_delay = sources.delays.first;
  row.delays = sources.delays.count;
  row.wide = sources.wide;
  row.counts = counts(sources, source);
  return row;
}

std::uint64_t Rows::bytes() const {
  std::uint64_t sum = synapse_.bytes() + start_.bytes() + 8 * group_start_.size();
  for (const Sources& s : sources_) sum += s.narrow_counts.bytes() + s.wide_counts.bytes();
  return sum;
}

}  // namespace spikeloom::simulation
