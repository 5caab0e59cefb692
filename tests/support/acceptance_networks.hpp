#pragma once
/// The acceptance networks of shared/acceptance/nir, their recordings, and their integer forms.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "models/nir/nir_reader.hpp"
#include "models/quantize/quantize.hpp"
#include "models/tensors/tensor_file.hpp"
#include "sensors/recording_io.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {

using Options = std::vector<std::pair<std::string, std::string>>;

inline const std::string kNirLif = "acceptance/nir/01_lif/";
inline const std::string kNirCnn = "acceptance/nir/02_cnn/";
inline const std::string kNirRnn = "acceptance/nir/03_rnn/";

inline Network read_network(const std::string& name) {
  auto model = read_nir(shared_path(name).string());
  EXPECT_TRUE(model.ok()) << error_of(model);
  return model.ok() ? model->network : Network();
}

/// The first `steps` steps, or all.
inline CodedInput first_steps(CodedInput input, std::int64_t steps) {
  input.steps = std::min(input.steps, steps);
  input.step_start.resize(static_cast<std::size_t>(input.steps) + 1);
  input.index.resize(input.step_start.back());
  input.value.resize(input.step_start.back());
  return input;
}

/// A recording of N-MNIST in steps of 1 ms.
inline CodedInput nmnist_recording(int sample) {
  const auto path = shared_path(kNirCnn + "nmnist_test100/" + std::to_string(sample) + ".bs2");
  const auto read = read_recording(path.string());
  EXPECT_TRUE(read.ok()) << error_of(read);
  if (!read.ok()) return {};
  const EventPacket& events = read->recording.events;
  auto coded = code_recording({events.time, events.x, events.y, events.polarity}, {2, 34, 34},
                              kMillisecond, {});
  EXPECT_TRUE(coded.ok()) << error_of(coded);
  return coded.ok() ? *std::move(coded) : CodedInput();
}

/// The labelled Braille sequences of ds_val_0.pt, 256 steps each.
struct BrailleSet {
  std::vector<CodedInput> inputs;
  std::vector<std::int64_t> labels;
};
inline BrailleSet braille_set(std::size_t most = 280) {
  const auto file = read_tensor_file(shared_path(kNirRnn + "ds_val_0.pt").string());
  EXPECT_TRUE(file.ok()) << error_of(file);
  BrailleSet set;
  if (!file.ok()) return set;
  EXPECT_EQ(file->tensors[0].tensor.shape(), (Shape{280, 256, 12}));
  const std::vector<double> values = file->tensors[0].tensor.to_doubles();
  for (std::size_t s = 0; s < std::min<std::size_t>(most, 280); ++s) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(s) * 256 * 12;
    auto coded = code_sequence(
        Tensor::of<double>({256, 12}, std::vector<double>(first, first + 256 * 12)), {12}, {});
    EXPECT_TRUE(coded.ok()) << error_of(coded);
    set.inputs.push_back(*std::move(coded));
    set.labels.push_back(
        static_cast<std::int64_t>(file->tensors[1].tensor.at(static_cast<std::int64_t>(s))));
  }
  return set;
}

inline std::int64_t decision(const std::vector<double>& counts) {
  return std::max_element(counts.begin(), counts.end()) - counts.begin();
}

/// All options of a discretisation, as a request takes them.
inline Options options_of(const Discretisation& d) {
  Options options;
  for (const OptionInfo& option : discretisation_options()) {
    options.emplace_back(option.name, get_option(d, option.name));
  }
  return options;
}

/// The float run's discretisation and the quantised network with its own.
struct Quantised {
  Discretisation real;
  QuantizedNetwork integer;
};

inline Quantised quantised(const Network& network, const std::string& preset,
                           const Options& options, const QuantizeOptions& how) {
  Quantised made;
  DiscretisationRequest request;
  request.preset = preset;
  request.options = options;
  const auto resolved = resolve_discretisation(network, request);
  EXPECT_TRUE(resolved.ok()) << error_of(resolved);
  if (!resolved.ok()) return made;
  made.real = resolved->discretisation;
  auto integer = quantize(network, made.real, how);
  EXPECT_TRUE(integer.ok()) << error_of(integer);
  if (integer.ok()) made.integer = *std::move(integer);
  return made;
}

}  // namespace spikeloom::test
