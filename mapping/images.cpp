#include "mapping/images.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mapping/detail/image_bytes.hpp"

namespace spikeloom::mapping {
namespace {

/// The layer whose weights a projection has; null where it has none.
const ProgramNode* weighted_node(const Program& program, const PlanProjection& projection) {
  const ProgramNode* found = nullptr;
  for (const std::uint32_t n : projection.nodes) {
    const Operation& operation = program.nodes[n].operation;
    if (is_weight_operation(operation) || std::holds_alternative<op::Recurrent>(operation)) {
      found = &program.nodes[n];
    }
  }
  return found;
}

bool holds(std::uint32_t bytes, double weight) {
  if (bytes == 4) return true;
  const double most = bytes == 1 ? 127.0 : 32767.0;
  return weight == std::floor(weight) && weight <= most && weight >= -most - 1.0;
}

Status check_weight(std::uint32_t bytes, double weight, const std::string& where) {
  if (holds(bytes, weight)) return {};
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("a weight that {} bytes do not hold", bytes),
               .where = where,
               .got = fmt::format("{}", weight),
               .next = "spikeloom quantize makes weights integers"};
}

/// Of what encode() makes, without making it: a Plan that says otherwise costs no memory.
std::uint64_t encoded_bytes(const BlockLayout& layout, const std::vector<ImageSynapse>& synapses) {
  const auto unit =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(layout.constants.row_align));
  const auto aligned = [unit](std::uint64_t bytes) { return (bytes + unit - 1) / unit * unit; };
  const std::uint64_t count = synapses.size();
  switch (layout.kind) {
    case BlockKind::kDense:
      return layout.rows *
             aligned(std::uint64_t{layout.targets} * layout.gates * layout.weight_bytes);
    case BlockKind::kSparse:
      return aligned((std::uint64_t{layout.rows} + 1) * layout.gates * (count <= 65535 ? 2 : 4)) +
             aligned(count * static_cast<std::uint64_t>(layout.constants.index_bytes)) +
             aligned(count * layout.weight_bytes);
    case BlockKind::kRows: {
      std::vector<std::uint32_t> length(layout.rows, 0);
      for (const ImageSynapse& s : synapses) {
        if (s.row < layout.rows) ++length[s.row];
      }
      std::uint64_t longest = layout.row_words;
      for (const std::uint32_t words : length) longest = std::max<std::uint64_t>(longest, words);
      const auto word = static_cast<std::uint64_t>(layout.constants.word_bytes);
      return layout.rows *
             (static_cast<std::uint64_t>(layout.constants.row_bytes) + aligned(longest * word));
    }
    case BlockKind::kOneToOne:
      return aligned(count * layout.weight_bytes);
    case BlockKind::kKernel:
      break;
  }
  return 0;
}

}  // namespace

MemoryImages::MemoryImages(const Program& program, const PopulationGraph& graph, const Plan& plan,
                           const ResourceOptions& resources)
    : program_(program), graph_(graph), plan_(plan), resources_(resources) {}

std::uint32_t MemoryImages::neuron(std::uint32_t population, std::uint32_t position) const {
  const auto& order = plan_.populations[population].order;
  return order.empty() ? position : order[position];
}

BlockLayout MemoryImages::layout(std::uint32_t block) const {
  const PlanBlock& of = plan_.blocks[block];
  const Projection& projection = graph_.projections[of.projection];
  BlockLayout made{.kind = of.kind,
                   .targets = plan_.slices[of.slice].count,
                   .gates = projection.gates,
                   .weight_bytes = projection.weight_bytes,
                   .delay = projection.delay,
                   .constants = plan_.target.constants};
  if (projection.weight_bytes > 0 && resources_.weight_bytes > 0) {
    made.weight_bytes = resources_.weight_bytes;
  }
  made.rows = graph_.populations[projection.source].neurons();
  if (projection.pattern == Pattern::kOneToOne) made.rows = made.targets;
  if (projection.pattern == Pattern::kAll && projection.rows > 0) {
    made.rows = static_cast<std::uint32_t>(projection.rows);
  }
  if (projection.pattern == Pattern::kAll) made.row_words = made.targets * made.gates;
  return made;
}

Result<std::vector<ImageSynapse>> MemoryImages::synapses(std::uint32_t block) const {
  const PlanBlock& of = plan_.blocks[block];
  const PlanProjection& projection = plan_.projections[of.projection];
  const PlanSlice& slice = plan_.slices[of.slice];
  const BlockLayout shape = layout(block);
  const bool direct = graph_.projections[of.projection].rows == 0;
  std::vector<ImageSynapse> made;
  const ProgramNode* node = weighted_node(program_, projection);
  if (projection.pattern == Pattern::kOneToOne) {
    for (std::uint32_t i = 0; i < slice.count; ++i) made.push_back({i, 0, i, 1.0, shape.delay});
    return made;
  }
  if (node == nullptr || projection.pattern == Pattern::kRandom) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "connections that are no list of synapses have no image",
                 .where = node == nullptr ? plan_.populations[projection.target].name : node->name};
  }
  // Rows by source neuron, and targets of the slice by neuron.
  std::vector<std::uint32_t> row(graph_.populations[projection.source].neurons());
  for (std::uint32_t p = 0; p < row.size(); ++p) row[neuron(projection.source, p)] = p;
  const auto row_of = [&](std::size_t input) {
    return direct ? row[input] : static_cast<std::uint32_t>(input);
  };
  if (const auto* dense = std::get_if<op::Dense>(&node->operation)) {
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      const std::size_t output = neuron(slice.population, slice.first + i);
      for (std::size_t k = 0; k < static_cast<std::size_t>(dense->inputs); ++k) {
        const double weight = dense->weight[output * static_cast<std::size_t>(dense->inputs) + k];
        if (weight != 0.0) made.push_back({row_of(k), 0, i, weight, shape.delay});
      }
    }
  } else if (const auto* sparse = std::get_if<op::Sparse>(&node->operation)) {
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      const std::size_t output = neuron(slice.population, slice.first + i);
      for (auto k = sparse->row_start[output]; k < sparse->row_start[output + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        made.push_back({row_of(static_cast<std::size_t>(sparse->column[at])), 0, i,
                        sparse->value[at], shape.delay});
      }
    }
  } else if (const auto* layer = std::get_if<op::Recurrent>(&node->operation)) {
    const op::SourceMatrix& matrix =
        is_own(plan_, of.projection) ? layer->recurrent : layer->kernel;
    const auto units = static_cast<std::uint32_t>(layer->units);
    std::vector<std::uint32_t> place(units, slice.count);
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      place[neuron(slice.population, slice.first + i)] = i;
    }
    for (std::size_t input = 0; input < static_cast<std::size_t>(matrix.inputs); ++input) {
      for (auto k = matrix.row_start[input]; k < matrix.row_start[input + 1]; ++k) {
        const std::uint32_t target = matrix.target[static_cast<std::size_t>(k)];
        const std::uint32_t at = place[target % units];
        if (at == slice.count) continue;
        made.push_back({row_of(input), target / units, at,
                        static_cast<double>(matrix.value[static_cast<std::size_t>(k)]),
                        shape.delay});
      }
    }
  } else {
    return Error{.code = ErrorCode::kShape,
                 .what = "a block of another kind than its layer's",
                 .where = node->name,
                 .got = to_string(of.kind),
                 .next = "map the network anew"};
  }
  for (const ImageSynapse& s : made) {
    SPIKELOOM_CHECK(check_weight(shape.weight_bytes, s.weight, node->name));
  }
  return made;
}

/// Delays of the way, its Delay nodes' own for each synapse. `delay` of the projection is that of
/// their longest.
Status MemoryImages::set_delays(std::uint32_t block, std::vector<ImageSynapse>& synapses) const {
  const PlanBlock& of = plan_.blocks[block];
  const PlanSlice& slice = plan_.slices[of.slice];
  const PlanProjection& projection = plan_.projections[of.projection];
  const ProgramNode* weighted = weighted_node(program_, projection);
  bool behind = weighted == nullptr;  // the weights
  for (const std::uint32_t n : projection.nodes) {
    const ProgramNode& node = program_.nodes[n];
    behind |= &node == weighted;
    const auto* delay = std::get_if<op::Delay>(&node.operation);
    if (delay == nullptr || delay->steps.empty()) continue;
    const auto [least, most] = std::minmax_element(delay->steps.begin(), delay->steps.end());
    if (*least == *most) continue;
    if (!behind && graph_.projections[of.projection].rows > 0) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "delays of neurons that a pool joins have no image",
                   .where = node.name};
    }
    for (ImageSynapse& s : synapses) {
      const std::uint32_t element = behind ? neuron(slice.population, slice.first + s.target)
                                           : neuron(projection.source, s.row);
      s.delay -= *most - delay->steps[element];
    }
  }
  for (ImageSynapse& s : synapses) s.delay = std::max(s.delay, 1U);
  return {};
}

Result<std::vector<std::byte>> MemoryImages::kernel(std::uint32_t block) const {
  const PlanBlock& of = plan_.blocks[block];
  const PlanSlice& slice = plan_.slices[of.slice];
  const Projection& projection = graph_.projections[of.projection];
  const Window& window = projection.window;
  const Extent3& shape = graph_.populations[projection.target].shape;
  const BlockLayout layout = this->layout(block);
  Extent3 low = shape, high = {0, 0, 0};
  for (std::uint32_t i = 0; i < slice.count; ++i) {
    const std::uint32_t n = neuron(slice.population, slice.first + i);
    const Extent3 at = {n / (shape[1] * shape[2]), n / shape[2] % shape[1], n % shape[2]};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], at[axis]);
      high[axis] = std::max(high[axis], at[axis] + 1);
    }
  }
  detail::ImageWriter out;
  if (layout.constants.kernel_bytes > 0.0) {
    for (std::size_t axis = 0; axis < 3; ++axis) out.number(low[axis], 2);
    for (std::size_t axis = 0; axis < 3; ++axis) out.number(high[axis] - low[axis], 2);
    for (const WindowAxis& axis : {window.rows, window.columns}) {
      for (const std::int64_t value : {axis.stride, axis.pad, axis.extent}) {
        out.number(static_cast<std::uint64_t>(value), 2);
      }
    }
    for (const std::uint32_t value : {window.groups, window.taps, layout.weight_bytes}) {
      out.number(value, 2);
    }
    out.fill(static_cast<std::size_t>(layout.constants.kernel_bytes));
  }
  const ProgramNode* node = weighted_node(program_, plan_.projections[of.projection]);
  if (node != nullptr && layout.weight_bytes > 0) {
    const auto* convolution = std::get_if<op::Convolution>(&node->operation);
    if (convolution == nullptr) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "windows that are no convolution have no image",
                   .where = node->name};
    }
    const std::size_t each =
        convolution->weight.size() / static_cast<std::size_t>(convolution->out_channels);
    for (std::size_t i = low[0] * each; i < high[0] * each; ++i) {
      SPIKELOOM_CHECK(check_weight(layout.weight_bytes, convolution->weight[i], node->name));
      out.weight(convolution->weight[i], layout.weight_bytes);
    }
  }
  out.align(std::max(1U, static_cast<std::uint32_t>(layout.constants.row_align)));
  return out.take();
}

Result<std::vector<std::byte>> MemoryImages::block(std::uint32_t block) const {
  const PlanBlock& of = plan_.blocks[block];
  std::vector<std::byte> bytes;
  if (of.bytes == 0) return bytes;
  const auto other_length = [&](std::uint64_t got) {
    return Error{.code = ErrorCode::kShape,
                 .what = "an image that is not as long as its Plan says",
                 .where = fmt::format("block {}, into {}", block,
                                      plan_.populations[plan_.slices[of.slice].population].name),
                 .expected = fmt::format("{} bytes", of.bytes),
                 .got = fmt::format("{}", got),
                 .next = "make images with the network and options that the Plan was made with"};
  };
  if (of.kind == BlockKind::kKernel) {
    SPIKELOOM_TRY(bytes, kernel(block));
  } else {
    SPIKELOOM_TRY(auto all, synapses(block));
    if (of.kind == BlockKind::kRows) SPIKELOOM_CHECK(set_delays(block, all));
    const BlockLayout shape = layout(block);
    const std::uint64_t length = encoded_bytes(shape, all);
    if (length != of.bytes) return other_length(length);
    SPIKELOOM_TRY(bytes, encode(shape, all));
  }
  if (bytes.size() != of.bytes) return other_length(bytes.size());
  return bytes;
}

Result<std::vector<std::byte>> MemoryImages::image(const Place& place) const {
  std::vector<std::byte> all;
  for (std::uint32_t b = 0; b < plan_.blocks.size(); ++b) {
    const PlanBlock& of = plan_.blocks[b];
    const std::uint32_t core = plan_.slices[of.slice].core;
    const std::uint32_t number = place.in_chip ? plan_.cores[core].chip : core;
    if (of.in_chip != place.in_chip || number != place.number) continue;
    SPIKELOOM_TRY(const auto bytes, block(b));
    all.resize(std::max<std::size_t>(all.size(), of.address + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(of.address));
  }
  return all;
}

bool MemoryImages::is_of_graph() const {
  if (plan_.populations.size() != graph_.populations.size() ||
      plan_.projections.size() != graph_.projections.size()) {
    return false;
  }
  for (std::size_t p = 0; p < plan_.populations.size(); ++p) {
    const PlanPopulation& mine = plan_.populations[p];
    const Population& other = graph_.populations[p];
    if (mine.node != other.node || mine.shape != other.shape) return false;
  }
  for (std::size_t j = 0; j < plan_.projections.size(); ++j) {
    const PlanProjection& mine = plan_.projections[j];
    const Projection& other = graph_.projections[j];
    if (mine.source != other.source || mine.target != other.target ||
        mine.pattern != other.pattern || mine.nodes != other.nodes) {
      return false;
    }
  }
  return true;
}

Result<PlanImages> MemoryImages::all() const {
  if (!is_of_graph()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the plan was made for another network",
                 .where = plan_.network,
                 .next = "map this network anew"};
  }
  PlanImages made;
  made.cores.resize(plan_.cores.size());
  for (std::uint32_t b = 0; b < plan_.blocks.size(); ++b) {
    const PlanBlock& of = plan_.blocks[b];
    if (of.bytes == 0) continue;
    auto bytes = block(b);
    if (!bytes.ok() && bytes.error().code == ErrorCode::kUnsupported) {
      made.missing.push_back(b);
      continue;
    }
    if (!bytes.ok()) return std::move(bytes).error();
    const std::uint32_t core = plan_.slices[of.slice].core;
    std::vector<std::byte>& to = of.in_chip ? made.chips[plan_.cores[core].chip] : made.cores[core];
    to.resize(std::max<std::size_t>(to.size(), of.address + bytes->size()));
    std::copy(bytes->begin(), bytes->end(), to.begin() + static_cast<std::ptrdiff_t>(of.address));
  }
  return made;
}

Result<std::vector<std::byte>> MemoryImages::core(std::uint32_t core) const {
  return image({false, core});
}

Result<std::vector<std::byte>> MemoryImages::chip(std::uint32_t chip) const {
  return image({true, chip});
}

}  // namespace spikeloom::mapping
