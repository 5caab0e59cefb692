/// Reads bytes as a Plan; one that is accepted can be priced and gives itself back.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/io/json.hpp"
#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::mapping;
  const auto plan = parse_plan(std::as_bytes(std::span(data, size)), "fuzz");
  if (!plan.ok()) return 0;
  (void)cost(*plan);
  const std::string text = spikeloom::io::to_json(to_value(*plan));
  const auto back = parse_plan(std::as_bytes(std::span(text)), "again");
  if (!back.ok()) std::abort();
  return 0;
}
