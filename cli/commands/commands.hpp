#pragma once
/// Every subcommand: one function adds its grammar; parsing it chooses what is to be done.
///
/// A new command is one file with an add_... function, a line here and one in app.cpp.

#include <functional>
#include <memory>

#include "base/result.hpp"
#include "cli/common_options.hpp"
#include "cli/console.hpp"

namespace spikeloom::cli {

/// What the parsed command line asks for.
struct Chosen {
  CommonOptions common;
  /// Returns the exit code, kExitOk or kExitNo; every failure is an Error.
  std::function<Result<int>(Console&)> action;
};

void add_run(CLI::App& app, Chosen& chosen);
void add_info(CLI::App& app, Chosen& chosen);
void add_convert(CLI::App& app, Chosen& chosen);
void add_quantize(CLI::App& app, Chosen& chosen);
void add_compare(CLI::App& app, Chosen& chosen);
void add_map(CLI::App& app, Chosen& chosen);
void add_plot(CLI::App& app, Chosen& chosen);
void add_plot_events(CLI::App& plot, Chosen& chosen);
void add_plot_rate(CLI::App& plot, Chosen& chosen);
void add_sensors(CLI::App& app, Chosen& chosen);
void add_devices(CLI::App& app, Chosen& chosen);
void add_doctor(CLI::App& app, Chosen& chosen);
void add_demo(CLI::App& app, Chosen& chosen);
void add_simulate(CLI::App& app, Chosen& chosen);
/// Subcommands of `demo`.
void add_gesture_demo(CLI::App& demo, Chosen& chosen);
void add_language_demo(CLI::App& demo, Chosen& chosen);
void add_vision_demo(CLI::App& demo, Chosen& chosen);

/// Printing that stdout did not take, as an Error.
Status printed(bool ok);

}  // namespace spikeloom::cli
