/// `spikeloom sensors robustness`: how well gestures are told as the camera gets worse.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/sensors_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/gesture_demo.hpp"
#include "cli/gesture_study.hpp"
#include "cli/terminal.hpp"
#include "models/gesture/gesture_models.hpp"

namespace spikeloom::cli {
namespace {

/// Clips with these seeds were in no training set.
constexpr std::uint64_t kHeldOut = 500000;

struct RobustnessCommand {
  GestureRequest request;
  StudyOptions study;
  std::string page;
  bool ascii = false;
  CommonOptions common;
};

Result<int> robustness(const RobustnessCommand& command, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model, load_gesture_network(command.request));
  StudyOptions options = command.study;
  options.run = command.request.run;
  options.seed = kHeldOut + command.common.seed;
  options.threads = thread_count(command.common);
  SPIKELOOM_TRY(const auto curves,
                gesture_study(model, options, [&](std::int64_t done, std::int64_t total) {
                  console.progress("points", done, total);
                  return true;
                }));
  console.end_progress();
  if (!command.page.empty()) {
    SPIKELOOM_CHECK(io::write_file_atomic(command.page, study_page(curves, command.request.model)));
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(study_value(curves))
                                              : console.print(study_text(curves, ascii))));
  return kExitOk;
}

}  // namespace

void add_sensors_robustness(CLI::App& sensors, Chosen& chosen) {
  const auto command = std::make_shared<RobustnessCommand>();
  CLI::App* sub = sensors.add_subcommand(
      "robustness",
      "Accuracy of a gesture network against mismatch, noise, bandwidth, weight bits");
  command->request.model = kGestureModels[0];
  sub->add_option("--model", command->request.model,
                  "lif (default) or egru, which are built in, or a network file");
  add_model_flags(*sub, command->request.model_flags);
  sub->add_option("--clips", command->study.clips, "simulated clips a point")
      ->check(CLI::Range(1, 100000));
  sub->add_option("--page", command->page, "HTML page with the curves");
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_run_flags(*sub, command->request.run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return robustness(*command, console); };
  });
}

}  // namespace spikeloom::cli
