#include "cli/energy_source.hpp"

#include <chrono>
#include <filesystem>

#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "snn/run_stats_value.hpp"

namespace spikeloom::cli {
namespace {

Error not_a_run(const std::string& where, const char* key) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::string("the run does not say '") + key + "'",
               .where = where,
               .expected = "a run.json of `spikeloom run --out DIR`, or of `run --json`",
               .next = "run the model again with this version"};
}

/// It has counts of cores and links, and joules of its own.
Error of_a_machine(const std::string& where) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "a run on an emulated machine has no counts of layers",
               .where = where,
               .expected = "a run on cpu, cuda or reference",
               .next =
                   "its joules are there already: 'energy_j', and on the page of `spikeloom "
                   "report`; `spikeloom map --from-run` takes its rates"};
}

}  // namespace

bool is_run(const std::string& path) {
  std::error_code ignored;
  return path.ends_with(".json") || std::filesystem::is_directory(path, ignored);
}

Result<EnergySource> energy_source_from(const Value& run, const std::string& where) {
  EnergySource source;
  const Value* network = run.find("network");
  if (network == nullptr) {
    const Value* backend = run.find("backend");
    const bool emulated = backend != nullptr && backend->as_string() != nullptr &&
                          *backend->as_string() == "emulator";
    return emulated ? of_a_machine(where) : not_a_run(where, "network");
  }
  auto layers = layers_from_value(*network);
  if (!layers.ok()) return std::move(layers).error().in(where);
  source.layers = *std::move(layers);
  if (const Value* model = run.find("model"); model != nullptr && model->as_string() != nullptr) {
    source.name = *model->as_string();
  }
  if (const Value* step = run.find("step_seconds")) source.step_seconds = step->number();
  const auto add = [&](const Value& recording) -> Status {
    auto stats = run_stats_from_value(recording);
    if (!stats.ok()) return std::move(stats).error().in(where);
    source.stats.add(*stats);
    source.inferences += 1.0;
    return {};
  };
  const Value* recordings = run.find("recordings");
  if (recordings == nullptr) {
    SPIKELOOM_CHECK(add(run));
  } else if (recordings->as_list() == nullptr || recordings->as_list()->empty()) {
    return not_a_run(where, "recordings");
  } else {
    for (const Value& recording : *recordings->as_list()) SPIKELOOM_CHECK(add(recording));
  }
  source.run = run;
  return source;
}

Result<EnergySource> read_energy_source(const std::string& path) {
  const std::string file = path.ends_with(".json") ? path : path + "/run.json";
  SPIKELOOM_TRY(const std::string text, io::read_text_file(file));
  SPIKELOOM_TRY(const Value run, io::parse_json(text, file));
  return energy_source_from(run, file);
}

Result<EnergySource> run_energy_source(const RunJob& job, Console& console) {
  const auto start = std::chrono::steady_clock::now();
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  const auto forget = [](RecordingResult& result) -> Status {
    result.outcome.events.clear();
    result.outcome.states.clear();
    return {};
  };
  SPIKELOOM_TRY(const auto results, run_batch(job, batch, console, forget));
  RunContext context{job.model, &batch.pipeline, 0.0, false};
  context.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return energy_source_from(run_value(context, results), job.model);
}

}  // namespace spikeloom::cli
