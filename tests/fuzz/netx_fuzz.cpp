/// Reads an image as a netx network.

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/netx/netx_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = spikeloom::read_netx_bytes(std::as_bytes(std::span(data, size)), "fuzz",
                                                {.max_bytes = 16 << 20});
  static_cast<void>(model.ok() ? model->report.lines().size() : model.error().message().size());
  return 0;
}
