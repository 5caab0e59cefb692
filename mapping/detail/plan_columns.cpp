#include "mapping/detail/plan_columns.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

namespace spikeloom::mapping::detail {
namespace {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;
using Texts = std::vector<std::string>;

template <typename T>
using ColumnOf = std::conditional_t<std::is_same_v<T, std::string>, Texts,
                                    std::conditional_t<std::is_same_v<T, double>, Reals, Integers>>;

/// Writes members of structures into columns.
class Writer {
 public:
  explicit Writer(Columns& columns) : columns_(columns) {}

  template <typename Row, typename Get>
  void column(const std::string& name, std::vector<Row>& rows, Get get) {
    using T = std::remove_cvref_t<decltype(get(rows[0]))>;
    ColumnOf<T> made;
    made.reserve(rows.size());
    for (Row& row : rows) made.push_back(static_cast<typename ColumnOf<T>::value_type>(get(row)));
    columns_[name] = std::move(made);
  }

  /// A list in each row: its length, and the elements of all rows as `describe` has them.
  template <typename Row, typename Get, typename Describe>
  void lists(const std::string& name, std::vector<Row>& rows, Get get, Describe describe) {
    Integers lengths;
    std::remove_cvref_t<decltype(get(rows[0]))> all;
    for (Row& row : rows) {
      const auto& list = get(row);
      lengths.push_back(static_cast<std::int64_t>(list.size()));
      all.insert(all.end(), list.begin(), list.end());
    }
    columns_[name + "_count"] = std::move(lengths);
    describe(name, all);
  }

  template <typename Row>
  void rows(const std::string&, std::vector<Row>&) {}

 private:
  Columns& columns_;
};

/// Reads them back. The first column of a structure says how many there are.
class Reader {
 public:
  explicit Reader(const Columns& columns) : columns_(columns) {}

  const Status& status() const { return status_; }

  template <typename Row, typename Get>
  void column(const std::string& name, std::vector<Row>& rows, Get get) {
    using T = std::remove_cvref_t<decltype(get(rows[0]))>;
    const auto* values = find<ColumnOf<T>>(name);
    if (values == nullptr) return;
    if (values->size() != rows.size()) {
      return fail(name, "a column of another length", fmt::format("{}", rows.size()),
                  fmt::format("{}", values->size()));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::string>) {
        get(rows[i]) = (*values)[i];
      } else if (!store(name, (*values)[i], get(rows[i]))) {
        return;
      }
    }
  }

  template <typename Row, typename Get, typename Describe>
  void lists(const std::string& name, std::vector<Row>& rows, Get get, Describe describe) {
    const auto* lengths = find<Integers>(name + "_count");
    if (lengths == nullptr) return;
    if (lengths->size() != rows.size()) {
      return fail(name + "_count", "a column of another length", fmt::format("{}", rows.size()),
                  fmt::format("{}", lengths->size()));
    }
    std::remove_cvref_t<decltype(get(rows[0]))> all;
    describe(name, all);
    std::size_t at = 0;
    for (std::size_t i = 0; i < rows.size() && status_.ok(); ++i) {
      const std::int64_t length = (*lengths)[i];
      if (length < 0 || static_cast<std::uint64_t>(length) > all.size() - at) {
        return fail(name + "_count", "lists that are longer than their elements");
      }
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
      get(rows[i]).assign(from, from + length);
      at += static_cast<std::size_t>(length);
    }
    if (status_.ok() && at != all.size()) fail(name + "_count", "lists that leave elements over");
  }

  /// Makes as many rows as the column has entries.
  template <typename Row>
  void rows(const std::string& name, std::vector<Row>& made) {
    const auto found = columns_.find(name);
    if (found == columns_.end()) return fail(name, "a column is missing");
    made.resize(std::visit([](const auto& values) { return values.size(); }, found->second));
  }

 private:
  template <typename Values>
  const Values* find(const std::string& name) {
    if (!status_.ok()) return nullptr;
    const auto found = columns_.find(name);
    if (found == columns_.end()) {
      fail(name, "a column is missing");
      return nullptr;
    }
    const auto* values = std::get_if<Values>(&found->second);
    if (values == nullptr) fail(name, "a column of another type");
    return values;
  }

  template <typename T>
  bool store(const std::string& name, std::int64_t value, T& out) {
    bool fits = false;
    if constexpr (std::is_enum_v<T>) {
      fits = value >= 0 && value <= 255;  // check() knows the values that exist
    } else if constexpr (std::is_same_v<T, bool>) {
      fits = value == 0 || value == 1;
    } else if constexpr (std::is_same_v<T, std::uint64_t>) {
      fits = value >= 0;
    } else {
      fits = value >= static_cast<std::int64_t>(std::numeric_limits<T>::min()) &&
             value <= static_cast<std::int64_t>(std::numeric_limits<T>::max());
    }
    if (!fits) {
      fail(name, "a number out of range", {}, fmt::format("{}", value));
      return false;
    }
    out = static_cast<T>(value);
    return true;
  }

  void fail(const std::string& name, std::string what, std::string expected = {},
            std::string got = {}) {
    if (!status_.ok()) return;
    status_ = Error{.code = ErrorCode::kFormat,
                    .what = std::move(what),
                    .where = name,
                    .expected = std::move(expected),
                    .got = std::move(got)};
  }

  const Columns& columns_;
  Status status_;
};

/// Plain numbers, one in each entry of a list.
struct Number {
  template <typename Archive, typename T>
  static auto with(Archive& archive) {
    return [&archive](const std::string& name, std::vector<T>& all) {
      archive.rows(name, all);
      archive.column(name, all, [](T& value) -> T& { return value; });
    };
  }
};

#define SPIKELOOM_MEMBER(type, member) \
  [](type & row) -> auto& { return row.member; }

template <typename Archive>
void entries(Archive& archive, const std::string& name, std::vector<RoutingEntry>& all) {
  archive.rows(name + "_key", all);
  archive.column(name + "_key", all, SPIKELOOM_MEMBER(RoutingEntry, key));
  archive.column(name + "_mask", all, SPIKELOOM_MEMBER(RoutingEntry, mask));
  archive.column(name + "_route", all, SPIKELOOM_MEMBER(RoutingEntry, route));
  archive.column(name + "_defaultable", all, SPIKELOOM_MEMBER(RoutingEntry, defaultable));
}

template <typename Archive>
void target(Archive& archive, std::vector<Target>& one) {
  archive.rows("target.name", one);
  archive.column("target.name", one, SPIKELOOM_MEMBER(Target, name));
  archive.column("target.title", one, SPIKELOOM_MEMBER(Target, title));
  archive.column("target.size", one, SPIKELOOM_MEMBER(Target, size));
  archive.column("target.topology", one, SPIKELOOM_MEMBER(Target, topology));
  archive.column("target.synapses", one, SPIKELOOM_MEMBER(Target, synapses));
  archive.column("target.width", one, SPIKELOOM_MEMBER(Target, width));
  archive.column("target.wraps", one, SPIKELOOM_MEMBER(Target, wraps));
  archive.lists("target.rows", one, SPIKELOOM_MEMBER(Target, rows),
                [&](const std::string& name, std::vector<ChipSpan>& all) {
                  archive.rows(name + "_first", all);
                  archive.column(name + "_first", all, SPIKELOOM_MEMBER(ChipSpan, first));
                  archive.column(name + "_end", all, SPIKELOOM_MEMBER(ChipSpan, end));
                });
  archive.lists("target.constants", one, SPIKELOOM_MEMBER(Target, entries),
                [&](const std::string& name, std::vector<TargetEntry>& all) {
                  archive.rows(name + "_name", all);
                  archive.column(name + "_name", all, SPIKELOOM_MEMBER(TargetEntry, name));
                  archive.column(name + "_value", all, SPIKELOOM_MEMBER(TargetEntry, value));
                  archive.column(name + "_source", all, SPIKELOOM_MEMBER(TargetEntry, source));
                });
}

template <typename Archive>
void faults(Archive& archive, Faults& faults) {
  archive.rows("faults.chip_x", faults.chips);
  using Chip = std::array<std::int32_t, 2>;
  archive.column(
      "faults.chip_x", faults.chips, [](Chip & chip) -> auto& { return chip[0]; });
  archive.column(
      "faults.chip_y", faults.chips, [](Chip & chip) -> auto& { return chip[1]; });
  archive.rows("faults.core_x", faults.cores);
  archive.column("faults.core_x", faults.cores, SPIKELOOM_MEMBER(Faults::Core, x));
  archive.column("faults.core_y", faults.cores, SPIKELOOM_MEMBER(Faults::Core, y));
  archive.column("faults.core_core", faults.cores, SPIKELOOM_MEMBER(Faults::Core, core));
  archive.rows("faults.link_x", faults.links);
  archive.column("faults.link_x", faults.links, SPIKELOOM_MEMBER(Faults::Link, x));
  archive.column("faults.link_y", faults.links, SPIKELOOM_MEMBER(Faults::Link, y));
  archive.column("faults.link_direction", faults.links, SPIKELOOM_MEMBER(Faults::Link, direction));
}

template <typename Archive>
void populations(Archive& archive, std::vector<PlanPopulation>& rows) {
  using P = PlanPopulation;
  archive.rows("populations.name", rows);
  archive.column("populations.name", rows, SPIKELOOM_MEMBER(P, name));
  archive.column("populations.node", rows, SPIKELOOM_MEMBER(P, node));
  archive.column("populations.channels", rows, SPIKELOOM_MEMBER(P, shape[0]));
  archive.column("populations.rows", rows, SPIKELOOM_MEMBER(P, shape[1]));
  archive.column("populations.columns", rows, SPIKELOOM_MEMBER(P, shape[2]));
  archive.column("populations.tile_channels", rows, SPIKELOOM_MEMBER(P, tile[0]));
  archive.column("populations.tile_rows", rows, SPIKELOOM_MEMBER(P, tile[1]));
  archive.column("populations.tile_columns", rows, SPIKELOOM_MEMBER(P, tile[2]));
  archive.column("populations.rate", rows, SPIKELOOM_MEMBER(P, rate));
  archive.column("populations.source", rows, SPIKELOOM_MEMBER(P, source));
  archive.column("populations.first_slice", rows, SPIKELOOM_MEMBER(P, first_slice));
  archive.column("populations.slices", rows, SPIKELOOM_MEMBER(P, slices));
  archive.lists("populations.order", rows, SPIKELOOM_MEMBER(P, order),
                Number::with<Archive, std::uint32_t>(archive));
}

template <typename Archive>
void cores(Archive& archive, std::vector<PlanCore>& rows) {
  using C = PlanCore;
  archive.rows("cores.chip", rows);
  archive.column("cores.chip", rows, SPIKELOOM_MEMBER(C, chip));
  archive.column("cores.core", rows, SPIKELOOM_MEMBER(C, core));
  archive.column("cores.neurons", rows, SPIKELOOM_MEMBER(C, use.neurons));
  archive.column("cores.in_axons", rows, SPIKELOOM_MEMBER(C, use.in_axons));
  archive.column("cores.out_axons", rows, SPIKELOOM_MEMBER(C, use.out_axons));
  archive.column("cores.synapses", rows, SPIKELOOM_MEMBER(C, use.synapses));
  archive.column("cores.state_bytes", rows, SPIKELOOM_MEMBER(C, use.state_bytes));
  archive.column("cores.buffer_bytes", rows, SPIKELOOM_MEMBER(C, use.buffer_bytes));
  archive.column("cores.table_bytes", rows, SPIKELOOM_MEMBER(C, use.table_bytes));
  archive.column("cores.row_bytes", rows, SPIKELOOM_MEMBER(C, use.row_bytes));
  archive.column("cores.shared_bytes", rows, SPIKELOOM_MEMBER(C, use.shared_bytes));
  archive.column("cores.cycles", rows, SPIKELOOM_MEMBER(C, use.cycles));
}

template <typename Archive>
void describe(Archive& archive, Plan& plan, std::vector<Target>& one_target) {
  std::vector<Plan*> self{&plan};
  archive.column(
      "plan.network", self, [](Plan * &p) -> auto& { return p->network; });
  archive.column(
      "plan.seed", self, [](Plan * &p) -> auto& { return p->seed; });
  target(archive, one_target);
  faults(archive, plan.faults);
  populations(archive, plan.populations);
  using J = PlanProjection;
  archive.rows("projections.source", plan.projections);
  archive.column("projections.source", plan.projections, SPIKELOOM_MEMBER(J, source));
  archive.column("projections.target", plan.projections, SPIKELOOM_MEMBER(J, target));
  archive.column("projections.pattern", plan.projections, SPIKELOOM_MEMBER(J, pattern));
  archive.column("projections.delay", plan.projections, SPIKELOOM_MEMBER(J, delay));
  archive.lists("projections.nodes", plan.projections, SPIKELOOM_MEMBER(J, nodes),
                Number::with<Archive, std::uint32_t>(archive));
  cores(archive, plan.cores);
  using S = PlanSlice;
  archive.rows("slices.population", plan.slices);
  archive.column("slices.population", plan.slices, SPIKELOOM_MEMBER(S, population));
  archive.column("slices.first", plan.slices, SPIKELOOM_MEMBER(S, first));
  archive.column("slices.count", plan.slices, SPIKELOOM_MEMBER(S, count));
  archive.column("slices.core", plan.slices, SPIKELOOM_MEMBER(S, core));
  archive.column("slices.key", plan.slices, SPIKELOOM_MEMBER(S, key));
  archive.column("slices.mask", plan.slices, SPIKELOOM_MEMBER(S, mask));
  using B = PlanBlock;
  archive.rows("blocks.slice", plan.blocks);
  archive.column("blocks.slice", plan.blocks, SPIKELOOM_MEMBER(B, slice));
  archive.column("blocks.projection", plan.blocks, SPIKELOOM_MEMBER(B, projection));
  archive.column("blocks.kind", plan.blocks, SPIKELOOM_MEMBER(B, kind));
  archive.column("blocks.in_chip", plan.blocks, SPIKELOOM_MEMBER(B, in_chip));
  archive.column("blocks.address", plan.blocks, SPIKELOOM_MEMBER(B, address));
  archive.column("blocks.bytes", plan.blocks, SPIKELOOM_MEMBER(B, bytes));
  archive.column("blocks.sources", plan.blocks, SPIKELOOM_MEMBER(B, sources));
  archive.column("blocks.synapses", plan.blocks, SPIKELOOM_MEMBER(B, synapses));
  archive.rows("routes.links", plan.routes);
  archive.column("routes.links", plan.routes, SPIKELOOM_MEMBER(PlanRoute, links));
  archive.lists("routes.cores", plan.routes, SPIKELOOM_MEMBER(PlanRoute, cores),
                Number::with<Archive, std::uint16_t>(archive));
  archive.rows("trees.slices_count", plan.trees);
  archive.lists("trees.slices", plan.trees, SPIKELOOM_MEMBER(PlanTree, slices),
                Number::with<Archive, std::uint32_t>(archive));
  archive.lists("trees.keys", plan.trees, SPIKELOOM_MEMBER(PlanTree, keys),
                [&](const std::string& name, std::vector<RoutingEntry>& all) {
                  entries(archive, name, all);
                });
  archive.lists("trees.nodes", plan.trees, SPIKELOOM_MEMBER(PlanTree, nodes),
                [&](const std::string& name, std::vector<TreeNode>& all) {
                  archive.rows(name + "_chip", all);
                  archive.column(name + "_chip", all, SPIKELOOM_MEMBER(TreeNode, chip));
                  archive.column(name + "_route", all, SPIKELOOM_MEMBER(TreeNode, route));
                  archive.column(name + "_from", all, SPIKELOOM_MEMBER(TreeNode, from));
                });
  archive.rows("tables.chip", plan.tables);
  archive.column("tables.chip", plan.tables, SPIKELOOM_MEMBER(PlanTable, chip));
  archive.column("tables.raw_entries", plan.tables, SPIKELOOM_MEMBER(PlanTable, raw_entries));
  archive.lists("tables.entries", plan.tables, SPIKELOOM_MEMBER(PlanTable, entries),
                [&](const std::string& name, std::vector<RoutingEntry>& all) {
                  entries(archive, name, all);
                });
  archive.rows("off_chip.name", plan.off_chip);
  archive.column("off_chip.name", plan.off_chip, SPIKELOOM_MEMBER(OffChip, name));
  archive.column("off_chip.why", plan.off_chip, SPIKELOOM_MEMBER(OffChip, why));
  archive.column("off_chip.bytes", plan.off_chip, SPIKELOOM_MEMBER(OffChip, bytes));
}

#undef SPIKELOOM_MEMBER

}  // namespace

const Columns& plan_schema() {
  static const Columns schema = [] {
    Plan plan;
    plan.target.rows.push_back({0, 1});
    Columns columns = to_columns(plan);
    for (auto& [name, column] : columns) std::visit([](auto& values) { values.clear(); }, column);
    return columns;
  }();
  return schema;
}

Columns to_columns(const Plan& plan) {
  Columns columns;
  Writer writer(columns);
  Plan copy = plan;
  std::vector<Target> one_target{plan.target};
  describe(writer, copy, one_target);
  return columns;
}

Result<Plan> from_columns(const Columns& columns) {
  Plan plan;
  Reader reader(columns);
  std::vector<Target> one_target;
  describe(reader, plan, one_target);
  SPIKELOOM_CHECK(reader.status());
  if (one_target.size() != 1) {
    return Error{.code = ErrorCode::kFormat, .what = "a Plan has one target", .where = "target"};
  }
  plan.target = std::move(one_target.front());
  for (const TargetEntry& entry : plan.target.entries) {
    for (const ConstantInfo& info : target_constants()) {
      if (info.name == entry.name) plan.target.constants.*(info.member) = entry.value;
    }
  }
  return plan;
}

}  // namespace spikeloom::mapping::detail
