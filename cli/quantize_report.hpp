#pragma once
/// What `quantize` prints: JSON for programs, tables for people. docs/cli.md describes both.

#include <optional>
#include <string>

#include "base/value.hpp"
#include "cli/quantize_calibration.hpp"
#include "models/quantize/quantize.hpp"

namespace spikeloom::cli {

struct QuantizeReport {
  std::string model, out;
  bool per_channel = true;
  const QuantizedNetwork* quantized = nullptr;
  std::optional<Calibration> calibration;
};

Value quantize_value(const QuantizeReport& report);
std::string quantize_text(const QuantizeReport& report);

}  // namespace spikeloom::cli
