#include "cli/task_suite.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/motion_demo.hpp"
#include "cli/text_run.hpp"
#include "cli/vision_demo.hpp"
#include "models/language/default_model.hpp"
#include "models/language/quantize_language.hpp"

namespace spikeloom::cli {
namespace {

namespace fs = std::filesystem;

TaskOutcome absent(std::string why) {
  TaskOutcome outcome;
  outcome.why_not = std::move(why);
  return outcome;
}

/// The first of the data folders that holds `name`, itself or in one of the places where the
/// acceptance data has it.
std::optional<fs::path> find_data(const TaskOptions& options, const std::string& name,
                                  std::initializer_list<const char*> places) {
  std::error_code error;
  for (const std::string& folder : options.data) {
    for (const char* place : places) {
      const fs::path found = fs::path(folder) / place / name;
      if (fs::exists(found, error)) return found;
    }
  }
  return std::nullopt;
}

TaskOutcome lacks(const TaskOptions& options, const char* wanted) {
  if (options.data.empty()) return absent(fmt::format("give --data DIR with {}", wanted));
  return absent(fmt::format("{} lacks {}", fmt::join(options.data, ", "), wanted));
}

/// The network is run as `run` would run it, so that its document can be read by `energy`.
Result<EnergySource> source_of(const Pipeline& pipeline, const std::string& name,
                               const std::vector<RecordingResult>& results) {
  RunContext context{name, &pipeline, 0.0, false};
  return energy_source_from(run_value(context, results), name);
}

/// Eight directions at 200 px/s, without and with 10 % noise: one decision per 200 ms.
Result<TaskOutcome> motion(const TaskOptions& options, Console& console) {
  constexpr std::array<double, 2> kNoise = {0.0, 0.1};
  constexpr auto kRuns = static_cast<std::int64_t>(kMotionDirections * kNoise.size());
  SPIKELOOM_TRY(const Pipeline pipeline, make_motion_pipeline({}));
  TaskOutcome outcome;
  std::vector<RecordingResult> results;
  std::size_t right = 0;
  std::size_t decisions = 0;
  double seconds = 0.0;
  for (const double noise : kNoise) {
    for (int k = 0; k < static_cast<int>(kMotionDirections); ++k) {
      MovingBarOptions scene;
      scene.direction_degrees = 45.0 * k;
      scene.noise_fraction = noise;
      scene.seed = options.common.seed;
      SPIKELOOM_TRY(MotionRun run, run_motion(pipeline, scene));
      right += run.right();
      decisions += run.decisions.size();
      seconds += run.outcome.wall_seconds;
      RecordingResult result;
      result.name = fmt::format("{} degrees{}", 45 * k, noise > 0.0 ? ", noise" : "");
      result.outcome = std::move(run.outcome);
      if (!outcome.recording) {
        outcome.recording = stored_recording(pipeline.program(), result.outcome, result.name);
      }
      result.outcome.events.clear();
      results.push_back(std::move(result));
      console.progress("motion", static_cast<std::int64_t>(results.size()), kRuns);
    }
  }
  console.end_progress();
  SPIKELOOM_TRY(outcome.source, source_of(pipeline, "motion, embedded", results));
  outcome.source.inferences = static_cast<double>(decisions);
  outcome.accuracy = static_cast<double>(right) / static_cast<double>(decisions);
  outcome.quality_of = fmt::format("of {} decisions", decisions);
  outcome.source.run.set("accuracy", *outcome.accuracy);
  outcome.seconds_per_inference = seconds / static_cast<double>(decisions);
  return outcome;
}

/// Two thirds of a chip: as few cores as hold a network could not keep up with its input.
constexpr std::uint32_t kClipCores = 100;

/// The first recordings of a batch, as they come, on an emulated chip.
Result<ChipFigure> on_chip(const RunJob& job, const RunBatch& batch, std::size_t most,
                           ChipRequest request) {
  const Program& program = batch.pipeline.program();
  std::vector<StepEvents> recordings;
  for (std::size_t i = 0; i < std::min(most, batch.samples.size()); ++i) {
    const CodingContext context{batch.pipeline.input_shape(), batch.pipeline.step_time(),
                                batch.pipeline.coding, batch.asked_steps, job.common.seed + i};
    SPIKELOOM_TRY(const CodedSample coded, code_sample(batch.samples[i], job.input, context));
    StepEvents& events = recordings.emplace_back(static_cast<std::size_t>(coded.input.steps));
    for (std::size_t step = 0; step < events.size(); ++step) {
      for (std::size_t k = coded.input.step_start[step]; k < coded.input.step_start[step + 1];
           ++k) {
        events[step].push_back({program.inputs[batch.pipeline.port.value_or(0)],
                                coded.input.index[k], coded.input.value[k]});
      }
    }
  }
  request.tick_seconds = to_seconds(batch.pipeline.step_time());
  request.cores = kClipCores;
  return chip_figure(program, recordings, static_cast<double>(recordings.size()), request);
}

/// Recordings through a network, each with a label.
Result<TaskOutcome> classify(const RunJob& job, const RunBatch& batch, const std::string& name,
                             Console& console) {
  TaskOutcome outcome;
  double seconds = 0.0;
  const auto keep = [&](RecordingResult& result) -> Status {
    seconds += result.outcome.wall_seconds;
    if (!outcome.recording) {
      outcome.recording = stored_recording(batch.pipeline.program(), result.outcome, result.name);
    }
    result.outcome.events.clear();
    return {};
  };
  SPIKELOOM_TRY(const auto results, run_batch(job, batch, console, keep));
  SPIKELOOM_TRY(outcome.source, source_of(batch.pipeline, name, results));
  const Confusion confusion = confusion_of(results);
  outcome.accuracy = confusion.accuracy();
  outcome.quality_of = fmt::format("of {} recordings", confusion.labelled);
  outcome.seconds_per_inference = seconds / static_cast<double>(results.size());
  return outcome;
}

std::vector<std::string> recordings_in(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".bs2") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// N-MNIST digits with the NIR paper's convolutional network.
Result<TaskOutcome> digits(const TaskOptions& options, Console& console) {
  const auto model =
      find_data(options, "cnn_sinabs.nir", {"", "nir/02_cnn", "acceptance/nir/02_cnn"});
  if (!model) {
    return lacks(options, "cnn_sinabs.nir and nmnist_test100/ (recordings, test100.txt)");
  }
  const fs::path recordings = model->parent_path() / "nmnist_test100";
  RunJob job;
  job.model = model->string();
  job.common = options.common;
  job.run.discretisation = {{"dt", "1e-3"}};
  job.input.files = recordings_in(recordings);
  job.input.labels = (recordings / "test100.txt").string();
  job.record_all_spikes = true;
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  SPIKELOOM_TRY(TaskOutcome outcome, classify(job, batch, "N-MNIST digits, cnn_sinabs", console));
  SPIKELOOM_TRY(outcome.chip, on_chip(job, batch, 5, {}));
  return outcome;
}

/// DVS128 Gesture with the integer network that SLAYER trained for Loihi. Clip N shows class N - 1.
Result<TaskOutcome> gesture(const TaskOptions& options, Console& console) {
  const auto clips = find_data(options, "clips", {"", "gesture", "acceptance/gesture"});
  if (!clips) return lacks(options, "clips/N.bs2, network.yaml and network/");
  RunJob job;
  job.model = (clips->parent_path() / "network.yaml").string();
  job.model_flags.weights = (clips->parent_path() / "network").string();
  job.common = options.common;
  job.input.files = recordings_in(*clips);
  job.record_all_spikes = true;
  SPIKELOOM_TRY(RunBatch batch, prepare_batch(job));
  for (SampleRef& sample : batch.samples) {
    const std::string number = fs::path(sample.path).stem().string();
    std::int64_t clip = 0;
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), clip);
    if (code == std::errc() && end == number.data() + number.size()) sample.label = clip - 1;
  }
  SPIKELOOM_TRY(TaskOutcome outcome, classify(job, batch, "DVS128 Gesture, SLAYER", console));
  SPIKELOOM_TRY(outcome.chip, on_chip(job, batch, 1, {.arithmetic = Arithmetic::kInteger}));
  return outcome;
}

/// Words that the model writes itself where there is no text to score.
constexpr std::int64_t kWordsWritten = 200;
constexpr std::size_t kTokensScored = 1000;
constexpr std::size_t kTokensOnChip = 140;
constexpr std::uint32_t kStackCores = 150;

struct WordRun {
  RunStats stats;
  std::vector<std::uint32_t> tokens;  ///< that were read
  double seconds = 0.0;
};

Result<WordRun> write_freely(const Pipeline& pipeline, std::uint64_t seed) {
  SPIKELOOM_TRY(TokenSession session, TokenSession::open(pipeline));
  const RandomStream random{seed, kWordStream};
  WordRun run;
  std::uint32_t token = 0;
  for (std::int64_t i = 0; i < kWordsWritten; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run.tokens.push_back(token);
    SPIKELOOM_CHECK(session.step(token));
    SPIKELOOM_TRY(const auto logits, session.logits());
    token = choose_word(logits, {}, random, static_cast<std::uint64_t>(i));
    run.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  run.stats = session.session().stats();
  return run;
}

/// One inference is one token: all gated layers and the decoder over every word. `ships_as`: the
/// model's name in models/language/weights. Without `text` it writes.
Result<TaskOutcome> words(const LoadedModel& model, std::string_view ships_as,
                          const std::optional<fs::path>& text, const TaskOptions& options,
                          Console& console) {
  LoadedModel whole = model;
  SPIKELOOM_TRY(whole.network, quantize_language(model.network));
  RunFlags flags;
  flags.arithmetic = "integer";
  SPIKELOOM_TRY(const Pipeline pipeline, make_text_pipeline(whole, flags, {}, 0, options.common));
  TaskOutcome outcome;
  std::vector<std::uint32_t> shown;
  if (text) {
    SPIKELOOM_TRY(const Vocabulary vocabulary, language_vocabulary(model.network));
    SPIKELOOM_TRY(const auto bytes, io::read_file(text->string()));
    const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    SPIKELOOM_TRY(EncodedText encoded, vocabulary.encode(content, text->string()));
    encoded.tokens.resize(std::min(encoded.tokens.size(), kTokensScored + 1));
    SPIKELOOM_TRY(const TextScore score,
                  score_text(pipeline, encoded.tokens, [&](std::int64_t done, std::int64_t all) {
                    console.progress("tokens", done, all);
                    return true;
                  }));
    console.end_progress();
    shown = std::move(encoded.tokens);
    outcome.source.stats = score.stats;
    outcome.seconds_per_inference = score.seconds;
    outcome.perplexity = score.perplexity;
    outcome.quality_of = fmt::format("over {} tokens", score.tokens);
  } else {
    SPIKELOOM_TRY(const WordRun run, write_freely(pipeline, options.common.seed));
    shown = run.tokens;
    outcome.source.stats = run.stats;
    outcome.seconds_per_inference = run.seconds;
    outcome.quality_of = fmt::format("{} words written", kWordsWritten);
  }
  outcome.source.name = fmt::format("words, {}", ships_as);
  outcome.source.layers = describe_layers(pipeline.program());
  outcome.source.inferences = static_cast<double>(outcome.source.stats.steps);
  outcome.source.run = Value::map();
  outcome.seconds_per_inference /= outcome.source.inferences;
  outcome.note = perplexity_line(ships_as);
  // The recurrent stack on as many cores as the published one, a token as soon as the last is done.
  StepEvents tokens;
  for (std::size_t i = 0; i < std::min(shown.size(), kTokensOnChip); ++i) {
    tokens.push_back({{pipeline.program().inputs[0], shown[i], 1.0}});
  }
  const auto count = static_cast<double>(tokens.size());
  SPIKELOOM_TRY(outcome.chip,
                chip_figure(pipeline.program(), {tokens}, count,
                            {.arithmetic = Arithmetic::kInteger, .cores = kStackCores}));
  return outcome;
}

/// The embedded model, on a text of its own vocabulary where there is one.
Result<TaskOutcome> language(const TaskOptions& options, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model, default_language_model());
  return words(model, "demo-small", find_data(options, "demo-small.text.txt", {""}), options,
               console);
}

/// The flagship on WikiText-2's test text.
Result<TaskOutcome> wikitext(const TaskOptions& options, Console& console) {
  const auto file = find_data(options, "wt2-prune95.safetensors", {"", "wt2-prune95"});
  const auto text = find_data(options, "wiki.test.tokens", {"", "wikitext-2", "data/wikitext-2"});
  if (!file || !text) return lacks(options, "wt2-prune95.safetensors and wiki.test.tokens");
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(file->string()));
  return words(model, "wt2-prune95", text, options, console);
}

/// Clothes behind spiking pixels, with the built-in network.
Result<TaskOutcome> vision(const TaskOptions&, Console& console) {
  constexpr std::size_t kPictures = 500;
  std::error_code error;
  if (!fs::exists(kFashionMnistFolder, error))
    return absent("apt-get install dataset-fashion-mnist");
  SPIKELOOM_TRY(const VisionModels models, load_vision({}));
  SPIKELOOM_TRY(auto network, PictureNetwork::open(models.spiking, {}));
  SPIKELOOM_TRY(VisionTally counted,
                tally(network, models.pictures, kPictures, "pictures", console));
  TaskOutcome outcome;
  outcome.accuracy = counted.accuracy();
  outcome.quality_of = fmt::format("of {} pictures", counted.pictures);
  outcome.seconds_per_inference = counted.seconds / static_cast<double>(counted.pictures);
  outcome.note = "counted behind the pixels; the dense side lacks their layer as well";
  outcome.source.name = "clothes, fashion";
  outcome.source.stats = std::move(counted.stats);
  outcome.source.layers = std::move(counted.layers);
  outcome.source.inferences = static_cast<double>(counted.pictures);
  outcome.source.run = Value::map();
  return outcome;
}

}  // namespace

const std::vector<Task>& task_suite() {
  static const std::vector<Task> tasks = {{"motion", motion},     {"digits", digits},
                                          {"gesture", gesture},   {"language", language},
                                          {"wikitext", wikitext}, {"vision", vision}};
  return tasks;
}

StoredRecording stored_recording(const Program& program, const RunOutcome& outcome,
                                 const std::string& name) {
  StoredRecording stored;
  stored.name = name;
  stored.steps = outcome.steps;
  stored.step_seconds = to_seconds(program.discretisation.step_time());
  for (const RecordedEvents& events : outcome.events) {
    StoredEvents one;
    one.node = program.nodes[events.node].name;
    one.variable = to_string(events.variable);
    one.neurons = program.nodes[events.node].out_size;
    one.step = events.step;
    one.index.assign(events.index.begin(), events.index.end());
    stored.events.push_back(std::move(one));
  }
  return stored;
}

}  // namespace spikeloom::cli
