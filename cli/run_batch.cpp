#include "cli/run_batch.hpp"

#include <algorithm>
#include <new>
#include <thread>

#include <fmt/format.h>

#include "cli/network_file.hpp"

namespace spikeloom::cli {
namespace {

Error nothing_to_run() {
  return Error{.what = "there is nothing to run",
               .expected = "recordings, or a length",
               .next = "give --input FILE..., or --steps N (--duration T) to run without input"};
}

Result<RecordingResult> run_sample(const RunJob& job, const RunBatch& batch, std::size_t number,
                                   const ProgressSink& progress) {
  RecordingResult result;
  CodedInput input;
  if (!batch.samples.empty()) {
    const SampleRef& sample = batch.samples[number];
    CodingContext context;
    context.shape = batch.pipeline.input_shape();
    context.step = batch.pipeline.step_time();
    context.coding = batch.pipeline.coding;
    context.steps = batch.asked_steps;
    context.seed = job.common.seed + number;
    SPIKELOOM_TRY(CodedSample coded, code_sample(sample, job.input, context));
    result.name = sample.name;
    result.label = sample.label;
    result.notes = std::move(coded.notes);
    input = std::move(coded.input);
  }
  const std::int64_t steps = batch.asked_steps.value_or(input.steps);
  if (steps == 0 && !batch.asked_steps) {
    return Error{.what = "the recording is shorter than one step",
                 .where = result.name,
                 .next = "give a smaller --dt, --keep-last-bin, or --steps N"};
  }
  auto outcome = run_coded(batch.pipeline, input, steps, progress);
  if (!outcome.ok()) return std::move(outcome).error().in(result.name);
  result.outcome = *std::move(outcome);
  return result;
}

/// The same where an exception must not pass: at the end of a thread.
Result<RecordingResult> run_guarded(const RunJob& job, const RunBatch& batch, std::size_t number,
                                    const ProgressSink& progress) {
  try {
    return run_sample(job, batch, number, progress);
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "out of memory",
                 .next = "give fewer --threads, or record less"};
  }
}

/// Runs samples [first, first + count) at the same time.
std::vector<Result<RecordingResult>> run_together(const RunJob& job, const RunBatch& batch,
                                                  std::size_t first, std::size_t count,
                                                  const ProgressSink& progress) {
  std::vector<Result<RecordingResult>> results(count, RecordingResult{});
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < count; ++i) {
      threads.emplace_back([&, i] { results[i] = run_guarded(job, batch, first + i, {}); });
    }
    results[0] = run_guarded(job, batch, first, progress);
  }
  return results;
}

}  // namespace

Result<RunBatch> prepare_batch(const RunJob& job) {
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(job.model, job.model_flags, job.input));
  PipelineRequest request;
  request.flags = job.run;
  for (const std::string& text : job.record) request.record.push_back(parse_record_flag(text));
  request.record_all_spikes = job.record_all_spikes;
  request.seed = job.common.seed;
  request.threads = thread_count(job.common);
  RunBatch batch;
  SPIKELOOM_TRY(batch.pipeline, make_pipeline(model, request));
  SPIKELOOM_TRY(batch.asked_steps, asked_steps(job.run, batch.pipeline.discretisation()));
  if (job.input.files.empty()) {
    if (!batch.asked_steps) return nothing_to_run();
    return batch;
  }
  if (!batch.pipeline.port) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the network has no Input node to feed",
                 .where = job.model,
                 .next = "run it with --steps N, without --input"};
  }
  SPIKELOOM_TRY(const std::int64_t elements, element_count(batch.pipeline.input_shape()));
  SPIKELOOM_TRY(batch.samples, list_samples(job.input, elements));
  if (batch.samples.empty()) return nothing_to_run();
  return batch;
}

Result<std::vector<RecordingResult>> run_batch(const RunJob& job, const RunBatch& batch,
                                               Console& console, const ResultHandler& handler) {
  const std::size_t total = std::max<std::size_t>(batch.samples.size(), 1);
  const auto together = static_cast<std::size_t>(thread_count(job.common));
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
    for (auto& result : run_together(job, batch, finished.size(), count, steps_progress)) {
      if (!result.ok()) return std::move(result).error();
      for (const std::string& note : result->notes) {
        console.note(fmt::format("{}: {}", result->name, note));
      }
      if (handler) SPIKELOOM_CHECK(handler(*result));
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

RunStats total_stats(const std::vector<RecordingResult>& results) {
  RunStats total;
  for (const RecordingResult& result : results) total.add(result.outcome.stats);
  return total;
}

}  // namespace spikeloom::cli
