#include "cli/network_file.hpp"

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "models/detail/file_kind.hpp"
#include "models/load.hpp"
#include "models/slayer/slayer_reader.hpp"
#include "sensors/digest.hpp"
#include "sensors/recording_io.hpp"
#include "sensors/sensor_sizes.hpp"

namespace spikeloom::cli {
namespace {

/// A kind of text model: all of these keys on the top level.
struct Signature {
  std::array<std::string_view, 2> keys;
  std::string_view meaning;
};
constexpr std::array<Signature, 7> kSignatures = {{
    {{"model", "backend"}, "a run, as `spikeloom run` writes it"},
    {{"network", "mappings"}, "a network mapped to a chip, as SANA-FE writes it"},
    {{"architecture", ""}, "a chip description, as SANA-FE writes it"},
    {{"simulation", "neuron"}, "a network description of SLAYER"},
    {{"populations", ""}, "populations with random connectivity, for simulation"},
    {{"alpha", "beta"}, "parameters of a training run"},
    {{"network", ""}, "a network description"},
}};

bool holds(const std::vector<std::string>& keys, std::string_view key) {
  return key.empty() || std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

/// The keys of a block mapping that start a line; empty when a line of depth 0 is no such key.
std::vector<std::string> yaml_keys(std::string_view text) {
  std::vector<std::string> keys;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == ' ' || line[0] == '\t' || line[0] == '#' || line[0] == '-' ||
        line[0] == '\r' || line[0] == '%' || line.starts_with("...")) {
      continue;
    }
    std::size_t at = 0;
    while (at < line.size() && is_key_character(line[at])) ++at;
    const bool is_key = at > 0 && at < line.size() && line[at] == ':' &&
                        (at + 1 == line.size() || line[at + 1] == ' ' || line[at + 1] == '\r');
    if (!is_key) return {};
    keys.emplace_back(line.substr(0, at));
  }
  return keys;
}

Error text_refusal(const std::string& path, const TextModel& text) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = text.meaning.empty()
                           ? fmt::format("this is a {} file of an unknown kind", text.format)
                           : fmt::format("this {} file is {}, which is not read yet", text.format,
                                         text.meaning),
               .where = path,
               .expected = "a network in NIR (.nir) or a spikeloom model file (.sloom)",
               .got = fmt::format("the top-level keys {}", fmt::join(text.keys, ", ")),
               .next = "export the network to NIR with its training framework"};
}

/// Shape of the input that a recording was made for: its file's size, or the smallest common sensor
/// that holds all its events. Nothing for arrays.
Result<std::optional<Shape>> input_shape(const InputFlags& input, std::vector<std::string>& notes) {
  if (input.files.empty()) return std::optional<Shape>();
  const std::string& path = input.files[0];
  ReadOptions options;
  options.format = input.format == "auto" || input.format == "events" ? "" : input.format;
  options.columns = input.columns;
  options.lenient = input.lenient;
  options.unsorted = input.unsorted;
  SPIKELOOM_TRY(options.time_unit, parse_event_time_unit(input.event_time_unit));
  auto stream = RecordingStream::open(path, options);
  if (!stream.ok()) return std::optional<Shape>();
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  for (EventPacket packet;;) {
    SPIKELOOM_TRY(const bool more, stream->next(packet));
    if (!more) break;
    for (const std::uint16_t value : packet.x) x = std::max<std::uint32_t>(x, value);
    for (const std::uint16_t value : packet.y) y = std::max<std::uint32_t>(y, value);
  }
  std::uint32_t width = stream->report().facts.width;
  std::uint32_t height = stream->report().facts.height;
  std::string source = "as the recording says";
  if (width == 0) {
    const auto sensor = smallest_sensor(x, y);
    if (!sensor) return std::optional<Shape>();
    width = sensor->width;
    height = sensor->height;
    source = fmt::format("{}, the smallest common sensor that holds its events (x to {}, y to {})",
                         sensor->name, x, y);
  }
  notes.push_back(fmt::format("input size 2x{}x{}: {}", height, width, source));
  return std::optional<Shape>(Shape{2, height, width});
}

Result<LoadedModel> load_slayer(const std::string& path, const ModelFlags& flags,
                                const InputFlags& input) {
  SlayerReadOptions options;
  options.weights = flags.weights;
  options.layers = flags.layers;
  std::vector<std::string> notes;
  if (flags.layers.empty()) {
    SPIKELOOM_TRY(options.input, input_shape(input, notes));
  }
  SPIKELOOM_TRY(LoadedModel model, read_slayer(path, options));
  model.report.warnings.insert(model.report.warnings.begin(), notes.begin(), notes.end());
  return model;
}

}  // namespace

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  constexpr const char* kGroup = "Model";
  command.add_option("--weights", flags.weights, "SLAYER: folder of pool1.txt, conv1.txt, ...")
      ->group(kGroup);
  command.add_option("--layers", flags.layers, "SLAYER: the layers, e.g. '2x34x34 8c5z 2a 10'")
      ->group(kGroup);
}

TextModel identify_text_model(std::string_view text) {
  TextModel found;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return found;
  if (text[start] == '{' || text[start] == '[') {
    const auto value = io::parse_json(text);
    if (!value.ok() || value->as_map() == nullptr) return found;
    found.format = "JSON";
    for (const auto& [key, entry] : *value->as_map()) found.keys.push_back(key);
  } else {
    found.keys = yaml_keys(text);
    if (found.keys.empty()) return found;
    found.format = "YAML";
  }
  for (const Signature& signature : kSignatures) {
    if (holds(found.keys, signature.keys[0]) && holds(found.keys, signature.keys[1])) {
      found.meaning = signature.meaning;
      break;
    }
  }
  return found;
}

Result<LoadedModel> load_network_file(const std::string& path, const ModelFlags& flags,
                                      const InputFlags& input) {
  SPIKELOOM_TRY(const auto start, detail::read_start(path));
  if (detail::identify(start) == detail::FileKind::kText) {
    if (const auto text = io::read_text_file(path); text.ok()) {
      const TextModel model = identify_text_model(*text);
      if (model.format == "YAML" && holds(model.keys, "simulation") &&
          holds(model.keys, "neuron")) {
        return load_slayer(path, flags, input);
      }
      if (!model.format.empty()) return text_refusal(path, model);
    }
  }
  return load_model(path);
}

}  // namespace spikeloom::cli
