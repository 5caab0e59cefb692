/// `spikeloom run`: recordings in, decisions and counts out; with --live see cli/live.hpp.

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/live.hpp"
#include "cli/network_file.hpp"
#include "cli/run_directory.hpp"
#include "cli/run_report.hpp"
#include "cli/sample.hpp"
#include "cli/text_run.hpp"

namespace spikeloom::cli {
namespace {

struct RunCommand {
  std::string model;
  RunFlags run;
  InputFlags input;
  LiveFlags live;
  TextFlags text;
  std::vector<std::string> record;
  std::string out;
  CommonOptions common;
};

/// What to run, once the model is known.
struct Work {
  Pipeline pipeline;
  std::vector<SampleRef> samples;  ///< empty: one run without input
  std::optional<std::int64_t> asked_steps;
};

/// Without a folder, what --record asks for goes into the JSON document.
bool shows_records(const RunCommand& command) {
  return command.common.json && command.out.empty() && !command.record.empty();
}

Error nothing_to_run() {
  return Error{.what = "there is nothing to run",
               .expected = "recordings, or a length",
               .next = "give --input FILE..., or --steps N (--duration T) to run without input"};
}

Result<Work> prepare(const RunCommand& command) {
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(command.model));
  PipelineRequest request;
  request.flags = command.run;
  for (const std::string& text : command.record) request.record.push_back(parse_record_flag(text));
  request.seed = command.common.seed;
  request.threads = thread_count(command.common);
  Work work;
  SPIKELOOM_TRY(work.pipeline, make_pipeline(model, request));
  SPIKELOOM_TRY(work.asked_steps, asked_steps(command.run, work.pipeline.discretisation()));
  if (command.input.files.empty()) {
    if (!work.asked_steps) return nothing_to_run();
    return work;
  }
  if (!work.pipeline.port) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the network has no Input node to feed",
                 .where = command.model,
                 .next = "run it with --steps N, without --input"};
  }
  SPIKELOOM_TRY(const std::int64_t elements, element_count(work.pipeline.input_shape()));
  SPIKELOOM_TRY(work.samples, list_samples(command.input, elements));
  if (work.samples.empty()) return nothing_to_run();
  return work;
}

Result<RecordingResult> run_sample(const RunCommand& command, const Work& work, std::size_t number,
                                   const ProgressSink& progress) {
  RecordingResult result;
  CodedInput input;
  if (!work.samples.empty()) {
    const SampleRef& sample = work.samples[number];
    CodingContext context;
    context.shape = work.pipeline.input_shape();
    context.step = work.pipeline.step_time();
    context.coding = work.pipeline.coding;
    context.steps = work.asked_steps;
    context.seed = command.common.seed + number;
    SPIKELOOM_TRY(CodedSample coded, code_sample(sample, command.input, context));
    result.name = sample.name;
    result.label = sample.label;
    result.notes = std::move(coded.notes);
    input = std::move(coded.input);
  }
  const std::int64_t steps = work.asked_steps.value_or(input.steps);
  if (steps == 0 && !work.asked_steps) {
    return Error{.what = "the recording is shorter than one step",
                 .where = result.name,
                 .next = "give a smaller --dt, --keep-last-bin, or --steps N"};
  }
  auto outcome = run_coded(work.pipeline, input, steps, progress);
  if (!outcome.ok()) return std::move(outcome).error().in(result.name);
  result.outcome = *std::move(outcome);
  return result;
}

/// The same where an exception must not pass: at the end of a thread.
Result<RecordingResult> run_guarded(const RunCommand& command, const Work& work, std::size_t number,
                                    const ProgressSink& progress) {
  try {
    return run_sample(command, work, number, progress);
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "out of memory",
                 .next = "give fewer --threads, or record less"};
  }
}

/// Runs samples [first, first + count) at the same time.
std::vector<Result<RecordingResult>> run_together(const RunCommand& command, const Work& work,
                                                  std::size_t first, std::size_t count,
                                                  const ProgressSink& progress) {
  std::vector<Result<RecordingResult>> results(count, RecordingResult{});
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < count; ++i) {
    threads.emplace_back([&, i] { results[i] = run_guarded(command, work, first + i, {}); });
  }
  results[0] = run_guarded(command, work, first, progress);
  for (std::thread& thread : threads) thread.join();
  return results;
}

Result<std::vector<RecordingResult>> run_all(const RunCommand& command, const Work& work,
                                             std::optional<RunDirectory>& directory,
                                             Console& console) {
  const std::size_t total = std::max<std::size_t>(work.samples.size(), 1);
  const auto together = static_cast<std::size_t>(thread_count(command.common));
  ProgressSink steps_progress;
  if (total == 1) {
    steps_progress = [&](std::int64_t done, std::int64_t steps) {
      console.progress("steps", done, steps);
      return true;
    };
  }
  std::vector<RecordingResult> finished;
  while (finished.size() < total) {
    const std::size_t count = std::min(together, total - finished.size());
    for (auto& result : run_together(command, work, finished.size(), count, steps_progress)) {
      if (!result.ok()) return std::move(result).error();
      for (const std::string& note : result->notes) {
        console.note(fmt::format("{}: {}", result->name, note));
      }
      if (directory) SPIKELOOM_CHECK(directory->add(work.pipeline.program(), *result));
      if (!shows_records(command)) {
        result->outcome.events.clear();
        result->outcome.states.clear();
      }
      finished.push_back(*std::move(result));
    }
    if (total > 1) {
      console.progress("recordings", static_cast<std::int64_t>(finished.size()),
                       static_cast<std::int64_t>(total));
    }
  }
  console.end_progress();
  return finished;
}

void print_notes(const RunCommand& command, const Work& work, Console& console) {
  if (command.common.json) return;  // they are in the document
  for (const std::string& note : work.pipeline.notes) console.note(note);
  console.note("discretisation: " + describe(work.pipeline.discretisation()));
  console.note(fmt::format(
      "input coding: {}, bins from {}; read-out: {}", to_string(work.pipeline.coding.coding),
      work.pipeline.coding.origin == BinOrigin::kZero ? "time 0" : "the first event",
      to_string(work.pipeline.read_out)));
}

Result<int> run(const RunCommand& command, Console& console) {
  const auto start = std::chrono::steady_clock::now();
  SPIKELOOM_TRY(const Work work, prepare(command));
  if (!command.record.empty() && command.out.empty() && !command.common.json) {
    console.warn("--record shows nothing without --out DIR or --json");
  }
  print_notes(command, work, console);
  std::optional<RunDirectory> directory;
  if (!command.out.empty()) {
    SPIKELOOM_TRY(directory, RunDirectory::create(command.out));
  }
  SPIKELOOM_TRY(const auto results, run_all(command, work, directory, console));
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

}  // namespace

void add_run(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<RunCommand>();
  CLI::App* sub = app.add_subcommand("run", "Run a network on recordings");
  sub->add_option("MODEL", command->model, "network: .nir, .sloom or a language model")->required();
  add_input_flags(*sub, command->input);
  sub->add_option("--record", command->record,
                  "NODE[:spikes|y|v|u]: kept in the run folder, or shown with --json")
      ->group("Output");
  sub->add_option("--out", command->out, "folder for run.json and recordings.h5")->group("Output");
  add_live_flags(*sub, command->live);
  add_text_flags(*sub, command->text);
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) {
      if (command->text.given()) {
        return run_text_command({command->model, command->run, command->text, command->common},
                                console);
      }
      if (!command->live.live) return run(*command, console);
      return run_live(
          {command->model, command->run, command->input, command->live, command->common}, console);
    };
  });
}

}  // namespace spikeloom::cli
