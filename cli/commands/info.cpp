/// `spikeloom info`: what a file is and holds.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/event_flags.hpp"
#include "cli/exit_codes.hpp"
#include "cli/model_info.hpp"
#include "cli/network_file.hpp"
#include "cli/plan_text.hpp"
#include "cli/table.hpp"
#include "mapping/plan_file.hpp"
#include "models/detail/file_kind.hpp"
#include "models/tensors/tensor_file.hpp"
#include "sensors/digest.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

using detail::FileKind;

struct InfoCommand {
  std::string file;
  std::string as = "auto";  ///< auto, model, plan, recording, tensors
  EventFlags events;
  bool words = false;
  ModelFlags model;
  CommonOptions common;
};

Value optional_microseconds(const std::optional<Time>& time) {
  return time ? Value(floor_div(*time, kMicrosecond)) : Value();
}

struct RecordingFacts {
  RecordingInfo info;
  ReadReport report;
};

Result<RecordingFacts> survey(const InfoCommand& command) {
  SPIKELOOM_TRY(ReadOptions options, read_options(command.events));
  options.count_words = command.words;
  SPIKELOOM_TRY(auto stream, RecordingStream::open(command.file, options));
  RecordingSurvey survey;
  for (EventPacket packet;;) {
    SPIKELOOM_TRY(const bool more, stream.next(packet));
    if (!more) break;
    survey.add(packet);
  }
  const ReadReport& report = stream.report();
  return RecordingFacts{survey.info(report.facts.width, report.facts.height), report};
}

Value recording_value(const std::string& file, const RecordingFacts& facts) {
  const auto& [info, report] = facts;
  Value value = Value::map();
  value.set("kind", "recording").set("file", file).set("format", report.format);
  value.set("events", info.events);
  value.set("first_us", optional_microseconds(info.first));
  value.set("last_us", optional_microseconds(info.last));
  value.set("width", info.width).set("height", info.height).set("digest", info.digest);
  value.set("on", info.on).set("off", info.events - info.on);
  value.set("on_fraction", info.on_fraction())
      .set("rate", info.rate())
      .set("max_x", info.max_x)
      .set("max_y", info.max_y);
  value.set("bytes", report.file_bytes);
  Value counts = Value::map();
  for (const auto& [name, count] : report.facts.counts) counts.set(name, count);
  value.set("counts", std::move(counts));
  Value skipped = Value::map();
  for (const auto& [name, count] : report.facts.skipped) skipped.set(name, count);
  value.set("skipped", std::move(skipped));
  Value warnings = Value::list();
  for (const std::string& warning : report.warnings()) warnings.push(warning);
  return value.set("warnings", std::move(warnings));
}

std::string recording_text(const std::string& file, const RecordingFacts& facts) {
  const auto& [info, report] = facts;
  std::string text = fmt::format("{}: recording, format {}\n\n", file, report.format);
  text += fmt::format("events    {} ({} ON, {} OFF)\n", with_commas(info.events),
                      with_commas(info.on), with_commas(info.events - info.on));
  text += fmt::format("polarity  {:.2f} % ON\n", 100.0 * info.on_fraction());
  if (info.first && info.last) {
    text += fmt::format("time      {} .. {} us ({})\n", floor_div(*info.first, kMicrosecond),
                        floor_div(*info.last, kMicrosecond),
                        seconds_text(to_seconds(*info.last - *info.first)));
    text += fmt::format("rate      {} events/s\n", number_text(info.rate()));
  }
  text += info.width == 0 ? std::string("size      not in the file")
                          : fmt::format("size      {} x {}", info.width, info.height);
  text += fmt::format("; largest x {}, y {}\ndigest    {}\n", info.max_x, info.max_y, info.digest);
  for (const auto& [name, count] : report.facts.counts) {
    text += fmt::format("counted   {} {}\n", with_commas(count), name);
  }
  for (const auto& [name, count] : report.facts.skipped) {
    text += fmt::format("skipped   {} {}\n", with_commas(count), name);
  }
  for (const std::string& warning : report.warnings()) text += "warning   " + warning + "\n";
  return text;
}

Value shape_value(const Shape& shape) {
  Value list = Value::list();
  for (const std::int64_t side : shape) list.push(side);
  return list;
}

Value tensors_value(const std::string& path, const TensorFile& file) {
  Value value = Value::map();
  value.set("kind", "tensors").set("file", path).set("format", file.format);
  Value tensors = Value::list();
  for (const NamedTensor& tensor : file.tensors) {
    Value one = Value::map();
    one.set("name", tensor.name).set("dtype", to_string(tensor.tensor.dtype()));
    one.set("shape", shape_value(tensor.tensor.shape()));
    tensors.push(std::move(one));
  }
  value.set("tensors", std::move(tensors));
  return value.set("metadata", file.metadata);
}

std::string tensors_text(const std::string& path, const TensorFile& file) {
  std::string text = fmt::format("{}: tensors, format {}\n\n", path, file.format);
  Table table({"name", "dtype", "shape"}, 3);
  for (const NamedTensor& tensor : file.tensors) {
    table.row({tensor.name, to_string(tensor.tensor.dtype()), to_string(tensor.tensor.shape())});
  }
  return text + table.text();
}

/// What to take the file for.
Result<std::string> what_it_is(const InfoCommand& command) {
  if (command.as != "auto") return command.as;
  if (mapping::looks_like_plan(command.file)) return std::string("plan");
  SPIKELOOM_TRY(const auto start, detail::read_start(command.file));
  switch (detail::identify(start)) {
    case FileKind::kHdf5: {
      const auto events = hdf5_holds_events(command.file);
      return std::string(events.ok() && *events ? "recording" : "model");
    }
    case FileKind::kNpy:
      return std::string(command.events.columns.empty() && !npy_holds_fields(start) ? "tensors"
                                                                                    : "recording");
    case FileKind::kIdx:
    case FileKind::kNpz:
    case FileKind::kTorchZip:
    case FileKind::kTorchPickle:
    case FileKind::kSafetensors:
      return std::string("tensors");
    case FileKind::kText: {
      const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
      const TextModel model = identify_text_model(text);
      const bool is_json = text.find_first_of("{[") == text.find_first_not_of(" \t\r\n");
      return std::string(is_json || !model.format.empty() ? "model" : "recording");
    }
    case FileKind::kEmpty:  // a recording without events is an empty file in some formats
      return std::string(detect_event_codec({}, command.file).ok() ? "recording" : "model");
    case FileKind::kPickle:
    case FileKind::kZip:
      return std::string("model");  // whose reader says what is wrong
    case FileKind::kUnknown:
      break;
  }
  return std::string("recording");
}

Result<int> info(const InfoCommand& command, Console& console) {
  SPIKELOOM_TRY(const std::string as, what_it_is(command));
  const bool json = command.common.json;
  if (as == "model") {
    SPIKELOOM_TRY(const LoadedModel model, load_network_file(command.file, command.model));
    const Value value = model_info(model);
    SPIKELOOM_CHECK(
        printed(json ? console.print_json(value) : console.print(model_info_text(value))));
  } else if (as == "plan") {
    SPIKELOOM_TRY(const mapping::Plan plan, mapping::read_plan(command.file));
    SPIKELOOM_CHECK(
        printed(json ? console.print_json(plan_value(plan)) : console.print(plan_text(plan))));
  } else if (as == "recording") {
    SPIKELOOM_TRY(const RecordingFacts facts, survey(command));
    SPIKELOOM_CHECK(printed(json ? console.print_json(recording_value(command.file, facts))
                                 : console.print(recording_text(command.file, facts))));
  } else {
    SPIKELOOM_TRY(const TensorFile file, read_tensor_file(command.file));
    SPIKELOOM_CHECK(printed(json ? console.print_json(tensors_value(command.file, file))
                                 : console.print(tensors_text(command.file, file))));
  }
  return kExitOk;
}

}  // namespace

void add_info(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<InfoCommand>();
  CLI::App* sub =
      app.add_subcommand("info", "Say what a network, plan, recording or array file holds");
  sub->add_option("FILE", command->file, "the file")->required();
  sub->add_option("--as", command->as, "take it for this instead of looking")
      ->check(CLI::IsMember({"auto", "model", "plan", "recording", "tensors"}));
  add_event_flags(*sub, command->events);
  sub->add_flag("--words", command->words, "count every kind of word of an event file");
  add_model_flags(*sub, command->model);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return info(*command, console); };
  });
}

}  // namespace spikeloom::cli
