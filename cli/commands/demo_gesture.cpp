/// `spikeloom demo gesture`: a clip as pictures, what the network spikes, what it decides.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/gesture_demo.hpp"
#include "cli/terminal.hpp"
#include "models/gesture/gesture_models.hpp"

namespace spikeloom::cli {
namespace {

struct GestureCommand {
  GestureRequest request;
  std::string gesture;
  bool ascii = false;
  CommonOptions common;
};

Result<int> demo_gesture(const GestureCommand& command, Console& console) {
  GestureRequest request = command.request;
  request.seed = command.common.seed;
  request.threads = thread_count(command.common);
  // Without a name the seed chooses, as in `sensors gestures`.
  request.gesture = static_cast<Gesture>(request.seed % kGestures);
  if (!command.gesture.empty()) {
    const auto gesture = find_gesture(command.gesture);
    if (!gesture) return no_such_gesture(command.gesture);
    request.gesture = *gesture;
  }
  SPIKELOOM_TRY(const GestureRun run, run_gesture(request));
  if (!command.common.json) {
    for (const std::string& note : run.pipeline.notes) console.note(note);
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(gesture_value(run))
                                              : console.print(gesture_text(run, ascii))));
  return kExitOk;
}

}  // namespace

void add_gesture_demo(CLI::App& demo, Chosen& chosen) {
  const auto command = std::make_shared<GestureCommand>();
  CLI::App* sub =
      demo.add_subcommand("gesture", "Tell what a person does in front of an event camera");
  command->request.model = kGestureModels[0];
  sub->add_option("--model", command->request.model,
                  "lif (default) or egru, which are built in; .nir, .sloom, or a .yaml of SLAYER");
  sub->add_option("--gesture", command->gesture, "what the rendered person does: name or number");
  add_model_flags(*sub, command->request.model_flags);
  add_input_flags(*sub, command->request.input);
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_run_flags(*sub, command->request.run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return demo_gesture(*command, console); };
  });
}

}  // namespace spikeloom::cli
