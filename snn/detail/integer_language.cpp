#include "snn/detail/integer_language.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr int kStateExponent = 15;  ///< h, y, thresholds
constexpr int kSumExponent = 12;    ///< gate sums, scores
constexpr int kMultiplierBits = 20;
constexpr int kMostShift = 47;
constexpr double kMostWeight = 127.0;

constexpr const char* kQuantise =
    "make an integer network of it: spikeloom quantize MODEL -o OUT.sloom";

Error unsupported(std::string what, std::string expected, std::string got,
                  std::string next = kQuantise) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = std::move(next)};
}

Status check_weight(double weight) {
  if (weight == std::trunc(weight) && std::abs(weight) <= kMostWeight) return {};
  return unsupported("a weight is no number for integer arithmetic", "an integer within +-127",
                     fmt::format("{}", weight));
}

/// scale x 2^exponent per row as multiplier / 2^shift, the largest multiplier of 20 bits.
Result<IntegerScale> make_scale(const std::vector<float>& scale, std::size_t rows, int exponent) {
  std::vector<double> factors(rows, std::ldexp(1.0, exponent));
  for (std::size_t i = 0; i < scale.size(); ++i) factors[i] *= static_cast<double>(scale[i]);
  const auto [least, most] = std::minmax_element(factors.begin(), factors.end());
  if (!(*least >= 0.0) || !(*most > 0.0)) {
    return unsupported("a scale is negative, or all are zero", "scales above zero",
                       fmt::format("{}", *least), "export the model again");
  }
  int most_exponent = 0;
  std::frexp(*most, &most_exponent);
  IntegerScale made;
  made.shift = std::min(kMultiplierBits - most_exponent, kMostShift);
  if (made.shift < 1) {
    return unsupported("a scale is too large", "below 2^19", fmt::format("{}", *most),
                       "give --arithmetic float32");
  }
  for (const double factor : factors) {
    made.multiplier.push_back(
        static_cast<std::int32_t>(std::nearbyint(std::ldexp(factor, made.shift))));
  }
  return made;
}

/// value x 2^exponent to nearest, ties to even.
std::vector<std::int32_t> fixed(const std::vector<float>& values, int exponent, double limit) {
  std::vector<std::int32_t> made;
  for (const float value : values) {
    const double scaled = std::nearbyint(std::ldexp(static_cast<double>(value), exponent));
    made.push_back(static_cast<std::int32_t>(std::clamp(scaled, -limit, limit)));
  }
  return made;
}

/// Largest sum of abs(weight) over a row.
Result<std::int64_t> largest_row(const op::SourceMatrix& matrix) {
  std::vector<std::int64_t> sums(static_cast<std::size_t>(matrix.outputs), 0);
  for (std::size_t k = 0; k < matrix.value.size(); ++k) {
    SPIKELOOM_CHECK(check_weight(matrix.value[k]));
    sums[matrix.target[k]] += std::llabs(static_cast<long long>(matrix.value[k]));
  }
  return sums.empty() ? 0 : *std::max_element(sums.begin(), sums.end());
}

/// Calls f(row, abs(weight)) for every weight of a matrix of integers.
template <typename F>
Status for_each_weight(const Tensor& weight, F f) {
  const std::int64_t columns = weight.dim(1);
  const auto* bytes = reinterpret_cast<const std::int8_t*>(weight.bytes().data());
  const bool narrow = weight.dtype() == DType::kInt8;
  for (std::int64_t i = 0; i < weight.size(); ++i) {
    const double value = narrow ? static_cast<double>(bytes[i]) : weight.at(i);
    SPIKELOOM_CHECK(check_weight(value));
    f(static_cast<std::size_t>(i / columns), std::abs(static_cast<std::int64_t>(value)));
  }
  return {};
}

/// The unit of what enters a node, which all its links share. A link of a cycle may come from a
/// node that is converted later: it carries whole numbers, as check_cycle_units() makes sure.
Result<int> input_exponent(const ProgramNode& node, const IntegerProgram& integer) {
  const auto unit_of = [&](const Link& link) {
    return link.source < integer.nodes.size() ? integer.nodes[link.source].exponent : 0;
  };
  if (node.inputs.empty()) return 0;
  const int first = unit_of(node.inputs.front());
  for (const Link& link : node.inputs) {
    if (const int other = unit_of(link); other != first) {
      return unsupported("links in different units enter one node", "one unit",
                         fmt::format("2^-{} and 2^-{}", first, other), "give --arithmetic float32");
    }
  }
  return first;
}

Status convert(const op::Embedding& o, int in, IntegerNode& node) {
  if (in != 0) {
    return unsupported("an Embedding reads words", "an Input", fmt::format("2^-{}", in),
                       "give --arithmetic float32");
  }
  std::vector<std::int64_t> largest(static_cast<std::size_t>(o.words), 0);
  SPIKELOOM_CHECK(for_each_weight(o.weight, [&](std::size_t word, std::int64_t weight) {
    largest[word] = std::max(largest[word], weight);
  }));
  double most = 0.0;
  for (std::size_t w = 0; w < largest.size(); ++w) {
    const double scale = o.scale.empty() ? 1.0 : static_cast<double>(o.scale[w]);
    most = std::max(most, scale * static_cast<double>(largest[w]));
  }
  // The finest unit in which every word's vector fits 16 bits.
  node.exponent =
      most > 0.0 ? static_cast<int>(std::floor(std::log2((kEventLimit - 1) / most))) : 0;
  SPIKELOOM_TRY(node.scale, make_scale(o.scale, largest.size(), node.exponent));
  for (std::size_t w = 0; w < largest.size(); ++w) {
    const std::int64_t product = largest[w] * node.scale.multiplier[w];
    const std::int64_t half = std::int64_t{1} << (node.scale.shift - 1);
    node.row_sum = std::max(node.row_sum, (product + half) >> node.scale.shift);
  }
  return {};
}

Status convert(const op::Recurrent& o, int in, IntegerNode& node) {
  if (o.cell != op::Cell::kEgru) {
    return unsupported("this recurrent layer has no integer form", "an EGRU of the released code",
                       "another one", "give --arithmetic float32");
  }
  SPIKELOOM_TRY(const std::int64_t kernel, largest_row(o.kernel));
  SPIKELOOM_TRY(const std::int64_t recurrent, largest_row(o.recurrent));
  node.row_sum = std::max(kernel, recurrent);
  const auto rows = static_cast<std::size_t>(o.kernel.outputs);
  SPIKELOOM_TRY(node.scale, make_scale(o.kernel.scale, rows, kSumExponent - in));
  SPIKELOOM_TRY(node.recurrent_scale,
                make_scale(o.recurrent.scale, rows, kSumExponent - kStateExponent));
  node.bias = fixed(o.bias, kSumExponent, 1 << 20);
  node.recurrent_bias = fixed(o.recurrent_bias, kSumExponent, 1 << 20);
  for (const float threshold : o.threshold) {
    if (!(threshold >= 0.0F)) {
      return unsupported("a threshold is negative", "0 .. 1", fmt::format("{}", threshold),
                         "give --arithmetic float32");
    }
  }
  node.threshold = fixed(o.threshold, kStateExponent, 32768);
  node.exponent = kStateExponent;
  return {};
}

Status convert(const op::Decoder& o, int in, IntegerNode& node) {
  std::vector<std::int64_t> sums(static_cast<std::size_t>(o.words), 0);
  SPIKELOOM_CHECK(for_each_weight(
      o.weight, [&](std::size_t word, std::int64_t weight) { sums[word] += weight; }));
  node.row_sum = *std::max_element(sums.begin(), sums.end());
  SPIKELOOM_TRY(node.scale, make_scale(o.scale, sums.size(), kSumExponent - in));
  node.bias = fixed(o.bias, kSumExponent, kIntegerStateLimit);
  node.exponent = kSumExponent;
  return {};
}

}  // namespace

Status convert_language(const Program& program, std::size_t index, IntegerProgram& integer) {
  const ProgramNode& layer = program.nodes[index];
  IntegerNode& node = integer.nodes[index];
  SPIKELOOM_TRY(const int in, input_exponent(layer, integer));
  return std::visit(
      [&](const auto& o) -> Status {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Embedding> || std::is_same_v<Op, op::Recurrent> ||
                      std::is_same_v<Op, op::Decoder>) {
          return convert(o, in, node);
        } else if constexpr (std::is_same_v<Op, op::Output> || std::is_same_v<Op, op::Identity> ||
                             std::is_same_v<Op, op::Relu>) {
          node.exponent = in;
          return {};
        } else {
          if (in == 0) return {};
          return unsupported("this node does not take the fractions of a language layer",
                             "a Decoder or a recurrent layer", fmt::format("2^-{}", in),
                             "give --arithmetic float32");
        }
      },
      layer.operation);
}

Status check_cycle_units(const Program& program, const IntegerProgram& integer) {
  for (std::size_t n = 0; n < program.nodes.size(); ++n) {
    for (const Link& link : program.nodes[n].inputs) {
      const int exponent = integer.nodes[link.source].exponent;
      if (link.source < n || exponent == 0) continue;
      return Status(unsupported("a language layer lies in a cycle", "layers one after the other",
                                fmt::format("2^-{}", exponent), "give --arithmetic float32")
                        .in(fmt::format("node \"{}\"", program.nodes[n].name)));
    }
  }
  return {};
}

}  // namespace spikeloom::detail

namespace spikeloom {

std::vector<std::int32_t> sharpened(const IntegerNode& node, double sharpen) {
  std::vector<std::int32_t> made;
  const auto added = static_cast<std::int64_t>(std::nearbyint(std::ldexp(sharpen, 15)));
  for (const std::int32_t threshold : node.threshold) {
    made.push_back(
        static_cast<std::int32_t>(std::clamp<std::int64_t>(threshold + added, 0, 32768)));
  }
  return made;
}

}  // namespace spikeloom
