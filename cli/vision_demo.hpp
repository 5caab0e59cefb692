#pragma once
/// The vision demo: a spiking network behind its pixels and a dense one, on the same pictures.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/console.hpp"
#include "cli/energy_source.hpp"
#include "cli/picture_network.hpp"
#include "energy/comparison.hpp"

namespace spikeloom::cli {

struct VisionFiles {
  std::string model, dense;                ///< empty: the built-in ones for Fashion-MNIST
  std::string data = kFashionMnistFolder;  ///< as read_labelled_pictures takes it
};

struct VisionModels {
  LoadedModel spiking, dense;
  LabelledPictures pictures;
  std::vector<std::string> classes;
};

/// kNotFound names the package that has the pictures.
Result<VisionModels> load_vision(const VisionFiles& files);

/// Bytes that left the sensor, summed over pictures.
struct SensorBytes {
  std::uint64_t raw = 0, bitmap = 0, addresses = 0;
};

/// What one network made of the pictures.
struct VisionTally {
  std::size_t pictures = 0, right = 0;
  std::uint64_t outputs = 0, spikes = 0;  ///< of the pixels
  SensorBytes sent;
  std::vector<std::size_t> decisions;
  double seconds = 0.0;
  RunStats stats;
  std::vector<LayerDescription> layers;

  double accuracy() const { return static_cast<double>(right) / static_cast<double>(pictures); }
  /// Spikes per output of the pixels.
  double activity() const { return static_cast<double>(spikes) / static_cast<double>(outputs); }
};

/// The first `count` pictures.
Result<VisionTally> tally(PictureNetwork& network, const LabelledPictures& pictures,
                          std::size_t count, const char* what, Console& console);

}  // namespace spikeloom::cli
