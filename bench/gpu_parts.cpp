/// Who owns what: Plans for gpu beside an even division, and one network over several devices.
///
///     spikeloom_gpu_parts plan     rows of very different length, even blocks and a Plan's
///     spikeloom_gpu_parts devices  two layers of random rows on 1, 2, ... devices
///     spikeloom_gpu_parts bits     rows, and bits, a bit for each pair of source and target
///
/// `devices` has Spice's rows: every target has --degree sources, and 0.5 % of the neurons fire.
/// `bits` has the same from neurons that send 0 or 1, and no pair twice.
///
/// Every line of the output is JSON; `same` says whether the spikes are those of the first way.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/cuda/planned.hpp"
#include "base/random.hpp"
#include "bench/measuring.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "snn/lowering.hpp"
#include "snn/network.hpp"

namespace {

using namespace spikeloom;

struct Options {
  std::string command, backend = "cuda", target = "gpu";
  std::int64_t neurons = 32768, degree = 256, steps = 512;
  std::vector<int> devices = {1, 2};
  double active = 0.005;
  int repeats = 5;
};

Tensor numbers(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

/// The k-th target from the end of the longest rows has about (n / k)^(1/2) times half the mean.
node::SparseLinear uneven(std::int64_t n, std::int64_t degree) {
  const RandomStream random{5, 1};
  std::vector<std::int64_t> row_start{0}, column;
  std::vector<float> value;
  for (std::int64_t o = 0; o < n; ++o) {
    const double share = 0.5 * std::sqrt(static_cast<double>(n) / static_cast<double>(o + 1));
    const auto fan_in = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(share * static_cast<double>(degree)), 1, n);
    const std::int64_t stride = n / fan_in;
    const auto first = static_cast<std::int64_t>(random.words(static_cast<std::uint64_t>(o))[0] %
                                                 static_cast<std::uint64_t>(n));
    const auto begin = static_cast<std::ptrdiff_t>(column.size());
    for (std::int64_t k = 0; k < fan_in; ++k) column.push_back((first + k * stride) % n);
    std::sort(column.begin() + begin, column.end());
    value.resize(column.size(), 1.0F);
    row_start.push_back(static_cast<std::int64_t>(column.size()));
  }
  node::SparseLinear made;
  made.shape = numbers({n, n});
  made.row_start = numbers(row_start);
  made.column = numbers(column);
  made.value = Tensor::of<float>({static_cast<std::int64_t>(value.size())}, value);
  return made;
}

node::RandomSparse random_rows(std::int64_t n, std::int64_t degree, std::int64_t seed,
                               bool repeats) {
  node::RandomSparse made;
  made.shape = numbers({n, n});
  made.source_start = numbers({0});
  made.source_count = numbers({n});
  made.degree = numbers({degree});
  made.weight = Tensor::of<float>({1}, {1.0F});
  made.repeats = numbers({repeats ? 1 : 0});
  made.seed = Tensor::scalar<std::int64_t>(seed);
  return made;
}

/// Fires once for so many events.
node::If divider(std::int64_t neurons, std::int64_t threshold) {
  node::If made;
  made.r = Tensor::full({neurons}, 1.0F);
  made.v_threshold = Tensor::full({neurons}, static_cast<float>(threshold));
  return made;
}

Result<Program> program_of(const Options& options) {
  const bool plan = options.command == "plan", bits = options.command == "bits";
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({options.neurons})});
  std::string last = "in";
  if (bits) {
    builder.add("send", divider(options.neurons, 1));
    builder.connect(last, "send");
    last = "send";
  }
  for (int layer = 0; layer < (plan || bits ? 1 : 2); ++layer) {
    const std::string rows = fmt::format("rows{}", layer), fire = fmt::format("fire{}", layer);
    if (plan) {
      builder.add(rows, uneven(options.neurons, options.degree));
    } else {
      builder.add(rows, random_rows(options.neurons, options.degree, layer, !bits));
    }
    builder.add(fire, divider(options.neurons, options.degree));
    builder.connect(last, rows);
    builder.connect(rows, fire);
    last = fire;
  }
  builder.add("out", node::Output{shape_tensor({options.neurons})});
  builder.connect(last, "out");
  SPIKELOOM_TRY(const auto network, std::move(builder).build());
  Discretisation d;
  d.dt = 1.0;
  return lower(network, d);
}

/// Adds up what it hears in an order-free way.
class Digest : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double>) override {
    for (const std::uint32_t i : index) {
      sum += (static_cast<std::uint64_t>(step) * 1'000'003 + i + 1) * 0x9E3779B97F4A7C15ULL;
    }
    spikes += index.size();
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  std::uint64_t sum = 0, spikes = 0;
};

struct Way {
  std::string name;
  std::shared_ptr<const Executable> executable;
  std::vector<double> seconds;
  Digest digest;
  RunStats stats;
};

Status run_once(const Options& options, Way& way) {
  SPIKELOOM_TRY(const auto session, way.executable->open());
  const RandomStream random{6, 1};
  std::vector<Time> time;
  std::vector<std::uint32_t> index;
  const auto each =
      static_cast<std::uint64_t>(options.active * static_cast<double>(options.neurons));
  const auto push = [&](std::int64_t first, std::int64_t last) {
    time.clear();
    index.clear();
    for (std::int64_t s = first; s < last; ++s) {
      for (std::uint64_t k = 0; k < each; ++k) {
        const auto word = random.words(static_cast<std::uint64_t>(s) * each + k)[0];
        time.push_back(s * session->step_time());
        index.push_back(static_cast<std::uint32_t>(
            std::uint64_t{word} * static_cast<std::uint64_t>(options.neurons) >> 32));
      }
    }
    return session->push(0, 0, {time, index, {}});
  };
  // The first chunks make graphs and connections.
  constexpr std::int64_t kWarm = 64;
  SPIKELOOM_CHECK(push(0, kWarm + options.steps));
  SPIKELOOM_CHECK(session->advance(kWarm * session->step_time()));
  Digest digest;
  SPIKELOOM_CHECK(session->read(digest));
  const double start = now();
  SPIKELOOM_CHECK(session->advance((kWarm + options.steps) * session->step_time()));
  way.seconds.push_back(now() - start);
  SPIKELOOM_CHECK(session->read(digest));
  way.digest = digest;
  way.stats = session->stats();
  return {};
}

Status run(const Options& options) {
  SPIKELOOM_TRY(const Program program, program_of(options));
  RunOptions run_options;
  run_options.arithmetic = Arithmetic::kInteger;
  std::vector<Way> ways;
  double start = now();
  if (options.command == "plan") {
    SPIKELOOM_TRY(auto even, compile(options.backend, program, run_options));
    ways.push_back({"even", std::move(even), {}, {}, {}});
    SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
    SPIKELOOM_TRY(const auto target, mapping::load_target(options.target));
    SPIKELOOM_TRY(const auto plan, mapping::map(graph, target));
    SPIKELOOM_TRY(auto planned, cuda::compile_planned(program, run_options, options.backend, plan));
    ways.push_back({"plan", std::move(planned), {}, {}, {}});
  } else if (options.command == "bits") {
    for (const auto& [name, schedule] :
         {std::pair("rows", Schedule::kRows), std::pair("bits", Schedule::kBitmask)}) {
      run_options.schedule = schedule;
      SPIKELOOM_TRY(auto made, compile(options.backend, program, run_options));
      ways.push_back({name, std::move(made), {}, {}, {}});
    }
  } else {
    for (const int devices : options.devices) {
      const std::string name =
          devices == 1 ? options.backend : fmt::format("{}:{}", options.backend, devices);
      SPIKELOOM_TRY(auto made, compile(name, program, run_options));
      ways.push_back({name, std::move(made), {}, {}, {}});
    }
  }
  const double compile_seconds = now() - start;
  for (int r = 0; r < options.repeats; ++r) {
    for (Way& way : ways) SPIKELOOM_CHECK(run_once(options, way));
  }
  for (Way& way : ways) {
    std::sort(way.seconds.begin(), way.seconds.end());
    const double median = way.seconds[way.seconds.size() / 2];
    const auto all_steps = static_cast<double>(way.stats.steps);
    const double pairs = static_cast<double>(way.stats.total(&NodeStats::ac)) / all_steps;
    std::printf("%s\n",
                fmt::format("{{\"parts\": \"{}\", \"way\": \"{}\", \"neurons\": {}, \"degree\": "
                            "{}, \"steps\": {}, \"ms\": {:.3f}, \"best_ms\": {:.3f}, "
                            "\"additions_per_s\": {:.4g}, \"spikes\": {}, \"MiB\": {:.0f}, "
                            "\"compile_s\": {:.1f}, \"same\": {}}}",
                            options.command, way.name, options.neurons, options.degree,
                            options.steps, median * 1e3, way.seconds.front() * 1e3,
                            pairs * static_cast<double>(options.steps) / median, way.digest.spikes,
                            static_cast<double>(way.stats.peak_memory_bytes) / (1 << 20),
                            compile_seconds, way.digest.sum == ways.front().digest.sum)
                    .c_str());
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Who owns what on GPUs");
  Options options;
  app.add_option("COMMAND", options.command, "plan, devices or bits")
      ->required()
      ->check(CLI::IsMember({"plan", "devices", "bits"}));
  app.add_option("--backend", options.backend, "cuda or cuda-host");
  app.add_option("--target", options.target, "plan: of the Plan");
  app.add_option("--neurons", options.neurons, "of a layer")->check(CLI::PositiveNumber);
  app.add_option("--degree", options.degree, "mean sources of a target")
      ->check(CLI::PositiveNumber);
  app.add_option("--steps", options.steps, "timed")->check(CLI::PositiveNumber);
  app.add_option("--devices", options.devices, "devices: how many, each");
  app.add_option("--active", options.active, "share of the inputs that are active in a step");
  app.add_option("--repeats", options.repeats, "of every way")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return exit_code(run(options));
}
