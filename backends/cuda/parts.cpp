#include "backends/cuda/parts.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace spikeloom::cuda {
namespace {

/// Each output element is computed from the same element of the inputs.
bool is_elementwise(const Operation& operation) {
  return std::holds_alternative<op::Neuron>(operation) ||
         std::holds_alternative<op::Scale>(operation) ||
         std::holds_alternative<op::Threshold>(operation);
}

/// Outputs that stay together; 0: not to be divided.
std::int64_t unit_of(const Operation& operation) {
  if (const auto* dense = std::get_if<op::Dense>(&operation)) return dense->repeats == 1 ? 1 : 0;
  if (const auto* conv = std::get_if<op::Convolution>(&operation)) {
    return conv->groups == 1 ? conv->output.rows * conv->output.columns : 0;
  }
  return std::holds_alternative<op::Sparse>(operation) ||
                 std::holds_alternative<op::RandomSparse>(operation)
             ? 1
             : 0;
}

std::vector<std::uint32_t> even_bounds(std::int64_t size, std::int64_t unit,
                                       std::uint32_t devices) {
  // Products on tensor cores want multiples of 16.
  constexpr std::int64_t kAligned = 16, kSmall = 64;
  if (unit == 1 && size / devices >= kSmall) unit = kAligned;
  std::vector<std::uint32_t> bounds;
  for (std::uint32_t d = 0; d < devices; ++d) {
    bounds.push_back(static_cast<std::uint32_t>(size / unit * d / devices * unit));
  }
  bounds.push_back(static_cast<std::uint32_t>(size));
  return bounds;
}

/// Every device takes as many cores of the Plan.
std::vector<std::uint32_t> planned_bounds(const Share& share, std::uint32_t devices) {
  std::vector<std::uint32_t> bounds;
  const std::size_t cores = share.bounds.size() - 1;
  for (std::size_t d = 0; d <= devices; ++d) bounds.push_back(share.bounds[cores * d / devices]);
  return bounds;
}

class Divider {
 public:
  Divider(const Program& program, const std::vector<Share>& shares, std::uint32_t devices)
      : program_(program), shares_(shares), devices_(devices), bounds_(program.nodes.size()) {}

  std::vector<std::vector<std::uint32_t>> run() {
    propose();
    while (drop()) {
    }
    return std::move(bounds_);
  }

 private:
  void propose() {
    const std::size_t size = program_.nodes.size();
    for (std::size_t n = 0; n < size; ++n) {
      const ProgramNode& node = program_.nodes[n];
      const std::int64_t unit = unit_of(node.operation);
      if (unit == 0 || node.out_size == 0) continue;
      const bool planned =
          unit == 1 && !shares_.empty() && !shares_[n].bounds.empty() && shares_[n].order.empty();
      bounds_[n] = planned ? planned_bounds(shares_[n], devices_)
                           : even_bounds(node.out_size, unit, devices_);
    }
    // What neurons read says how they are divided; in a cycle of them it takes some rounds.
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t n = 0; n < size; ++n) {
        if (!is_elementwise(program_.nodes[n].operation) || !bounds_[n].empty()) continue;
        for (const Link& link : program_.nodes[n].inputs) {
          if (bounds_[link.source].empty()) continue;
          bounds_[n] = bounds_[link.source];
          changed = true;
          break;
        }
      }
    }
  }

  bool read_whole(std::uint32_t n) const {
    for (std::size_t reader = 0; reader < program_.nodes.size(); ++reader) {
      for (const Link& link : program_.nodes[reader].inputs) {
        const bool with_us =
            is_elementwise(program_.nodes[reader].operation) && bounds_[reader] == bounds_[n];
        if (link.source == n && !with_us) return true;
      }
    }
    return false;
  }

  /// Links that begin with the answer of their cycle to silence are filled device by device:
  /// nothing in the cycle but neurons, which are silent then, may want an exchange.
  bool seeded() const {
    return std::any_of(program_.nodes.begin(), program_.nodes.end(), [](const ProgramNode& node) {
      return std::any_of(node.inputs.begin(), node.inputs.end(),
                         [](const Link& link) { return link.bias_at_start; });
    });
  }

  bool drop() {
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
      if (bounds_[n].empty()) continue;
      const ProgramNode& node = program_.nodes[n];
      bool keep = true;
      if (is_elementwise(node.operation)) {
        for (const Link& link : node.inputs) keep &= bounds_[link.source] == bounds_[n];
      }
      if (keep && seeded() && !std::holds_alternative<op::Neuron>(node.operation)) {
        keep = !read_whole(n);
      }
      if (keep) continue;
      bounds_[n].clear();
      return true;
    }
    return false;
  }

  const Program& program_;
  const std::vector<Share>& shares_;
  std::uint32_t devices_;
  std::vector<std::vector<std::uint32_t>> bounds_;
};

template <typename T>
std::vector<T> cut(const std::vector<T>& all, std::size_t first, std::size_t last) {
  if (all.empty()) return {};
  return {all.begin() + static_cast<std::ptrdiff_t>(first),
          all.begin() + static_cast<std::ptrdiff_t>(last)};
}

/// Where the weights of outputs [first, last) lie among all.
struct WeightRange {
  std::size_t first = 0, last = 0;
};

struct Cutter {
  std::size_t first = 0, last = 0;  ///< outputs
  WeightRange weights;

  void operator()(op::Dense& o) {
    weights = {first * static_cast<std::size_t>(o.inputs),
               last * static_cast<std::size_t>(o.inputs)};
    o.weight = cut(o.weight, weights.first, weights.last);
    o.row_scale = cut(o.row_scale, first, last);
    o.bias = cut(o.bias, first, last);
    o.outputs = static_cast<std::int64_t>(last - first);
  }
  void operator()(op::Sparse& o) {
    weights = {static_cast<std::size_t>(o.row_start[first]),
               static_cast<std::size_t>(o.row_start[last])};
    o.row_start = cut(o.row_start, first, last + 1);
    for (std::int64_t& start : o.row_start) start -= static_cast<std::int64_t>(weights.first);
    o.column = cut(o.column, weights.first, weights.last);
    o.value = cut(o.value, weights.first, weights.last);
    o.row_scale = cut(o.row_scale, first, last);
    o.bias = cut(o.bias, first, last);
    o.outputs = static_cast<std::int64_t>(last - first);
  }
  /// The rule stays; Share::first says which of its outputs are meant.
  void operator()(op::RandomSparse& o) { o.outputs = static_cast<std::int64_t>(last - first); }
  void operator()(op::Convolution& o) {
    const auto plane = static_cast<std::size_t>(o.output.rows * o.output.columns);
    const std::size_t from = plane == 0 ? 0 : first / plane, to = plane == 0 ? 0 : last / plane;
    const auto one = static_cast<std::size_t>(o.in_channels * o.kernel.rows * o.kernel.columns);
    weights = {from * one, to * one};
    o.weight = cut(o.weight, weights.first, weights.last);
    o.row_scale = cut(o.row_scale, from, to);
    o.bias = cut(o.bias, from, to);
    o.out_channels = static_cast<std::int64_t>(to - from);
  }
  void operator()(op::Scale& o) { o.factor = cut(o.factor, first, last); }
  void operator()(op::Threshold& o) { o.threshold = cut(o.threshold, first, last); }
  void operator()(op::Neuron& o) {
    NeuronCoefficients& c = o.coefficients;
    for (auto* values : {&c.current_decay, &c.current_gain, &c.decay, &c.gain, &c.drive,
                         &c.threshold, &c.reset, &c.clamp, &c.initial}) {
      *values = cut(*values, first, last);
    }
    c.refractory = cut(c.refractory, first, last);
  }
  template <typename Other>
  void operator()(Other&) {}
};

/// `whole` is the node before it was cut.
IntegerNode cut_integer(const IntegerNode& all, const ProgramNode& whole, const Cutter& cutter) {
  IntegerNode part = all;
  if (std::holds_alternative<op::Dense>(whole.operation) ||
      std::holds_alternative<op::Sparse>(whole.operation) ||
      std::holds_alternative<op::Convolution>(whole.operation)) {
    part.weight = cut(all.weight, cutter.weights.first, cutter.weights.last);
  }
  part.factor = cut(all.factor, cutter.first, cutter.last);
  part.threshold = cut(all.threshold, cutter.first, cutter.last);
  IntegerNeurons& n = part.neurons;
  for (auto* values : {&n.current_decay, &n.current_gain, &n.decay, &n.gain, &n.drive, &n.threshold,
                       &n.reset, &n.clamp, &n.initial}) {
    *values = cut(*values, cutter.first, cutter.last);
  }
  n.refractory = cut(n.refractory, cutter.first, cutter.last);
  return part;
}

/// The node without its operation, which may be large.
ProgramNode without_operation(const ProgramNode& node) {
  ProgramNode made;
  made.name = node.name;
  made.kind = node.kind;
  made.in_shape = node.in_shape;
  made.out_shape = node.out_shape;
  made.in_size = node.in_size;
  made.out_size = node.out_size;
  made.inputs = node.inputs;
  made.early = node.early;
  return made;
}

}  // namespace

Result<Division> divide(const Program& program, const std::vector<Share>& shares,
                        std::uint32_t devices) {
  const auto bounds = Divider(program, shares, devices).run();
  Division division;
  division.nodes.resize(program.nodes.size());
  bool any = false;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    NodeDivision& node = division.nodes[n];
    node.bounds = bounds[n];
    node.reads_part = !bounds[n].empty() && is_elementwise(program.nodes[n].operation);
    node.place = static_cast<std::uint32_t>(division.original.size());
    node.whole = node.place;
    division.original.push_back(n);
    division.exchanges.emplace_back();
    any |= !node.bounds.empty();
    if (node.bounds.empty()) continue;
    bool read_whole = false;
    for (std::uint32_t reader = 0; reader < program.nodes.size(); ++reader) {
      const bool with_us =
          is_elementwise(program.nodes[reader].operation) && bounds[reader] == bounds[n];
      for (const Link& link : program.nodes[reader].inputs) {
        read_whole |= link.source == n && !with_us;
      }
    }
    if (!read_whole) continue;
    node.whole = node.place + 1;
    division.original.push_back(n);
    division.exchanges.push_back({true, node.place, node.bounds});
  }
  if (any) return division;
  std::vector<std::string> names;
  for (const ProgramNode& node : program.nodes) {
    names.push_back(fmt::format("\"{}\" ({})", node.name, node.kind));
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "no node of this network can be divided among devices",
               .expected = "linear layers, sparse rows, or convolutions without groups",
               .got = fmt::format("{}", fmt::join(names, ", ")),
               .next = "run it on one device"};
}

Part make_part(const Program& program, const IntegerProgram* integer, const Division& division,
               const std::vector<Share>& shares, std::uint32_t device) {
  Part part;
  part.program.discretisation = program.discretisation;
  part.program.notes = program.notes;
  for (const std::uint32_t n : program.inputs) {
    part.program.inputs.push_back(division.nodes[n].place);
  }
  for (const std::uint32_t n : program.outputs) {
    part.program.outputs.push_back(division.nodes[n].place);
  }
  if (integer != nullptr) part.integer.input_limit = integer->input_limit;
  for (std::uint32_t p = 0; p < division.original.size(); ++p) {
    const std::uint32_t n = division.original[p];
    const ProgramNode& whole = program.nodes[n];
    const NodeDivision& divided = division.nodes[n];
    ProgramNode node = without_operation(whole);
    Share share;
    IntegerNode whole_numbers = integer != nullptr ? integer->nodes[n] : IntegerNode();
    if (division.exchanges[p].here) {
      const auto within = [](const Link& link) { return link.in_cycle; };
      node.operation = op::Input{~std::uint32_t{0}};
      node.in_shape = node.out_shape;
      node.in_size = node.out_size;
      node.inputs = {
          {divided.place, 0, std::any_of(whole.inputs.begin(), whole.inputs.end(), within), false}};
      const int exponent = whole_numbers.exponent;
      whole_numbers = {};
      whole_numbers.exponent = exponent;
    } else if (divided.bounds.empty()) {
      node.operation = whole.operation;
      node.dense_macs = whole.dense_macs;
      node.weights = whole.weights;
      if (!shares.empty()) share = shares[n];
    } else {
      node.operation = whole.operation;
      Cutter cutter{divided.bounds[device], divided.bounds[device + 1], {}};
      std::visit(cutter, node.operation);
      whole_numbers = cut_integer(whole_numbers, whole, cutter);
      const auto size = static_cast<std::int64_t>(cutter.last - cutter.first);
      node.out_size = size;
      node.out_shape = {size};
      if (is_elementwise(whole.operation)) {
        node.in_size = size;
        node.in_shape = {size};
      }
      node.dense_macs = whole.out_size == 0 ? 0 : whole.dense_macs * size / whole.out_size;
      node.weights = whole.out_size == 0 ? 0 : whole.weights * size / whole.out_size;
      share.first = static_cast<std::int64_t>(cutter.first);
      const bool planned = !shares.empty() && !shares[n].bounds.empty() &&
                           shares[n].order.empty() && unit_of(whole.operation) == 1;
      if (planned) {
        const std::size_t cores = shares[n].bounds.size() - 1;
        const std::size_t devices = divided.bounds.size() - 1;
        for (std::size_t c = cores * device / devices; c <= cores * (device + 1) / devices; ++c) {
          share.bounds.push_back(shares[n].bounds[c] - divided.bounds[device]);
        }
      }
    }
    if (!division.exchanges[p].here) {
      const bool apart = is_elementwise(whole.operation) && !divided.bounds.empty();
      for (Link& link : node.inputs) {
        const NodeDivision& source = division.nodes[link.source];
        link.source = apart ? source.place : source.whole;
      }
    }
    part.program.nodes.push_back(std::move(node));
    part.integer.nodes.push_back(std::move(whole_numbers));
    part.shares.push_back(std::move(share));
  }
  return part;
}

}  // namespace spikeloom::cuda
