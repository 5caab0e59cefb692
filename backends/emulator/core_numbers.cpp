#include "backends/emulator/core_numbers.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace spikeloom::emulator {
namespace {

bool is_language(const Operation& operation) {
  return std::holds_alternative<op::Embedding>(operation) ||
         std::holds_alternative<op::Recurrent>(operation) ||
         std::holds_alternative<op::Decoder>(operation) ||
         std::holds_alternative<op::Relu>(operation);
}

/// Weights with the scales of their rows.
std::vector<float> scaled_weights(const Operation& operation) {
  std::vector<float> made;
  std::visit(
      [&made](const auto& o) {
        using Op = std::decay_t<decltype(o)>;
        const auto take = [&](const std::vector<double>& weight, std::size_t row, std::size_t i) {
          const double scale = [&] {
            if constexpr (requires { o.row_scale; }) {
              return o.row_scale.empty() ? 1.0 : o.row_scale[row];
            } else {
              return 1.0;
            }
          }();
          made.push_back(static_cast<float>(weight[i] * scale));
        };
        if constexpr (std::is_same_v<Op, op::Dense> || std::is_same_v<Op, op::Convolution>) {
          const std::int64_t rows = [&] {
            if constexpr (std::is_same_v<Op, op::Dense>) {
              return o.outputs;
            } else {
              return o.out_channels;
            }
          }();
          const std::size_t length =
              o.weight.size() / static_cast<std::size_t>(std::max<std::int64_t>(rows, 1));
          for (std::size_t i = 0; i < o.weight.size(); ++i) take(o.weight, i / length, i);
        } else if constexpr (std::is_same_v<Op, op::Sparse>) {
          for (std::size_t row = 0; row + 1 < o.row_start.size(); ++row) {
            for (std::int64_t k = o.row_start[row]; k < o.row_start[row + 1]; ++k) {
              take(o.value, row, static_cast<std::size_t>(k));
            }
          }
        } else if constexpr (std::is_same_v<Op, op::RandomSparse>) {
          for (const auto& group : o.groups) made.push_back(static_cast<float>(group.weight));
        }
      },
      operation);
  return made;
}

}  // namespace

Result<CoreNumbers> CoreNumbers::of(const Program& program, Arithmetic arithmetic) {
  CoreNumbers made(program, arithmetic);
  if (arithmetic == Arithmetic::kDouble) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "no machine computes in this arithmetic",
                 .expected = "integer, ring16 or float32",
                 .got = to_string(arithmetic)};
  }
  if (made.is_ring()) {
    for (const ProgramNode& node : program.nodes) {
      if (!is_language(node.operation)) continue;
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "ring16 has no language layers",
                   .where = node.name,
                   .next = "give --arithmetic integer or float32"};
    }
  }
  if (arithmetic == Arithmetic::kFloat32) {
    made.take_real();
    return made;
  }
  SPIKELOOM_TRY(made.integer_, to_integer(program));
  if (made.is_ring()) made.round_to_slots();
  return made;
}

void CoreNumbers::take_real() {
  real_.resize(program_->nodes.size());
  for (std::size_t n = 0; n < real_.size(); ++n) {
    real_[n].weight = scaled_weights(program_->nodes[n].operation);
  }
}

namespace {

/// A weight in units of the shift of its sign, which 16 bits hold.
std::int16_t slot_weight(std::int16_t weight, const RingShift& ring) {
  const std::int32_t magnitude =
      ring_weight(weight, weight > 0 ? ring.excitatory : ring.inhibitory);
  return static_cast<std::int16_t>(weight > 0 ? magnitude : -magnitude);
}

}  // namespace

void CoreNumbers::round_to_slots() {
  for (IntegerNode& node : integer_.nodes) {
    for (std::int16_t& weight : node.weight) weight = slot_weight(weight, node.ring);
  }
}

double CoreNumbers::of_stored(std::uint32_t node, std::size_t row, double stored) const {
  if (is_ring()) return slot_weight(static_cast<std::int16_t>(stored), integer_.nodes[node].ring);
  if (!format().is_real) return stored;
  const std::vector<double>* scale = std::visit(
      [](const auto& o) -> const std::vector<double>* {
        if constexpr (requires { o.row_scale; }) {
          return &o.row_scale;
        } else {
          return nullptr;
        }
      },
      program_->nodes[node].operation);
  const double factor = scale == nullptr || scale->empty() ? 1.0 : (*scale)[row];
  return static_cast<float>(stored * factor);
}

double CoreNumbers::factor(std::uint32_t node, std::size_t i) const {
  if (!format().is_real) return integer_.nodes[node].factor[i];
  return std::get<op::Scale>(program_->nodes[node].operation).factor[i];
}

std::vector<double> CoreNumbers::bias(std::uint32_t node) const {
  if (!format().is_real) {
    const std::vector<std::int32_t>& bias = integer_.nodes[node].bias;
    return {bias.begin(), bias.end()};
  }
  return std::visit(
      [](const auto& o) -> std::vector<double> {
        if constexpr (requires { o.row_scale; }) {
          return o.bias;
        } else {
          return {};
        }
      },
      program_->nodes[node].operation);
}

}  // namespace spikeloom::emulator
