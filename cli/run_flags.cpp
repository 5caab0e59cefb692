#include "cli/run_flags.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/discretisation_flags.hpp"
#include "cli/number_check.hpp"
#include "snn/discretisation.hpp"

namespace spikeloom::cli {
namespace {

void set_discretisation(RunFlags& flags, std::string_view name, const std::string& text) {
  const auto same = [&](const auto& option) { return option.first == name; };
  const auto old = std::find_if(flags.discretisation.begin(), flags.discretisation.end(), same);
  if (old != flags.discretisation.end()) {
    old->second = text;
  } else {
    flags.discretisation.emplace_back(name, text);
  }
}

/// What a check of CLI11 returns: empty when the text is right. CLI11 names the flag itself.
template <typename T>
std::string complaint(const Result<T>& parsed) {
  if (parsed.ok()) return {};
  Error error = parsed.error();
  error.where.clear();
  return error.message();
}

template <typename Parse>
auto check_with(Parse parse) {
  return [parse](const std::string& text) { return complaint(parse(text)); };
}

/// "zero|subtract|once|none" as help shows it, in the place of the type's name.
void show_values(CLI::Option* option, std::string_view values) {
  option->type_name(std::string(values))->type_size(1);
}

void add_option_flags(CLI::App& command, RunFlags& flags) {
  for (const OptionInfo& info : discretisation_options()) {
    CLI::Option* option = command.add_option_function<std::string>(
        fmt::format("--{}", info.name),
        [&flags, name = info.name](const std::string& text) {
          set_discretisation(flags, name, text);
        },
        std::string(info.meaning));
    option->check([name = info.name](const std::string& text) {
      Discretisation scratch;
      return complaint(set_option(scratch, name, text));
    });
    show_values(option, info.values);
    option->group("Discretisation (overrides the preset)");
  }
}

constexpr const char* kGroup = "How the network is run";

void add_preset_flag(CLI::App& command, RunFlags& flags) {
  std::string presets;
  for (const std::string_view name : preset_names()) {
    presets += fmt::format("{}{}", presets.empty() ? "" : "|", name);
  }
  CLI::Option* preset = command.add_option("--preset", flags.preset, "conventions of a producer");
  preset->check(check_with(make_preset))->group(kGroup);
  show_values(preset, presets);
}

}  // namespace

void add_discretisation_flags(CLI::App& command, RunFlags& flags) {
  add_preset_flag(command, flags);
  add_option_flags(command, flags);
}

void add_run_flags(CLI::App& command, RunFlags& flags) {
  add_preset_flag(command, flags);
  CLI::Option* coding = command.add_option("--coding", flags.coding, "how input becomes spikes");
  coding->check(check_with(parse_coding))->group(kGroup);
  show_values(coding, "count|binary|current|rate|latency");
  command.add_option("--bin-origin", flags.bin_origin, "where bins begin: first event, or time 0")
      ->check(CLI::IsMember({"first", "zero"}))
      ->group(kGroup);
  command
      .add_option("--bin-rounding", flags.bin_rounding, "bin of an event: t / dt down, or nearest")
      ->check(CLI::IsMember({"floor", "nearest"}))
      ->group(kGroup);
  command
      .add_option("--ignore-steps", flags.ignore_steps,
                  "so many first steps get none of the events")
      ->check(whole_number)
      ->group(kGroup);
  command.add_option("--clip", flags.clip, "largest input value of an element in a step")
      ->check(not_negative)
      ->group(kGroup);
  command.add_flag("--keep-last-bin", flags.keep_last_bin, "keep the last, incomplete bin")
      ->group(kGroup);
  CLI::Option* read_out = command.add_option("--read-out", flags.read_out, "what decides");
  read_out->check(check_with(parse_read_out))->group(kGroup);
  show_values(read_out, "count|first|last|max|mean");
  CLI::Option* steps =
      command.add_option("--steps", flags.steps, "run this many steps: cut or pad the input");
  steps->check(whole_number)->group(kGroup);
  command.add_option("--duration", flags.duration, "the same as a time, in the unit of dt")
      ->check(not_negative)
      ->excludes(steps)
      ->group(kGroup);
  CLI::Option* arithmetic =
      command.add_option("--arithmetic", flags.arithmetic, "class of the run");
  arithmetic->check(check_with(parse_arithmetic))->group(kGroup);
  show_values(arithmetic, "double|float32|integer|ring16");
  command.add_option("--backend", flags.backend, "what runs it (see `spikeloom devices`)")
      ->group(kGroup);
  CLI::Option* schedule =
      command.add_option("--schedule", flags.schedule, "how cpu adds up a projection");
  schedule->check(check_with(parse_schedule))->group(kGroup);
  show_values(schedule, "auto|rows|bitmask|dense");
  command.add_option("--port", flags.port, "Input node that gets the files, if there are several")
      ->group(kGroup);
  add_option_flags(command, flags);
}

void add_input_flags(CLI::App& command, InputFlags& flags) {
  constexpr const char* kGroup = "Input";
  command.add_option("--input", flags.files, "recordings or arrays, one or more")->group(kGroup);
  command.add_option("--labels", flags.labels, "right answers: lines 'name label', or .npy")
      ->group(kGroup);
  command.add_option("--input-format", flags.format, "auto, events, array, or an event format")
      ->group(kGroup);
  command.add_option("--axes", flags.axes, "axes of an array, e.g. tchw (default: time first)")
      ->group(kGroup);
  command.add_flag("--samples", flags.samples, "an array's first axis is samples")->group(kGroup);
  command.add_option("--columns", flags.columns, "event columns (txyp) or table columns (0,2)")
      ->group(kGroup);
  command.add_option("--event-time-unit", flags.event_time_unit, "unit of times in event files")
      ->check(CLI::IsMember({"auto", "s", "ms", "us", "ns"}))
      ->group(kGroup);
  command.add_flag("--lenient", flags.lenient, "keep the events before a file's first error")
      ->group(kGroup);
  command.add_flag("--unsorted", flags.unsorted, "accept times that run backwards")->group(kGroup);
}

Status apply_run_flags(std::string_view text, RunFlags& flags) {
  try {
    CLI::App parser;
    parser.set_help_flag();
    add_run_flags(parser, flags);
    parser.parse(std::string(text), false);
  } catch (const CLI::Error& error) {
    return Error{.what = error.what(),
                 .where = fmt::format("flags '{}'", text),
                 .next = "give flags as for `run`, e.g. '--reset subtract --arithmetic double'"};
  }
  return {};
}

bool has_model_settings(const RunFlags& flags) {
  return flags.preset || !flags.discretisation.empty() || flags.coding || flags.bin_origin ||
         flags.bin_rounding || flags.ignore_steps || flags.clip || flags.keep_last_bin ||
         flags.read_out;
}

Result<InputCoding> input_coding(const RunFlags& flags, const std::optional<InputCoding>& declared,
                                 std::string_view preset) {
  const auto of_preset = preset_input_coding(preset);
  InputCoding coding = declared.value_or(of_preset.value_or(InputCoding{}));
  if (flags.preset && of_preset) coding = *of_preset;
  if (flags.coding) {
    SPIKELOOM_TRY(coding.coding, parse_coding(*flags.coding));
  }
  if (flags.bin_origin) {
    coding.origin = *flags.bin_origin == "zero" ? BinOrigin::kZero : BinOrigin::kFirstEvent;
  }
  if (flags.bin_rounding) {
    coding.rounding =
        *flags.bin_rounding == "nearest" ? BinRounding::kNearest : BinRounding::kFloor;
  }
  if (flags.ignore_steps) coding.ignored_steps = *flags.ignore_steps;
  if (flags.clip) coding.clip = flags.clip;
  if (flags.keep_last_bin) coding.keep_incomplete_bin = true;
  return coding;
}

RecordFlag parse_record_flag(std::string_view text) {
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    if (const auto variable = parse_variable(text.substr(colon + 1)); variable.ok()) {
      return {std::string(text.substr(0, colon)), *variable};
    }
  }
  return {std::string(text), Variable::kSpikes};
}

}  // namespace spikeloom::cli
