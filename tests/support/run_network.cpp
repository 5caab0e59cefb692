#include "tests/support/run_network.hpp"

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include "snn/lowering.hpp"

namespace spikeloom::test {
namespace {

class Collector : public Sink {
 public:
  Collector(const Program& program, std::span<RunResult> results)
      : program_(program), results_(results) {}

  void events(std::uint32_t node, Variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    auto& list = results_[element].events[program_.nodes[node].name];
    for (std::size_t i = 0; i < index.size(); ++i) list.push_back({step, index[i], value[i]});
  }

  void state(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t,
             std::span<const double> value) override {
    results_[element].state[program_.nodes[node].name + ":" + to_string(variable)].emplace_back(
        value.begin(), value.end());
  }

 private:
  const Program& program_;
  std::span<RunResult> results_;
};

}  // namespace

std::vector<double> RunResult::sums(const std::string& node, std::size_t size) const {
  std::vector<double> sums(size, 0.0);
  const auto found = events.find(node);
  if (found == events.end()) return sums;
  for (const Recorded& event : found->second) sums.at(event.index) += event.value;
  return sums;
}

Status push_coded(Session& session, std::uint32_t element, const CodedInput& input,
                  std::int64_t first) {
  std::vector<Time> time;
  for (std::int64_t s = 0; s < input.steps; ++s) {
    const auto begin = input.step_start[static_cast<std::size_t>(s)];
    const auto end = input.step_start[static_cast<std::size_t>(s) + 1];
    time.insert(time.end(), end - begin, (first + s) * session.step_time());
  }
  return session.push(element, 0, {time, input.index, input.value});
}

Result<std::shared_ptr<const Executable>> compile_network(const Network& network,
                                                          const RunRequest& request) {
  DiscretisationRequest wanted;
  if (!request.preset.empty()) wanted.preset = request.preset;
  wanted.options = request.options;
  wanted.declared = request.declared;
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(network, wanted));
  SPIKELOOM_TRY(const Program program, lower(network, resolved.discretisation));
  RunOptions options;
  options.arithmetic = request.arithmetic;
  options.schedule = request.schedule;
  options.threads = request.threads;
  for (const auto& [name, variable] : request.record) {
    const auto node = program.find(name);
    if (!node) return Error{.code = ErrorCode::kNotFound, .what = "no node " + name};
    options.record.push_back({*node, variable});
  }
  return compile(request.backend, program, options);
}

Result<std::vector<RunResult>> run_batch(const Executable& executable,
                                         std::span<const CodedInput> inputs, std::int64_t steps) {
  const auto batch = static_cast<std::uint32_t>(inputs.size());
  SPIKELOOM_TRY(const auto session, executable.open(batch));
  for (std::uint32_t e = 0; e < batch; ++e) {
    steps = std::max(steps, inputs[e].steps);
    if (executable.program().inputs.empty()) continue;
    SPIKELOOM_CHECK(push_coded(*session, e, inputs[e]));
  }
  SPIKELOOM_CHECK(session->advance(steps * session->step_time()));
  std::vector<RunResult> results(batch);
  for (RunResult& result : results) {
    result.steps = steps;
    result.discretisation = executable.program().discretisation;
  }
  Collector collector(executable.program(), results);
  SPIKELOOM_CHECK(session->read(collector));
  results[0].stats = session->stats();
  return results;
}

Result<RunResult> run_network(const Network& network, const CodedInput& input,
                              const RunRequest& request) {
  SPIKELOOM_TRY(const auto executable, compile_network(network, request));
  SPIKELOOM_TRY(auto results, run_batch(*executable, {&input, 1}, request.steps));
  return std::move(results[0]);
}

CodedInput one_per_step(const std::vector<double>& values) {
  CodedInput input;
  input.steps = static_cast<std::int64_t>(values.size());
  for (const double value : values) {
    if (value != 0.0) {
      input.index.push_back(0);
      input.value.push_back(value);
    }
    input.step_start.push_back(input.index.size());
  }
  return input;
}

std::string to_string(const Runner& runner) {
  std::string name = runner.backend + "_" + spikeloom::to_string(runner.arithmetic);
  std::replace(name.begin(), name.end(), '-', '_');
  std::replace(name.begin(), name.end(), ':', '_');
  return name;
}

void PrintTo(const Runner& runner, std::ostream* out) { *out << to_string(runner); }

bool runs_sample(const std::string& backend, std::size_t sample) {
  return !backend.starts_with(kCudaHost) || sample % 10 == 0 ||
         std::getenv("SPIKELOOM_FULL") != nullptr;
}

std::vector<Runner> real_runners() {
  std::vector<Runner> all;
  for (const BackendInfo& info : backends()) {
    if (!info.available) continue;
    for (const Arithmetic arithmetic : info.arithmetics) {
      if (arithmetic == Arithmetic::kDouble || arithmetic == Arithmetic::kFloat32) {
        all.push_back({info.name, arithmetic});
      }
    }
  }
  for (const std::string& name : unlisted_cuda()) all.push_back({name, Arithmetic::kFloat32});
  return all;
}

std::vector<std::string> unlisted_cuda() {
  std::vector<std::string> names = {kCudaHost, kCudaHostNodes};
  if (find_backend("cuda-nodes").ok()) names.emplace_back("cuda-nodes");
  return names;
}

}  // namespace spikeloom::test
