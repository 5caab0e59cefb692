#pragma once
/// Random connections: expands an op::RandomSparse, the same on every machine and backend.
///
/// Output `target` draws its k-th source of group g (k = 0 .. degree - 1) from word k mod 4 of the
/// Philox block with key `seed`, stream "spar" + g and index target 2^32 + k / 4. A word w picks
/// floor(w n / 2^32) of n choices; the chance of a choice is off 1/n by less than 2^-32.
///
/// with replacement      source = start + pick(count)
/// without (R. Floyd,    j = count - degree + k, c = pick(j + 1); c if it is new, else j
///   CACM 30, 1987)
///
/// So any part can be expanded on its own, and twice: one pass counts the synapses of each source,
/// a second one places them, and no list is ever held.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "snn/node_kinds.hpp"
#include "snn/program.hpp"

namespace spikeloom {

/// The rule of a node, checked: kShape (groups of different length), kInvalidArgument (a range
/// outside the inputs, more draws without replacement than sources), kResource (more than 2^40
/// synapses). `weight_class` is left as it is.
Result<op::RandomSparse> random_rule(const node::RandomSparse& kind);

/// Number of synapses: outputs x the sum of the degrees.
std::int64_t synapse_count(const op::RandomSparse& rule);

/// Draws sources; holds only what one target needs.
class SourceDraw {
 public:
  /// `rule` has to stay alive.
  explicit SourceDraw(const op::RandomSparse& rule) : rule_(rule) {}
  /// The sources of `target` in group `group`, in the order of k; valid until the next call.
  std::span<const std::uint32_t> sources(std::size_t group, std::int64_t target);

 private:
  const op::RandomSparse& rule_;
  std::vector<std::uint32_t> drawn_;
  std::vector<std::uint64_t> taken_;  ///< one bit per choice, while drawing without replacement
};

/// Calls `f(target, source, group)` for every synapse of the targets [first, last): targets
/// ascending, then groups, then k. Its weight is rule.groups[group].weight.
template <typename F>
void for_each_synapse(const op::RandomSparse& rule, std::int64_t first, std::int64_t last, F f) {
  SourceDraw draw(rule);
  for (std::int64_t target = first; target < last; ++target) {
    for (std::size_t group = 0; group < rule.groups.size(); ++group) {
      for (const std::uint32_t source : draw.sources(group, target)) f(target, source, group);
    }
  }
}

}  // namespace spikeloom
