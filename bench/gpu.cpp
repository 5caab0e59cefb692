/// Whole networks on the CUDA backend, for `./dev gpu run`; each line of the output is JSON.
///
///     spikeloom_gpu check        every network's spikes beside cpu's, step by step
///     spikeloom_gpu throughput   a batch of recordings, pushed before the clock starts
///     spikeloom_gpu latency      one recording, 1 ms after 1 ms, and as a whole
///     spikeloom_gpu variants     both, over ways, steps of a launch, channels of a thread
///     spikeloom_gpu linear       Linear + LIF, with activity that neurons make on the device
///
/// The networks: digits (02_cnn/cnn_sinabs.nir in float32, and quantised to 8 bits) and gesture
/// (SLAYER's integer network), with their recordings, from the folder given by --shared.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/cuda/tuning.hpp"
#include "bench/measuring.hpp"
#include "models/load.hpp"
#include "models/quantize/quantize.hpp"
#include "models/slayer/slayer_reader.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"
#include "snn/network.hpp"
#include "snn/resolve.hpp"

namespace {

using namespace spikeloom;
namespace fs = std::filesystem;

struct Options {
  std::string command, backend = "cuda", shared = "../shared", only;
  std::uint32_t batch = 256;
  double seconds = 2.0;
  std::int64_t size = 16384, steps = 500;
  cuda::Tuning tuning;
  int passes = 3;  ///< at least
  std::vector<double> activity = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0};
};

struct Recording {
  CodedInput input;
  std::vector<Time> time;        ///< of each event: the beginning of its step
  std::vector<double> expected;  ///< output spike counts, or empty
};

struct Work {
  std::string name;
  Program program;
  Arithmetic arithmetic = Arithmetic::kFloat32;
  std::vector<Recording> recordings;
  std::int64_t steps = 0;  ///< of the longest
};

Result<Recording> read_one(const fs::path& path, const Program& program,
                           const InputCoding& coding) {
  SPIKELOOM_TRY(const ReadRecording read, read_recording(path.string()));
  const EventPacket& e = read.recording.events;
  const Time step = program.discretisation.step_time();
  Recording made;
  SPIKELOOM_TRY(made.input,
                code_recording({e.time, e.x, e.y, e.polarity},
                               program.nodes[program.inputs[0]].out_shape, step, coding));
  for (std::int64_t s = 0; s < made.input.steps; ++s) {
    const auto at = static_cast<std::size_t>(s);
    made.time.insert(made.time.end(), made.input.step_start[at + 1] - made.input.step_start[at],
                     s * step);
  }
  return made;
}

/// Rows "name,label,count,count,..." below a header; `counts` of them belong to outputs.
Status read_table(const fs::path& table, const fs::path& folder, std::size_t counts,
                  const InputCoding& coding, Work& work) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string name, cell;
    std::getline(cells, name, ',');
    std::getline(cells, cell, ',');
    SPIKELOOM_TRY(Recording made, read_one(folder / (name + ".bs2"), work.program, coding));
    while (made.expected.size() < counts && std::getline(cells, cell, ',')) {
      made.expected.push_back(std::stod(cell));
    }
    work.steps = std::max(work.steps, made.input.steps);
    work.recordings.push_back(std::move(made));
  }
  if (!work.recordings.empty()) return {};
  return Error{.code = ErrorCode::kNotFound, .what = "no recordings", .where = table.string()};
}

Result<Work> digits(const fs::path& shared, bool quantised) {
  const fs::path folder = shared / "acceptance/nir/02_cnn";
  Work work;
  work.name = quantised ? "digits int8" : "digits float32";
  SPIKELOOM_TRY(const LoadedModel model, load_model((folder / "cnn_sinabs.nir").string()));
  DiscretisationRequest request;
  request.options = {{"dt", "1e-3"}};
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(model.network, request));
  if (quantised) {
    SPIKELOOM_TRY(const auto made, quantize(model.network, resolved.discretisation));
    SPIKELOOM_TRY(work.program, lower(made.network, made.discretisation));
    work.arithmetic = Arithmetic::kInteger;
  } else {
    SPIKELOOM_TRY(work.program, lower(model.network, resolved.discretisation));
  }
  SPIKELOOM_CHECK(read_table(folder / "expected_test100_out_counts_zero.csv",
                             folder / "nmnist_test100", 10, InputCoding{}, work));
  if (quantised) {
    for (Recording& recording : work.recordings) recording.expected.clear();
  }
  return work;
}

Result<Work> gesture(const fs::path& shared) {
  const fs::path folder = shared / "acceptance/gesture";
  Work work;
  work.name = "gesture integer";
  work.arithmetic = Arithmetic::kInteger;
  SlayerReadOptions options;
  options.weights = (folder / "network").string();
  options.layers = "2x128x128 4a 16c5z 2a 32c3z 2a 512 11";
  SPIKELOOM_TRY(const LoadedModel model, read_slayer((folder / "network.yaml").string(), options));
  SPIKELOOM_TRY(const Discretisation d,
                discretisation_from_value(*model.run_settings.find("discretisation")));
  SPIKELOOM_TRY(work.program, lower(model.network, d));
  SPIKELOOM_TRY(const InputCoding coding,
                input_coding_from_value(*model.run_settings.find("input_coding")));
  SPIKELOOM_CHECK(read_table(folder / "expected_counts.csv", folder / "clips", 11, coding, work));
  return work;
}

Status push_all(Session& session, const Work& work, std::uint32_t batch) {
  for (std::uint32_t e = 0; e < batch; ++e) {
    const Recording& r = work.recordings[e % work.recordings.size()];
    SPIKELOOM_CHECK(session.push(e, 0, {r.time, r.input.index, r.input.value}));
  }
  return {};
}

/// Output counts by batch element, and a digest of what every recorded node sent in every step.
class Digest : public Sink {
 public:
  Digest(std::uint32_t output, std::uint32_t batch) : output_(output), counts(batch) {}
  void events(std::uint32_t node, Variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    std::uint64_t& hash = sent[{step, node, element}];
    for (std::size_t i = 0; i < index.size(); ++i) {
      hash = (hash ^ (index[i] + 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(value[i]))) *
             0x100000001B3U;
      if (node != output_) continue;
      auto& own = counts[element];
      if (own.size() <= index[i]) own.resize(index[i] + 1);
      own[index[i]] += value[i];
    }
    ++hash;
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}

 private:
  std::uint32_t output_;

 public:
  std::vector<std::vector<double>> counts;
  std::map<std::tuple<std::int64_t, std::uint32_t, std::uint32_t>, std::uint64_t> sent;
};

/// Output counts alone.
class Counts : public Sink {
 public:
  Counts(const Work& work, std::uint32_t batch)
      : output_(work.program.outputs[0]),
        size_(static_cast<std::size_t>(work.program.nodes[output_].out_size)),
        counts_(batch * size_) {}
  void events(std::uint32_t node, Variable, std::uint32_t element, std::int64_t,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    if (node != output_) return;
    double* const own = counts_.data() + element * size_;
    for (std::size_t i = 0; i < index.size(); ++i) own[index[i]] += value[i];
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  std::uint64_t right(const Work& work) const {
    std::uint64_t right = 0;
    for (std::size_t e = 0; e < counts_.size() / size_; ++e) {
      const auto& expected = work.recordings[e % work.recordings.size()].expected;
      right += std::equal(expected.begin(), expected.end(),
                          counts_.begin() + static_cast<std::ptrdiff_t>(e * size_))
                   ? 1
                   : 0;
    }
    return right;
  }

 private:
  std::uint32_t output_;
  std::size_t size_;
  std::vector<double> counts_;
};

/// The earliest place where two runs differ, from step `first` on.
std::string first_difference(const Program& program, const Digest& a, const Digest& b,
                             std::int64_t first) {
  auto i = a.sent.lower_bound({first, 0, 0}), j = b.sent.lower_bound({first, 0, 0});
  while (i != a.sent.end() || j != b.sent.end()) {
    if (i != a.sent.end() && j != b.sent.end() && *i == *j) {
      ++i;
      ++j;
      continue;
    }
    const auto place = i == a.sent.end()   ? j->first
                       : j == b.sent.end() ? i->first
                                           : std::min(i->first, j->first);
    return fmt::format("step {}, node {}, element {}", std::get<0>(place),
                       program.nodes[std::get<1>(place)].name, std::get<2>(place));
  }
  return "";
}

std::uint64_t count_right(const Work& work, const Digest& digest) {
  std::uint64_t right = 0;
  for (std::size_t e = 0; e < digest.counts.size(); ++e) {
    std::vector<double> counts = digest.counts[e];
    const auto& expected = work.recordings[e % work.recordings.size()].expected;
    counts.resize(expected.size());
    right += counts == expected ? 1 : 0;
  }
  return right;
}

RunOptions record_everything(const Work& work) {
  RunOptions options;
  options.arithmetic = work.arithmetic;
  for (std::uint32_t n = 0; n < work.program.nodes.size(); ++n) {
    if (std::holds_alternative<op::Neuron>(work.program.nodes[n].operation)) {
      options.record.push_back({n, Variable::kSpikes});
    }
  }
  return options;
}

/// Spikes of every neuron layer, and those after a checkpoint of cpu, beside cpu's.
Status check(const Work& work, const Options& options) {
  const auto batch = static_cast<std::uint32_t>(work.recordings.size());
  const RunOptions run = record_everything(work);
  SPIKELOOM_TRY(const auto cpu, compile("cpu", work.program, run));
  SPIKELOOM_TRY(const auto other, compile(options.backend, work.program, run));
  const std::uint32_t output = work.program.outputs[0];
  Digest expected(output, batch), got(output, batch), resumed(output, batch), unused(output, batch);
  const Time step = work.program.discretisation.step_time();

  SPIKELOOM_TRY(const auto measure, cpu->open(batch));
  SPIKELOOM_CHECK(push_all(*measure, work, batch));
  const std::int64_t half = work.steps / 2;
  SPIKELOOM_CHECK(measure->advance(half * step));
  SPIKELOOM_TRY(const Checkpoint checkpoint, measure->save());
  SPIKELOOM_CHECK(measure->advance(work.steps * step));
  SPIKELOOM_CHECK(measure->read(expected));

  SPIKELOOM_TRY(const auto session, other->open(batch));
  SPIKELOOM_CHECK(push_all(*session, work, batch));
  SPIKELOOM_CHECK(session->advance(work.steps * step));
  SPIKELOOM_CHECK(session->read(got));
  const RunStats a = measure->stats(), b = session->stats();
  SPIKELOOM_CHECK(session->load(checkpoint));
  SPIKELOOM_CHECK(session->advance(work.steps * step));
  SPIKELOOM_CHECK(session->read(resumed));
  const bool judged = !work.recordings[0].expected.empty();
  fmt::print(
      "{{\"check\":\"{}\",\"backend\":\"{}\",\"recordings\":{},\"steps\":{},"
      "\"first_difference\":\"{}\",\"after_checkpoint\":\"{}\",\"expected_counts\":\"{}\","
      "\"synaptic_operations\":{},\"same_operations\":{}}}\n",
      work.name, options.backend, batch, work.steps,
      first_difference(work.program, expected, got, 0),
      first_difference(work.program, expected, resumed, half),
      judged ? fmt::format("{} of {}", count_right(work, got), batch) : "none published",
      b.synaptic_operations(), a.synaptic_operations() == b.synaptic_operations());
  return {};
}

struct Times {
  std::vector<double> seconds;
  double began = 0.0;
  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

/// What a row says of how it was run.
std::string way(const Options& options) {
  const cuda::Tuning& t = cuda::tuning();
  if (options.backend.find("cuda") == std::string::npos) return options.backend;
  std::string text = options.backend;
  if (t.channels != 0) text += fmt::format(", up to {} channels", t.channels);
  if (t.steps != 0) text += fmt::format(", {} steps", t.steps);
  if (t.chunks != 0) text += fmt::format(", {} chunks", t.chunks);
  return text;
}

Status throughput(const Work& work, const Options& options) {
  RunOptions run;
  run.arithmetic = work.arithmetic;
  SPIKELOOM_TRY(const auto executable, compile(options.backend, work.program, run));
  SPIKELOOM_TRY(const auto session, executable->open(options.batch));
  Times times;
  std::uint64_t right = 0, operations = 0;
  double began = 0.0, advanced = 0.0;
  for (int pass = -1; pass < options.passes || now() - times.began < options.seconds; ++pass) {
    if (pass == 0) {  // the pass before made graphs and warmed caches
      times.began = now();
      began = wall_clock();
    }
    SPIKELOOM_CHECK(session->reset());
    SPIKELOOM_CHECK(push_all(*session, work, options.batch));
    Counts counts(work, options.batch);
    session->stats();  // waits until the input is there
    const double start = now();
    SPIKELOOM_CHECK(session->advance(work.steps * session->step_time()));
    const double computed = now();
    SPIKELOOM_CHECK(session->read(counts));
    if (pass >= 0) times.seconds.push_back(now() - start);
    if (pass >= 0 && times.seconds.back() == times.best()) advanced = computed - start;
    right = counts.right(work);
    operations = session->stats().synaptic_operations();
  }
  const double best = times.best();
  fmt::print(
      "{{\"throughput\":\"{}\",\"backend\":\"{}\",\"batch\":{},\"steps\":{},\"best_s\":{:.6f},"
      "\"advance_s\":{:.6f},\"median_s\":{:.6f},\"passes\":{},\"recordings_per_s\":{:.1f},"
      "\"synaptic_operations_per_s\":{:.4g},\"right_counts\":{},\"device_bytes\":{},\"began\":{:."
      "3f},\"ended\":{:.3f}}}\n",
      work.name, way(options), options.batch, work.steps, best, advanced, times.median(),
      times.seconds.size(), options.batch / best, static_cast<double>(operations) / best, right,
      session->stats().peak_memory_bytes, began, wall_clock());
  return {};
}

/// Only advance() and read(), again and again for `seconds`, for a meter of power.
Status latency(const Work& work, const Options& options) {
  RunOptions run;
  run.arithmetic = work.arithmetic;
  SPIKELOOM_TRY(const auto executable, compile(options.backend, work.program, run));
  SPIKELOOM_TRY(const auto session, executable->open(1));
  const Recording& r = work.recordings[0];
  std::vector<double> steps;
  Times whole;
  for (int pass = -1; pass < options.passes; ++pass) {
    Counts counts(work, 1);
    SPIKELOOM_CHECK(session->reset());
    for (std::int64_t s = 0; s < r.input.steps; ++s) {
      const std::size_t first = r.input.step_start[static_cast<std::size_t>(s)];
      const std::size_t count = r.input.step_start[static_cast<std::size_t>(s) + 1] - first;
      const double start = now();
      SPIKELOOM_CHECK(session->push(
          0, 0,
          {std::span(r.time).subspan(first, count), std::span(r.input.index).subspan(first, count),
           std::span(r.input.value).subspan(first, count)}));
      SPIKELOOM_CHECK(session->advance((s + 1) * session->step_time()));
      SPIKELOOM_CHECK(session->read(counts));
      if (pass >= 0) steps.push_back(now() - start);
    }
    SPIKELOOM_CHECK(session->reset());
    SPIKELOOM_CHECK(session->push(0, 0, {r.time, r.input.index, r.input.value}));
    const double start = now();
    SPIKELOOM_CHECK(session->advance(r.input.steps * session->step_time()));
    SPIKELOOM_CHECK(session->read(counts));
    if (pass >= 0) whole.seconds.push_back(now() - start);
  }
  std::sort(steps.begin(), steps.end());
  fmt::print(
      "{{\"latency\":\"{}\",\"backend\":\"{}\",\"step_median_us\":{:.2f},\"step_p99_us\":{:.2f},"
      "\"recording_ms\":{:.4f},\"steps\":{}}}\n",
      work.name, way(options), 1e6 * steps[steps.size() / 2], 1e6 * steps[steps.size() * 99 / 100],
      1e3 * whole.best(), r.input.steps);
  return {};
}

/// Throughput and latency over what can be chosen.
Status variants(const Work& work, Options options) {
  options.seconds = std::min(options.seconds, 0.2);
  options.passes = 2;
  const std::string layers = options.backend, nodes = layers + "-nodes";
  const auto measure = [&](const std::string& backend, const cuda::Tuning& tuning, bool batch) {
    options.backend = backend;
    cuda::tuning() = tuning;
    const Status status = batch ? throughput(work, options) : latency(work, options);
    if (!status.ok()) {
      fmt::print("{{\"variant\":\"{}, {}\",\"failure\":\"{}\"}}\n", work.name, way(options),
                 status.error().what);
    }
    std::fflush(stdout);
    cuda::tuning() = {};
  };
  for (const bool batch : {true, false}) {
    measure(nodes, {}, batch);
    measure(layers, {}, batch);
    measure(layers, {.channels = 8}, batch);
  }
  for (const std::uint32_t steps : {8, 16, 32, 64}) measure(layers, {.steps = steps}, true);
  return {};
}

/// IF neurons driven by one number a step; with `whole`, Linear and LIF behind them.
Result<Program> linear_program(std::int64_t size, bool whole) {
  const auto n = static_cast<std::size_t>(size);
  std::uint64_t state = 1;
  const auto uniform = [&] {  // D. Knuth's linear congruence; good enough for weights
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state >> 40) / 16777216.0;
  };
  node::Linear drive;
  std::vector<float> factor(n), weight(whole ? n * n : 0);
  for (float& f : factor) f = static_cast<float>(0.5 + uniform());
  for (float& w : weight) w = static_cast<float>((uniform() - 0.5) / 64.0);
  drive.weight = Tensor::of<float>({size, 1}, factor);
  node::If source;
  source.r = Tensor::full({size}, 1.0F);
  source.v_threshold = Tensor::full({size}, 1.0F);
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1})});
  builder.add("drive", drive);
  builder.add("source", source);
  std::vector<const char*> path = {"in", "drive", "source"};
  if (whole) {
    node::Linear linear;
    linear.weight = Tensor::of<float>({size, size}, weight);
    node::Lif lif;
    lif.tau = Tensor::full({size}, 2.0F);
    lif.r = Tensor::full({size}, 1.0F);
    lif.v_leak = Tensor::full({size}, 0.0F);
    lif.v_threshold = Tensor::full({size}, 1.0F);
    builder.add("linear", linear);
    builder.add("lif", lif);
    path.insert(path.end(), {"linear", "lif"});
  }
  builder.add("out", node::Output{shape_tensor({size})});
  path.push_back("out");
  for (std::size_t i = 0; i + 1 < path.size(); ++i) builder.connect(path[i], path[i + 1]);
  SPIKELOOM_TRY(const Network network, std::move(builder).build());
  DiscretisationRequest request;
  request.options = {{"dt", "1"}, {"reset", "subtract"}, {"spike-rule", "ge"}};
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(network, request));
  return lower(network, resolved.discretisation);
}

/// Passes over all steps, with `activity` as the share of source neurons that fire.
Result<Times> time_linear(Session& session, const Options& options, double activity) {
  Times times;
  const Time step = session.step_time();
  std::vector<Time> time;
  for (std::int64_t s = 0; s < options.steps; ++s) time.push_back(s * step);
  const std::vector<std::uint32_t> index(time.size(), 0);
  const std::vector<double> value(time.size(), activity < 1.0 ? activity : 2.0);
  for (int pass = -1; pass < 3; ++pass) {
    SPIKELOOM_CHECK(session.reset());
    for (std::uint32_t e = 0; e < options.batch; ++e) {
      SPIKELOOM_CHECK(session.push(e, 0, {time, index, value}));
    }
    const double start = now();
    SPIKELOOM_CHECK(session.advance(options.steps * step));
    if (pass >= 0) times.seconds.push_back(now() - start);
  }
  return times;
}

/// "source_s" is the time of the source neurons alone, which PyTorch's measurement does not have.
Status linear(const Options& options) {
  RunOptions run;
  run.record_outputs = false;
  std::unique_ptr<Session> sessions[2];
  for (const bool whole : {false, true}) {
    SPIKELOOM_TRY(const Program program, linear_program(options.size, whole));
    SPIKELOOM_TRY(const auto executable, compile(options.backend, program, run));
    SPIKELOOM_TRY(sessions[whole], executable->open(options.batch));
  }
  for (const double activity : options.activity) {
    SPIKELOOM_TRY(const Times source, time_linear(*sessions[0], options, activity));
    SPIKELOOM_TRY(Times times, time_linear(*sessions[1], options, activity));
    double measured = 0.0;
    for (const NodeStats& node : sessions[1]->stats().nodes) {
      if (node.name != "linear") continue;
      measured = static_cast<double>(node.events_in) /
                 static_cast<double>(options.size * options.steps * options.batch);
    }
    fmt::print(
        "{{\"linear\":{},\"backend\":\"{}\",\"batch\":{},\"steps\":{},\"asked\":{},"
        "\"activity\":{:.5f},\"best_s\":{:.6f},\"median_s\":{:.6f},\"source_s\":{:.6f}}}\n",
        options.size, options.backend, options.batch, options.steps, activity, measured,
        times.best(), times.median(), source.best());
    std::fflush(stdout);
  }
  return {};
}

Status run(const Options& options) {
  if (options.command == "linear") return linear(options);
  const fs::path shared = options.shared;
  const std::pair<std::string, std::function<Result<Work>()>> all[] = {
      {"digits float32", [&] { return digits(shared, false); }},
      {"digits int8", [&] { return digits(shared, true); }},
      {"gesture integer", [&] { return gesture(shared); }}};
  for (const auto& [name, make] : all) {
    if (name.find(options.only) == std::string::npos) continue;
    SPIKELOOM_TRY(const Work work, make());
    if (options.command == "check") {
      SPIKELOOM_CHECK(check(work, options));
    } else if (options.command == "throughput") {
      SPIKELOOM_CHECK(throughput(work, options));
    } else if (options.command == "variants") {
      SPIKELOOM_CHECK(variants(work, options));
    } else {
      SPIKELOOM_CHECK(latency(work, options));
    }
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Whole networks on the CUDA backend");
  Options options;
  app.add_option("COMMAND", options.command, "check, throughput, latency, variants or linear")
      ->required()
      ->check(CLI::IsMember({"check", "throughput", "latency", "variants", "linear"}));
  app.add_option("--backend", options.backend, "cuda, cuda-nodes, cpu; cuda-host, cuda-host-nodes");
  app.add_option("--shared", options.shared, "the folder with acceptance/");
  app.add_option("--only", options.only, "networks whose name contains this");
  app.add_option("--batch", options.batch, "recordings at once");
  app.add_option("--seconds", options.seconds, "repeat for so long");
  app.add_option("--size", options.size, "linear: neurons");
  app.add_option("--steps", options.steps, "linear: steps");
  app.add_option("--activity", options.activity, "linear: shares of neurons that fire in a step");
  app.add_option("--channels", options.tuning.channels, "most channels of a thread");
  app.add_option("--chunks", options.tuning.chunks,
                 "of a launch's steps that are on their way at once");
  app.add_option("--launch-steps", options.tuning.steps, "steps of a launch");
  CLI11_PARSE(app, argc, argv);
  cuda::tuning() = options.tuning;
  return exit_code(run(options));
}
