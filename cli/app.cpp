#include "cli/app.hpp"

#include <exception>
#include <iostream>
#include <new>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/build_info.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/energy_commands.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"

namespace spikeloom::cli {
namespace {

std::string footer() {
  std::string text = "Data goes to stdout, messages to stderr. Exit codes:\n";
  for (const ExitCodeInfo& info : exit_codes()) {
    text += fmt::format("  {:>3}  {}\n", info.code, info.meaning);
  }
  return text;
}

std::string command_names(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", command->get_name());
  }
  return names;
}

/// What to say when no command was chosen where one is needed: of the program, or of `plot`,
/// `demo`. Empty when something else is wrong.
std::string missing_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) return missing_command(*chosen.front());
  const std::string names = command_names(app);
  if (names.empty()) return "";
  const auto words = app.remaining();
  if (words.empty() || words.front().starts_with('-')) {
    return fmt::format("a command is missing: one of {}", names);
  }
  return fmt::format("there is no command '{}': one of {}", words.front(), names);
}

int run_chosen(const Chosen& chosen) {
  Console console(chosen.common);
  const Result<int> done = chosen.action(console);
  if (done.ok()) return *done;
  console.error(done.error().message());
  return exit_code(done.error().code);
}

int parse_and_run(int argc, const char* const* argv) {
  CLI::App app("Runs spiking neural networks that other tools trained.", "spikeloom");
  app.set_version_flag(
      "--version", fmt::format("spikeloom {} ({})", build_info::version, build_info::git_revision));
  app.require_subcommand(1);
  app.footer(footer());
  Chosen chosen;
  for (const auto add : {add_run, add_info, add_convert, add_quantize, add_compare, add_map,
                         add_fit, add_energy, add_report, add_bench, add_plot, add_sensors,
                         add_devices, add_doctor, add_demo, add_simulate}) {
    add(app, chosen);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    const std::string missing = missing_command(app);
    if (missing.empty()) {
      app.exit(error, std::cout, std::cerr);
    } else {
      std::cerr << missing << "\nRun with --help for more information.\n";
    }
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    if (app.exit(error, std::cout, std::cerr) != 0) return kExitUsage;
    // --help or --version
    if (std::cout.flush()) return kExitOk;
    std::cerr << "spikeloom: error: " << printed(false).error().message() << "\n";
    return kExitFile;
  }
  return run_chosen(chosen);
}

int internal(const std::exception& error) {
  std::cerr << "spikeloom: error: " << error.what() << "; please report this\n";
  return kExitInternal;
}

}  // namespace

int run_app(int argc, const char* const* argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::cerr << "spikeloom: error: out of memory\n";
    return kExitResource;
  } catch (const std::system_error& error) {
    // What starting a thread throws.
    if (error.code() != std::errc::resource_unavailable_try_again) return internal(error);
    std::cerr << "spikeloom: error: the system starts no more threads; give fewer --threads\n";
    return kExitResource;
  } catch (const std::exception& error) {
    return internal(error);
  }
}

Status printed(bool ok) {
  if (ok) return {};
  return Error{.code = ErrorCode::kIo, .what = "stdout does not take the output"};
}

}  // namespace spikeloom::cli
