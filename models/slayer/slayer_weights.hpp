#pragma once
/// Weight files of SLAYER: text, one number a line, one file a layer, named by kind and number:
/// pool1.txt, conv1.txt, fc1.txt. Row-major: convolutions (out, in, row, column), dense layers
/// (out, in) with a flattened input in (channel, row, column) order, pools (row, column).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "models/slayer/slayer_topology.hpp"

namespace spikeloom {

struct SlayerWeights {
  std::string name;  ///< "conv1"
  SlayerKind kind = SlayerKind::kDense;
  int number = 0;  ///< 1, 2, ... within its kind
  std::string path;
  std::vector<double> values;
};

/// kFormat: names the line that is no number.
Result<std::vector<double>> parse_slayer_weights(std::string_view text, const std::string& name);

/// Every weight file of a folder, by kind and number. `others` gets the names of files that are
/// none (training logs). kNotFound: no folder, none in it, a number left out. kUnsupported: a file
/// of delays.
Result<std::vector<SlayerWeights>> read_slayer_weights(const std::string& folder,
                                                       std::vector<std::string>& others);

}  // namespace spikeloom
