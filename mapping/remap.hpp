#pragma once
/// Incremental mapping: a Plan for an edited network or a machine with new faults, as much like the
/// old one as can be; and what two Plans differ in.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

/// All faults of both.
Faults joined(const Faults& old, const Faults& more);

struct RemapReport {
  /// Why everything was mapped anew; empty when the old Plan was kept and mended.
  std::string anew;
  std::uint64_t slices_moved = 0, trees_changed = 0, tables_changed = 0;
};

/// Keeps the cut, the places and every key of `old`, moves slices away from dead cores, and finds
/// those trees anew whose source has other targets, whose end has moved or whose way is broken.
/// Their entries go before the table that stands there already, which was proven for all other
/// keys: an entry for a slice's own keys takes nothing from another slice. That is checked entry by
/// entry, and a table that becomes longer than the machine's is compressed anew.
///
/// Where populations were added, removed or resized, windows come to one that was cut along its
/// listed synapses, or a slice does not fit its core any more or a table its chip, all is mapped
/// anew and the report says why. The target is that of the old Plan; its faults stay, those of
/// `options` come on top. Errors as map().
Result<Plan> remap(const Plan& old, const PopulationGraph& graph, const MapOptions& options,
                   RemapReport* report = nullptr);

/// One line for each population, chip or amount that differs, for people; empty for equal Plans.
struct PlanDifference {
  std::uint64_t slices_moved = 0;   ///< same population and neurons, another core
  std::uint64_t keys_changed = 0;   ///< of slices that both have
  std::uint64_t slices_recut = 0;   ///< slices that only one of them has
  std::uint64_t trees_changed = 0;  ///< of slices that both have: other chips or routes
  std::uint64_t tables_changed = 0;
  std::vector<std::string> lines;
  bool same() const { return lines.empty(); }
};
PlanDifference difference(const Plan& a, const Plan& b);

}  // namespace spikeloom::mapping
