/// A whole published network, batch 1, one thread: 02_cnn/cnn_sinabs.nir on its N-MNIST recordings.
///
/// offline:   a recording is pushed whole, the session advances to its end, the output is read.
/// streaming: for every 1 ms bin push its events, advance one step, read, decide.
///
/// Binned input is made ready before the clock starts, as it is for the rivals of bench/peers; each
/// output count is checked against expected_test100_out_counts_zero.csv. The data lie outside the
/// repository ($SPIKELOOM_SHARED, or shared in or beside the source tree); without them these
/// benchmarks say so and do nothing. SPIKELOOM_BENCH_FIRST and SPIKELOOM_BENCH_COUNT choose
/// recordings (default: all 100).

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "backends/backend.hpp"
#include "models/load.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kClasses = 10;

/// One recording as a session takes it: events by step, and their times.
struct Sample {
  CodedInput input;
  std::vector<Time> time;  ///< of each entry: the beginning of its step
  std::vector<double> expected;
};

struct Workload {
  Program program;
  std::vector<Sample> samples;
  std::int64_t steps = 0;  ///< of all samples together
};

std::size_t number_in_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  std::size_t number = otherwise;
  const std::string_view digits(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? number : otherwise;
}

Result<fs::path> data_folder() {
  std::vector<fs::path> candidates = {"shared", "../shared"};
  if (const char* named = std::getenv("SPIKELOOM_SHARED"); named != nullptr && *named != '\0') {
    candidates = {named};
  }
  for (const fs::path& candidate : candidates) {
    const fs::path folder = candidate / "acceptance/nir/02_cnn";
    if (fs::exists(folder / "cnn_sinabs.nir")) return folder;
  }
  return Error{.code = ErrorCode::kNotFound,
               .what = "no acceptance/nir/02_cnn/cnn_sinabs.nir; set SPIKELOOM_SHARED"};
}

Result<Program> load_program(const fs::path& path) {
  SPIKELOOM_TRY(const LoadedModel model, load_model(path.string()));
  DiscretisationRequest request;
  request.options = {{"dt", "1e-3"}};
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(model.network, request));
  return lower(model.network, resolved.discretisation);
}

Result<Sample> load_sample(const fs::path& path, const Program& program) {
  SPIKELOOM_TRY(const ReadRecording read, read_recording(path.string()));
  const EventPacket& events = read.recording.events;
  const Shape& shape = program.nodes[program.inputs[0]].out_shape;
  const Time step = program.discretisation.step_time();
  Sample sample;
  SPIKELOOM_TRY(sample.input, code_recording({events.time, events.x, events.y, events.polarity},
                                             shape, step, InputCoding{}));
  for (std::int64_t s = 0; s < sample.input.steps; ++s) {
    const auto at = static_cast<std::size_t>(s);
    sample.time.insert(sample.time.end(),
                       sample.input.step_start[at + 1] - sample.input.step_start[at], s * step);
  }
  return sample;
}

/// Lines "sample,label,c0,...,c9" below a header.
Result<Workload> load_workload() {
  SPIKELOOM_TRY(const fs::path folder, data_folder());
  Workload workload;
  SPIKELOOM_TRY(workload.program, load_program(folder / "cnn_sinabs.nir"));
  const std::size_t first = number_in_environment("SPIKELOOM_BENCH_FIRST", 0);
  const std::size_t count = number_in_environment("SPIKELOOM_BENCH_COUNT", 100);
  std::ifstream table(folder / "expected_test100_out_counts_zero.csv");
  std::string line;
  std::getline(table, line);
  for (std::size_t row = 0; std::getline(table, line); ++row) {
    if (row < first || row >= first + count) continue;
    std::istringstream cells(line);
    std::string name;
    std::string cell;
    std::getline(cells, name, ',');
    std::getline(cells, cell, ',');
    SPIKELOOM_TRY(Sample sample,
                  load_sample(folder / "nmnist_test100" / (name + ".bs2"), workload.program));
    while (std::getline(cells, cell, ',')) sample.expected.push_back(std::stod(cell));
    workload.steps += sample.input.steps;
    workload.samples.push_back(std::move(sample));
  }
  if (workload.samples.empty()) return Error{.what = "SPIKELOOM_BENCH_FIRST leaves no recording"};
  return workload;
}

const Result<Workload>& workload() {
  static const Result<Workload> loaded = load_workload();
  return loaded;
}

/// Adds up the spikes of the output and knows the class that leads.
class Decision : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    for (std::size_t i = 0; i < index.size(); ++i) counts_[index[i]] += value[i];
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}

  const std::vector<double>& counts() const { return counts_; }
  std::size_t best() const {
    return static_cast<std::size_t>(std::max_element(counts_.begin(), counts_.end()) -
                                    counts_.begin());
  }
  void reset() { counts_.assign(kClasses, 0.0); }

 private:
  std::vector<double> counts_ = std::vector<double>(kClasses, 0.0);
};

Status run_offline(Session& session, const Sample& sample, Decision& decision) {
  SPIKELOOM_CHECK(session.reset());
  decision.reset();
  SPIKELOOM_CHECK(session.push(0, 0, {sample.time, sample.input.index, sample.input.value}));
  SPIKELOOM_CHECK(session.advance(sample.input.steps * session.step_time()));
  return session.read(decision);
}

Status run_streaming(Session& session, const Sample& sample, Decision& decision,
                     std::vector<float>& latency_us) {
  SPIKELOOM_CHECK(session.reset());
  decision.reset();
  const CodedInput& input = sample.input;
  const std::span<const Time> time(sample.time);
  const std::span<const std::uint32_t> index(input.index);
  const std::span<const double> value(input.value);
  auto arrival = Clock::now();  // a bin arrives when the one before is decided
  for (std::int64_t step = 0; step < input.steps; ++step) {
    const std::size_t begin = input.step_start[static_cast<std::size_t>(step)];
    const std::size_t count = input.step_start[static_cast<std::size_t>(step) + 1] - begin;
    SPIKELOOM_CHECK(session.push(
        0, 0,
        {time.subspan(begin, count), index.subspan(begin, count), value.subspan(begin, count)}));
    SPIKELOOM_CHECK(session.advance((step + 1) * session.step_time()));
    SPIKELOOM_CHECK(session.read(decision));
    benchmark::DoNotOptimize(decision.best());
    const auto decided = Clock::now();
    latency_us.push_back(std::chrono::duration<float, std::micro>(decided - arrival).count());
    arrival = decided;
  }
  return {};
}

/// Largest resident memory of this process so far, in MB of 10^6 bytes; 0 where nobody says.
double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024.0 / 1e6;
  }
  return 0.0;
}

/// The value that a share of all values does not exceed.
double quantile(std::vector<float>& values, double share) {
  if (values.empty()) return 0.0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * last);
  std::nth_element(values.begin(), nth, values.end());
  return static_cast<double>(*nth);
}

void run_network(benchmark::State& state, const std::string& backend, bool streaming) {
  const auto& work = workload();
  if (!work.ok()) return state.SkipWithError(work.error().message().c_str());
  const auto executable = compile(backend, work->program, {});
  if (!executable.ok()) return state.SkipWithError(executable.error().message().c_str());
  const auto session = (*executable)->open();
  if (!session.ok()) return state.SkipWithError(session.error().message().c_str());
  Decision decision;
  std::vector<float> latency_us;
  const auto run = [&](const Sample& sample) {
    return streaming ? run_streaming(**session, sample, decision, latency_us)
                     : run_offline(**session, sample, decision);
  };
  const Status warm = run(work->samples.front());
  if (!warm.ok()) return state.SkipWithError(warm.error().message().c_str());
  latency_us.clear();
  latency_us.reserve(std::size_t{1} << 24);  // growing it is no part of what is measured

  double wrong = 0.0;
  std::uint64_t operations = 0;
  for (auto _ : state) {
    wrong = 0.0;
    operations = 0;
    for (const Sample& sample : work->samples) {
      const Status done = run(sample);
      if (!done.ok()) return state.SkipWithError(done.error().message().c_str());
      wrong += decision.counts() == sample.expected ? 0.0 : 1.0;
      operations += (*session)->stats().synaptic_operations();
    }
  }
  using benchmark::Counter;
  const auto samples = static_cast<double>(work->samples.size());
  const auto steps = static_cast<double>(work->steps);
  const auto per = [](double count) {
    return Counter(count, Counter::kIsIterationInvariantRate | Counter::kInvert);
  };
  state.counters["s_per_recording"] = per(samples);
  state.counters["s_per_step"] = per(steps);
  state.counters["synaptic_operations/s"] =
      Counter(static_cast<double>(operations), Counter::kIsIterationInvariantRate);
  state.counters["recordings"] = samples;
  state.counters["wrong_recordings"] = wrong;
  state.counters["peak_MB"] = peak_memory_mb();
  if (streaming) {
    state.counters["latency_median_us"] = quantile(latency_us, 0.5);
    state.counters["latency_p99_us"] = quantile(latency_us, 0.99);
  }
}

/// One pair per backend that is built in: network/offline/NAME and network/streaming/NAME.
const bool kRegistered = [] {
  for (const BackendInfo& backend : backends()) {
    if (!backend.available) continue;
    for (const bool streaming : {false, true}) {
      const std::string name =
          std::string("network/") + (streaming ? "streaming/" : "offline/") + backend.name;
      benchmark::RegisterBenchmark(name.c_str(),
                                   [name = backend.name, streaming](benchmark::State& state) {
                                     run_network(state, name, streaming);
                                   })
          ->MeasureProcessCPUTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace spikeloom
