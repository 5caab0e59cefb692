#pragma once
/// Files of routing tables, plain or packed with gzip.
///
/// JSON: a list of tables {"x", "y", "entries": [{"key", "mask", "spinnaker_route",
/// "defaultable"}]}, as PACMAN writes its test data ("defaultable" may be absent).
/// CSV: one table, a line `key,mask,route` each, decimal or 0x hexadecimal; empty lines and lines
/// that start with # are skipped; so is a first line of words.
///
/// Errors: kFormat (not one of the two, a number beyond 32 bits, a key with bits outside its mask;
/// the place is named), those of files.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping {

enum class TableFormat { kJson, kCsv };

struct TableFile {
  TableFormat format = TableFormat::kJson;
  std::vector<RoutingTable> tables;
};

Result<TableFile> read_table_file(const std::string& path);
/// `name` is what errors call the bytes.
Result<TableFile> parse_table_file(std::span<const std::byte> bytes, const std::string& name);

/// The text of a file in the same format. CSV holds one table: kInvalidArgument for more.
Result<std::string> to_text(const TableFile& file);

}  // namespace spikeloom::mapping
