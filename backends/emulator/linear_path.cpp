#include <algorithm>

#include <fmt/format.h>

#include "backends/emulator/linear_path_private.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom::emulator {
namespace {

using Terms = std::vector<Term>;

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

/// Weights of one node: the program's, or of a convolution those of a core's memory.
struct Weights {
  const CoreNumbers& numbers;
  std::uint32_t node = 0;
  const std::vector<double>* kernel = nullptr;
  std::int64_t row_length = 1;
  double operator[](std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    if (kernel == nullptr) return numbers.weight(node, at);
    return numbers.of_stored(node, static_cast<std::size_t>(i / row_length), (*kernel)[at]);
  }
};

void dense(const op::Dense& dense, const Weights& weights, const Term& term, Terms& out) {
  const std::int64_t row = term.index / dense.inputs;
  const std::int64_t column = term.index % dense.inputs;
  for (std::int64_t o = 0; o < dense.outputs; ++o) {
    out.push_back({narrow(row * dense.outputs + o), term.delay,
                   term.weight * weights[o * dense.inputs + column]});
  }
}

/// Output position that tap `k` of a window leads to from input position `at`; -1: none.
std::int64_t output_position(std::int64_t at, std::int64_t k, std::int64_t stride,
                             std::int64_t dilation, std::int64_t pad, std::int64_t outputs) {
  const std::int64_t from = at + pad - k * dilation;
  if (from < 0 || from % stride != 0 || from / stride >= outputs) return -1;
  return from / stride;
}

void convolution(const op::Convolution& c, const Weights& weights, const Term& term, Terms& out) {
  const std::int64_t area = c.input.rows * c.input.columns;
  const std::int64_t channel = term.index / area;
  const std::int64_t row = term.index % area / c.input.columns;
  const std::int64_t column = term.index % c.input.columns;
  const std::int64_t per_group = c.in_channels / c.groups;
  const std::int64_t outputs = c.out_channels / c.groups;
  const std::int64_t group = channel / per_group;
  for (std::int64_t o = group * outputs; o < (group + 1) * outputs; ++o) {
    for (std::int64_t kr = 0; kr < c.kernel.rows; ++kr) {
      const std::int64_t r = output_position(row, kr, c.stride.rows, c.dilation.rows,
                                             c.pad_before.rows, c.output.rows);
      if (r < 0) continue;
      for (std::int64_t kc = 0; kc < c.kernel.columns; ++kc) {
        const std::int64_t q = output_position(column, kc, c.stride.columns, c.dilation.columns,
                                               c.pad_before.columns, c.output.columns);
        if (q < 0) continue;
        const std::int64_t at =
            ((o * per_group + channel % per_group) * c.kernel.rows + kr) * c.kernel.columns + kc;
        out.push_back({narrow((o * c.output.rows + r) * c.output.columns + q), term.delay,
                       term.weight * weights[at]});
      }
    }
  }
}

/// Calls f(element, kernel row, kernel column) for every output element whose window holds the
/// term.
template <typename F>
void for_each_window(const op::Pool& p, const Term& term, F f) {
  const std::int64_t area = p.input.rows * p.input.columns;
  const std::int64_t channel = term.index / area;
  const std::int64_t row = term.index % area / p.input.columns;
  const std::int64_t column = term.index % p.input.columns;
  for (std::int64_t kr = 0; kr < p.kernel.rows; ++kr) {
    const std::int64_t r =
        output_position(row, kr, p.stride.rows, 1, p.pad_before.rows, p.output.rows);
    if (r < 0) continue;
    for (std::int64_t kc = 0; kc < p.kernel.columns; ++kc) {
      const std::int64_t q =
          output_position(column, kc, p.stride.columns, 1, p.pad_before.columns, p.output.columns);
      if (q >= 0) f((channel * p.output.rows + r) * p.output.columns + q, kr, kc);
    }
  }
}

void sum_pool(const op::Pool& p, const Term& term, Terms& out) {
  const auto area = static_cast<double>(p.kernel.rows * p.kernel.columns);
  const double weight = p.kind == op::PoolKind::kAverage ? term.weight / area : term.weight;
  for_each_window(p, term, [&](std::int64_t element, std::int64_t, std::int64_t) {
    out.push_back({narrow(element), term.delay, weight});
  });
}

/// A sum for each gate of a unit: those of the kernel, then those of the recurrent weights. `held`:
/// the matrix as it lies in memory, or null.
void gates(const op::SourceMatrix& matrix, const Columns* held, const op::Recurrent& layer,
           std::uint32_t first_gate, bool is_real, const Term& term, Terms& out) {
  const auto units = static_cast<std::uint32_t>(layer.units);
  const auto sums = static_cast<std::uint32_t>(2 * op::gate_count(layer.cell));
  const auto add = [&](std::uint32_t target, double value, std::uint32_t delay_held) {
    // Integer sums are scaled when the unit reads them.
    const bool is_scaled = is_real && !matrix.scale.empty();
    const double scale = is_scaled ? double{matrix.scale[target]} : 1.0;
    out.push_back({.index = target % units * sums + first_gate + target / units,
                   .delay = term.delay,
                   .weight = term.weight * scale * value,
                   .delay_held = delay_held});
  };
  const std::vector<std::int64_t>& start = held == nullptr ? matrix.row_start : held->start;
  for (std::int64_t k = start[term.index]; k < start[term.index + 1]; ++k) {
    const auto at = static_cast<std::size_t>(k);
    if (held == nullptr) {
      add(matrix.target[at], double{matrix.value[at]}, 0);
    } else {
      add(held->target[at], held->weight[at], held->delay_held.empty() ? 0 : held->delay_held[at]);
    }
  }
}

void taps(const op::Pool& p, const Term& term, Terms& out) {
  for_each_window(p, term, [&](std::int64_t element, std::int64_t kr, std::int64_t kc) {
    out.push_back(
        {narrow((element * p.kernel.rows + kr) * p.kernel.columns + kc), term.delay, term.weight});
  });
}

}  // namespace

void LinearNodes::enter(std::uint32_t node, Terms& terms) const {
  const Operation& operation = program_.nodes[node].operation;
  const bool is_real = numbers_.format().is_real;
  Terms out;
  if (const auto* layer = std::get_if<op::Recurrent>(&operation)) {
    for (const Term& term : terms) {
      gates(layer->kernel, stored(node), *layer, 0, is_real, term, out);
    }
  } else if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    for (const Term& term : terms) taps(*pool, term, out);
  } else {
    return;
  }
  terms = std::move(out);
}

void LinearNodes::enter_own(std::uint32_t node, Terms& terms) const {
  const auto& layer = std::get<op::Recurrent>(program_.nodes[node].operation);
  const auto first = static_cast<std::uint32_t>(op::gate_count(layer.cell));
  Terms out;
  const bool is_real = numbers_.format().is_real;
  for (const Term& term : terms) {
    gates(layer.recurrent, stored(node), layer, first, is_real, term, out);
  }
  terms = std::move(out);
}

const Columns* LinearNodes::stored(std::uint32_t node) const {
  const bool has = stored_ != nullptr && stored_->is_there && stored_->node == node &&
                   !stored_->columns.start.empty();
  return has ? &stored_->columns : nullptr;
}

const Columns& LinearNodes::columns(std::uint32_t node, const op::RandomSparse& rule) {
  const auto [place, is_new] = columns_.try_emplace(node);
  Columns& made = place->second;
  if (!is_new) return made;
  made.start.assign(static_cast<std::size_t>(rule.inputs) + 1, 0);
  for_each_synapse(rule, 0, rule.outputs, [&](std::int64_t, std::uint32_t source, std::size_t) {
    ++made.start[source + std::size_t{1}];
  });
  for (std::size_t i = 1; i < made.start.size(); ++i) made.start[i] += made.start[i - 1];
  made.target.resize(static_cast<std::size_t>(made.start.back()));
  made.weight.resize(made.target.size());
  std::vector<std::int64_t> next(made.start.begin(), made.start.end() - 1);
  for_each_synapse(rule, 0, rule.outputs,
                   [&](std::int64_t target, std::uint32_t source, std::size_t group) {
                     const auto to = static_cast<std::size_t>(next[source]++);
                     made.target[to] = static_cast<std::uint32_t>(target);
                     made.weight[to] = numbers_.weight(node, group);
                   });
  return made;
}

const Columns& LinearNodes::columns(std::uint32_t node, const op::Sparse& sparse) {
  const auto [place, is_new] = columns_.try_emplace(node);
  Columns& made = place->second;
  if (!is_new) return made;
  made.start.assign(static_cast<std::size_t>(sparse.inputs) + 1, 0);
  for (const std::int64_t column : sparse.column)
    ++made.start[static_cast<std::size_t>(column) + 1];
  for (std::size_t i = 1; i < made.start.size(); ++i) made.start[i] += made.start[i - 1];
  made.target.resize(sparse.column.size());
  made.weight.resize(sparse.column.size());
  std::vector<std::int64_t> next(made.start.begin(), made.start.end() - 1);
  for (std::size_t o = 0; o + 1 < sparse.row_start.size(); ++o) {
    for (std::int64_t k = sparse.row_start[o]; k < sparse.row_start[o + 1]; ++k) {
      const auto from = static_cast<std::size_t>(k);
      const auto to =
          static_cast<std::size_t>(next[static_cast<std::size_t>(sparse.column[from])]++);
      made.target[to] = static_cast<std::uint32_t>(o);
      made.weight[to] = numbers_.weight(node, from);
    }
  }
  return made;
}

Status LinearNodes::apply(std::uint32_t node, Terms& terms) {
  const ProgramNode& layer = program_.nodes[node];
  Weights weights{numbers_, node};
  const Operation& operation = layer.operation;
  if (const auto* c = std::get_if<op::Convolution>(&operation);
      c != nullptr && stored_ != nullptr && stored_->is_there && stored_->node == node) {
    weights.kernel = &stored_->kernel;
    weights.row_length = static_cast<std::int64_t>(c->weight.size()) / c->out_channels;
  }
  if (std::holds_alternative<op::Identity>(operation)) return {};
  if (const auto* delay = std::get_if<op::Delay>(&operation)) {
    for (Term& term : terms) term.delay += delay->steps[term.index];
    return {};
  }
  if (std::holds_alternative<op::Scale>(operation)) {
    for (Term& term : terms) term.weight *= numbers_.factor(node, term.index);
    return {};
  }
  Terms out;
  for (const Term& term : terms) {
    if (const Columns* held = stored(node); held != nullptr) {
      for (std::int64_t k = held->start[term.index]; k < held->start[term.index + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const std::uint32_t row = held->target[at];
        out.push_back({.index = row,
                       .delay = term.delay,
                       .weight = term.weight * numbers_.of_stored(node, row, held->weight[at]),
                       .delay_held = held->delay_held.empty() ? 0 : held->delay_held[at]});
      }
    } else if (const auto* o = std::get_if<op::Dense>(&operation)) {
      dense(*o, weights, term, out);
    } else if (const auto* c = std::get_if<op::Convolution>(&operation)) {
      convolution(*c, weights, term, out);
    } else if (const auto* p = std::get_if<op::Pool>(&operation);
               p != nullptr && p->kind != op::PoolKind::kMax) {
      sum_pool(*p, term, out);
    } else if (std::holds_alternative<op::Sparse>(operation) ||
               std::holds_alternative<op::RandomSparse>(operation)) {
      const auto* sparse = std::get_if<op::Sparse>(&operation);
      const Columns& rows = sparse != nullptr
                                ? columns(node, *sparse)
                                : columns(node, std::get<op::RandomSparse>(operation));
      for (std::int64_t k = rows.start[term.index]; k < rows.start[term.index + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        out.push_back({rows.target[at], term.delay, term.weight * rows.weight[at]});
      }
    } else {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("the emulator does not place a {}", layer.kind),
                   .where = layer.name};
    }
  }
  terms = std::move(out);
  return {};
}

std::vector<double> LinearNodes::bias(std::uint32_t node) const {
  const std::vector<double> bias = numbers_.bias(node);
  const ProgramNode& layer = program_.nodes[node];
  std::vector<double> values;
  if (bias.empty() || !is_weight_operation(layer.operation)) return values;
  const auto size = static_cast<std::size_t>(layer.out_size);
  values.resize(size);
  // One per output of a dense row, or per channel.
  const auto* c = std::get_if<op::Convolution>(&layer.operation);
  const std::size_t area =
      c == nullptr ? 1 : static_cast<std::size_t>(c->output.rows * c->output.columns);
  for (std::size_t i = 0; i < size; ++i) values[i] = bias[i / area % bias.size()];
  return values;
}

void collect(Terms& terms, bool signs_apart) {
  const auto sign = [&](const Term& term) { return signs_apart && term.weight < 0.0; };
  std::stable_sort(terms.begin(), terms.end(), [&](const Term& a, const Term& b) {
    if (a.delay != b.delay) return a.delay < b.delay;
    return a.index != b.index ? a.index < b.index : sign(a) < sign(b);
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (kept > 0 && terms[kept - 1].index == terms[i].index &&
        terms[kept - 1].delay == terms[i].delay && sign(terms[kept - 1]) == sign(terms[i])) {
      terms[kept - 1].weight += terms[i].weight;
    } else {
      terms[kept++] = terms[i];
    }
  }
  terms.resize(kept);
}

}  // namespace spikeloom::emulator
