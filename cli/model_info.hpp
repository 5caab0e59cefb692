#pragma once
/// What `info` says about a network file.

#include <string>

#include "base/value.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom::cli {

/// {kind: "model", file, format, producer_version, nodes, edges, discretisation, import, ...}:
/// nodes with path, kind, parameters (dtype, shape, smallest, largest) and, where the network can
/// be lowered, shapes, weights, dense_macs and state values.
Value model_info(const LoadedModel& model);
std::string model_info_text(const Value& info);

}  // namespace spikeloom::cli
