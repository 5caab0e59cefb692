#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "backends/emulator/core_images_private.hpp"
#include "snn/stored_weights.hpp"

namespace spikeloom::emulator {
namespace {

using mapping::BlockKind;

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(std::max(value, 0.0)); }

/// Little-endian numbers.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const mapping::TargetConstants& constants)
      : bytes_(bytes),
        unit_(std::clamp<std::uint64_t>(whole(constants.row_align), 1, std::uint64_t{1} << 32U)) {}
  std::uint64_t size() const { return bytes_.size(); }
  std::uint64_t aligned(std::uint64_t bytes) const { return (bytes + unit_ - 1) / unit_ * unit_; }
  std::uint64_t number(std::uint64_t at, std::uint64_t wide) const {
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < wide; ++i) {
      value |= std::to_integer<std::uint64_t>(bytes_[at + i]) << (8 * i);
    }
    return value;
  }
  double weight(std::uint64_t at, std::uint32_t wide) const {
    const auto word = static_cast<std::uint32_t>(number(at, wide));
    if (wide == 4) return double{std::bit_cast<float>(word)};
    if (wide == 2) return static_cast<std::int16_t>(word);
    return static_cast<std::int8_t>(word);
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t unit_;
};

/// Of a kernel, 16 bits each.
constexpr std::array<const char*, 15> kKernelHeader = {
    "first channel",    "first row",         "first column",       "number of channels",
    "number of rows",   "number of columns", "stride of rows",     "padding of rows",
    "extent of rows",   "stride of columns", "padding of columns", "extent of columns",
    "number of groups", "number of taps",    "size of a weight"};

/// Of a matrix, which a block other than a kernel lists.
bool lists_weights(const Operation& operation) {
  return std::holds_alternative<op::Dense>(operation) ||
         std::holds_alternative<op::Sparse>(operation) ||
         std::holds_alternative<op::Recurrent>(operation);
}

Error not_the_plans() {
  return Error{.code = ErrorCode::kShape,
               .what = "images of other cores than the plan's, or too short for its blocks",
               .next = "make them anew: spikeloom map --images"};
}

}  // namespace

Result<CoreImages> CoreImages::of(const Program& program, const mapping::Plan& plan,
                                  const mapping::PlanImages& images) {
  CoreImages made(program, plan, images);
  if (images.cores.size() != plan.cores.size()) return not_the_plans();
  made.is_missing_.assign(plan.blocks.size(), 0);
  made.blocks_.resize(plan.projections.size());
  for (const std::uint32_t block : images.missing) {
    if (block < made.is_missing_.size()) made.is_missing_[block] = 1;
  }
  for (std::uint32_t b = 0; b < plan.blocks.size(); ++b) {
    const mapping::PlanBlock& block = plan.blocks[b];
    const mapping::PlanProjection& projection = plan.projections[block.projection];
    const auto in_program = [&](std::uint32_t node) { return node < program.nodes.size(); };
    if (!std::all_of(projection.nodes.begin(), projection.nodes.end(), in_program) ||
        projection.source >= plan.populations.size() ||
        projection.target >= plan.populations.size() ||
        plan.slices[block.slice].population != projection.target) {
      return not_the_plans();
    }
    made.blocks_[block.projection].push_back(b);
    if (block.bytes == 0 || made.is_missing_[b] != 0) continue;
    const std::uint32_t core = plan.slices[block.slice].core;
    const std::vector<std::byte>* memory = &images.cores[core];
    if (block.in_chip) {
      const auto chip = images.chips.find(plan.cores[core].chip);
      if (chip == images.chips.end()) return not_the_plans();
      memory = &chip->second;
    }
    if (block.address > memory->size() || block.bytes > memory->size() - block.address) {
      return not_the_plans();
    }
  }
  return made;
}

std::span<const std::byte> CoreImages::bytes(std::uint32_t block) const {
  const mapping::PlanBlock& of = plan_->blocks[block];
  const std::uint32_t core = plan_->slices[of.slice].core;
  const std::vector<std::byte>& memory =
      of.in_chip ? images_->chips.at(plan_->cores[core].chip) : images_->cores[core];
  return std::span(memory).subspan(of.address, of.bytes);
}

Error CoreImages::wrong(std::uint32_t block, const char* what) const {
  const mapping::PlanSlice& slice = plan_->slices[plan_->blocks[block].slice];
  const mapping::PlanCore& core = plan_->cores[slice.core];
  const auto width = static_cast<std::uint32_t>(std::max(plan_->target.width, 1));
  return Error{
      .code = ErrorCode::kShape,
      .what = fmt::format("the image of a core is not this network's: {}", what),
      .where = fmt::format("chip ({}, {}), core {}, rows into \"{}\"", core.chip % width,
                           core.chip / width, core.core, plan_->populations[slice.population].name),
      .next = "make the images anew, with this network and Plan"};
}

std::uint32_t CoreImages::neuron(std::uint32_t population, std::uint32_t position) const {
  const auto& order = plan_->populations[population].order;
  return order.empty() ? position : order[position];
}

CoreImages::Shape CoreImages::shape(std::uint32_t block) const {
  const mapping::PlanBlock& of = plan_->blocks[block];
  const mapping::PlanProjection& projection = plan_->projections[of.projection];
  Shape made;
  made.targets = plan_->slices[of.slice].count;
  for (const std::uint32_t n : projection.nodes) {
    const Operation& operation = program_->nodes[n].operation;
    if (is_weight_operation(operation) || std::holds_alternative<op::Recurrent>(operation)) {
      made.node = n;
      made.has_weights = true;
    } else if (std::holds_alternative<op::Pool>(operation) && !made.has_weights) {
      made.direct = false;
    }
  }
  if (!made.has_weights) {
    made.rows = made.targets;
    return made;
  }
  const ProgramNode& node = program_->nodes[made.node];
  made.rows = static_cast<std::uint32_t>(node.in_size);
  std::visit(
      [&](const auto& o) {
        if constexpr (requires { o.recurrent; }) {
          made.gates = static_cast<std::uint32_t>(op::gate_count(o.cell));
        } else if constexpr (requires { o.column; }) {
          made.weight_bytes = stored_bytes(o.value);
        } else if constexpr (requires {
                               o.weight;
                               o.row_scale;
                             }) {
          made.weight_bytes = stored_bytes(o.weight);
        }
      },
      node.operation);
  if (std::holds_alternative<op::Recurrent>(node.operation)) {
    const op::SourceMatrix& weights = matrix(block, made);
    made.rows = static_cast<std::uint32_t>(weights.inputs);
    made.weight_bytes = stored_bytes(weights.value);
  }
  return made;
}

const op::SourceMatrix& CoreImages::matrix(std::uint32_t block, const Shape& shape) const {
  const auto& layer = std::get<op::Recurrent>(program_->nodes[shape.node].operation);
  const bool own = mapping::is_own(*plan_, plan_->blocks[block].projection);
  return own ? layer.recurrent : layer.kernel;
}

Result<std::vector<CoreImages::Entry>> CoreImages::dense(std::uint32_t block,
                                                         const Shape& shape) const {
  const Reader in(bytes(block), plan_->target.constants);
  const std::uint64_t width = std::uint64_t{shape.gates} * shape.targets;
  const std::uint64_t stride = in.aligned(width * shape.weight_bytes);
  if (shape.weight_bytes == 0 || stride * shape.rows != in.size()) {
    return wrong(block, "dense rows of another length");
  }
  std::vector<Entry> all;
  for (std::uint32_t row = 0; row < shape.rows; ++row) {
    for (std::uint32_t i = 0; i < width; ++i) {
      all.push_back(
          {row, i / shape.targets, i % shape.targets,
           in.weight(row * stride + std::uint64_t{i} * shape.weight_bytes, shape.weight_bytes), 0});
    }
  }
  return all;
}

Result<std::vector<CoreImages::Entry>> CoreImages::sparse(std::uint32_t block,
                                                          const Shape& shape) const {
  const Reader in(bytes(block), plan_->target.constants);
  const std::uint64_t index = whole(plan_->target.constants.index_bytes);
  const std::uint64_t pointers = (std::uint64_t{shape.rows} + 1) * shape.gates;
  for (const std::uint64_t wide : {2U, 4U}) {
    if (pointers * wide > in.size()) break;
    const std::uint64_t count = in.number((pointers - 1) * wide, wide);
    const std::uint64_t targets = in.aligned(pointers * wide);
    const std::uint64_t weights = targets + in.aligned(count * index);
    if ((count <= 65535) != (wide == 2) ||
        weights + in.aligned(count * shape.weight_bytes) != in.size()) {
      continue;
    }
    // Without targets nothing bounds their number.
    if (count > 0 && (index < 1 || index > 8)) return wrong(block, "targets of no or many bytes");
    std::vector<Entry> all;
    for (std::uint64_t p = 0; p + 1 < pointers; ++p) {
      const std::uint64_t begin = in.number(p * wide, wide);
      const std::uint64_t end = in.number((p + 1) * wide, wide);
      if (begin != all.size() || end < begin || end > count) {
        return wrong(block, "pointers that lead out of it");
      }
      for (std::uint64_t i = begin; i < end; ++i) {
        const double weight = shape.weight_bytes == 0
                                  ? 1.0
                                  : in.weight(weights + i * shape.weight_bytes, shape.weight_bytes);
        all.push_back({static_cast<std::uint32_t>(p / shape.gates),
                       static_cast<std::uint32_t>(p % shape.gates),
                       static_cast<std::uint32_t>(in.number(targets + i * index, index)), weight,
                       0});
      }
    }
    return all;
  }
  return wrong(block, "pointers that lead out of it");
}

Result<std::vector<CoreImages::Entry>> CoreImages::rows(std::uint32_t block,
                                                        const Shape& shape) const {
  const Reader in(bytes(block), plan_->target.constants);
  const std::uint64_t header = whole(plan_->target.constants.row_bytes);
  std::vector<Entry> all;
  if (shape.rows == 0) return all;
  const std::uint64_t stride = in.size() / shape.rows;
  if (stride * shape.rows != in.size() || header < 12 || header > stride) {
    return wrong(block, "rows of another length");
  }
  for (std::uint32_t row = 0; row < shape.rows; ++row) {
    const std::uint64_t start = row * stride;
    const std::uint64_t count = in.number(start + 4, 4);
    if (count > (stride - header) / 4 || in.number(start, 4) != 0 || in.number(start + 8, 4) != 0) {
      return wrong(block, "a row whose header is none");
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto word = static_cast<std::uint32_t>(in.number(start + header + i * 4, 4));
      all.push_back({row, word >> 8 & 0xF, word & 0xFF,
                     static_cast<double>(static_cast<std::int16_t>(word >> 16)),
                     (word >> 12 & 0xF) + 1});
    }
  }
  return all;
}

Result<std::vector<CoreImages::Entry>> CoreImages::entries(std::uint32_t block,
                                                           const Shape& shape) const {
  switch (plan_->blocks[block].kind) {
    case BlockKind::kDense:
      return dense(block, shape);
    case BlockKind::kSparse:
      return sparse(block, shape);
    case BlockKind::kRows:
      return rows(block, shape);
    case BlockKind::kOneToOne:
    case BlockKind::kKernel:
      break;
  }
  return wrong(block, "a block of another kind");
}

std::vector<CoreImages::Entry> CoreImages::expected(std::uint32_t block, const Shape& shape) const {
  const mapping::PlanBlock& of = plan_->blocks[block];
  const mapping::PlanSlice& slice = plan_->slices[of.slice];
  const mapping::PlanProjection& projection = plan_->projections[of.projection];
  std::vector<Entry> all;
  if (!shape.has_weights) {
    for (std::uint32_t i = 0; i < shape.targets; ++i) all.push_back({i, 0, i, 1.0, 0});
    return all;
  }
  // Rows by element of the weights' input.
  std::vector<std::uint32_t> row(shape.rows);
  for (std::uint32_t r = 0; r < shape.rows; ++r) {
    row[shape.direct ? neuron(projection.source, r) : r] = r;
  }
  const Operation& operation = program_->nodes[shape.node].operation;
  if (const auto* layer = std::get_if<op::Recurrent>(&operation)) {
    const op::SourceMatrix& weights = matrix(block, shape);
    const auto units = static_cast<std::uint32_t>(layer->units);
    std::vector<std::uint32_t> place(units, shape.targets);
    for (std::uint32_t i = 0; i < shape.targets; ++i) {
      place[neuron(slice.population, slice.first + i)] = i;
    }
    for (std::uint32_t input = 0; input < shape.rows; ++input) {
      for (auto k = weights.row_start[input]; k < weights.row_start[input + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const std::uint32_t to = place[weights.target[at] % units];
        if (to == shape.targets) continue;
        all.push_back({row[input], weights.target[at] / units, to, double{weights.value[at]}, 0});
      }
    }
    return all;
  }
  for (std::uint32_t i = 0; i < shape.targets; ++i) {
    const std::size_t output = neuron(slice.population, slice.first + i);
    if (const auto* dense = std::get_if<op::Dense>(&operation)) {
      for (std::uint32_t k = 0; k < shape.rows; ++k) {
        const double weight = dense->weight[output * shape.rows + k];
        if (weight != 0.0) all.push_back({row[k], 0, i, weight, 0});
      }
    } else if (const auto* sparse = std::get_if<op::Sparse>(&operation)) {
      for (auto k = sparse->row_start[output]; k < sparse->row_start[output + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const auto column = static_cast<std::size_t>(sparse->column[at]);
        all.push_back({row[column], 0, i, sparse->value[at], 0});
      }
    }
  }
  return all;
}

std::size_t CoreImages::population_size(std::uint32_t population) const {
  const auto& shape = plan_->populations[population].shape;
  return std::size_t{shape[0]} * shape[1] * shape[2];
}

/// A Plan may say of any way that it is any projection's.
Status CoreImages::check_sizes(std::uint32_t block, const Shape& shape) const {
  const auto& of = plan_->projections[plan_->blocks[block].projection];
  const std::size_t sources = population_size(of.source), targets = population_size(of.target);
  const bool fits = shape.has_weights ? program_->nodes[shape.node].out_size ==
                                                static_cast<std::int64_t>(targets) &&
                                            (!shape.direct || shape.rows == sources)
                                      : sources == targets;
  if (!fits) return wrong(block, "rows between other layers");
  return {};
}

ReceptiveField CoreImages::window(const mapping::PlanProjection& projection) const {
  std::optional<ReceptiveField> made;
  for (const std::uint32_t n : projection.nodes) {
    made = field_through(made, program_->nodes[n].operation);
  }
  // A maximum pool is what its window leads to.
  const std::int64_t target = plan_->populations[projection.target].node;
  if (target >= 0 && target < static_cast<std::int64_t>(program_->nodes.size())) {
    const Operation& operation = program_->nodes[static_cast<std::size_t>(target)].operation;
    if (std::holds_alternative<op::Pool>(operation)) made = field_through(made, operation);
  }
  return made.value_or(ReceptiveField{});
}

Status CoreImages::check_field(std::uint32_t block, std::size_t field, std::int64_t value) const {
  if (2 * field + 2 > whole(plan_->target.constants.kernel_bytes)) return {};
  const std::uint64_t held = Reader(bytes(block), plan_->target.constants).number(2 * field, 2);
  const std::uint64_t wanted = static_cast<std::uint16_t>(value);
  if (held == wanted) return {};
  Error error = wrong(block, "a kernel's header");
  error.what += fmt::format(" says another {}", kKernelHeader[field]);
  error.expected = fmt::format("{}", wanted);
  error.got = fmt::format("{}", held);
  return error;
}

Status CoreImages::read_kernel(std::uint32_t block, const Shape& shape,
                               std::vector<double>& kernel) const {
  const mapping::PlanSlice& slice = plan_->slices[plan_->blocks[block].slice];
  const auto& extent = plan_->populations[slice.population].shape;
  mapping::Extent3 low = extent, high = {0, 0, 0};
  for (std::uint32_t i = 0; i < slice.count; ++i) {
    const std::uint32_t n = neuron(slice.population, slice.first + i);
    const mapping::Extent3 at = {n / (extent[1] * extent[2]), n / extent[2] % extent[1],
                                 n % extent[2]};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], at[axis]);
      high[axis] = std::max(high[axis], at[axis] + 1);
    }
  }
  const Reader in(bytes(block), plan_->target.constants);
  const std::uint64_t header = whole(plan_->target.constants.kernel_bytes);
  if (header > in.size()) return wrong(block, "a kernel that is too short");
  const ReceptiveField field = window(plan_->projections[plan_->blocks[block].projection]);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    SPIKELOOM_CHECK(check_field(block, axis, low[axis]));
    SPIKELOOM_CHECK(check_field(block, 3 + axis, std::int64_t{high[axis]} - low[axis]));
  }
  std::size_t at = 6;
  for (const FieldAxis& axis : {field.rows, field.columns}) {
    for (const std::int64_t value : {axis.stride, axis.pad, axis.extent}) {
      SPIKELOOM_CHECK(check_field(block, at++, value));
    }
  }
  SPIKELOOM_CHECK(check_field(block, at++, field.groups));
  SPIKELOOM_CHECK(check_field(block, at++, field.taps));
  if (!shape.has_weights) return check_field(block, at, 0);
  const auto* c = std::get_if<op::Convolution>(&program_->nodes[shape.node].operation);
  if (c == nullptr || static_cast<std::int64_t>(extent[0]) != c->out_channels) {
    return wrong(block, "a kernel where the network has none, or of other channels");
  }
  const std::size_t each = c->weight.size() / static_cast<std::size_t>(c->out_channels);
  const std::size_t first = low[0] * each, last = high[0] * each;
  const bool says_size = 2 * at + 2 <= header;
  bool is_known_size = false;
  for (const std::uint32_t wide : {shape.weight_bytes, 1U, 2U, 4U}) {
    if (says_size && in.number(2 * at, 2) != wide) continue;
    if (in.aligned(header + (last - first) * wide) != in.size()) continue;
    is_known_size = true;
    std::size_t same = first;
    for (; same < last; ++same) {
      kernel[same] = in.weight(header + (same - first) * wide, wide);
      const auto wanted = static_cast<float>(c->weight[same]);
      if (static_cast<float>(kernel[same]) != wanted) break;
    }
    if (same == last) return {};
  }
  if (!is_known_size) SPIKELOOM_CHECK(check_field(block, at, shape.weight_bytes));
  return wrong(block, "another kernel than the network's");
}

/// The block's synapses, if they are the network's. A Plan may hold weights in more bytes than they
/// need (`map --weight-bits`).
Result<std::vector<CoreImages::Entry>> CoreImages::matching(std::uint32_t block,
                                                            Shape shape) const {
  const auto before = [](const Entry& a, const Entry& b) {
    return std::tie(a.row, a.gate, a.target, a.weight) <
           std::tie(b.row, b.gate, b.target, b.weight);
  };
  const auto is_same = [](const Entry& a, const Entry& b) {
    return a.row == b.row && a.gate == b.gate && a.target == b.target && a.weight == b.weight;
  };
  const bool is_dense = plan_->blocks[block].kind == BlockKind::kDense;
  const auto prepare = [&](std::vector<Entry> list) {
    // Lists hold what they are given, dense rows a weight for every target.
    if (is_dense) std::erase_if(list, [](const Entry& e) { return e.weight == 0.0; });
    for (Entry& e : list) e.weight = double{static_cast<float>(e.weight)};
    std::sort(list.begin(), list.end(), before);
    return list;
  };
  if (shape.has_weights && !lists_weights(program_->nodes[shape.node].operation)) {
    return wrong(block, "a block of another kind than its layer's");
  }
  const std::vector<Entry> wanted = prepare(expected(block, shape));
  Error first = wrong(block, "other synapses than the network's");
  for (const std::uint32_t bytes : {shape.weight_bytes, 1U, 2U, 4U}) {
    const bool is_first = bytes == shape.weight_bytes;
    shape.weight_bytes = bytes;
    auto found = entries(block, shape);
    if (!found.ok()) {
      if (is_first) first = std::move(found).error();
      continue;
    }
    const auto is_outside = [&](const Entry& e) {
      return e.row >= shape.rows || e.gate >= shape.gates || e.target >= shape.targets;
    };
    const auto is_finite = [](const Entry& e) { return std::isfinite(e.weight); };
    if (std::any_of(found->begin(), found->end(), is_outside) ||
        !std::all_of(found->begin(), found->end(), is_finite)) {
      continue;
    }
    const std::vector<Entry> held = prepare(*found);
    if (std::equal(held.begin(), held.end(), wanted.begin(), wanted.end(), is_same)) {
      return found;
    }
  }
  return first;
}

Result<StoredWeights> CoreImages::read(std::uint32_t projection) const {
  StoredWeights made;
  const std::vector<std::uint32_t>& blocks = blocks_[projection];
  const mapping::PlanProjection& of = plan_->projections[projection];
  const auto absent = [&](std::uint32_t b) {
    return is_missing_[b] != 0 || plan_->blocks[b].bytes == 0;
  };
  std::set<std::uint32_t> slices;
  for (const std::uint32_t b : blocks) slices.insert(plan_->blocks[b].slice);
  if (slices.size() != blocks.size() || blocks.empty() ||
      blocks.size() != plan_->populations[of.target].slices) {
    return not_the_plans();
  }
  // A rule has no image, though the Plan has room for its rows.
  const bool is_rule = of.pattern == mapping::Pattern::kRandom;
  if (is_rule || std::any_of(blocks.begin(), blocks.end(), absent)) return made;
  std::vector<Entry> all;  // rows by element of the input, targets by output
  for (const std::uint32_t b : blocks) {
    const Shape shape = this->shape(b);
    made.node = shape.node;
    if (plan_->blocks[b].kind == BlockKind::kKernel) {
      if (const auto* c = std::get_if<op::Convolution>(&program_->nodes[shape.node].operation);
          c != nullptr && shape.has_weights) {
        made.kernel.resize(c->weight.size());
      }
      SPIKELOOM_CHECK(read_kernel(b, shape, made.kernel));
      made.is_there = shape.has_weights;
      continue;
    }
    SPIKELOOM_CHECK(check_sizes(b, shape));
    SPIKELOOM_TRY(const std::vector<Entry> found, matching(b, shape));
    const mapping::PlanSlice& slice = plan_->slices[plan_->blocks[b].slice];
    if (!shape.has_weights) {
      made.delays.resize(population_size(of.target), 0);
      for (const Entry& e : found) {
        made.delays[neuron(slice.population, slice.first + e.target)] = e.delay;
      }
      continue;
    }
    const ProgramNode& node = program_->nodes[shape.node];
    const auto outputs = static_cast<std::uint32_t>(node.out_size);
    const bool is_recurrent = std::holds_alternative<op::Recurrent>(node.operation);
    for (Entry e : found) {
      // Gates leave weights that are 0 out, however they lie.
      if (is_recurrent && e.weight == 0.0) continue;
      e.row = shape.direct ? neuron(of.source, e.row) : e.row;
      e.target = e.gate * outputs + neuron(slice.population, slice.first + e.target);
      all.push_back(e);
    }
    made.columns.start.assign(std::size_t{shape.rows} + 1, 0);
    made.is_there = true;
  }
  if (!made.is_there || made.columns.start.empty()) return made;
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.row, a.target) < std::tie(b.row, b.target);
  });
  for (const Entry& e : all) {
    ++made.columns.start[std::size_t{e.row} + 1];
    made.columns.target.push_back(e.target);
    made.columns.weight.push_back(e.weight);
    if (e.delay > 0) made.columns.delay_held.push_back(e.delay);
  }
  for (std::size_t r = 1; r < made.columns.start.size(); ++r) {
    made.columns.start[r] += made.columns.start[r - 1];
  }
  if (made.columns.delay_held.size() != all.size()) made.columns.delay_held.clear();
  return made;
}

}  // namespace spikeloom::emulator
