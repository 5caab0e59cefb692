#pragma once
/// A Plan as named columns, the common form of its files; private to mapping.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::mapping::detail {

using Column =
    std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;
/// "slices.first" and the like; "network.name" has one element.
using Columns = std::map<std::string, Column>;

/// The names that a Plan has and the type of each, as an empty column.
const Columns& plan_schema();
Columns to_columns(const Plan& plan);
/// kFormat naming the column: missing, of another type or length, a number out of range. The Plan
/// is not checked beyond that.
Result<Plan> from_columns(const Columns& columns);

}  // namespace spikeloom::mapping::detail
