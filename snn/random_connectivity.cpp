#include "snn/random_connectivity.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/random.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kStream = std::uint64_t{0x73706172} << 32;  // "spar"
constexpr std::int64_t kMaxSynapses = std::int64_t{1} << 40;

Error bad_group(std::size_t group, std::string what, std::string expected, std::string got) {
  return Error{.what = std::move(what),
               .where = fmt::format("group {}", group),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "correct the rule"};
}

Error bad_parameter(std::string_view name, std::string expected, const Tensor& got) {
  return Error{.code = ErrorCode::kShape,
               .what = fmt::format("parameter '{}' has the wrong size", name),
               .expected = std::move(expected),
               .got = to_string(got.shape()),
               .next = "give one value for every group"};
}

/// `count` integers; a single one stands for all where `single` says so.
Result<std::vector<std::int64_t>> integers(std::string_view name, const Tensor& tensor,
                                           std::size_t count, bool single) {
  const auto size = static_cast<std::size_t>(tensor.size());
  if (size != count && !(single && size == 1)) {
    return bad_parameter(name, fmt::format("{} values", count), tensor);
  }
  auto values = tensor.to_integers();
  if (!values.ok()) return std::move(values).error().in(std::string(name));
  values->resize(count, values->front());
  return values;
}

std::optional<Error> check_group(const op::RandomSparse::Group& g, std::size_t index,
                                 std::int64_t inputs) {
  if (g.source_start < 0 || g.source_count < 0 || g.source_count > inputs ||
      g.source_start > inputs - g.source_count) {
    return bad_group(index, "its sources lie outside the inputs",
                     fmt::format("a range within {} inputs", inputs),
                     fmt::format("{} from {} on", g.source_count, g.source_start));
  }
  const std::int64_t most = g.source_count == 0 ? 0 : g.repeats ? INT32_MAX : g.source_count;
  if (g.degree < 0 || g.degree > most) {
    return bad_group(index, "so many sources cannot be drawn", fmt::format("0 to {}", most),
                     fmt::format("degree {} from {} sources", g.degree, g.source_count));
  }
  return std::nullopt;
}

std::uint32_t pick(std::uint32_t word, std::uint64_t choices) {
  return static_cast<std::uint32_t>(word * choices >> 32);
}

}  // namespace

Result<op::RandomSparse> random_rule(const node::RandomSparse& kind) {
  SPIKELOOM_TRY(const auto shape, integers("shape", kind.shape, 2, false));
  if (shape[0] < 0 || shape[1] < 0 || shape[0] > INT32_MAX || shape[1] > INT32_MAX) {
    return Error{.what = "the shape of a sparse weight is (out, in)",
                 .expected = "two sizes below 2^31",
                 .got = to_string(shape)};
  }
  const auto groups = static_cast<std::size_t>(kind.degree.size());
  if (groups == 0) return bad_parameter("degree", "at least one group", kind.degree);
  SPIKELOOM_TRY(const auto start, integers("source_start", kind.source_start, groups, false));
  SPIKELOOM_TRY(const auto count, integers("source_count", kind.source_count, groups, false));
  SPIKELOOM_TRY(const auto degree, integers("degree", kind.degree, groups, false));
  SPIKELOOM_TRY(const auto repeats, integers("repeats", kind.repeats, groups, true));
  SPIKELOOM_TRY(const auto seed, integers("seed", kind.seed, 1, false));
  if (static_cast<std::size_t>(kind.weight.size()) != groups) {
    return bad_parameter("weight", fmt::format("{} values", groups), kind.weight);
  }
  op::RandomSparse rule;
  rule.outputs = shape[0];
  rule.inputs = shape[1];
  rule.seed = static_cast<std::uint64_t>(seed[0]);
  std::int64_t per_output = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    if (repeats[g] != 0 && repeats[g] != 1) {
      return bad_group(g, "'repeats' is a yes or no", "0 or 1", std::to_string(repeats[g]));
    }
    rule.groups.push_back({start[g], count[g], degree[g],
                           kind.weight.at(static_cast<std::int64_t>(g)), repeats[g] == 1});
    if (auto error = check_group(rule.groups.back(), g, rule.inputs)) return *std::move(error);
    per_output += degree[g];
    if (per_output > kMaxSynapses / std::max<std::int64_t>(rule.outputs, 1)) {
      return Error{.code = ErrorCode::kResource,
                   .what = "the rule stands for too many synapses",
                   .expected = "at most 2^40",
                   .got = fmt::format("{} for each of {} outputs", per_output, rule.outputs)};
    }
  }
  return rule;
}

std::int64_t synapse_count(const op::RandomSparse& rule) {
  std::int64_t per_output = 0;
  for (const auto& group : rule.groups) per_output += group.degree;
  return per_output * rule.outputs;
}

std::span<const std::uint32_t> SourceDraw::sources(std::size_t group, std::int64_t target) {
  const op::RandomSparse::Group& g = rule_.groups[group];
  const RandomStream random{rule_.seed, kStream + group};
  const auto start = static_cast<std::uint32_t>(g.source_start);
  const auto count = static_cast<std::uint64_t>(g.source_count);
  const auto degree = static_cast<std::uint32_t>(g.degree);
  drawn_.resize(degree);
  if (!g.repeats) taken_.resize((count + 63) / 64);
  std::array<std::uint32_t, 4> words{};
  for (std::uint32_t k = 0; k < degree; ++k) {
    if (k % 4 == 0) words = random.words(static_cast<std::uint64_t>(target) << 32 | k / 4);
    if (g.repeats) {
      drawn_[k] = start + pick(words[k % 4], count);
      continue;
    }
    const auto last = static_cast<std::uint32_t>(count - degree + k);
    std::uint32_t chosen = pick(words[k % 4], std::uint64_t{last} + 1);
    if ((taken_[chosen / 64] >> chosen % 64 & 1U) != 0) chosen = last;
    taken_[chosen / 64] |= std::uint64_t{1} << chosen % 64;
    drawn_[k] = start + chosen;
  }
  if (!g.repeats) {
    for (const std::uint32_t source : drawn_) taken_[(source - start) / 64] = 0;
  }
  return drawn_;
}

}  // namespace spikeloom
