/// `spikeloom convert`: networks, recordings and tensors from one format into another.

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/io/npy.hpp"
#include "cli/commands/commands.hpp"
#include "cli/event_flags.hpp"
#include "cli/exit_codes.hpp"
#include "cli/filter_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "cli/run_flags.hpp"
#include "cli/table.hpp"
#include "models/apply_weights.hpp"
#include "models/detail/file_kind.hpp"
#include "models/model_file/model_file.hpp"
#include "models/nir/nir_writer.hpp"
#include "models/tensors/safetensors.hpp"
#include "models/tensors/tensor_file.hpp"
#include "sensors/filters.hpp"
#include "sensors/recording_io.hpp"
#include "snn/resolve.hpp"

namespace spikeloom::cli {
namespace {

struct ConvertCommand {
  std::string in, out;
  std::string to;  ///< format of `out`; empty: by its ending
  std::string weights, layers;
  std::vector<std::string> map;  ///< TENSOR=NODE.FIELD
  bool ignore_unused = false, keep_unmatched = false;
  bool dequantise = false, extensions = false;
  EventFlags events;
  FilterFlags filters;
  bool sort = false;
  RunFlags run;
  CommonOptions common;
};

/// What was written, for the last line and for --json.
struct Written {
  std::string kind, format;
  std::uint64_t count = 0;          ///< nodes, events or tensors
  std::optional<std::uint64_t> of;  ///< events before the filters
  std::vector<std::string> losses;  ///< what the format could not hold
};

std::string ending(const std::string& path) {
  const std::size_t dot = path.find_last_of('.');
  const std::size_t slash = path.find_last_of('/');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return "";
  std::string text = path.substr(dot + 1);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

Result<Network> with_weights(const ConvertCommand& command, const Network& network) {
  // The folder of a SLAYER network's weights has been read with it.
  if (command.weights.empty() || std::filesystem::is_directory(command.weights)) return network;
  SPIKELOOM_TRY(const TensorFile file, read_tensor_file(command.weights));
  WeightMapping mapping;
  for (const std::string& entry : command.map) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      return Error{.what = "an entry of --map is not TENSOR=NODE.FIELD", .got = entry};
    }
    mapping.entries.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  mapping.ignore_unused_tensors = command.ignore_unused;
  mapping.keep_unmatched_parameters = command.keep_unmatched;
  auto applied = apply_weights(network, file.tensors, mapping);
  if (applied.ok()) return applied;
  Error error = std::move(applied).error().in(command.weights);
  error.next += error.next.empty() ? "" : ": ";
  error.next += "--map TENSOR=NODE.FIELD, --ignore-unused, --keep-unmatched";
  return error;
}

/// The model's own settings with those of the flags on top.
Result<Value> run_settings(const ConvertCommand& command, const LoadedModel& model) {
  if (!has_model_settings(command.run)) return model.run_settings;
  Value settings = model.run_settings;
  if (settings.is_null()) settings = Value::map();
  DiscretisationRequest request;
  request.preset = command.run.preset;
  request.options = command.run.discretisation;
  if (const Value* declared = model.run_settings.find("discretisation")) {
    SPIKELOOM_TRY(request.declared, discretisation_from_value(*declared));
  }
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(model.network, request));
  settings.set("discretisation", to_value(resolved.discretisation));
  std::optional<InputCoding> declared;
  if (const Value* coding = model.run_settings.find("input_coding")) {
    SPIKELOOM_TRY(declared, input_coding_from_value(*coding));
  }
  SPIKELOOM_TRY(const InputCoding coding,
                input_coding(command.run, declared, resolved.discretisation.preset));
  settings.set("input_coding", to_value(coding));
  if (command.run.read_out) settings.set("read_out", *command.run.read_out);
  return settings;
}

Result<Written> convert_model(const ConvertCommand& command, const std::string& to) {
  SPIKELOOM_TRY(const LoadedModel model,
                load_network_file(command.in, {command.weights, command.layers}));
  SPIKELOOM_TRY(const Network network, with_weights(command, model.network));
  Written written{"model", to, network.nodes().size(), {}, {}};
  if (to == "sloom") {
    ModelFileWriteOptions options;
    SPIKELOOM_TRY(options.run_settings, run_settings(command, model));
    options.model_card = model.model_card;
    SPIKELOOM_CHECK(write_model_file(network, command.out, options));
    return written;
  }
  if (has_model_settings(command.run)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "NIR has no place for how a network is run",
                 .where = command.out,
                 .next = "write a .sloom file, or leave these flags out"};
  }
  SPIKELOOM_CHECK(write_nir(network, command.out,
                            {.dequantise = command.dequantise, .extensions = command.extensions}));
  if (!model.run_settings.is_null()) {
    written.losses.emplace_back("how the network is run: NIR has no place for it");
  }
  if (!model.model_card.empty()) written.losses.emplace_back("the model card");
  return written;
}

Result<Written> convert_tensors(const ConvertCommand& command, const std::string& to) {
  SPIKELOOM_TRY(const TensorFile file, read_tensor_file(command.in));
  Written written{"tensors", to, file.tensors.size(), {}, {}};
  if (to == "safetensors") {
    SPIKELOOM_CHECK(write_safetensors(command.out, file));
    return written;
  }
  if (to == "npy") {
    if (file.tensors.size() != 1) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a .npy holds one array",
                   .where = command.in,
                   .got = fmt::format("{} tensors", file.tensors.size()),
                   .next = "write .npz or .safetensors"};
    }
    SPIKELOOM_CHECK(io::write_npy(command.out, file.tensors.front().tensor));
  } else {
    io::NamedTensors tensors;
    for (const NamedTensor& tensor : file.tensors) tensors.emplace_back(tensor.name, tensor.tensor);
    SPIKELOOM_CHECK(io::write_npz(command.out, tensors));
  }
  if (file.metadata.as_map() != nullptr && !file.metadata.as_map()->empty()) {
    written.losses.emplace_back("values that are no arrays");
  }
  return written;
}

/// What the output does not hold of the input: the writer's words, what the reader skipped and
/// dropped.
std::vector<std::string> not_kept(std::vector<std::string> losses, const ReadReport& report) {
  for (const auto& [name, count] : report.facts.skipped) {
    losses.push_back(fmt::format("{} {}", with_commas(count), name));
  }
  const auto warnings = report.warnings();
  losses.insert(losses.end(), warnings.begin(), warnings.end());
  return losses;
}

/// The whole recording, in order of time.
Result<Written> convert_sorted(const ConvertCommand& command, const std::string& to,
                               ReadOptions options) {
  options.unsorted = true;
  SPIKELOOM_TRY(ReadRecording read, read_recording(command.in, options));
  const std::size_t moved = sort_by_time(read.recording.events);
  SPIKELOOM_CHECK(filter_recording(command.filters, read.recording));
  SPIKELOOM_TRY(auto losses, write_recording(read.recording, command.out, to));
  if (moved > 0) losses.push_back(fmt::format("the order: {} events moved", with_commas(moved)));
  return Written{"recording", to, read.recording.events.size(), read.report.events,
                 not_kept(std::move(losses), read.report)};
}

/// Events of every pixel of a file; nothing where its size is unknown.
Result<std::optional<PixelCounts>> count_pixels(const std::string& path,
                                                const ReadOptions& options) {
  SPIKELOOM_TRY(auto stream, RecordingStream::open(path, options));
  std::optional<PixelCounts> counts;
  EventPacket packet;
  while (true) {
    if (interrupted()) return interrupted_error();
    SPIKELOOM_TRY(const bool more, stream.next(packet));
    const StreamFacts& facts = stream.report().facts;
    if (!more || facts.width == 0) return counts;
    if (!counts) {
      SPIKELOOM_TRY(counts, PixelCounts::make(facts.width, facts.height));
    }
    counts->add(packet);
  }
}

Result<Written> convert_recording(const ConvertCommand& command, const std::string& to) {
  SPIKELOOM_TRY(const ReadOptions options, read_options(command.events));
  if (command.sort) return convert_sorted(command, to, options);
  std::optional<PixelCounts> counts;
  if (command.filters.hot_pixels) {
    SPIKELOOM_TRY(counts, count_pixels(command.in, options));
  }
  SPIKELOOM_TRY(auto stream, RecordingStream::open(command.in, options));
  EventPacket packet;
  // The first packet comes before the writer: the size may stand at the head of the file.
  SPIKELOOM_TRY(bool more, stream.next(packet));
  const StreamFacts& facts = stream.report().facts;
  SPIKELOOM_TRY(auto filters, RecordingFilters::make(command.filters, facts.width, facts.height,
                                                     packet.empty() ? 0 : packet.time.front(),
                                                     counts ? &*counts : nullptr));
  SPIKELOOM_TRY(auto writer,
                RecordingWriter::create(command.out, to, {filters.width(), filters.height()}));
  Written written{"recording", to, 0, {}, {}};
  while (more) {
    if (interrupted()) return interrupted_error();
    filters.apply(packet);
    SPIKELOOM_CHECK(writer.write(packet));
    written.count += packet.size();
    SPIKELOOM_TRY(more, stream.next(packet));
  }
  SPIKELOOM_TRY(auto losses, writer.commit());
  written.of = stream.report().events;
  written.losses = not_kept(std::move(losses), stream.report());
  return written;
}

/// The event format that is written with this name or ending; several: kAmbiguous; empty: none.
Result<std::string> event_format(const std::string& name) {
  std::string found;
  for (const EventCodec& codec : event_codecs()) {
    if (codec.make_encoder == nullptr) continue;
    if (codec.name == name) return name;
    const auto& endings = codec.extensions;
    if (std::find(endings.begin(), endings.end(), name) == endings.end()) continue;
    found += (found.empty() ? "" : ", ") + std::string(codec.name);
  }
  if (found.find(',') == found.npos) return found;
  return Error{.code = ErrorCode::kAmbiguous,
               .what = fmt::format("the ending .{} stands for several formats", name),
               .expected = found,
               .next = "name one with --to"};
}

/// Whether a file's array goes to an array: what is no event file by its content.
Result<bool> holds_tensors(const std::string& path) {
  SPIKELOOM_TRY(const auto start, detail::read_start(path));
  const auto kind = detail::identify(start);
  return (kind == detail::FileKind::kNpy && !npy_holds_fields(start)) ||
         kind == detail::FileKind::kNpz || kind == detail::FileKind::kTorchZip ||
         kind == detail::FileKind::kTorchPickle || kind == detail::FileKind::kSafetensors;
}

Result<Written> convert_any(const ConvertCommand& command) {
  const std::string to = command.to.empty() ? ending(command.out) : command.to;
  const bool is_model = to == "nir" || to == "sloom";
  if (is_model && command.filters.any()) {
    return Error{.what = "filters are for recordings",
                 .where = command.out,
                 .expected = "an output that is a recording"};
  }
  if (!is_model && (!command.weights.empty() || command.dequantise)) {
    return Error{.what = "--weights and --dequantise are for networks",
                 .where = command.out,
                 .expected = "an output that ends in .nir or .sloom"};
  }
  if (is_model) return convert_model(command, to);
  // A .npy holds an array or events; which of them the input has decides, or --columns.
  const bool is_npy = to == "npy" && command.events.columns.empty();
  if (to == "npz" || to == "safetensors") return convert_tensors(command, to);
  if (is_npy) {
    SPIKELOOM_TRY(const bool tensors, holds_tensors(command.in));
    if (tensors) return convert_tensors(command, to);
  }
  SPIKELOOM_TRY(const std::string codec, event_format(to));
  if (!codec.empty()) return convert_recording(command, codec);
  std::vector<std::string_view> names = {"nir", "sloom", "npz", "npy", "safetensors"};
  for (const EventCodec& codec : event_codecs()) {
    if (codec.make_encoder == nullptr) continue;
    for (const std::string_view extension : codec.extensions) {
      // Several formats may share an ending.
      if (std::find(names.begin(), names.end(), extension) == names.end()) {
        names.push_back(extension);
      }
    }
  }
  return Error{.code = ErrorCode::kAmbiguous,
               .what = "the output's name does not say which format it is to be",
               .where = command.out,
               .expected = fmt::format("{}", fmt::join(names, ", ")),
               .next = "give it one of these endings, or --to FORMAT"};
}

Result<int> convert(const ConvertCommand& command, Console& console) {
  SPIKELOOM_TRY(const Written written, convert_any(command));
  for (const std::string& loss : written.losses) console.warn("not kept: " + loss);
  const char* unit = written.kind == "model"       ? "nodes"
                     : written.kind == "recording" ? "events"
                                                   : "tensors";
  if (command.common.json) {
    Value value = Value::map();
    value.set("kind", written.kind).set("in", command.in).set("out", command.out);
    value.set("format", written.format).set(unit, written.count);
    if (written.of) value.set("events_read", *written.of);
    Value losses = Value::list();
    for (const std::string& loss : written.losses) losses.push(loss);
    value.set("not_kept", std::move(losses));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
  } else {
    const bool fewer = written.of && *written.of != written.count;
    SPIKELOOM_CHECK(printed(console.print(
        fmt::format("{}: {}{} {}, format {}\n", command.out, with_commas(written.count),
                    fewer ? fmt::format(" of {}", with_commas(*written.of)) : std::string(), unit,
                    written.format))));
  }
  return kExitOk;
}

}  // namespace

void add_convert(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<ConvertCommand>();
  CLI::App* sub = app.add_subcommand("convert", "Turn a file into another format");
  sub->add_option("IN", command->in, "network, recording or tensor file")->required();
  sub->add_option("OUT", command->out, "file to write; its ending is the format")->required();
  sub->add_option("--to", command->to, "format of OUT, whatever its ending");
  constexpr const char* kModels = "Networks";
  sub->add_option("--layers", command->layers, "SLAYER: the layers, see run");
  sub->add_option("--weights", command->weights, "tensor file, or SLAYER's folder of weights")
      ->group(kModels);
  sub->add_option("--map", command->map, "TENSOR=NODE.FIELD, where names and shapes do not tell")
      ->group(kModels);
  sub->add_flag("--ignore-unused", command->ignore_unused, "tensors without a place are left out")
      ->group(kModels);
  sub->add_flag("--keep-unmatched", command->keep_unmatched, "parameters without a tensor stay")
      ->group(kModels);
  sub->add_flag("--extensions", command->extensions,
                "NIR: language layers as nodes of our own, which Python's nir refuses")
      ->group(kModels);
  sub->add_flag("--dequantise", command->dequantise, "plain weights, for formats without scales")
      ->group(kModels);
  constexpr const char* kRecordings = "Recordings";
  add_event_flags(*sub, command->events, kRecordings);
  sub->add_flag("--sort", command->sort, "put the events in order of time")->group(kRecordings);
  add_filter_flags(*sub, command->filters);
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return convert(*command, console); };
  });
}

}  // namespace spikeloom::cli
