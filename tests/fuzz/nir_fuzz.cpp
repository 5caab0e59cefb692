/// Reads an image as a NIR network and prints the report.

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/nir/nir_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spikeloom::ImportReport report;
  const auto model = spikeloom::read_nir_bytes(std::as_bytes(std::span(data, size)), "fuzz",
                                               {.max_bytes = 16 << 20, .report = &report});
  static_cast<void>(model.ok() ? model->report.lines().size() : model.error().message().size());
  static_cast<void>(report.to_value().find("nodes"));
  return 0;
}
