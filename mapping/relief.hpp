#pragma once
/// Relief of busy links: trees that cross the busiest link are led round it, as long as that makes
/// the busiest link less busy.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::mapping {

struct ReliefOptions {
  /// Packets a tick of each slice, as a run counted them; empty: the populations' rates.
  std::vector<double> slice_packets = {};
  /// Links that a tree may have more than before.
  std::uint32_t more_links = 2;
};

struct ReliefReport {
  double before = 0.0, after = 0.0;  ///< packets a tick over the busiest link
  std::uint64_t trees_moved = 0;
  std::int64_t links_added = 0;  ///< of the trees, together
  std::string problem;           ///< why the Plan stayed as it was; empty otherwise
};

/// Finds trees anew and makes the tables of their chips, with proof. Where a table becomes too long
/// for the machine, the Plan stays as it was and the report says so. Plans without tables have no
/// trees and stay.
Result<ReliefReport> relieve(Plan& plan, const ReliefOptions& options = {});

}  // namespace spikeloom::mapping
