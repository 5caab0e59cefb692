/// `spikeloom quantize`: an integer network out of a float one, and what that cost.

#include <algorithm>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/network_file.hpp"
#include "cli/quantize_report.hpp"
#include "models/model_file/model_file.hpp"
#include "snn/integer.hpp"

namespace spikeloom::cli {
namespace {

struct QuantizeCommand {
  std::string model, out;
  std::string per = "channel";
  std::string scales = "largest";
  QuantizeOptions options;
  RunFlags run;
  InputFlags input;
  CommonOptions common;
};

/// The float network's flags: --fixed-point is that of the result.
Result<RunFlags> float_flags(const QuantizeCommand& command, FixedPoint& rounding) {
  RunFlags flags = command.run;
  const auto given = std::find_if(flags.discretisation.begin(), flags.discretisation.end(),
                                  [](const auto& option) { return option.first == "fixed-point"; });
  if (given != flags.discretisation.end()) {
    Discretisation scratch;
    SPIKELOOM_CHECK(set_option(scratch, "fixed-point", given->second));
    rounding = scratch.fixed_point;
    flags.discretisation.erase(given);
  }
  return flags;
}

/// How the quantised network is run, for the model file.
Value run_settings(const QuantizedNetwork& quantized, const Pipeline& real,
                   const LoadedModel& model) {
  Value settings = model.run_settings;
  if (settings.is_null()) settings = Value::map();
  settings.set("discretisation", to_value(quantized.discretisation));
  settings.set("input_coding", to_value(real.coding));
  settings.set("read_out", to_string(real.read_out));
  return settings;
}

Result<CalibrationInput> calibration_input(const QuantizeCommand& command, const Pipeline& real) {
  CalibrationInput input;
  input.flags = command.input;
  input.seed = command.common.seed;
  SPIKELOOM_TRY(input.steps, asked_steps(command.run, real.discretisation()));
  if (command.input.files.empty()) return input;
  SPIKELOOM_TRY(const std::int64_t elements, element_count(real.input_shape()));
  SPIKELOOM_TRY(input.samples, list_samples(command.input, elements));
  return input;
}

/// Runs the float network on the recordings, with everything recorded that reaches weights.
Result<InputSurvey> survey_recordings(const QuantizeCommand& command, const LoadedModel& model,
                                      PipelineRequest request, const CalibrationInput& input,
                                      Console& console) {
  if (input.samples.empty()) {
    if (command.scales != "fitted") return InputSurvey{};
    return Error{.what = "there are no recordings to fit scales to",
                 .next = "give --calibrate FILE"};
  }
  request.record_all_spikes = false;
  SPIKELOOM_TRY(Pipeline real, make_pipeline(model, request));
  const bool with_activity = command.scales == "fitted";
  if (with_activity) {
    request.record = activity_nodes(real.program());
    SPIKELOOM_TRY(real, make_pipeline(model, request));
  }
  const auto progress = [&](std::int64_t done, std::int64_t total) {
    console.progress("fitting", done, total);
    return true;
  };
  SPIKELOOM_TRY(InputSurvey survey, survey_input(real, input, with_activity, progress));
  console.end_progress();
  return survey;
}

Result<int> quantize_model(const QuantizeCommand& command, Console& console) {
  SPIKELOOM_TRY(LoadedModel model, load_network_file(command.model));
  QuantizeOptions options = command.options;
  options.per_channel = command.per == "channel";
  PipelineRequest request;
  SPIKELOOM_TRY(request.flags, float_flags(command, options.rounding));
  request.record_all_spikes = true;
  request.seed = command.common.seed;
  request.threads = thread_count(command.common);
  SPIKELOOM_TRY(const Pipeline real, make_pipeline(model, request));
  if (!command.common.json) {
    for (const std::string& note : real.notes) console.note(note);
  }
  SPIKELOOM_TRY(const CalibrationInput input, calibration_input(command, real));
  SPIKELOOM_TRY(const InputSurvey survey,
                survey_recordings(command, model, request, input, console));
  options.input_bound =
      std::max(options.input_bound,
               static_cast<std::int32_t>(std::min<double>(std::ceil(survey.largest), kEventLimit)));
  options.activity = survey.activity;
  auto made = quantize(model.network, real.discretisation(), options);
  if (!made.ok()) return std::move(made).error().in(command.model);
  for (const std::string& note : made->notes) console.note(note);

  LoadedModel quantized{.network = made->network, .report = model.report};
  quantized.run_settings = run_settings(*made, real, model);
  QuantizeReport report{command.model, command.out, options.per_channel, &*made, {}};
  if (!input.samples.empty()) {
    PipelineRequest integer_request = request;
    integer_request.flags.preset.reset();
    integer_request.flags.discretisation.clear();
    integer_request.flags.arithmetic = "integer";
    SPIKELOOM_TRY(const Pipeline integer, make_pipeline(quantized, integer_request));
    const auto progress = [&](std::int64_t done, std::int64_t total) {
      console.progress("recordings", done, total);
      return true;
    };
    SPIKELOOM_TRY(report.calibration, calibrate(real, integer, input, progress));
    console.end_progress();
  }
  ModelFileWriteOptions write;
  write.run_settings = quantized.run_settings;
  write.model_card = model.model_card;
  SPIKELOOM_CHECK(write_model_file(made->network, command.out, write));
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(quantize_value(report))
                                              : console.print(quantize_text(report))));
  return kExitOk;
}

}  // namespace

void add_quantize(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<QuantizeCommand>();
  CLI::App* sub = app.add_subcommand("quantize", "Make an integer network of a float one");
  constexpr const char* kGroup = "Quantising";
  sub->add_option("MODEL", command->model, "network: .nir or .sloom")->required();
  sub->add_option("-o,--out", command->out, "model file to write (.sloom)")
      ->required()
      ->group(kGroup);
  sub->add_option("--bits", command->options.bits, "bits of a weight, 2 to 16 (8)")
      ->check(CLI::Range(2, 16))
      ->group(kGroup);
  sub->add_option("--per", command->per, "one scale per output channel, or per layer (channel)")
      ->check(CLI::IsMember({"channel", "layer"}))
      ->group(kGroup);
  sub->add_option("--fraction", command->options.fraction,
                  "most fractional bits of a leaking membrane (12)")
      ->check(CLI::Range(0, 16))
      ->group(kGroup);
  sub->add_option("--input-bound", command->options.input_bound,
                  "input value of a step that must be safe (255, or the largest calibrated)")
      ->check(CLI::Range(1, static_cast<int>(kEventLimit)))
      ->group(kGroup);
  add_input_flags(*sub, command->input);
  // The recordings are there to fit and to compare, so the flag that names them says so.
  sub->remove_option(sub->get_option("--input"));
  sub->add_option("--calibrate", command->input.files,
                  "recordings to compare float and integer on, and to fit scales to, one or more")
      ->group("Input");
  sub->add_option("--scales", command->scales,
                  "by the largest weight, or with --calibrate fitted to what reaches the weights "
                  "(largest)")
      ->check(CLI::IsMember({"fitted", "largest"}))
      ->group(kGroup);
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return quantize_model(*command, console); };
  });
}

}  // namespace spikeloom::cli
