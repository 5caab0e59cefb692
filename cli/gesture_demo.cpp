#include "cli/gesture_demo.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/sample.hpp"
#include "models/gesture/gesture_models.hpp"
#include "models/gesture/gesture_scene.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

constexpr int kParts = 29;  ///< of the recording, in which the decision is followed

/// Events of the output added up by class, at the end of each part.
void follow_decision(GestureRun& run) {
  const RecordedEvents& output = run.outcome.events.front();
  std::vector<double> scores(run.classes(), 0.0);
  std::size_t next = 0;
  for (int part = 1; part <= kParts; ++part) {
    const std::int64_t end = run.outcome.steps * part / kParts;
    for (; next < output.step.size() && output.step[next] < end; ++next) {
      scores[output.index[next]] += output.value[next];
    }
    run.part_end.push_back(end);
    run.scores.push_back(scores);
  }
}

bool emits_events(const Operation& operation) {
  if (const auto* recurrent = std::get_if<op::Recurrent>(&operation)) {
    return emits_events(recurrent->cell);
  }
  const auto* neuron = std::get_if<op::Neuron>(&operation);
  return neuron != nullptr && neuron->coefficients.spiking;
}

std::optional<std::uint32_t> last_population(const Program& program) {
  for (std::size_t n = program.nodes.size(); n-- > 0;) {
    if (emits_events(program.nodes[n].operation)) return static_cast<std::uint32_t>(n);
  }
  return std::nullopt;
}

Result<CodedInput> take_recording(const GestureRequest& request, GestureRun& run) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(run.pipeline.input_shape()));
  SPIKELOOM_TRY(const auto samples, list_samples(request.input, elements));
  if (samples.size() != 1 || !samples[0].is_events) {
    return Error{.what = "the demo shows one recording of events", .where = "--input"};
  }
  run.name = samples[0].name;
  ReadOptions read;
  read.format = samples[0].event_format;
  SPIKELOOM_TRY(auto recording, read_recording(samples[0].path, read));
  run.events = std::move(recording.recording.events);
  SPIKELOOM_TRY(const auto asked, asked_steps(request.run, run.pipeline.discretisation()));
  CodingContext context;
  context.shape = run.pipeline.input_shape();
  context.step = run.pipeline.step_time();
  context.coding = run.pipeline.coding;
  context.steps = asked;
  SPIKELOOM_TRY(CodedSample coded, code_sample(samples[0], request.input, context));
  return std::move(coded.input);
}

Result<CodedInput> render_clip(const GestureRequest& request, GestureRun& run) {
  GestureClip clip;
  clip.gesture = request.gesture;
  clip.seed = request.seed;
  SPIKELOOM_TRY(Recording recording, gesture_clip(clip));
  run.events = std::move(recording.events);
  run.truth = request.gesture;
  run.name =
      fmt::format("a rendered person, seed {}: {}", request.seed, gesture_name(request.gesture));
  return code_recording({run.events.time, run.events.x, run.events.y, run.events.polarity},
                        run.pipeline.input_shape(), run.pipeline.step_time(), run.pipeline.coding);
}

}  // namespace

std::optional<std::size_t> GestureRun::prediction() const {
  const auto& said = outcome.outputs.front().prediction;
  return said ? std::optional(static_cast<std::size_t>(*said)) : std::nullopt;
}

std::vector<double> GestureRun::shares(std::size_t part) const {
  std::vector<double> share = scores[part];
  if (graded) {
    const double steps = static_cast<double>(std::max<std::int64_t>(part_end[part], 1));
    const double highest = *std::max_element(share.begin(), share.end());
    for (double& s : share) s = std::exp((s - highest) / steps);
  }
  double sum = 0.0;
  for (const double s : share) sum += s;
  for (double& s : share) s = sum > 0.0 ? s / sum : 0.0;
  return share;
}

Result<LoadedModel> load_gesture_network(const GestureRequest& request) {
  const auto& embedded = kGestureModels;
  if (std::find(embedded.begin(), embedded.end(), request.model) != embedded.end()) {
    return gesture_model(request.model);
  }
  return load_network_file(request.model, request.model_flags, request.input);
}

Result<GestureRun> run_gesture(const GestureRequest& request) {
  SPIKELOOM_TRY(const LoadedModel model, load_gesture_network(request));
  PipelineRequest wanted;
  wanted.flags = request.run;
  wanted.seed = request.seed;
  wanted.threads = request.threads;
  wanted.record_all_spikes = true;
  GestureRun run;
  SPIKELOOM_TRY(run.pipeline, make_pipeline(model, wanted));
  const Shape shape = run.pipeline.input_shape();
  if (!run.pipeline.port || shape.size() < 2 || run.pipeline.program().outputs.empty()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "this network does not look at an event camera",
                 .where = request.model,
                 .expected = "an input of (polarities, rows, columns) and an output"};
  }
  run.height = static_cast<std::uint32_t>(shape[shape.size() - 2]);
  run.width = static_cast<std::uint32_t>(shape[shape.size() - 1]);
  SPIKELOOM_TRY(const CodedInput input, request.input.files.empty() ? render_clip(request, run)
                                                                    : take_recording(request, run));
  SPIKELOOM_TRY(const auto asked, asked_steps(request.run, run.pipeline.discretisation()));
  SPIKELOOM_TRY(run.outcome, run_coded(run.pipeline, input, asked.value_or(input.steps)));
  run.graded = run.pipeline.read_out == ReadOut::kMean;
  run.population = last_population(run.pipeline.program());
  follow_decision(run);
  return run;
}

Error no_such_gesture(const std::string& text) {
  return {.code = ErrorCode::kNotFound,
          .what = "there is no such gesture",
          .where = "--gesture",
          .expected = fmt::format("0 to 10, or one of: {}", fmt::join(kGestureNames, ", ")),
          .got = text};
}

std::string gesture_class(std::size_t number, std::size_t classes) {
  return classes == kGestures ? std::string(kGestureNames[number])
                              : fmt::format("class {}", number);
}

}  // namespace spikeloom::cli
