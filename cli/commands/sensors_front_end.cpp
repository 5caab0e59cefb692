/// `spikeloom sensors front-end`: what an in-pixel convolution would send of pictures.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/random.hpp"
#include "cli/commands/sensors_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "sensors/luminance_frames.hpp"
#include "sensors/pixel_convolution.hpp"

namespace spikeloom::cli {
namespace {

struct FrontEndCommand {
  std::vector<std::string> inputs;
  std::string stem = "cifar", curve = "in-sensor";
  std::uint32_t channels = 8;
  unsigned weight_bits = 0;
  double mismatch = 0.0, read_noise = 0.0;
  CommonOptions common;
};

PixelConvolutionOptions front_end_options(const FrontEndCommand& command) {
  PixelConvolutionOptions options{.weight_bits = command.weight_bits,
                                  .mismatch = command.mismatch,
                                  .read_noise = command.read_noise,
                                  .seed = command.common.seed};
  options.geometry = command.stem == "imagenet" ? kImageNetStem : kCifarStem;
  options.curve = command.curve == "p2m"     ? kP2mCurve
                  : command.curve == "ideal" ? kIdealCurve
                                             : kInSensorCurve;
  return options;
}

/// Weights as training starts: normal, of width 0.8.
std::vector<float> random_weights(const FrontEndCommand& command, std::uint32_t kernel) {
  constexpr std::uint64_t kStream = 0x66726f6e74656e64;  // "frontend"
  const RandomStream random{command.common.seed, kStream};
  std::vector<float> weights(std::size_t{3} * command.channels * kernel * kernel);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(0.8 * random.normal(i));
  }
  return weights;
}

/// What the pictures together took.
struct Sent {
  std::uint64_t pictures = 0, outputs = 0, spikes = 0;
  std::uint64_t raw = 0, bitmap = 0, addresses = 0;
  double formula = 0.0;

  double ratio(std::uint64_t bytes) const {
    return static_cast<double>(raw) / static_cast<double>(bytes);
  }
  double activity() const { return static_cast<double>(spikes) / static_cast<double>(outputs); }
};

Result<Sent> send(const FrontEndCommand& command, Console& console) {
  SPIKELOOM_TRY(const auto paths, image_paths(command.inputs));
  const PixelConvolutionOptions options = front_end_options(command);
  const std::vector<float> weights = random_weights(command, options.geometry.kernel.size);
  SPIKELOOM_TRY(const io::Image first, io::read_image(paths.front()));
  SPIKELOOM_TRY(const auto front_end,
                PixelConvolution::create(first.width, first.height, options, weights));
  Sent sent;
  std::vector<std::vector<float>> sums;
  for (const std::string& path : paths) {
    if (interrupted()) return interrupted_error();
    SPIKELOOM_TRY(const auto image, read_image_of_size(path, first.width, first.height));
    const std::vector<float> rgb = unit_rgb(image);
    SPIKELOOM_TRY(auto picture, front_end.sums(rgb, sums.size()));
    sums.push_back(std::move(picture));
    sent.raw += encode_raw(rgb).size();
    console.progress("pictures", static_cast<std::int64_t>(sums.size()),
                     static_cast<std::int64_t>(paths.size()));
  }
  console.end_progress();
  SPIKELOOM_TRY(const auto thresholds, hoyer_thresholds(command.channels, sums));
  for (const auto& picture : sums) {
    SPIKELOOM_TRY(const SpikeMap map, front_end.spikes(picture, thresholds));
    sent.outputs += map.size();
    sent.spikes += map.count();
    sent.bitmap += encode_bitmap(map).size();
    sent.addresses += encode_addresses(map).size();
    sent.formula = bandwidth_formula(first.width, first.height, map.size());
  }
  sent.pictures = sums.size();
  return sent;
}

Result<int> front_end(const FrontEndCommand& command, Console& console) {
  SPIKELOOM_TRY(const Sent sent, send(command, console));
  if (command.common.json) {
    Value value = Value::map();
    value.set("pictures", sent.pictures).set("outputs", sent.outputs).set("spikes", sent.spikes);
    value.set("activity", sent.activity()).set("raw_bytes", sent.raw);
    value.set("bitmap_bytes", sent.bitmap).set("address_bytes", sent.addresses);
    value.set("bitmap_ratio", sent.ratio(sent.bitmap));
    value.set("address_ratio", sent.ratio(sent.addresses)).set("formula_ratio", sent.formula);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  Table table({"sent as", "bytes", "less than raw by"}, 1);
  const auto row = [&](const char* name, std::uint64_t bytes) {
    table.row({name, with_commas(bytes), fmt::format("{:.2f}", sent.ratio(bytes))});
  };
  row("raw, 12 bits", sent.raw);
  row("bitmap", sent.bitmap);
  row("addresses", sent.addresses);
  table.row({"formula (bitmap)", "", fmt::format("{:.2f}", sent.formula)});
  SPIKELOOM_CHECK(printed(console.print(
      fmt::format("{} pictures, {} outputs, {:.1f} % of them spikes\n", with_commas(sent.pictures),
                  with_commas(sent.outputs), 100.0 * sent.activity()) +
      table.text())));
  return kExitOk;
}

}  // namespace

void add_sensors_front_end(CLI::App& sensors, Chosen& chosen) {
  const auto command = std::make_shared<FrontEndCommand>();
  CLI::App* sub =
      sensors.add_subcommand("front-end", "Bytes that an in-pixel convolution sends of pictures");
  sub->add_option("INPUT", command->inputs, "images and folders of them, of one size")->required();
  sub->add_option("--stem", command->stem, "cifar (3x3; default) or imagenet (7x7, pooled)")
      ->check(CLI::IsMember({"cifar", "imagenet"}));
  sub->add_option("--channels", command->channels, "channels (8)")->check(CLI::Range(1, 4096));
  sub->add_option("--curve", command->curve, "in-sensor (default), p2m or ideal")
      ->check(CLI::IsMember({"in-sensor", "p2m", "ideal"}));
  sub->add_option("--weight-bits", command->weight_bits, "bits of weights; 0: as they are")
      ->check(CLI::Range(0, 16));
  sub->add_option("--mismatch", command->mismatch, "relative spread of pixels")
      ->check(not_negative);
  sub->add_option("--read-noise", command->read_noise, "noise of a sum")->check(not_negative);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return front_end(*command, console); };
  });
}

}  // namespace spikeloom::cli
