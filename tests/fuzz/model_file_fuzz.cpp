/// Reads an image as a model file and prints the report.

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/model_file/model_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = spikeloom::read_model_file_bytes(std::as_bytes(std::span(data, size)), "fuzz",
                                                      {.max_bytes = 16 << 20});
  static_cast<void>(model.ok() ? model->report.lines().size() : model.error().message().size());
  return 0;
}
