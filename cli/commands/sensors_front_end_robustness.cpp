/// `spikeloom sensors front-end-robustness`: accuracy behind pixels that are not as they should be.

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/sensors_commands.hpp"
#include "cli/curve_picture.hpp"
#include "cli/exit_codes.hpp"
#include "cli/table.hpp"
#include "cli/vision_demo.hpp"

namespace spikeloom::cli {
namespace {

/// A flaw, its values, and what they are.
struct Curve {
  const char* name;
  const char* x_name;
  std::vector<double> values;
  bool random;  ///< each seed is another sensor
};

const std::vector<Curve>& curves() {
  static const std::vector<Curve> all = {
      {"mismatch",
       "relative spread of the pixels' photo-currents",
       {0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5},
       true},
      {"read-noise",
       "read noise in standard deviations of the sums",
       {0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0},
       true},
      {"weight-bits", "bits of the pixels' weights, and a sign", {7, 6, 5, 4, 3, 2, 1}, false}};
  return all;
}

struct RobustnessCommand {
  std::string curve, out;
  VisionFiles files;
  std::size_t count = 1000;
  int sensors = 3;
  CommonOptions common;
};

PixelFlaws flaws_of(const Curve& curve, double value, std::uint64_t seed) {
  PixelFlaws flaws{.seed = seed};
  const std::string_view name = curve.name;
  if (name == "mismatch") flaws.mismatch = value;
  if (name == "read-noise") flaws.read_noise = value;
  if (name == "weight-bits") flaws.weight_bits = static_cast<unsigned>(value);
  return flaws;
}

Result<CurveLine> measure(const RobustnessCommand& command, const Curve& curve,
                          const VisionModels& models, Console& console) {
  SPIKELOOM_TRY(const auto front_end, pixel_front_end(models.spiking.network));
  SPIKELOOM_TRY(const double deviation, sum_deviation(front_end, models.pictures, 100));
  CurveLine line{.name = models.spiking.report.file};
  for (const double value : curve.values) {
    CurvePoint point{.x = value};
    const int sensors = curve.random && value > 0.0 ? command.sensors : 1;
    for (int sensor = 0; sensor < sensors; ++sensor) {
      const auto seed = command.common.seed + static_cast<std::uint64_t>(sensor);
      const PictureRequest request{.flaws = flaws_of(curve, value, seed),
                                   .sum_deviation = deviation,
                                   .threads = thread_count(command.common)};
      SPIKELOOM_TRY(auto network, PictureNetwork::open(models.spiking, request));
      const std::string what = fmt::format("{} {}", curve.name, number_text(value));
      SPIKELOOM_TRY(const VisionTally counted,
                    tally(network, models.pictures, command.count, what.c_str(), console));
      point.y.push_back(counted.accuracy());
    }
    line.points.push_back(std::move(point));
  }
  return line;
}

Value line_value(const CurveLine& line) {
  Value points = Value::list();
  for (const CurvePoint& point : line.points) {
    Value accuracies = Value::list();
    for (const double accuracy : point.y) accuracies.push(accuracy);
    Value one = Value::map();
    one.set("value", point.x).set("accuracy", point.mean());
    one.set("sensors", std::move(accuracies));
    points.push(std::move(one));
  }
  return points;
}

Result<int> robustness(const RobustnessCommand& command, Console& console) {
  const auto curve = std::find_if(curves().begin(), curves().end(),
                                  [&](const Curve& one) { return command.curve == one.name; });
  SPIKELOOM_TRY(const VisionModels models, load_vision(command.files));
  const std::size_t count =
      std::min(static_cast<std::size_t>(command.count), models.pictures.size());
  SPIKELOOM_TRY(const CurveLine line, measure(command, *curve, models, console));
  if (!command.out.empty()) {
    CurvePicture picture{.title = fmt::format("Accuracy against {}", curve->name),
                         .x_name = curve->x_name,
                         .y_name = fmt::format("right, of {} pictures", with_commas(count)),
                         .lines = {line},
                         .reversed = command.curve == "weight-bits"};
    picture.lines.front().name = "spiking";
    SPIKELOOM_CHECK(io::write_file_atomic(command.out, curve_svg(picture)));
    console.note("curve: " + command.out);
  }
  if (command.common.json) {
    Value value = Value::map();
    value.set("curve", command.curve).set("pictures", static_cast<std::int64_t>(count));
    value.set("points", line_value(line));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  Table table({curve->x_name, "mean", "least", "most"}, 0);
  for (const CurvePoint& point : line.points) {
    const auto [least, most] = std::minmax_element(point.y.begin(), point.y.end());
    table.row({number_text(point.x), fmt::format("{:.2f} %", 100.0 * point.mean()),
               fmt::format("{:.2f} %", 100.0 * *least), fmt::format("{:.2f} %", 100.0 * *most)});
  }
  SPIKELOOM_CHECK(printed(console.print(table.text())));
  return kExitOk;
}

}  // namespace

void add_sensors_front_end_robustness(CLI::App& sensors, Chosen& chosen) {
  const auto command = std::make_shared<RobustnessCommand>();
  CLI::App* sub = sensors.add_subcommand(
      "front-end-robustness", "Accuracy of a vision network against what is wrong with its pixels");
  std::vector<std::string> names;
  for (const Curve& curve : curves()) names.emplace_back(curve.name);
  sub->add_option("CURVE", command->curve, "mismatch, read-noise or weight-bits")
      ->required()
      ->check(CLI::IsMember(names));
  sub->add_option("-o,--out", command->out, "draw it into this file (SVG)");
  sub->add_option("--model", command->files.model, "spiking network with pixels (.sloom)");
  sub->add_option("--data", command->files.data,
                  "pictures, as `demo vision` takes them (dataset-fashion-mnist's)");
  sub->add_option("--count", command->count, "pictures, from 0 on (1000)")
      ->check(CLI::Range(1, 1 << 30));
  sub->add_option("--sensors", command->sensors, "sensors that are drawn for a value (3)")
      ->check(CLI::Range(1, 1000));
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return robustness(*command, console); };
  });
}

}  // namespace spikeloom::cli
