/// `spikeloom run`: recordings in, decisions and counts out; with --live see cli/live.hpp.

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/cpu/planned.hpp"
#include "backends/cuda/planned.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/filter_flags.hpp"
#include "cli/live.hpp"
#include "cli/mapped_run.hpp"
#include "cli/plan_folder.hpp"
#include "cli/plan_run.hpp"
#include "cli/plan_text_run.hpp"
#include "cli/run_batch.hpp"
#include "cli/run_directory.hpp"
#include "cli/text_run.hpp"
#include "mapping/detail/shared_cores.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

struct RunCommand : RunJob {
  LiveFlags live;
  TextFlags text;
  MappedFlags mapped;
  std::string out;
  std::uint32_t devices = 1;

  bool has_plan() const { return !mapped.target.empty() || !mapped.plan.empty(); }
};

/// Without a folder, what --record asks for goes into the JSON document.
bool shows_records(const RunCommand& command) {
  return command.common.json && command.out.empty() && !command.record.empty();
}

void print_notes(const RunCommand& command, const RunBatch& work, Console& console) {
  if (command.common.json) return;  // they are in the document
  for (const std::string& note : work.pipeline.notes) console.note(note);
  console.note("discretisation: " + describe(work.pipeline.discretisation()));
  console.note(fmt::format("input coding: {}; read-out: {}", describe(work.pipeline.coding),
                           to_string(work.pipeline.read_out)));
}

/// Whether the machine is one chip without routers, whose Plans cpu runs.
Result<bool> is_flat(const MappedFlags& flags) {
  if (flags.read != nullptr) return mapping::detail::shares_cores(flags.read->target);
  SPIKELOOM_TRY(const mapping::Target target, mapping::load_target(flags.target));
  return mapping::detail::shares_cores(target);
}

bool is_cuda(std::string_view backend) { return backend.starts_with("cuda"); }

/// cpu's threads or cuda's blocks with the Plan that was asked for.
Result<std::shared_ptr<const Executable>> on_cores(const Executable& even, const MappedFlags& flags,
                                                   const std::string& backend,
                                                   std::vector<std::string>& notes) {
  mapping::Plan plan;
  if (flags.read != nullptr) {
    plan = *flags.read;
  } else {
    SPIKELOOM_TRY(auto target, mapping::load_target(flags.target));
    const bool flat = mapping::detail::shares_cores(target);
    if (flat && !is_cuda(backend) && flags.target.find(':') == std::string::npos) {
      SPIKELOOM_TRY(
          target, mapping::load_target(fmt::format("{}:{}", flags.target, even.options().threads)));
    }
    SPIKELOOM_TRY(const auto graph, mapping::population_graph(even.program()));
    SPIKELOOM_TRY(plan, mapping::map(graph, target));
  }
  std::uint64_t most = 0;
  for (const mapping::PlanCore& core : plan.cores) most = std::max(most, core.use.data_bytes());
  const char* const owners = is_cuda(backend) ? "thread blocks" : "threads";
  notes.push_back(fmt::format("{} {} own what the Plan gave them, at most {} bytes each",
                              plan.cores.size(), owners, most));
  if (is_cuda(backend)) {
    return cuda::compile_planned(even.program(), even.options(), backend, plan);
  }
  SPIKELOOM_TRY(auto executable, cpu::compile_planned(even.program(), even.options(), plan));
  return executable;
}

Result<int> run(const RunCommand& command, Console& console) {
  const auto start = std::chrono::steady_clock::now();
  SPIKELOOM_TRY(RunBatch work, prepare_batch(command));
  if (command.has_plan()) {
    const std::shared_ptr<const Executable> even = std::move(work.pipeline.executable);
    SPIKELOOM_TRY(work.pipeline.executable,
                  on_cores(*even, command.mapped, command.run.backend, work.pipeline.notes));
  }
  if (!command.record.empty() && command.out.empty() && !command.common.json) {
    console.warn("--record shows nothing without --out DIR or --json");
  }
  print_notes(command, work, console);
  std::optional<RunDirectory> directory;
  if (!command.out.empty()) {
    SPIKELOOM_TRY(directory, RunDirectory::create(command.out));
  }
  const auto keep = [&](RecordingResult& result) -> Status {
    if (directory) SPIKELOOM_CHECK(directory->add(work.pipeline.program(), result));
    if (shows_records(command)) return {};
    result.outcome.events.clear();
    result.outcome.states.clear();
    return {};
  };
  RunJob job = command;
  if (command.has_plan()) job.common.threads = 1;  // recordings one by one: each has all threads
  SPIKELOOM_TRY(const auto results, run_batch(job, work, console, keep));
  RunContext context{command.model, &work.pipeline, 0.0, shows_records(command)};
  context.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Value report = run_value(context, results);
  if (directory) {
    SPIKELOOM_CHECK(directory->commit(report));
    console.note(fmt::format("written: {}", command.out));
  }
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(report)
                                              : console.print(run_text(context, results))));
  return kExitOk;
}

/// Flags of an emulated machine mean nothing anywhere else.
Status check_flags(const RunCommand& command) {
  std::string flag = machine_flag(command.mapped);
  if (flag.empty() && !command.mapped.timing.empty()) flag = "--timing";
  if (flag.empty()) return {};
  return Error{.what = "this flag is for an emulated machine",
               .where = command.model,
               .got = flag,
               .next = "give --backend emulator, or leave it out"};
}

/// What of `run` the emulator would pass over, and a folder that it could not write in the end.
Status check_emulated(const RunCommand& command) {
  if (command.live.live) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the emulator runs recordings, not events while they arrive",
                 .where = command.model,
                 .got = "--live",
                 .next = "give --input FILE, or another backend"};
  }
  if (command.record.empty()) {
    return command.out.empty() ? Status{} : check_new_folder(command.out);
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "the emulator records what every population sends, and nothing else",
               .where = command.model,
               .got = "--record " + command.record.front(),
               .next = "leave it out, and find spikes.csv in the folder of --out"};
}

/// On cpu or cuda, whose threads or thread blocks own what the Plan gives them.
Result<int> run_planned(RunCommand command, Console& console) {
  SPIKELOOM_CHECK(check_flags(command));
  const std::string& backend = command.run.backend;
  const bool other = backend != "auto" && backend != "cpu" && !is_cuda(backend);
  if (other || command.text.given() || command.live.live) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "Plans are run on recordings, by cpu, cuda or the emulator",
                 .got = other               ? "--backend " + command.run.backend
                        : command.live.live ? std::string("--live")
                                            : std::string("text"),
                 .next = "leave out --plan and --target"};
  }
  if (backend == "auto") command.run.backend = "cpu";
  return run(command, console);
}

/// --devices N is the backend cuda:N.
Status choose_devices(RunCommand& command) {
  if (command.devices == 1) return {};
  std::string& backend = command.run.backend;
  if (backend != "cuda" && backend != "cuda-host") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cuda alone runs a network on several devices",
                 .got = fmt::format("--backend {} --devices {}", backend, command.devices),
                 .next = "give --backend cuda"};
  }
  backend += fmt::format(":{}", command.devices);
  return {};
}

Result<int> run_any(RunCommand command, Console& console) {
  SPIKELOOM_CHECK(choose_devices(command));
  SPIKELOOM_TRY(const bool is_mapped, is_mapped_network(command.model));
  if (is_mapped) {
    SPIKELOOM_CHECK(check_emulated(command));
    return run_mapped({command.model, command.mapped, command.run.backend, command.run.steps,
                       !command.input.files.empty(), command.out, command.common},
                      console);
  }
  if (!command.mapped.plan.empty()) {
    SPIKELOOM_TRY(auto plan, mapping::read_plan(command.mapped.plan));
    command.mapped.read = std::make_shared<const mapping::Plan>(std::move(plan));
  }
  const bool is_chip = command.has_plan();
  if (command.mapped.target.ends_with(".yaml")) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "chips in .yaml run networks of SANA-FE, which name their cores",
                 .where = command.model,
                 .expected = "a network of SANA-FE",
                 .got = "another file",
                 .next = "give --target loihi, spinnaker1 or spinnaker2"};
  }
  const bool emulates =
      command.run.backend == "emulator" || (command.run.backend == "auto" && is_chip);
  if (!emulates) SPIKELOOM_CHECK(check_flags(command));
  if (is_chip && command.run.backend != "emulator") {
    SPIKELOOM_TRY(const bool flat, is_flat(command.mapped));
    if (flat || command.run.backend != "auto") return run_planned(command, console);
  }
  if (emulates) {
    SPIKELOOM_CHECK(check_emulated(command));
    if (command.text.given()) {
      return run_text_on_plan({command.model, command.run, command.text, command.common},
                              command.mapped, command.out, console);
    }
    return run_on_plan(command, command.mapped, command.out, console);
  }
  if (command.text.given()) {
    return run_text_command({command.model, command.run, command.text, command.common}, console);
  }
  if (!command.live.live) return run(command, console);
  return run_live({command.model, command.model_flags, command.run, command.input, command.live,
                   command.common},
                  console);
}

}  // namespace

void add_run(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<RunCommand>();
  CLI::App* sub = app.add_subcommand("run", "Run a network on recordings");
  sub->add_option("MODEL", command->model,
                  "network: .nir, .sloom, a .yaml of SLAYER or SANA-FE, or a language model")
      ->required();
  add_model_flags(*sub, command->model_flags);
  add_input_flags(*sub, command->input);
  add_filter_flags(*sub, command->input.filters);
  sub->add_option("--record", command->record,
                  "NODE[:spikes|y|v|u]: kept in the run folder, or shown with --json")
      ->group("Output");
  sub->add_option("--out", command->out, "folder for run.json and recordings.h5")->group("Output");
  add_live_flags(*sub, command->live);
  add_text_flags(*sub, command->text);
  add_mapped_flags(*sub, command->mapped);
  add_run_flags(*sub, command->run);
  sub->add_option("--devices", command->devices,
                  "GPUs that share the network, with --backend cuda (1)")
      ->check(CLI::Range(1, 64))
      ->group("Run");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return run_any(*command, console); };
  });
}

}  // namespace spikeloom::cli
