#pragma once
/// One group /layer/N of a netx file, as numbers.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/io/hdf5.hpp"
#include "base/result.hpp"
#include "models/detail/metadata_io.hpp"

namespace spikeloom::detail {

struct NetxNeuron {
  enum class Kind {
    kLif,         ///< LOIHI, CUBA
    kSigmaDelta,  ///< SDNN
    kSigma,       ///< SDNN with sigma_output: sums up, sends the sum
  };
  Kind kind = Kind::kLif;
  double threshold = 0.0;
  double current_decay = 0.0, membrane_decay = 0.0, weight_exponent = 0.0;
};

struct NetxLayer {
  std::string type;   ///< input, conv, dense or flatten
  std::string name;   ///< "conv1"
  std::string place;  ///< "layer 1 (conv)", for messages
  Shape shape;
  std::optional<NetxNeuron> neuron;
  std::vector<double> weight, bias;
  Shape weight_shape;  ///< without trailing axes of 1 beyond the fourth
  bool cut = false;    ///< a weight or bias was no integer
  Shape stride = {1, 1}, padding = {0, 0}, dilation = {1, 1};
  std::int64_t groups = 1;
};

/// Reads and checks /layer/`number`; an error names the layer.
Result<NetxLayer> read_netx_layer(const io::Hdf5Group& layers, std::size_t number,
                                  ReadBudget& budget);

}  // namespace spikeloom::detail
