#include <algorithm>

#include "backends/emulator/silence_private.hpp"

namespace spikeloom::emulator {
namespace {

using Values = std::vector<double>;

std::vector<Term> terms_of(const Values& values) {
  std::vector<Term> terms;
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0.0) terms.push_back({i, 0, values[i]});
  }
  return terms;
}

/// The largest of each window, taps outside left out.
Values largest(const LinearNodes& nodes, const op::Pool& pool, std::uint32_t node, const Values& in,
               std::size_t size) {
  const auto taps = static_cast<std::uint32_t>(pool.kernel.rows * pool.kernel.columns);
  Values out(size, 0.0);
  std::vector<char> met(size, 0);
  for (std::uint32_t i = 0; i < in.size(); ++i) {
    std::vector<Term> terms = {{i, 0, 1.0}};
    nodes.enter(node, terms);
    for (const Term& term : terms) {
      const std::uint32_t element = term.index / taps;
      out[element] = met[element] != 0 ? std::max(out[element], in[i]) : in[i];
      met[element] = 1;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Values>> outputs_in_silence(const Program& program, const CoreNumbers& numbers,
                                               LinearNodes& nodes) {
  std::vector<Values> all(program.nodes.size());
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    const Operation& operation = node.operation;
    if (std::holds_alternative<op::Neuron>(operation) ||
        std::holds_alternative<op::Delay>(operation) ||
        std::holds_alternative<op::Input>(operation) ||
        std::holds_alternative<op::Embedding>(operation) ||
        std::holds_alternative<op::Decoder>(operation)) {
      continue;
    }
    Values in(static_cast<std::size_t>(node.in_size), 0.0);
    bool in_cycle = false;
    for (const Link& link : node.inputs) {
      in_cycle |= link.in_cycle;
      if (!link.in_cycle || link.delay > 0) continue;
      const Values& from = all[link.source];
      for (std::size_t i = 0; i < from.size(); ++i) in[i] += from[i];
    }
    const auto size = static_cast<std::size_t>(node.out_size);
    Values& out = all[n];
    out.assign(size, 0.0);
    if (std::holds_alternative<op::Recurrent>(operation)) {
      if (!in_cycle) continue;
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a recurrent layer in a cycle of neurons is not emulated",
                   .where = node.name,
                   .next = "give --link-delay 1"};
    }
    if (std::holds_alternative<op::Output>(operation)) {
      out = in;
    } else if (const auto* threshold = std::get_if<op::Threshold>(&operation)) {
      for (std::size_t i = 0; i < size; ++i) {
        const double least =
            numbers.format().is_real ? threshold->threshold[i] : numbers.integer(n).threshold[i];
        out[i] = in[i] > least ? 1.0 : 0.0;
      }
    } else if (std::holds_alternative<op::Relu>(operation)) {
      for (std::size_t i = 0; i < size; ++i) out[i] = std::max(in[i], 0.0);
    } else if (const auto* pool = std::get_if<op::Pool>(&operation);
               pool != nullptr && pool->kind == op::PoolKind::kMax) {
      out = largest(nodes, *pool, n, in, size);
    } else {
      std::vector<Term> terms = terms_of(in);
      SPIKELOOM_CHECK(nodes.apply(n, terms));
      for (const Term& term : terms) out[term.index] += term.weight;
      const Values bias = nodes.bias(n);
      for (std::size_t i = 0; i < bias.size(); ++i) out[i] += bias[i];
    }
  }
  return all;
}

}  // namespace spikeloom::emulator
