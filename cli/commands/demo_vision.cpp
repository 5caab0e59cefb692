/// `spikeloom demo vision`: pictures through a spiking network whose first layer lies in the
/// pixels.

#include <algorithm>
#include <numeric>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/shade_picture.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "cli/vision_demo.hpp"

namespace spikeloom::cli {
namespace {

constexpr const char* kPrices = "45nm";
constexpr std::uint32_t kChannelsDrawn = 8;

struct VisionCommand {
  VisionFiles files;
  std::size_t first = 0, show = 2, count = 1000;
  bool all = false, ascii = false;
  PixelFlaws flaws;
  RunFlags run;
  CommonOptions common;
};

/// A picture, and what both networks said.
struct Shown {
  std::size_t picture = 0;
  PictureDecision spiking = {}, dense = {};
};

struct Joules {
  Accounting accounting = Accounting::kCompute;
  double spiking = 0.0, dense = 0.0;  ///< a picture
};

struct Outcome {
  std::vector<Shown> shown;
  VisionTally spiking, dense;
  std::size_t agree = 0;
  std::vector<Joules> joules;
};

/// Both in 8 bits, by verified prices alone.
Result<std::vector<Joules>> joules_of(const VisionTally& spiking, const VisionTally& dense) {
  SPIKELOOM_TRY(const CostTable table, load_cost_table(kPrices));
  std::vector<Joules> all;
  for (const Accounting accounting : kAccountings) {
    const EnergyRequest request{.format = NumberFormat::kInt8,
                                .inferences = static_cast<double>(spiking.pictures)};
    SPIKELOOM_TRY(const EnergyBreakdown one,
                  price_run(accounting, spiking.layers, spiking.stats, table, request));
    SPIKELOOM_TRY(const EnergyBreakdown other,
                  price_dense(accounting, dense.layers, table, {.format = NumberFormat::kInt8}));
    all.push_back({accounting, one.total(), other.total()});
  }
  return all;
}

Result<Outcome> look(const VisionCommand& command, const VisionModels& models, Console& console) {
  PictureRequest request{.run = command.run, .flaws = command.flaws};
  request.threads = thread_count(command.common);
  request.flaws.seed = command.common.seed;
  if (command.flaws.read_noise > 0.0) {
    SPIKELOOM_TRY(const auto front_end, pixel_front_end(models.spiking.network));
    SPIKELOOM_TRY(request.sum_deviation, sum_deviation(front_end, models.pictures, 100));
  }
  SPIKELOOM_TRY(auto spiking, PictureNetwork::open(models.spiking, request));
  SPIKELOOM_TRY(auto dense, PictureNetwork::open(models.dense, request));
  if (!spiking.has_pixels()) {
    return Error{.what = "the spiking network has no pixels in front of it", .where = "--model"};
  }
  Outcome outcome;
  const std::size_t last = std::min(command.first + command.show, models.pictures.size());
  for (std::size_t picture = command.first; picture < last; ++picture) {
    Shown shown{.picture = picture};
    SPIKELOOM_TRY(shown.spiking, spiking.decide(models.pictures, picture));
    SPIKELOOM_TRY(shown.dense, dense.decide(models.pictures, picture));
    outcome.shown.push_back(std::move(shown));
  }
  SPIKELOOM_TRY(spiking, PictureNetwork::open(models.spiking, request));
  SPIKELOOM_TRY(dense, PictureNetwork::open(models.dense, request));
  const std::size_t count = command.all ? models.pictures.size() : command.count;
  SPIKELOOM_TRY(outcome.spiking,
                tally(spiking, models.pictures, count, "pictures, spiking", console));
  SPIKELOOM_TRY(outcome.dense, tally(dense, models.pictures, count, "pictures, dense", console));
  for (std::size_t i = 0; i < outcome.spiking.pictures; ++i) {
    outcome.agree += outcome.spiking.decisions[i] == outcome.dense.decisions[i] ? 1 : 0;
  }
  SPIKELOOM_TRY(outcome.joules, joules_of(outcome.spiking, outcome.dense));
  return outcome;
}

/// "sneaker, then sandal: right".
std::string verdict_text(const PictureDecision& decision, std::size_t label,
                         const std::vector<std::string>& classes) {
  std::size_t second = decision.best == 0 ? 1 : 0;
  for (std::size_t k = 0; k < decision.scores.size(); ++k) {
    if (k != decision.best && decision.scores[k] > decision.scores[second]) second = k;
  }
  return fmt::format("{}, then {}: {}", classes[decision.best], classes[second],
                     decision.best == label ? "right" : "wrong");
}

std::vector<std::string> channels_block(const SpikeMap& map, bool ascii) {
  constexpr std::uint32_t kAcross = 4;
  std::vector<std::string> lines;
  const std::size_t plane = std::size_t{map.width} * map.height;
  const std::uint32_t drawn = std::min(map.channels, kChannelsDrawn);
  for (std::uint32_t c = 0; c < drawn; c += kAcross) {
    std::vector<std::vector<std::string>> row;
    for (std::uint32_t k = c; k < std::min(c + kAcross, drawn); ++k) {
      row.push_back(
          draw_bits(std::span(map.spikes).subspan(k * plane, plane), map.width, map.height, ascii));
    }
    const auto joined = side_by_side(row, 2);
    if (!lines.empty()) lines.emplace_back();
    lines.insert(lines.end(), joined.begin(), joined.end());
  }
  return lines;
}

std::string shown_text(const Shown& shown, const VisionModels& models, bool ascii) {
  const LabelledPictures& pictures = models.pictures;
  const SpikeMap& map = *shown.spiking.spikes;
  const std::size_t label = pictures.labels[shown.picture];
  std::string text =
      fmt::format("picture {}: {}, {} x {}; {} spikes leave {} channels of {} x {}\n\n",
                  shown.picture, models.classes[label], pictures.width, pictures.height,
                  map.count(), map.channels, map.width, map.height);
  const auto light = pictures.light(shown.picture);
  for (const std::string& line : side_by_side(
           {draw_shades(light, pictures.width, pictures.height, ascii), channels_block(map, ascii)},
           4)) {
    text += line + "\n";
  }
  const std::size_t raw = encode_raw(light).size();
  text += fmt::format(
      "\n  spiking  {}\n  dense    {}\n  sent     {} bytes as bitmap, {} as addresses; a raw "
      "picture has {}\n\n",
      verdict_text(shown.spiking, label, models.classes),
      verdict_text(shown.dense, label, models.classes), encode_bitmap(map).size(),
      encode_addresses(map).size(), raw);
  return text;
}

std::string per_picture(std::uint64_t sum, std::size_t pictures) {
  return with_commas((sum + pictures / 2) / std::max<std::size_t>(pictures, 1));
}

std::string tally_text(const Outcome& outcome) {
  const VisionTally &spiking = outcome.spiking, &dense = outcome.dense;
  const std::size_t n = spiking.pictures;
  const auto ratio = [&](std::uint64_t bytes) {
    return static_cast<double>(dense.sent.raw) / static_cast<double>(bytes);
  };
  Table table({fmt::format("{} pictures, one step each", with_commas(n)), "spiking", "dense"}, 1);
  table.row({"right", fmt::format("{:.2f} %", 100.0 * spiking.accuracy()),
             fmt::format("{:.2f} %", 100.0 * dense.accuracy())});
  table.row({"bytes from the sensor, bitmap (dense: raw)", per_picture(spiking.sent.bitmap, n),
             per_picture(dense.sent.raw, n)});
  table.row({"  less than raw by", fmt::format("{:.2f}", ratio(spiking.sent.bitmap)), ""});
  table.row({"bytes from the sensor, addresses", per_picture(spiking.sent.addresses, n), ""});
  table.row({"  less than raw by", fmt::format("{:.2f}", ratio(spiking.sent.addresses)), ""});
  table.row({"accumulates", per_picture(spiking.stats.total(&NodeStats::ac), n),
             per_picture(dense.stats.total(&NodeStats::ac), n)});
  table.row({"multiply-accumulates", per_picture(spiking.stats.total(&NodeStats::mac), n),
             per_picture(dense.stats.total(&NodeStats::dense_macs), n)});
  for (const Joules& joules : outcome.joules) {
    table.row({fmt::format("energy, {}", to_string(joules.accounting)), joules_text(joules.spiking),
               joules_text(joules.dense)});
  }
  table.row({"time here", seconds_text(spiking.seconds / static_cast<double>(n)),
             seconds_text(dense.seconds / static_cast<double>(n))});
  std::string losses;
  for (const Joules& joules : outcome.joules) {
    if (joules.spiking < joules.dense) continue;
    losses += fmt::format("By '{}' the spiking network LOSES.\n", to_string(joules.accounting));
  }
  return table.text() + "\n" + losses +
         fmt::format(
             "spiking: behind the pixels, which spike at {:.1f} %; dense: all layers, no zero "
             "skipped. Both decide\nalike in {} of {}. Energy of the networks alone, 8 bits, "
             "prices of '{}'; the sensor's\nown is in `energy --in-sensor`.\n",
             100.0 * spiking.activity(), with_commas(outcome.agree), with_commas(n), kPrices);
}

Value tally_value(const VisionTally& tally) {
  Value value = Value::map();
  value.set("pictures", tally.pictures).set("right", tally.right);
  value.set("accuracy", tally.accuracy());
  value.set("raw_bytes", tally.sent.raw).set("bitmap_bytes", tally.sent.bitmap);
  value.set("address_bytes", tally.sent.addresses);
  value.set("outputs", tally.outputs).set("spikes", tally.spikes);
  value.set("ac", tally.stats.total(&NodeStats::ac));
  value.set("mac", tally.stats.total(&NodeStats::mac));
  value.set("dense_macs", tally.stats.total(&NodeStats::dense_macs));
  value.set("seconds", tally.seconds);
  Value decisions = Value::list();
  for (const std::size_t decision : tally.decisions) {
    decisions.push(static_cast<std::uint64_t>(decision));
  }
  value.set("decisions", std::move(decisions));
  value.set("layers", *to_value(tally.stats).find("layers"));
  return value;
}

Value outcome_value(const Outcome& outcome) {
  Value value = Value::map();
  Value energy = Value::list();
  for (const Joules& joules : outcome.joules) {
    Value one = Value::map();
    one.set("accounting", to_string(joules.accounting));
    one.set("spiking_j", joules.spiking).set("dense_j", joules.dense);
    energy.push(std::move(one));
  }
  value.set("agree", outcome.agree).set("energy", std::move(energy));
  value.set("spiking", tally_value(outcome.spiking)).set("dense", tally_value(outcome.dense));
  return value;
}

Result<int> demo_vision(const VisionCommand& command, Console& console) {
  SPIKELOOM_TRY(const VisionModels models, load_vision(command.files));
  SPIKELOOM_TRY(const Outcome outcome, look(command, models, console));
  if (command.common.json) {
    SPIKELOOM_CHECK(printed(console.print_json(outcome_value(outcome))));
    return kExitOk;
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  std::string text;
  for (const Shown& shown : outcome.shown) text += shown_text(shown, models, ascii);
  SPIKELOOM_CHECK(printed(console.print(text + tally_text(outcome))));
  return kExitOk;
}

}  // namespace

void add_vision_demo(CLI::App& demo, Chosen& chosen) {
  const auto command = std::make_shared<VisionCommand>();
  CLI::App* sub = demo.add_subcommand(
      "vision", "Tell clothes apart behind pixels that convolve and spike, beside a dense network");
  sub->add_option("--model", command->files.model, "spiking network with pixels (.sloom)");
  sub->add_option("--dense", command->files.dense, "dense network for the same pictures (.sloom)");
  sub->add_option("--data", command->files.data,
                  "pictures: a folder of t10k-*.gz, or .npz with images and labels "
                  "(dataset-fashion-mnist's)");
  sub->add_option("--first", command->first, "first picture that is drawn (0)");
  sub->add_option("--show", command->show, "pictures that are drawn (2)")
      ->check(CLI::Range(0, 1000));
  CLI::Option* count =
      sub->add_option("--count", command->count, "pictures that are counted, from 0 on (1000)")
          ->check(CLI::Range(1, 1 << 30));
  sub->add_flag("--all", command->all, "count all of them")->excludes(count);
  sub->add_option("--weight-bits", command->flaws.weight_bits, "bits of the pixels' weights (7)")
      ->check(CLI::Range(1, 16));
  sub->add_option("--mismatch", command->flaws.mismatch, "relative spread of pixels (0)")
      ->check(within(0.0, 100.0));
  sub->add_option("--read-noise", command->flaws.read_noise,
                  "noise of a sum, in standard deviations of the sums (0)")
      ->check(within(0.0, 100.0));
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  sub->add_option("--arithmetic", command->run.arithmetic, "class of the run (auto)");
  sub->add_option("--backend", command->run.backend, "what runs it (auto)");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return demo_vision(*command, console); };
  });
}

}  // namespace spikeloom::cli
