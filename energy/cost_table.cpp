#include "energy/cost_table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/toml.hpp"
#include "energy/detail/cost_vocabulary.hpp"
#include "energy/detail/embedded_tables.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMostTableBytes = 1 << 20;

/// Reads one file; every complaint has its line and column.
class TableReader {
 public:
  TableReader(const std::string& file, const io::TomlPositions& positions)
      : file_(file), positions_(positions) {}

  Result<CostTable> read(const Value& document) {
    SPIKELOOM_TRY(table_.name, text(document, "", "name"));
    SPIKELOOM_TRY(table_.title, text(document, "", "title"));
    for (const auto& [key, value] : *document.as_map()) {
      if (key == "name" || key == "title" || key == "prices") continue;
      if (key == "note") {
        SPIKELOOM_TRY(table_.note, text(document, "", "note"));
        continue;
      }
      SPIKELOOM_CHECK(read_group(key, value));
    }
    SPIKELOOM_CHECK(read_prices(document));
    return std::move(table_);
  }

 private:
  Error fault(const std::string& path, std::string what, std::string expected = {},
              std::string got = {}) const {
    return io::toml_fault(file_, positions_, path, std::move(what), std::move(expected),
                          std::move(got));
  }

  Result<std::string> text(const Value& map, const std::string& path, const char* key) const {
    const std::string full = path.empty() ? key : path + "." + key;
    const Value* value = map.find(key);
    if (value == nullptr) return fault(full, fmt::format("'{}' is missing", full), "text");
    const std::string* found = value->as_string();
    if (found == nullptr || found->find_first_not_of(' ') == std::string::npos) {
      return fault(full, fmt::format("'{}' says nothing", full), "text");
    }
    return *found;
  }

  Result<double> number(const Value& map, const std::string& path, const char* key) const {
    const std::string full = path + "." + key;
    const Value* value = map.find(key);
    if (value == nullptr) return fault(full, fmt::format("'{}' is missing", full), "a number");
    if (!value->is_number() || !std::isfinite(value->number())) {
      return fault(full, fmt::format("'{}' is no number", full), "a number");
    }
    if (value->number() < 0.0) {
      return fault(full, fmt::format("'{}' is negative", full), "0 or more",
                   fmt::format("{}", value->number()));
    }
    return value->number();
  }

  /// [hop] is an entry; [mac] holds mac.fp32, mac.int8.
  Status read_group(const std::string& path, const Value& value) {
    if (value.as_map() == nullptr) {
      return fault(path, fmt::format("'{}' is no entry of a cost table", path),
                   "name, title, note, prices, or a table such as [mac.fp32]");
    }
    if (detail::entry_dimension(path)) return read_entry(path, value);
    const bool inner = path.find('.') != std::string::npos;
    const bool all_tables = std::all_of(value.as_map()->begin(), value.as_map()->end(),
                                        [](const auto& item) { return item.second.as_map(); });
    if (inner || !all_tables || value.as_map()->empty()) {
      return fault(path, fmt::format("there is no cost entry '{}'", path),
                   "ac.FORMAT, mac.FORMAT, synop, neuron_update, spike, hop, sram.NAME, dram, "
                   "lemaire.base, lemaire.per_bit, idle, compare or sensor.*");
    }
    for (const auto& [key, item] : *value.as_map()) {
      SPIKELOOM_CHECK(read_group(path + "." + key, item));
    }
    return {};
  }

  Status read_entry(const std::string& path, const Value& value) {
    CostEntry entry;
    entry.name = path;
    for (const auto& [key, unused] : *value.as_map()) {
      const bool known = key == "value" || key == "unit" || key == "source" || key == "status" ||
                         key == "lowest" || key == "highest" || key == "bytes";
      if (!known) {
        return fault(path + "." + key, fmt::format("'{}' has no '{}'", path, key),
                     "value, unit, status, source, lowest, highest, bytes");
      }
    }
    SPIKELOOM_TRY(entry.written_value, number(value, path, "value"));
    SPIKELOOM_TRY(entry.unit, text(value, path, "unit"));
    const auto factor = detail::unit_factor(entry.unit, *detail::entry_dimension(path));
    if (!factor.ok()) {
      return fault(path + ".unit", factor.error().what, factor.error().expected,
                   factor.error().got);
    }
    entry.value = entry.written_value * *factor;
    SPIKELOOM_TRY(const std::string status, text(value, path, "status"));
    SPIKELOOM_TRY(entry.status, read_status(path, status));
    SPIKELOOM_TRY(entry.source, text(value, path, "source"));
    SPIKELOOM_CHECK(read_range(path, value, *factor, entry));
    if (path.starts_with("sram.")) {
      SPIKELOOM_TRY(const double bytes, number(value, path, "bytes"));
      if (bytes < 1.0 || bytes > 1e18) {
        return fault(path + ".bytes", "a memory of this size does not exist", "1 to 1e18");
      }
      entry.capacity_bytes = static_cast<std::uint64_t>(bytes);
    }
    table_.entries.push_back(std::move(entry));
    return {};
  }

  Result<CostStatus> read_status(const std::string& path, const std::string& word) const {
    for (const CostStatus status : {CostStatus::kMeasured, CostStatus::kPublished,
                                    CostStatus::kDerived, CostStatus::kUnverified}) {
      if (word == to_string(status)) return status;
    }
    return fault(path + ".status", "not a status", "measured, published, derived or unverified",
                 "'" + word + "'");
  }

  Status read_range(const std::string& path, const Value& value, double factor,
                    CostEntry& entry) const {
    if (value.find("lowest") == nullptr && value.find("highest") == nullptr) return {};
    SPIKELOOM_TRY(const double lowest, number(value, path, "lowest"));
    SPIKELOOM_TRY(const double highest, number(value, path, "highest"));
    if (lowest > entry.written_value || highest < entry.written_value) {
      return fault(path + ".lowest", "the range does not hold the value",
                   "lowest <= value <= highest",
                   fmt::format("{} .. {} and {}", lowest, highest, entry.written_value));
    }
    entry.lowest = lowest * factor;
    entry.highest = highest * factor;
    return {};
  }

  bool has(const std::string& wanted) const {
    if (!wanted.ends_with('*')) return table_.find(wanted) != nullptr;
    const std::string_view prefix = std::string_view(wanted).substr(0, wanted.size() - 1);
    return std::any_of(table_.entries.begin(), table_.entries.end(),
                       [&](const CostEntry& entry) { return entry.name.starts_with(prefix); });
  }

  Status read_prices(const Value& document) {
    const Value* prices = document.find("prices");
    if (prices == nullptr || prices->as_list() == nullptr) {
      return fault("prices", "'prices' is missing", "a list of compute, lemaire, traffic; or []");
    }
    for (const Value& item : *prices->as_list()) {
      const auto parsed = parse_accounting(item.as_string() ? *item.as_string() : "");
      if (!parsed.ok()) {
        return fault("prices", parsed.error().what, parsed.error().expected, parsed.error().got);
      }
      std::string missing;
      bool complete = false;
      for (const auto& set : detail::required_entries(*parsed)) {
        std::string lacks;
        for (const std::string& entry : set) {
          if (!has(entry)) lacks += fmt::format("{}{}", lacks.empty() ? "" : ", ", entry);
        }
        complete = complete || lacks.empty();
        missing += fmt::format("{}{}", missing.empty() ? "" : "; or ", lacks);
      }
      if (!complete) {
        return fault("prices",
                     fmt::format("entries are missing that '{}' needs", to_string(*parsed)),
                     missing);
      }
      table_.prices.push_back(*parsed);
    }
    return {};
  }

  std::string file_;
  const io::TomlPositions& positions_;
  CostTable table_;
};

}  // namespace

const char* to_string(CostStatus status) {
  switch (status) {
    case CostStatus::kMeasured:
      return "measured";
    case CostStatus::kPublished:
      return "published";
    case CostStatus::kDerived:
      return "derived";
    case CostStatus::kUnverified:
      return "unverified";
  }
  return "";
}

const char* to_string(Accounting accounting) {
  switch (accounting) {
    case Accounting::kCompute:
      return "compute";
    case Accounting::kLemaire:
      return "lemaire";
    case Accounting::kTraffic:
      return "traffic";
  }
  return "";
}

Result<Accounting> parse_accounting(std::string_view text) {
  for (const Accounting accounting : kAccountings) {
    if (text == to_string(accounting)) return accounting;
  }
  return Error{.what = "not an accounting",
               .expected = "compute, lemaire or traffic",
               .got = "'" + std::string(text) + "'"};
}

const char* to_string(NumberFormat format) {
  switch (format) {
    case NumberFormat::kFp32:
      return "fp32";
    case NumberFormat::kFp16:
      return "fp16";
    case NumberFormat::kInt32:
      return "int32";
    case NumberFormat::kInt16:
      return "int16";
    case NumberFormat::kInt8:
      return "int8";
  }
  return "";
}

Result<NumberFormat> parse_number_format(std::string_view text) {
  for (const NumberFormat format : kNumberFormats) {
    if (text == to_string(format)) return format;
  }
  return Error{.what = "not a number format",
               .expected = "fp32, fp16, int32, int16 or int8",
               .got = "'" + std::string(text) + "'"};
}

int bits(NumberFormat format) {
  switch (format) {
    case NumberFormat::kFp32:
    case NumberFormat::kInt32:
      return 32;
    case NumberFormat::kFp16:
    case NumberFormat::kInt16:
      return 16;
    case NumberFormat::kInt8:
      return 8;
  }
  return 0;
}

const CostEntry* CostTable::find(std::string_view entry) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const CostEntry& e) { return e.name == entry; });
  return found == entries.end() ? nullptr : &*found;
}

const CostEntry* CostTable::memory_for(double bytes) const {
  const CostEntry* best = nullptr;
  for (const CostEntry& entry : entries) {
    if (entry.capacity_bytes == 0 || static_cast<double>(entry.capacity_bytes) < bytes) continue;
    if (best == nullptr || entry.capacity_bytes < best->capacity_bytes) best = &entry;
  }
  return best != nullptr ? best : find("dram");
}

bool CostTable::prices_accounting(Accounting accounting) const {
  return std::find(prices.begin(), prices.end(), accounting) != prices.end();
}

Result<CostTable> parse_cost_table(std::string_view text, const std::string& file) {
  io::TomlPositions positions;
  SPIKELOOM_TRY(const Value document, io::parse_toml(text, file, &positions));
  return TableReader(file, positions).read(document);
}

Result<CostTable> load_cost_table(const std::string& name_or_path) {
  for (const detail::EmbeddedTable& table : detail::embedded_tables()) {
    if (table.name == name_or_path) {
      return parse_cost_table(table.text, fmt::format("tables/{}.toml", table.name));
    }
  }
  const bool is_path =
      name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".toml");
  if (!is_path) {
    return Error{
        .code = ErrorCode::kNotFound,
        .what = fmt::format("there is no cost table '{}'", name_or_path),
        .expected = fmt::format("{}, or a .toml file", fmt::join(cost_table_names(), ", "))};
  }
  SPIKELOOM_TRY(const std::string text, io::read_text_file(name_or_path, kMostTableBytes));
  return parse_cost_table(text, name_or_path);
}

std::vector<std::string> cost_table_names() {
  std::vector<std::string> names;
  for (const detail::EmbeddedTable& table : detail::embedded_tables()) {
    names.emplace_back(table.name);
  }
  return names;
}

Value to_value(const CostEntry& entry) {
  Value value = Value::map();
  value.set("name", entry.name).set("value", entry.written_value).set("unit", entry.unit);
  value.set("status", to_string(entry.status)).set("source", entry.source);
  return value;
}

}  // namespace spikeloom
