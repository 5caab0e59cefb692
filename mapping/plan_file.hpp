#pragma once
/// Files of Plans: HDF5, or JSON with the same names (docs/formats/plan.md).
///
/// Every array of structures is stored column by column, `/slices/first`, `/slices/count`, ...;
/// lists of lists as their lengths and their elements one after the other. What is read is checked
/// as a whole before anybody sees it.

#include <cstddef>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::mapping {

/// JSON when the name ends in ".json", else HDF5; atomic.
Status write_plan(const Plan& plan, const std::string& path);
/// Told apart by content. kFormat: not a Plan, damaged, or contradicting itself; says where.
Result<Plan> read_plan(const std::string& path);
/// `name` is what errors call the bytes.
Result<Plan> parse_plan(std::span<const std::byte> bytes, const std::string& name);
/// True for files that say they are Plans.
bool looks_like_plan(const std::string& path);

Value to_value(const Plan& plan);

/// kFormat naming the entry: an index out of range, slices that do not tile their population, keys
/// that overlap, an order that is no permutation, a tree that is none, a core that does not exist.
Status check(const Plan& plan);

}  // namespace spikeloom::mapping
