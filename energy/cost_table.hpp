#pragma once
/// Cost tables: what an operation, a byte, a hop or a second of waiting costs, with its source.
///
/// A table is a TOML file, one per technology or chip (docs/energy.md lists the entries):
///
///     name = "45nm"
///     title = "45 nm CMOS at 0.9 V"
///     prices = ["compute", "lemaire", "traffic"]     # what this table must be able to price
///     [mac.fp32]
///     value = 4.6
///     unit = "pJ"
///     status = "published"                           # measured, published, derived, unverified
///     source = "Horowitz, ISSCC 2014"
///
/// The reader is strict: an unknown name, a missing value, unit, source or status, a negative
/// value, a unit of the wrong kind, or an entry that `prices` needs and the file lacks is kFormat
/// with file, line and column.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom {

/// How far a figure can be trusted. Unverified ones are usable, marked wherever they enter, and
/// never in a headline.
enum class CostStatus { kMeasured, kPublished, kDerived, kUnverified };
const char* to_string(CostStatus status);

/// The three ways to count (accounting.hpp has the formulas).
enum class Accounting { kCompute, kLemaire, kTraffic };
inline constexpr Accounting kAccountings[] = {Accounting::kCompute, Accounting::kLemaire,
                                              Accounting::kTraffic};
const char* to_string(Accounting accounting);
Result<Accounting> parse_accounting(std::string_view text);

/// What numbers an operation works on.
enum class NumberFormat { kFp32, kFp16, kInt32, kInt16, kInt8 };
inline constexpr NumberFormat kNumberFormats[] = {NumberFormat::kFp32, NumberFormat::kFp16,
                                                  NumberFormat::kInt32, NumberFormat::kInt16,
                                                  NumberFormat::kInt8};
const char* to_string(NumberFormat format);
Result<NumberFormat> parse_number_format(std::string_view text);
int bits(NumberFormat format);

struct CostEntry {
  std::string name;  ///< "mac.fp32", "sram.8KiB", "hop"
  /// In SI: joules per operation, byte, bit, packet, hop or pixel; watts for "idle".
  double value = 0.0;
  double written_value = 0.0;
  std::string unit;  ///< as written: "pJ/64bit"
  CostStatus status = CostStatus::kUnverified;
  std::string source;
  std::uint64_t capacity_bytes = 0;       ///< of a memory: sram.* have one
  std::optional<double> lowest, highest;  ///< SI; the range in which an uncertain value may lie
};

struct CostTable {
  std::string name, title, note;
  std::vector<Accounting> prices;
  std::vector<CostEntry> entries;  ///< in the order of the file

  const CostEntry* find(std::string_view entry) const;
  /// The smallest memory that holds so many bytes: an sram.* entry, else dram, else nothing.
  const CostEntry* memory_for(double bytes) const;
  bool prices_accounting(Accounting accounting) const;
};

/// `file` is what errors call the text.
Result<CostTable> parse_cost_table(std::string_view text, const std::string& file);
/// A built-in table by name ("45nm"), or a file (a name with a '/' or ".toml").
Result<CostTable> load_cost_table(const std::string& name_or_path);
/// Names of the built-in tables.
std::vector<std::string> cost_table_names();

Value to_value(const CostEntry& entry);

}  // namespace spikeloom
