#include "snn/simulation/connectivity.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>

#include <fmt/format.h>

#include "snn/simulation/binomial.hpp"
#include "snn/simulation/permutation.hpp"

namespace spikeloom::simulation {
namespace {

constexpr std::int64_t kLeastBlock = 4096;
constexpr std::int64_t kMostBlock = std::int64_t{1} << 31;
constexpr double kRowLength = 8.0;
constexpr double kMostInBlock = 1 << 30;
/// Up to here the targets of a Bernoulli row are ticked off in a bitmap, else in their list.
constexpr std::int64_t kBitmapBlock = 65536;

std::uint64_t row_index(std::int64_t source) { return static_cast<std::uint64_t>(source) << 32; }

std::uint32_t pick(std::uint32_t word, std::int64_t n) {
  return static_cast<std::uint32_t>(std::uint64_t{word} * static_cast<std::uint64_t>(n) >> 32);
}

std::int64_t block_count(std::int64_t targets, std::int64_t block) {
  return (targets + block - 1) / block;
}

/// Everything about a projection that its blocks share.
struct Shape {
  std::int64_t sources, targets, block;
  bool same;
  RandomStream stream(const Network& network, DrawKind kind, std::size_t projection,
                      std::uint64_t j) const {
    return draw_stream(network.seed, kind, projection, j);
  }
  std::int64_t blocks() const { return block_count(targets, block); }
  /// Width of the last block in blocks.
  double last_width() const {
    return static_cast<double>(targets - (blocks() - 1) * block) / static_cast<double>(block);
  }
};

Shape shape_of(const Network& network, const Projection& projection) {
  return {network.populations[projection.source].size, network.populations[projection.target].size,
          target_block(network, projection), projection.source == projection.target};
}

/// The number of targets that `source` may have in the block.
std::int64_t candidates(const Connectivity::Block& block, std::int64_t source, bool autapses) {
  const bool own = !autapses && source >= block.first && source < block.first + block.size;
  return block.size - (own ? 1 : 0);
}

/// Counts to starts; the last element is the sum.
void accumulate(std::vector<std::uint32_t>& counts) {
  std::uint32_t sum = 0;
  for (std::uint32_t& count : counts) {
    const std::uint32_t here = count;
    count = sum;
    sum += here;
  }
}

/// Fills in the rows of the blocks of one projection.
struct FillRows {
  const Network& network;
  std::size_t projection;
  Shape shape;
  std::span<Connectivity::Block> blocks;

  void operator()(const AllToAll&) const {
    for (Connectivity::Block& block : blocks) block.degree = static_cast<std::uint32_t>(block.size);
  }
  void operator()(const OneToOne&) const {
    for (Connectivity::Block& block : blocks) block.degree = 1;
  }
  void operator()(const FixedInDegree& rule) const {
    for (Connectivity::Block& block : blocks) to_sources(block, rule.degree * block.size);
  }
  void operator()(const FixedTotalNumber& rule) const {
    const RandomStream stream = shape.stream(network, DrawKind::kDegrees, projection, 0xffffffffU);
    for_blocks(stream, rule.synapses, [this](Connectivity::Block& block, std::int64_t synapses) {
      to_sources(block, synapses);
    });
  }
  void operator()(const FixedOutDegree& rule) const {
    if (shape.blocks() == 1) {
      for (Connectivity::Block& block : blocks) {
        block.degree = static_cast<std::uint32_t>(rule.degree);
      }
      return;
    }
    make_starts();
    for (std::int64_t s = 0; s < shape.sources; ++s) {
      const RandomStream stream =
          shape.stream(network, DrawKind::kSpread, projection, static_cast<std::uint64_t>(s));
      for_blocks(stream, rule.degree, [s](Connectivity::Block& block, std::int64_t synapses) {
        block.start[static_cast<std::size_t>(s)] = static_cast<std::uint32_t>(synapses);
      });
    }
    for (Connectivity::Block& block : blocks) accumulate(block.start);
  }
  void operator()(const PairwiseBernoulli& rule) const {
    make_starts();
    for (Connectivity::Block& block : blocks) {
      const RandomStream stream =
          shape.stream(network, DrawKind::kDegrees, projection, block.number);
      for (std::int64_t s = 0; s < shape.sources; ++s) {
        const std::int64_t n = candidates(block, s, rule.autapses || !shape.same);
        block.start[static_cast<std::size_t>(s)] = static_cast<std::uint32_t>(
            binomial(stream, static_cast<std::uint64_t>(s), n, rule.probability));
      }
      accumulate(block.start);
    }
  }
  void operator()(const ExplicitList& list) const {
    make_starts();
    for (Connectivity::Block& block : blocks) {
      const auto here = [&](std::size_t i) {
        return list.target[i] >= block.first && list.target[i] < block.first + block.size;
      };
      for (std::size_t i = 0; i < list.source.size(); ++i) {
        if (here(i)) ++block.start[list.source[i]];
      }
      accumulate(block.start);
      block.order.resize(block.start.back());
      std::vector<std::uint32_t> next(block.start.begin(), block.start.end() - 1);
      for (std::size_t i = 0; i < list.source.size(); ++i) {
        if (here(i)) block.order[next[list.source[i]]++] = static_cast<std::uint32_t>(i);
      }
    }
  }

 private:
  void make_starts() const {
    for (Connectivity::Block& block : blocks) {
      block.start.assign(static_cast<std::size_t>(shape.sources) + 1, 0);
    }
  }
  template <typename F>
  void for_blocks(const RandomStream& stream, std::int64_t synapses, F f) const {
    if (blocks.empty()) return;
    const std::uint64_t first = blocks.front().number;
    split(stream, synapses, static_cast<std::uint64_t>(shape.blocks()), shape.last_width(), first,
          first + blocks.size(),
          [&](std::uint64_t b, std::int64_t count) { f(blocks[b - first], count); });
  }
  void to_sources(Connectivity::Block& block, std::int64_t synapses) const {
    block.start.assign(static_cast<std::size_t>(shape.sources) + 1, 0);
    const auto sources = static_cast<std::uint64_t>(shape.sources);
    split(shape.stream(network, DrawKind::kDegrees, projection, block.number), synapses, sources,
          1.0, 0, sources, [&](std::uint64_t s, std::int64_t count) {
            block.start[s] = static_cast<std::uint32_t>(count);
          });
    accumulate(block.start);
  }
};

/// A row in the making.
struct MakeRow {
  const Network& network;
  const Connectivity::Block& block;
  std::int64_t source, degree;
  bool same;                ///< source and target population are one
  std::uint32_t neuron0;    ///< network number of neuron 0 of the target population
  std::uint32_t low, high;  ///< network numbers that are wanted
  Connectivity::Scratch& scratch;
  std::vector<Synapse>& out;

  void operator()(const AllToAll& rule) const {
    for (std::int64_t k = 0; k < degree; ++k) {
      const std::int64_t target = block.first + k;
      if (rule.autapses || !same || target != source) append(k, target);
    }
  }
  void operator()(const OneToOne&) const {
    if (source >= block.first && source < block.first + block.size) append(0, source);
  }
  void operator()(const FixedInDegree& rule) const {
    if (degree == 0) return;
    const RandomStream stream = synapses();
    const Permutation place(stream, static_cast<std::uint64_t>(rule.degree * block.size));
    const std::uint64_t first = block.start[static_cast<std::size_t>(source)];
    for (std::int64_t k = 0; k < degree; ++k) {
      const std::uint64_t at = place(first + static_cast<std::uint64_t>(k));
      append(k, block.first + static_cast<std::int64_t>(at) / rule.degree);
    }
  }
  void operator()(const FixedOutDegree&) const { uniform(); }
  void operator()(const FixedTotalNumber&) const { uniform(); }
  void operator()(const PairwiseBernoulli& rule) const {
    if (degree == 0) return;
    const std::int64_t n = candidates(block, source, rule.autapses || !same);
    const bool skip = n < block.size;  // the source itself is no candidate: those behind move up
    const std::int64_t own = source - block.first;
    const bool left_out = degree > n / 2;
    draw_different(n, left_out ? n - degree : degree);
    std::int64_t k = 0;
    const auto add = [&](std::int64_t candidate) {
      append(k++, block.first + candidate + (skip && candidate >= own ? 1 : 0));
    };
    if (!left_out) {
      for (const std::uint32_t candidate : scratch.drawn) add(candidate);
      return;
    }
    std::sort(scratch.drawn.begin(), scratch.drawn.end());
    auto next = scratch.drawn.begin();
    for (std::int64_t candidate = 0; candidate < n; ++candidate) {
      if (next != scratch.drawn.end() && *next == candidate) {
        ++next;
      } else {
        add(candidate);
      }
    }
  }
  void operator()(const ExplicitList& list) const {
    const std::uint32_t first = block.start[static_cast<std::size_t>(source)];
    for (std::int64_t k = 0; k < degree; ++k) {
      const std::uint32_t entry = block.order[first + static_cast<std::size_t>(k)];
      append(k, list.target[entry], entry);
    }
  }

 private:
  RandomStream synapses() const {
    return draw_stream(network.seed, DrawKind::kSynapses, block.projection, block.number);
  }
  void append(std::int64_t k, std::int64_t target, std::uint32_t entry = 0) const {
    const std::uint32_t neuron = neuron0 + static_cast<std::uint32_t>(target);
    if (neuron - low >= high - low) return;
    const auto w = synapses().words(row_index(source) + static_cast<std::uint64_t>(k));
    out.push_back({neuron, w[1], w[2], entry});
  }
  void uniform() const {
    const RandomStream stream = synapses();
    const std::uint64_t index = row_index(source);
    const std::uint32_t first = neuron0 + static_cast<std::uint32_t>(block.first);
    const std::size_t before = out.size();
    out.resize(before + static_cast<std::size_t>(degree));
    Synapse* next = out.data() + before;
    for (std::int64_t k = 0; k < degree; ++k) {
      const auto w = stream.words(index + static_cast<std::uint64_t>(k));
      *next = {first + pick(w[0], block.size), w[1], w[2], 0};
      next += next->target - low < high - low ? 1 : 0;
    }
    out.resize(static_cast<std::size_t>(next - out.data()));
  }
  /// `count` different ones of n into scratch.drawn, in the order they are drawn.
  void draw_different(std::int64_t n, std::int64_t count) const {
    scratch.drawn.clear();
    const bool bitmap = block.size <= kBitmapBlock;
    if (bitmap) scratch.taken.assign(static_cast<std::size_t>(block.size + 63) / 64, 0);
    const auto is_new = [&](std::uint32_t c) {
      if (!bitmap) {
        return std::find(scratch.drawn.begin(), scratch.drawn.end(), c) == scratch.drawn.end();
      }
      const std::uint64_t bit = std::uint64_t{1} << (c % 64);
      const bool fresh = (scratch.taken[c / 64] & bit) == 0;
      scratch.taken[c / 64] |= bit;
      return fresh;
    };
    const RandomStream stream =
        draw_stream(network.seed, DrawKind::kPairs, block.projection, block.number);
    for (std::uint64_t attempt = 0; std::ssize(scratch.drawn) < count; attempt += 4) {
      const auto w = stream.words(row_index(source) + attempt / 4);
      for (int i = 0; i < 4 && std::ssize(scratch.drawn) < count; ++i) {
        const std::uint32_t c = pick(w[static_cast<std::size_t>(i)], n);
        if (is_new(c)) scratch.drawn.push_back(c);
      }
    }
  }
};

/// The blocks of a projection that have targets among neurons [first, last) of their population.
std::vector<Connectivity::Block> blocks_within(std::uint32_t projection, const Shape& shape,
                                               std::int64_t first, std::int64_t last) {
  std::vector<Connectivity::Block> blocks;
  if (first >= last) return blocks;
  for (std::int64_t b = first / shape.block; b * shape.block < last; ++b) {
    Connectivity::Block block;
    block.projection = projection;
    block.number = static_cast<std::uint32_t>(b);
    block.first = b * shape.block;
    block.size = std::min(shape.block, shape.targets - block.first);
    block.inside = block.first >= first && block.first + block.size <= last;
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace

std::int64_t target_block(const Network& network, const Projection& projection) {
  const auto sources = static_cast<double>(network.populations[projection.source].size);
  const auto targets = static_cast<double>(network.populations[projection.target].size);
  const double synapses = std::max(expected_synapses(network, projection), 1.0);
  const double by_row = kRowLength * targets * sources / synapses;
  const double by_size = kMostInBlock * targets / synapses;
  const auto power = [](double x) {
    return static_cast<std::int64_t>(
        std::bit_ceil(static_cast<std::uint64_t>(std::clamp(x, 1.0, 1e15))));
  };
  const std::int64_t most = std::min(kMostBlock, std::max<std::int64_t>(power(by_size) / 2, 1));
  return std::min(std::max(power(by_row), kLeastBlock), most);
}

double Connectivity::expected_bytes(const Network& network, const NeuronRanges& targets) {
  double bytes = 0.0;
  for (const Projection& projection : network.projections) {
    const Shape shape = shape_of(network, projection);
    const auto [begin, end] = targets[projection.target];
    if (begin >= end) continue;
    const std::int64_t blocks = (end + shape.block - 1) / shape.block - begin / shape.block;
    const bool list = std::holds_alternative<ExplicitList>(projection.rule);
    const bool even =
        std::holds_alternative<AllToAll>(projection.rule) ||
        std::holds_alternative<OneToOne>(projection.rule) ||
        (std::holds_alternative<FixedOutDegree>(projection.rule) && shape.blocks() == 1);
    if (!even) bytes += 4.0 * static_cast<double>(blocks * (shape.sources + 1));
    if (list) bytes += 4.0 * expected_synapses(network, projection);
  }
  return bytes;
}

Result<Connectivity> Connectivity::make(const Network& network, std::int64_t first,
                                        std::int64_t last) {
  const std::vector<std::int64_t> first_neuron = first_neurons(network);
  NeuronRanges targets;
  for (std::size_t p = 0; p < network.populations.size(); ++p) {
    const std::int64_t begin = first_neuron[p], end = first_neuron[p + 1];
    targets.emplace_back(std::clamp(first, begin, end) - begin,
                         std::clamp(last, begin, end) - begin);
  }
  return make(network, targets);
}

Result<Connectivity> Connectivity::make(const Network& network, const NeuronRanges& targets) {
  Connectivity made;
  made.network_ = &network;
  made.targets_ = targets;
  made.first_neuron_ = first_neurons(network);
  made.from_.resize(network.populations.size());
  try {
    for (std::size_t p = 0; p < network.projections.size(); ++p) {
      const Projection& projection = network.projections[p];
      const Shape shape = shape_of(network, projection);
      const auto [begin, end] = targets[projection.target];
      std::vector<Block> blocks = blocks_within(static_cast<std::uint32_t>(p), shape, begin, end);
      std::visit(FillRows{network, p, shape, blocks}, projection.rule);
      for (Block& block : blocks) {
        made.from_[projection.source].push_back(static_cast<std::uint32_t>(made.blocks_.size()));
        made.blocks_.push_back(std::move(block));
      }
    }
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "no memory for the lengths of the rows",
                 .expected = fmt::format("{:.0f} MB", expected_bytes(network, targets) / 1e6)};
  }
  return made;
}

std::int64_t Connectivity::most_in_row(const Block& block, std::int64_t source) const {
  if (block.start.empty()) return block.degree;
  const auto s = static_cast<std::size_t>(source);
  return block.start[s + 1] - block.start[s];
}

void Connectivity::append_row(const Block& block, std::int64_t source, Scratch& scratch,
                              std::vector<Synapse>& out) const {
  const Projection& projection = network_->projections[block.projection];
  const MakeRow make{*network_,
                     block,
                     source,
                     most_in_row(block, source),
                     projection.source == projection.target,
                     static_cast<std::uint32_t>(first_neuron_[projection.target]),
                     static_cast<std::uint32_t>(first_neuron_[projection.target] +
                                                targets_[projection.target].first),
                     static_cast<std::uint32_t>(first_neuron_[projection.target] +
                                                targets_[projection.target].second),
                     scratch,
                     out};
  std::visit(make, projection.rule);
}

}  // namespace spikeloom::simulation
