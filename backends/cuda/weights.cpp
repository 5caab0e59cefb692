/// Weights as the kernels read them.

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "backends/cuda/bit_weights.hpp"
#include "backends/cuda/executable.hpp"
#include "backends/cuda/synapses.hpp"

namespace spikeloom::cuda {
namespace {

/// Values unless all are neutral.
template <typename V>
Status keep_unless(const std::vector<double>& values, double neutral, Machine& machine,
                   Buffer<V>& out) {
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == neutral; })) return {};
  std::vector<V> kept(values.size());
  std::transform(values.begin(), values.end(), kept.begin(),
                 [](double v) { return static_cast<V>(v); });
  SPIKELOOM_TRY(out, Buffer<V>::of(machine, kept));
  return {};
}

/// Weights in the order of `place(k)`, from the program's order k.
template <typename V, typename Place>
Status lay_out(const std::vector<double>& real, const IntegerNode* integer, Place place,
               Machine& machine, WeightImage<V>& image) {
  const std::size_t size = real.size();
  if constexpr (std::is_same_v<V, float>) {
    std::vector<float> out(size);
    for (std::size_t k = 0; k < size; ++k) out[place(k)] = static_cast<float>(real[k]);
    SPIKELOOM_TRY(image.real, Buffer<float>::of(machine, out));
  } else if (integer->fits_int8) {
    std::vector<std::int8_t> out(size);
    for (std::size_t k = 0; k < size; ++k) {
      out[place(k)] = static_cast<std::int8_t>(integer->weight[k]);
    }
    SPIKELOOM_TRY(image.narrow, Buffer<std::int8_t>::of(machine, out));
  } else {
    std::vector<std::int16_t> out(size);
    for (std::size_t k = 0; k < size; ++k) out[place(k)] = integer->weight[k];
    SPIKELOOM_TRY(image.wide, Buffer<std::int16_t>::of(machine, out));
  }
  return {};
}

/// Blocks that own what `bounds` says.
template <typename V>
Status keep_parts(const std::vector<std::uint32_t>& bounds, Machine& machine,
                  WeightImage<V>& image) {
  image.parts = static_cast<std::uint32_t>(bounds.size() - 1);
  SPIKELOOM_TRY(image.bound, Buffer<std::uint32_t>::of(machine, bounds));
  return {};
}

std::uint32_t largest_part(const std::vector<std::uint32_t>& bounds) {
  std::uint32_t most = 1;
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    most = std::max(most, bounds[b + 1] - bounds[b]);
  }
  return most;
}

/// As many cores in a block as its threads have outputs for.
template <typename V>
Status make(const op::Dense& dense, const IntegerNode* integer, const Share& share,
            Machine& machine, WeightImage<V>& image) {
  if (!share.bounds.empty() && share.order.empty() && dense.repeats == 1) {
    const auto bounds = block_bounds(share.bounds, kDenseThreads, 4 * kDenseThreads);
    image.block_targets = largest_part(bounds);
    SPIKELOOM_CHECK(keep_parts(bounds, machine, image));
  }
  const auto inputs = static_cast<std::size_t>(dense.inputs);
  const auto outputs = static_cast<std::size_t>(dense.outputs);
  const auto by_input = [=](std::size_t k) { return k % inputs * outputs + k / inputs; };
  return lay_out(dense.weight, integer, by_input, machine, image);
}

std::vector<Reach> reach(std::int64_t input, std::int64_t output, std::int64_t kernel,
                         std::int64_t stride, std::int64_t dilation, std::int64_t pad) {
  std::vector<Reach> all;
  for (std::int64_t i = 0; i < input; ++i) {
    const std::int64_t most = i + pad, least = most - (kernel - 1) * dilation;
    const std::int64_t first = least <= 0 ? 0 : (least + stride - 1) / stride;
    const std::int64_t last = std::min(most / stride + 1, output);
    all.push_back(
        {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(std::max(first, last))});
  }
  return all;
}

/// Shared memory for a block's sums, beside its list.
constexpr std::int64_t kSumBytes = 36 * 1024;
constexpr std::int64_t kLeastThreads = 128, kMostThreads = 512;

/// The rows of cores that have all channels of some.
std::vector<std::uint32_t> row_bounds(const op::Convolution& conv, const Share& share) {
  const auto row = static_cast<std::uint32_t>(conv.out_channels * conv.output.columns);
  std::vector<std::uint32_t> rows;
  for (const std::uint32_t bound : share.bounds) {
    if (row == 0 || bound % row != 0) return {};
    rows.push_back(bound / row);
  }
  return rows;
}

template <typename V>
Status make(const op::Convolution& conv, const IntegerNode* integer, const Share& share,
            Machine& machine, WeightImage<V>& image) {
  const auto in_group = static_cast<std::size_t>(conv.in_channels / conv.groups);
  const auto out_group = static_cast<std::size_t>(conv.out_channels / conv.groups);
  const auto taps = static_cast<std::size_t>(conv.kernel.rows * conv.kernel.columns);
  for (const std::int64_t size : {conv.input.rows, conv.input.columns, conv.output.rows,
                                  conv.output.columns, conv.in_channels}) {
    if (size > 65535) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a convolution is too large for cuda",
                   .expected = "planes and channels up to 65535",
                   .got = std::to_string(size)};
    }
  }
  const auto by_input = [=](std::size_t k) {
    const std::size_t out = k / (in_group * taps), in = k / taps % in_group, tap = k % taps;
    const std::size_t group = out / out_group;
    return ((group * in_group + in) * taps + tap) * out_group + out % out_group;
  };
  SPIKELOOM_CHECK(lay_out(conv.weight, integer, by_input, machine, image));
  SPIKELOOM_TRY(image.row_reach,
                Buffer<Reach>::of(
                    machine, reach(conv.input.rows, conv.output.rows, conv.kernel.rows,
                                   conv.stride.rows, conv.dilation.rows, conv.pad_before.rows)));
  SPIKELOOM_TRY(image.column_reach,
                Buffer<Reach>::of(machine, reach(conv.input.columns, conv.output.columns,
                                                 conv.kernel.columns, conv.stride.columns,
                                                 conv.dilation.columns, conv.pad_before.columns)));
  const std::int64_t columns = std::max<std::int64_t>(conv.output.columns, 1);
  const auto bytes = [&](std::int64_t channels) { return (channels | 1) * columns * 4; };
  std::int64_t channels = std::clamp<std::int64_t>(static_cast<std::int64_t>(out_group), 1, 32);
  while (channels > 1 && bytes(channels) > kSumBytes) channels /= 2;
  if (bytes(channels) > kSumBytes) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a convolution's rows are too long for cuda",
                 .expected = fmt::format("up to {} columns", kSumBytes / 4),
                 .got = std::to_string(columns)};
  }
  const std::int64_t rows = std::max<std::int64_t>(conv.output.rows, 1);
  image.channels = static_cast<std::uint32_t>(channels);
  image.band = static_cast<std::uint32_t>(std::min(rows, kSumBytes / bytes(channels)));
  if (const auto of_cores = row_bounds(conv, share); !of_cores.empty()) {
    const auto bounds = block_bounds(of_cores, image.band, image.band);
    image.band = largest_part(bounds);
    SPIKELOOM_CHECK(keep_parts(bounds, machine, image));
  }
  const auto span = [](std::int64_t kernel, std::int64_t dilation, std::int64_t stride) {
    return ((kernel - 1) * dilation + stride) / stride;
  };
  const std::int64_t row_span = span(conv.kernel.rows, conv.dilation.rows, conv.stride.rows);
  const std::int64_t column_span =
      span(conv.kernel.columns, conv.dilation.columns, conv.stride.columns);
  if (row_span > 255 || column_span > 255) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a convolution's kernel is too large for cuda",
                 .expected = "an input that reaches up to 255 outputs along each axis",
                 .got = fmt::format("{} x {}", row_span, column_span)};
  }
  image.row_span = static_cast<std::int32_t>(row_span);
  image.column_span = static_cast<std::int32_t>(column_span);
  const std::int64_t classes = row_span * column_span;
  image.threads_per_channel = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(classes, (kLeastThreads + channels - 1) / channels,
                               std::max<std::int64_t>(kMostThreads / channels, 1)));
  return {};
}

/// Each target's synapses by ascending source, as float32 sums have them everywhere.
template <typename Op>
Status make_targets(const Op& operation, const Share& share, Machine& machine,
                    WeightImage<float>& image) {
  if (!share.bounds.empty()) {
    SPIKELOOM_CHECK(keep_parts(block_bounds(share.bounds, 0, ~0U), machine, image));
    SPIKELOOM_TRY(image.order, Buffer<std::uint32_t>::of(machine, share.order));
  }
  std::vector<std::int64_t> start(static_cast<std::size_t>(operation.outputs) + 1, 0);
  std::vector<std::pair<std::uint32_t, float>> synapses;
  each_synapse<float>(operation, share.first, nullptr,
                      [&](std::int64_t target, std::uint32_t source, float weight) {
                        ++start[static_cast<std::size_t>(target) + 1];
                        synapses.emplace_back(source, weight);
                      });
  std::partial_sum(start.begin(), start.end(), start.begin());
  for (std::size_t o = 0; o + 1 < start.size(); ++o) {
    std::stable_sort(synapses.begin() + start[o], synapses.begin() + start[o + 1],
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  std::vector<std::uint32_t> source(synapses.size());
  std::vector<float> weight(synapses.size());
  for (std::size_t k = 0; k < synapses.size(); ++k) {
    source[k] = synapses[k].first;
    weight[k] = synapses[k].second;
  }
  SPIKELOOM_TRY(image.start, Buffer<std::int64_t>::of(machine, start));
  SPIKELOOM_TRY(image.source, Buffer<std::uint32_t>::of(machine, source));
  SPIKELOOM_TRY(image.real, Buffer<float>::of(machine, weight));
  return {};
}

/// Targets of a block: a block for each multiprocessor of a large GPU (what was fastest on one with
/// 132), but rows long enough in each, and pivots that take no more memory than synapses if that
/// can be.
constexpr std::uint64_t kMostTargets = 12'000;
std::uint32_t choose_block(std::uint64_t sources, std::uint64_t targets, std::uint64_t synapses) {
  constexpr std::uint64_t kBlocks = 131, kLeast = 1024, kMost = kMostTargets;
  std::uint64_t block = std::clamp(targets / kBlocks, kLeast, kMost);
  while (block < kMost && targets / block * sources > synapses) block = std::min(kMost, block * 2);
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min(block, targets), 1));
}

/// Blocks of a Plan's cores, of several where pivots would take more memory than synapses.
std::vector<std::uint32_t> planned_blocks(const Share& share, std::uint64_t sources,
                                          std::uint64_t synapses) {
  std::uint64_t fill = 0;
  auto bounds = block_bounds(share.bounds, 0, kMostTargets);
  while (fill < kMostTargets && (bounds.size() - 1) * sources > synapses) {
    fill = std::min(kMostTargets, std::max<std::uint64_t>(2 * fill, largest_part(bounds)));
    bounds = block_bounds(share.bounds, static_cast<std::uint32_t>(fill), kMostTargets);
  }
  return bounds;
}

std::vector<std::uint32_t> even_blocks(std::uint32_t targets, std::uint32_t block) {
  std::vector<std::uint32_t> bounds{0};
  while (bounds.back() < targets) bounds.push_back(std::min(targets, bounds.back() + block));
  return bounds;
}

/// Where each target is: its block, and its number there.
struct TargetPlaces {
  std::vector<std::uint32_t> block, index;

  TargetPlaces(const std::vector<std::uint32_t>& bounds, const std::vector<std::uint32_t>& order)
      : block(bounds.back()), index(bounds.back()) {
    for (std::uint32_t b = 0; b + 1 < bounds.size(); ++b) {
      for (std::uint32_t p = bounds[b]; p < bounds[b + 1]; ++p) {
        const std::uint32_t target = order.empty() ? p : order[p];
        block[target] = b;
        index[target] = p - bounds[b];
      }
    }
  }
};

template <typename Op>
Status make_blocks(const Op& operation, const IntegerNode* integer, const Share& share,
                   Machine& machine, WeightImage<std::int32_t>& image) {
  const auto sources = static_cast<std::size_t>(operation.inputs);
  const auto targets = static_cast<std::size_t>(operation.outputs);
  std::vector<std::uint32_t> fan_out(sources, 0);
  std::uint64_t count = 0;
  each_synapse<std::int32_t>(operation, share.first, integer,
                             [&](std::int64_t, std::uint32_t source, std::int32_t) {
                               ++fan_out[source];
                               ++count;
                             });
  std::vector<std::uint32_t> bounds;
  if (share.bounds.empty()) {
    image.block_targets = choose_block(sources, targets, count);
    bounds = even_blocks(static_cast<std::uint32_t>(targets), image.block_targets);
  } else {
    bounds = planned_blocks(share, sources, count);
    image.block_targets = largest_part(bounds);
    SPIKELOOM_CHECK(keep_parts(bounds, machine, image));
    SPIKELOOM_TRY(image.order, Buffer<std::uint32_t>::of(machine, share.order));
  }
  const std::size_t blocks = bounds.size() - 1;
  const TargetPlaces place(bounds, share.order);
  std::vector<std::uint64_t> block_start(blocks + 1, 0);
  std::vector<std::uint32_t> pivot(blocks * (sources + 1), 0);
  const auto pivots = [&](std::int64_t target) {
    return std::size_t{place.block[static_cast<std::size_t>(target)]} * (sources + 1);
  };
  each_synapse<std::int32_t>(operation, share.first, integer,
                             [&](std::int64_t target, std::uint32_t source, std::int32_t) {
                               ++pivot[pivots(target) + source + 1];
                             });
  for (std::size_t b = 0; b < blocks; ++b) {
    std::uint64_t sum = 0;
    for (std::size_t s = 0; s <= sources; ++s) {
      sum += pivot[b * (sources + 1) + s];
      pivot[b * (sources + 1) + s] = static_cast<std::uint32_t>(sum);
    }
    if (sum > ~std::uint32_t{0}) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a block of targets has too many synapses for cuda",
                   .expected = "fewer than 2^32",
                   .got = std::to_string(sum)};
    }
    block_start[b + 1] = block_start[b] + sum;
  }
  std::vector<std::uint32_t> next = pivot, synapse(static_cast<std::size_t>(count));
  each_synapse<std::int32_t>(operation, share.first, integer,
                             [&](std::int64_t target, std::uint32_t source, std::int32_t weight) {
                               const auto t = static_cast<std::size_t>(target);
                               const std::uint64_t at =
                                   block_start[place.block[t]] + next[pivots(target) + source]++;
                               synapse[static_cast<std::size_t>(at)] =
                                   place.index[t] | static_cast<std::uint32_t>(weight) << 16;
                             });
  SPIKELOOM_TRY(image.block_start, Buffer<std::uint64_t>::of(machine, block_start));
  SPIKELOOM_TRY(image.pivot, Buffer<std::uint32_t>::of(machine, pivot));
  SPIKELOOM_TRY(image.synapse, Buffer<std::uint32_t>::of(machine, synapse));
  SPIKELOOM_TRY(image.fan_out, Buffer<std::uint32_t>::of(machine, fan_out));
  return {};
}

Status keep_bits(const BitWeights& weights, Machine& machine, WeightImage<std::int32_t>& image) {
  image.bit_words = weights.words;
  SPIKELOOM_TRY(image.bits, Buffer<std::uint32_t>::of(machine, weights.bits));
  SPIKELOOM_TRY(image.class_of, Buffer<std::uint8_t>::of(machine, weights.class_of));
  SPIKELOOM_TRY(image.class_weight, Buffer<std::int32_t>::of(machine, weights.weight));
  SPIKELOOM_TRY(image.fan_out, Buffer<std::uint32_t>::of(machine, weights.fan_out));
  return {};
}

template <typename V, typename Op>
Status make_rows(const Op& operation, const IntegerNode* integer, const Share& share,
                 Schedule schedule, Machine& machine, WeightImage<V>& image) {
  if constexpr (std::is_same_v<V, float>) {
    return make_targets(operation, share, machine, image);
  } else {
    const auto weights = bit_weights(operation, share.first, *integer, schedule);
    if (weights) return keep_bits(*weights, machine, image);
    return make_blocks(operation, integer, share, machine, image);
  }
}

}  // namespace

template <typename V>
Result<WeightImage<V>> make_weights(const ProgramNode& node, const IntegerNode* integer,
                                    const Share& share, Schedule schedule, Machine& machine) {
  WeightImage<V> image;
  const Status status = std::visit(
      [&](const auto& o) -> Status {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense> || std::is_same_v<Op, op::Convolution>) {
          SPIKELOOM_CHECK(make(o, integer, share, machine, image));
        } else if constexpr (std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse>) {
          SPIKELOOM_CHECK(make_rows(o, integer, share, schedule, machine, image));
        }
        if constexpr (requires { o.row_scale; }) {
          if (node.out_size == 0) return {};
          SPIKELOOM_CHECK(keep_unless(o.row_scale, 1.0, machine, image.scale));
          SPIKELOOM_CHECK(keep_unless(o.bias, 0.0, machine, image.bias));
        }
        return {};
      },
      node.operation);
  if (!status.ok()) return Error(status.error()).in(fmt::format("node \"{}\"", node.name));
  return image;
}

template Result<WeightImage<float>> make_weights(const ProgramNode&, const IntegerNode*,
                                                 const Share&, Schedule, Machine&);
template Result<WeightImage<std::int32_t>> make_weights(const ProgramNode&, const IntegerNode*,
                                                        const Share&, Schedule, Machine&);

}  // namespace spikeloom::cuda
