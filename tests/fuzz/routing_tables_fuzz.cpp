/// Reads bytes as routing tables; short tables are compressed, which has to succeed with proof.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mapping/tables/compress.hpp"
#include "mapping/tables/table_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::mapping;
  const auto file = parse_table_file(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.ok()) return 0;
  const auto text = to_text(*file);
  if (!text.ok()) std::abort();
  const auto again =
      parse_table_file(std::as_bytes(std::span(text->data(), text->size())), "again");
  if (!again.ok() || again->tables != file->tables) std::abort();
  for (const RoutingTable& table : file->tables) {
    if (table.entries.size() > 64) continue;
    // A wrong table is an error of code kUnsupported; too long a proof is none of its faults.
    const auto compressed = compress(table.entries, {.use_default_routes = true});
    if (!compressed.ok() && compressed.error().code != spikeloom::ErrorCode::kResource)
      std::abort();
  }
  return 0;
}
