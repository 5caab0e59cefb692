#include "mapping/tables/table_file.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/gzip.hpp"
#include "base/io/json.hpp"

namespace spikeloom::mapping {
namespace {

constexpr std::uint64_t kMaxUnpacked = std::uint64_t{256} << 20;

Error bad(const std::string& name, const std::string& where, std::string what,
          std::string expected = {}, std::string got = {}) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = where.empty() ? name : name + ": " + where,
               .expected = std::move(expected),
               .got = std::move(got)};
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::uint32_t> number(std::string_view text) {
  text = trimmed(text);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status check_entry(const RoutingEntry& entry, const std::string& name, const std::string& where) {
  if ((entry.key & ~entry.mask) == 0) return {};
  return bad(name, where, "the key has bits outside its mask, so that no packet matches",
             "key & ~mask = 0",
             fmt::format("key {}, mask {}", hex32(entry.key), hex32(entry.mask)));
}

Result<TableFile> parse_csv(std::string_view text, const std::string& name) {
  TableFile file{.format = TableFormat::kCsv, .tables = std::vector<RoutingTable>(1)};
  std::vector<RoutingEntry>& entries = file.tables[0].entries;
  int line_number = 0;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    const std::string where = fmt::format("line {}", line_number);
    const std::size_t one = line.find(',');
    const std::size_t two = one == line.npos ? one : line.find(',', one + 1);
    if (two == line.npos || line.find(',', two + 1) != line.npos) {
      return bad(name, where, "not a routing entry", "key,mask,route",
                 std::string(line.substr(0, 60)));
    }
    const auto key = number(line.substr(0, one));
    const auto mask = number(line.substr(one + 1, two - one - 1));
    const auto route = number(line.substr(two + 1));
    if (!key && !mask && !route && first) {  // a header
      first = false;
      continue;
    }
    first = false;
    if (!key || !mask || !route) {
      return bad(name, where, "a field is no number of 32 bits", "key,mask,route",
                 std::string(line.substr(0, 60)));
    }
    entries.push_back({.key = *key, .mask = *mask, .route = *route});
    SPIKELOOM_CHECK(check_entry(entries.back(), name, where));
  }
  if (entries.empty()) return bad(name, "", "it holds no routing entry");
  return file;
}

Result<std::uint32_t> field(const Value& entry, const char* key, const std::string& name,
                            const std::string& where) {
  const Value* value = entry.find(key);
  const std::int64_t* integer = value == nullptr ? nullptr : value->as_integer();
  if (integer == nullptr || *integer < 0 || *integer > std::numeric_limits<std::uint32_t>::max()) {
    return bad(name, where, fmt::format("\"{}\" is no integer of 32 bits", key));
  }
  return static_cast<std::uint32_t>(*integer);
}

Result<RoutingTable> table_of(const Value& value, std::size_t index, const std::string& name) {
  const std::string where = fmt::format("table {}", index);
  const Value* list = value.find("entries");
  if (list == nullptr || list->as_list() == nullptr) {
    return bad(name, where, "there is no list \"entries\"");
  }
  RoutingTable table;
  for (auto [key, place] : {std::pair{"x", &table.x}, std::pair{"y", &table.y}}) {
    SPIKELOOM_TRY(const std::uint32_t at, field(value, key, name, where));
    if (at > 65535) return bad(name, where, fmt::format("\"{}\" is beyond 65535", key));
    *place = static_cast<int>(at);
  }
  table.entries.reserve(list->as_list()->size());
  for (const Value& item : *list->as_list()) {
    const std::string entry_where = fmt::format("table {}, entry {}", index, table.entries.size());
    RoutingEntry entry;
    SPIKELOOM_TRY(entry.key, field(item, "key", name, entry_where));
    SPIKELOOM_TRY(entry.mask, field(item, "mask", name, entry_where));
    SPIKELOOM_TRY(entry.route, field(item, "spinnaker_route", name, entry_where));
    if (const Value* flag = item.find("defaultable")) {
      if (flag->as_bool() == nullptr) {
        return bad(name, entry_where, "\"defaultable\" is neither true nor false");
      }
      entry.defaultable = *flag->as_bool();
    }
    SPIKELOOM_CHECK(check_entry(entry, name, entry_where));
    table.entries.push_back(entry);
  }
  return table;
}

Result<TableFile> parse_json_tables(std::string_view text, const std::string& name) {
  SPIKELOOM_TRY(const Value document, io::parse_json(text, name));
  if (document.as_list() == nullptr) return bad(name, "", "not a list of routing tables");
  TableFile file;
  file.tables.reserve(document.as_list()->size());
  for (const Value& value : *document.as_list()) {
    SPIKELOOM_TRY(auto table, table_of(value, file.tables.size(), name));
    file.tables.push_back(std::move(table));
  }
  if (file.tables.empty()) return bad(name, "", "it holds no routing table");
  return file;
}

}  // namespace

std::string hex32(std::uint32_t value) { return fmt::format("0x{:08X}", value); }

Result<TableFile> parse_table_file(std::span<const std::byte> bytes, const std::string& name) {
  std::vector<std::byte> unpacked;
  if (io::looks_like_gzip(bytes)) {
    SPIKELOOM_TRY(unpacked, io::gunzip(bytes, name, kMaxUnpacked));
    bytes = unpacked;
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return bad(name, "", "it is empty");
  if (text[start] == '[' || text[start] == '{') return parse_json_tables(text, name);
  return parse_csv(text, name);
}

Result<TableFile> read_table_file(const std::string& path) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(path, kMaxUnpacked));
  return parse_table_file(bytes, path);
}

Result<std::string> to_text(const TableFile& file) {
  if (file.format == TableFormat::kCsv) {
    if (file.tables.size() != 1) {
      return Error{
          .what = fmt::format("a CSV file holds one routing table, not {}", file.tables.size()),
          .next = "write JSON"};
    }
    std::string text;
    for (const RoutingEntry& entry : file.tables[0].entries) {
      text += fmt::format("{},{},{}\n", hex32(entry.key), hex32(entry.mask), hex32(entry.route));
    }
    return text;
  }
  std::string text = "[";
  for (const RoutingTable& table : file.tables) {
    text += fmt::format("{}\n{{\"x\": {}, \"y\": {}, \"entries\": [", text.size() == 1 ? "" : ",",
                        table.x, table.y);
    bool first = true;
    for (const RoutingEntry& entry : table.entries) {
      text += fmt::format(
          "{}\n  {{\"key\": {}, \"mask\": {}, \"defaultable\": {}, \"spinnaker_route\": {}}}",
          first ? "" : ",", entry.key, entry.mask, entry.defaultable, entry.route);
      first = false;
    }
    text += "]}";
  }
  return text + "\n]\n";
}

}  // namespace spikeloom::mapping
