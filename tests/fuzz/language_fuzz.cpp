/// Reads a language model from memory: the first byte is the number of words, then a safetensors
/// file. Where it is read, it is lowered and compiled too: shapes that passed have to fit.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "backends/backend.hpp"
#include "models/language/language_model.hpp"
#include "models/language/quantize_language.hpp"
#include "snn/lowering.hpp"

using namespace spikeloom;

namespace {

void compile_it(const Network& network, Arithmetic arithmetic) {
  const auto preset = make_preset("nir");
  if (!preset.ok()) return;
  const auto program = lower(network, *preset);
  if (!program.ok()) return;
  RunOptions options;
  options.arithmetic = arithmetic;
  static_cast<void>(compile("cpu", *program, options).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string words;
  for (int w = 0; w < data[0]; ++w) words += "w" + std::to_string(w) + "\n";
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  const auto model = parse_language_model(bytes, words, "fuzz");
  if (!model.ok()) return 0;
  compile_it(model->network, Arithmetic::kFloat32);
  if (const auto whole = quantize_language(model->network); whole.ok()) {
    compile_it(*whole, Arithmetic::kInteger);
  }
  return 0;
}
