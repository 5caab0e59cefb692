#pragma once
/// LoadedModel: what every model reader returns.

#include <string>

#include "base/value.hpp"
#include "models/import_report.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct LoadedModel {
  Network network;
  ImportReport report;
  /// How the model is meant to be run, where its file says so: a map with the keys
  /// "discretisation", "input_coding" and "read_out" (each optional); null otherwise.
  Value run_settings = {};
  /// The model card, Markdown; empty when the file has none.
  std::string model_card = {};
};

}  // namespace spikeloom
