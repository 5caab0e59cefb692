#pragma once
/// Runs a network on coded input and keeps everything that was recorded, for tests.

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "base/result.hpp"
#include "snn/input_coding.hpp"
#include "snn/network.hpp"
#include "snn/resolve.hpp"

namespace spikeloom::test {

/// One recorded non-zero value.
struct Recorded {
  std::int64_t step = 0;
  std::uint32_t index = 0;
  double value = 0.0;
  friend bool operator==(const Recorded&, const Recorded&) = default;
};

/// The kernels of the backend cuda on the processor: in no list of backends, but in the tests'.
inline constexpr const char* kCudaHost = "cuda-host";
/// The same with launches per node where cuda-host takes one per layer.
inline constexpr const char* kCudaHostNodes = "cuda-host-nodes";
/// All forms of cuda that are not listed and run here.
std::vector<std::string> unlisted_cuda();

/// They are slow there: of long tests every tenth sample; all with SPIKELOOM_FULL set.
bool runs_sample(const std::string& backend, std::size_t sample);

/// A backend in one of its arithmetics, as test parameter.
struct Runner {
  std::string backend;
  Arithmetic arithmetic = Arithmetic::kDouble;
};
/// "cpu_float32"
std::string to_string(const Runner& runner);
void PrintTo(const Runner& runner, std::ostream* out);
/// Every available backend in double and float32, and cuda's kernels on the processor.
std::vector<Runner> real_runners();

struct RunRequest {
  std::string preset = {};  ///< empty: none
  std::vector<std::pair<std::string, std::string>> options = {};
  std::optional<Discretisation> declared = {};  ///< what a model file says
  Arithmetic arithmetic = Arithmetic::kDouble;
  std::string backend = "reference";
  Schedule schedule = Schedule::kAuto;
  int threads = 1;
  /// Nodes to record besides the outputs: (name, variable).
  std::vector<std::pair<std::string, Variable>> record = {};
  /// At least this many steps; input that is shorter is followed by silence.
  std::int64_t steps = 0;
};

struct RunResult {
  std::int64_t steps = 0;
  std::map<std::string, std::vector<Recorded>> events;            ///< by node name
  std::map<std::string, std::vector<std::vector<double>>> state;  ///< "node:v" -> per step
  RunStats stats;
  Discretisation discretisation;

  /// Sum of the values of each of `size` elements of a node.
  std::vector<double> sums(const std::string& node, std::size_t size) const;
};

/// Resolves, lowers, compiles and runs; the input goes to the first Input node.
Result<RunResult> run_network(const Network& network, const CodedInput& input,
                              const RunRequest& request);

/// The same network on one recording per element of a batch: what each element did, the counts of
/// all of them in the first result's stats. Shorter recordings are followed by silence.
Result<std::vector<RunResult>> run_batch(const Executable& executable,
                                         std::span<const CodedInput> inputs,
                                         std::int64_t steps = 0);

/// A network lowered and compiled as requested.
Result<std::shared_ptr<const Executable>> compile_network(const Network& network,
                                                          const RunRequest& request);

/// Feeds a session with coded input from step `first` on.
Status push_coded(Session& session, std::uint32_t element, const CodedInput& input,
                  std::int64_t first = 0);

/// A network that must exist, for `ASSERT_TRUE(x.ok()) << error_of(x)`.
template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? std::string() : result.error().message();
}

/// Coded input of one value per step for a one-element input.
CodedInput one_per_step(const std::vector<double>& values);

}  // namespace spikeloom::test
