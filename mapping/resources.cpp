#include "mapping/resources.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::mapping {
namespace {

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(value); }

}  // namespace

const char* to_string(BlockKind kind) {
  switch (kind) {
    case BlockKind::kDense:
      return "dense";
    case BlockKind::kSparse:
      return "sparse";
    case BlockKind::kRows:
      return "rows";
    case BlockKind::kKernel:
      return "kernel";
    case BlockKind::kOneToOne:
      return "one-to-one";
  }
  return "";
}

const char* to_string(Resource resource) {
  switch (resource) {
    case Resource::kNeurons:
      return "neurons";
    case Resource::kData:
      return "data memory";
    case Resource::kInAxons:
      return "in-axons";
    case Resource::kOutAxons:
      return "out-axons";
    case Resource::kCycles:
      return "cycles of a tick";
    case Resource::kDelay:
      return "delay";
    case Resource::kChipMemory:
      return "chip memory";
  }
  return "";
}

Listened listened(const WindowAxis& axis, std::uint32_t first, std::uint32_t size,
                  std::uint32_t length) {
  const std::int64_t begin = std::int64_t{first} * axis.stride - axis.pad;
  const std::int64_t end = (std::int64_t{first} + size - 1) * axis.stride - axis.pad + axis.extent;
  const auto clip = [length](std::int64_t at) {
    return std::clamp<std::int64_t>(at, 0, std::int64_t{length});
  };
  return {clip(begin), clip(end)};
}

bool hears(const WindowAxis& axis, std::uint32_t first, std::uint32_t size, std::int64_t begin,
           std::int64_t end) {
  const auto floor_of = [&axis](std::int64_t a) {
    return a >= 0 ? a / axis.stride : -((-a + axis.stride - 1) / axis.stride);
  };
  // The targets whose windows reach behind `begin` and start before `end`.
  const std::int64_t from = floor_of(begin + axis.pad - axis.extent) + 1;
  const std::int64_t to = floor_of(end - 1 + axis.pad);
  return std::max<std::int64_t>(from, first) <= std::min(to, std::int64_t{first} + size - 1);
}

Box listened(const Window& window, const Box& box, const Population& source,
             const Population& target) {
  Box heard;
  const std::uint32_t in = source.shape[0] / window.groups, out = target.shape[0] / window.groups;
  const std::uint32_t first_group = box.first[0] / out;
  const std::uint32_t last_group = (box.first[0] + box.size[0] - 1) / out;
  heard.first[0] = first_group * in;
  heard.size[0] = (last_group - first_group + 1) * in;
  for (const std::size_t axis : {std::size_t{1}, std::size_t{2}}) {
    const Listened range = listened(axis == 1 ? window.rows : window.columns, box.first[axis],
                                    box.size[axis], source.shape[axis]);
    heard.first[axis] = static_cast<std::uint32_t>(range.begin);
    heard.size[axis] =
        static_cast<std::uint32_t>(std::max<std::int64_t>(0, range.end - range.begin));
  }
  return heard;
}

CoreLimits core_limits(const Target& target, const ResourceOptions& options) {
  const TargetConstants& c = target.constants;
  CoreLimits limits{.neurons = whole(c.neurons),
                    .in_axons = whole(c.in_axons),
                    .out_axons = whole(c.out_axons),
                    .data_bytes = whole(c.data_bytes),
                    .delay = whole(c.delay_slots),
                    .cycles = options.real_time ? c.clock * c.tick_seconds : 0.0};
  if (options.neurons_per_core > 0 &&
      (limits.neurons == 0 || options.neurons_per_core < limits.neurons)) {
    limits.neurons = options.neurons_per_core;
  }
  return limits;
}

CoreLimits core_limits(const Target& target, const ResourceOptions& options,
                       std::uint32_t population) {
  CoreLimits limits = core_limits(target, options);
  const bool own = population < options.population_neurons.size();
  const std::uint64_t most = own ? options.population_neurons[population] : 0;
  if (most > 0 && (limits.neurons == 0 || most < limits.neurons)) limits.neurons = most;
  return limits;
}

double amount(const CoreUse& use, Resource resource) {
  switch (resource) {
    case Resource::kNeurons:
      return static_cast<double>(use.neurons);
    case Resource::kData:
      return static_cast<double>(use.data_bytes());
    case Resource::kInAxons:
      return static_cast<double>(use.in_axons);
    case Resource::kOutAxons:
      return static_cast<double>(use.out_axons);
    case Resource::kCycles:
      return use.cycles;
    case Resource::kChipMemory:
      return static_cast<double>(use.shared_bytes);
    case Resource::kDelay:
      break;
  }
  return 0.0;
}

double amount(const CoreLimits& limits, Resource resource) {
  switch (resource) {
    case Resource::kNeurons:
      return static_cast<double>(limits.neurons);
    case Resource::kData:
      return static_cast<double>(limits.data_bytes);
    case Resource::kInAxons:
      return static_cast<double>(limits.in_axons);
    case Resource::kOutAxons:
      return static_cast<double>(limits.out_axons);
    case Resource::kCycles:
      return limits.cycles;
    case Resource::kDelay:
      return static_cast<double>(limits.delay);
    case Resource::kChipMemory:
      break;
  }
  return 0.0;
}

std::optional<Resource> over(const CoreUse& use, const CoreLimits& limits) {
  for (const Resource resource : {Resource::kNeurons, Resource::kData, Resource::kInAxons,
                                  Resource::kOutAxons, Resource::kCycles}) {
    const double limit = amount(limits, resource);
    if (limit > 0.0 && amount(use, resource) > limit) return resource;
  }
  return std::nullopt;
}

ResourceModel::ResourceModel(const PopulationGraph& graph, const Target& target,
                             const ResourceOptions& options)
    : graph_(graph), target_(target), options_(options), into_(graph.populations.size()) {
  for (std::uint32_t p = 0; p < graph.projections.size(); ++p) {
    into_[graph.projections[p].target].push_back(p);
  }
}

std::uint32_t ResourceModel::longest_delay(std::uint32_t population) const {
  std::uint32_t longest = 0;
  for (const std::uint32_t p : into_[population]) {
    longest = std::max(longest, graph_.projections[p].delay);
  }
  return longest;
}

std::uint64_t ResourceModel::align(std::uint64_t bytes) const {
  const std::uint64_t unit = std::max<std::uint64_t>(1, whole(target_.constants.row_align));
  return (bytes + unit - 1) / unit * unit;
}

std::uint64_t ResourceModel::weight(const Projection& projection) const {
  if (projection.weight_bytes == 0) return 0;
  return options_.weight_bytes > 0 ? options_.weight_bytes : projection.weight_bytes;
}

std::uint64_t ResourceModel::sparse_bytes(std::uint64_t rows, std::uint64_t synapses,
                                          const Projection& projection) const {
  const std::uint64_t pointer = synapses <= 65535 ? 2 : 4;
  return align((rows + 1) * projection.gates * pointer) +
         align(synapses * whole(target_.constants.index_bytes)) +
         align(synapses * weight(projection));
}

PlanBlock ResourceModel::listed(const Projection& projection, const Box& box) const {
  const SynapseList& list = *projection.list;
  const std::uint32_t sources = graph_.populations[projection.source].neurons();
  const Extent3& shape = graph_.populations[projection.target].shape;
  row_length_.assign(sources, 0);
  PlanBlock block;
  std::uint32_t longest = 0;
  for (std::uint32_t c = box.first[0]; c < box.first[0] + box.size[0]; ++c) {
    for (std::uint32_t r = box.first[1]; r < box.first[1] + box.size[1]; ++r) {
      const std::size_t at = (std::size_t{c} * shape[1] + r) * shape[2] + box.first[2];
      block.synapses += list.start[at + box.size[2]] - list.start[at];
      for (std::uint64_t i = list.start[at]; i < list.start[at + box.size[2]]; ++i) {
        const std::uint32_t length = ++row_length_[list.source[i]];
        block.sources += length == 1 ? 1U : 0U;
        longest = std::max(longest, length);
      }
    }
  }
  if (target_.synapses == SynapseLayout::kRows) {
    block.kind = BlockKind::kRows;
    block.bytes = sources * (whole(target_.constants.row_bytes) +
                             align(longest * whole(target_.constants.word_bytes)));
  } else {
    const std::uint64_t dense =
        sources * align(std::uint64_t{box.neurons()} * projection.gates * weight(projection));
    const std::uint64_t sparse = sparse_bytes(sources, block.synapses, projection);
    block.kind = dense <= sparse ? BlockKind::kDense : BlockKind::kSparse;
    block.bytes = std::min(dense, sparse);
  }
  return block;
}

PlanBlock ResourceModel::block(const Projection& projection, const Box& box) const {
  const Population& source = graph_.populations[projection.source];
  const Population& target = graph_.populations[projection.target];
  const bool in_rows = target_.synapses == SynapseLayout::kRows;
  const std::uint64_t header = whole(target_.constants.row_bytes);
  const std::uint64_t word = whole(target_.constants.word_bytes);
  const std::uint64_t n = box.neurons();
  PlanBlock block;
  switch (projection.pattern) {
    case Pattern::kAll: {
      const std::uint64_t rows = projection.rows > 0 ? projection.rows : source.neurons();
      block.sources = source.neurons();
      block.synapses = rows * n * projection.gates;
      block.kind = in_rows ? BlockKind::kRows : BlockKind::kDense;
      block.bytes = in_rows ? rows * (header + align(n * projection.gates * word))
                            : rows * align(n * projection.gates * weight(projection));
      break;
    }
    case Pattern::kOneToOne:
      block.sources = block.synapses = n;
      block.kind = in_rows ? BlockKind::kRows : BlockKind::kOneToOne;
      block.bytes = in_rows ? n * (header + align(word)) : align(n * weight(projection));
      break;
    case Pattern::kWindow: {
      const Box heard = listened(projection.window, box, source, target);
      const std::uint64_t channels = source.shape[0] / projection.window.groups;
      block.sources = std::uint64_t{heard.size[0]} * heard.size[1] * heard.size[2];
      block.synapses = n * channels * projection.window.taps;
      block.kind = BlockKind::kKernel;
      block.bytes = whole(target_.constants.kernel_bytes) +
                    align(box.size[0] * channels * projection.window.taps * weight(projection));
      break;
    }
    case Pattern::kRandom: {
      const double share = projection.synapses * static_cast<double>(n) / target.neurons();
      block.sources = source.neurons();
      block.synapses = whole(std::ceil(share));
      const std::uint64_t row = whole(std::ceil(share / source.neurons()));
      block.kind = in_rows ? BlockKind::kRows : BlockKind::kSparse;
      block.bytes = in_rows ? block.sources * (header + align(row * word))
                            : sparse_bytes(block.sources, block.synapses, projection);
      break;
    }
    case Pattern::kList:
      return listed(projection, box);
  }
  return block;
}

CoreUse ResourceModel::use(std::uint32_t population, const Box& box,
                           const std::vector<std::uint32_t>& source_slices,
                           std::vector<PlanBlock>* blocks) const {
  const TargetConstants& c = target_.constants;
  const Population& target = graph_.populations[population];
  CoreUse use;
  use.neurons = box.neurons();
  use.state_bytes = use.neurons * target.state_values * whole(c.state_bytes);
  use.table_bytes = whole(c.fixed_bytes);
  use.cycles = c.cycles_tick;
  if (!target.source) {
    const std::uint64_t slots = longest_delay(population) + 1;
    use.buffer_bytes =
        use.neurons * target.sums * whole(c.sums * c.sum_bytes) * slots + whole(c.spike_bytes);
    use.cycles += static_cast<double>(use.neurons) * c.cycles_neuron;
  }
  for (const std::uint32_t p : into_[population]) {
    const Projection& projection = graph_.projections[p];
    PlanBlock made = block(projection, box);
    made.projection = p;
    made.in_chip = c.rows_apart > 0.0 && made.kind == BlockKind::kRows;
    use.in_axons += made.sources;
    use.synapses += made.synapses;
    use.row_bytes += made.bytes;
    if (made.in_chip) use.shared_bytes += made.bytes;
    use.table_bytes += source_slices[projection.source] * whole(c.block_bytes);
    const double rate = graph_.populations[projection.source].rate;
    const std::uint64_t sources = graph_.populations[projection.source].neurons();
    use.cycles += rate * static_cast<double>(made.sources) * c.cycles_packet;
    use.cycles +=
        rate * static_cast<double>(made.synapses) *
        (projection.rows > 0 ? static_cast<double>(sources) / static_cast<double>(projection.rows)
                             : 1.0) *
        c.cycles_synapse;
    if (blocks != nullptr) blocks->push_back(made);
  }
  return use;
}

}  // namespace spikeloom::mapping
