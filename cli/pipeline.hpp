#pragma once
/// From a loaded model and flags to something that runs coded input and says what came out.
///
///     SPIKELOOM_TRY(auto model, load_network_file("net.nir"));
///     SPIKELOOM_TRY(auto pipeline, make_pipeline(model, request));
///     SPIKELOOM_TRY(auto outcome, run_coded(pipeline, input, input.steps));

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "cli/run_flags.hpp"
#include "models/loaded_model.hpp"
#include "snn/input_coding.hpp"
#include "snn/read_out.hpp"

namespace spikeloom::cli {

struct PipelineRequest {
  RunFlags flags;
  std::vector<RecordFlag> record;
  bool record_all_spikes = false;          ///< the output of every node that spikes or integrates
  std::optional<RecordMembrane> membrane;  ///< beats the flag: when a membrane is recorded
  std::uint64_t seed = 0;
  int threads = 1;
  bool record_outputs = true;  ///< as RunOptions has them
  std::int64_t state_reset = 0;
  double sharpen = 0.0;
  bool tabulate = false;
};

/// A network that is ready to run. Immutable; may be shared between threads.
struct Pipeline {
  std::shared_ptr<const Executable> executable;
  InputCoding coding;
  ReadOut read_out = ReadOut::kCount;
  std::optional<std::uint32_t> port;  ///< input port that gets the files; none without Input nodes
  std::vector<RecordRequest> record;
  std::vector<std::string> notes;  ///< what was read, detected, assumed or bent

  const Program& program() const { return executable->program(); }
  const Discretisation& discretisation() const { return program().discretisation; }
  Shape input_shape() const;  ///< empty without a port
  Time step_time() const;     ///< 0 while dt is unknown
};

/// kAmbiguous: the time step, or which Input node. kNotFound: a node to record.
Result<Pipeline> make_pipeline(const LoadedModel& model, const PipelineRequest& request);

/// "preset nir, dt 0.001, time-unit s, ...": every option with its value.
std::string describe(const Discretisation& discretisation);
/// "binary, bins from time 0, ...".
std::string describe(const InputCoding& coding);

/// Steps that flags ask for: --steps, or --duration over dt. Nothing when neither is given.
Result<std::optional<std::int64_t>> asked_steps(const RunFlags& flags,
                                                const Discretisation& discretisation);

/// Non-zero values of a node, in order of step.
struct RecordedEvents {
  std::uint32_t node = 0;
  Variable variable = Variable::kSpikes;
  std::vector<std::int64_t> step = {};
  std::vector<std::uint32_t> index = {};
  std::vector<double> value = {};
};

/// A variable of every neuron of a node at every step: (steps, neurons).
struct RecordedState {
  std::uint32_t node = 0;
  Variable variable = Variable::kMembrane;
  std::size_t neurons = 0;
  std::vector<double> value;
};

/// What one Output node said.
struct OutputResult {
  std::string name;
  std::optional<std::int64_t> prediction;  ///< nothing without elements
  std::vector<double> counts, scores;
};

/// What the Output nodes said after `steps` steps; one accumulator each.
std::vector<OutputResult> output_results(const Program& program,
                                         const std::vector<ReadOutAccumulator>& read_outs,
                                         std::int64_t steps);

struct RunOutcome {
  std::int64_t steps = 0;
  double wall_seconds = 0.0;
  std::vector<OutputResult> outputs;
  RunStats stats;
  std::vector<RecordedEvents> events;  ///< the Outputs first, then what was asked for
  std::vector<RecordedState> states;

  const RecordedEvents* find_events(std::uint32_t node) const;
};

/// Runs `steps` steps: input beyond them is cut, missing input is silence. `progress` is told the
/// steps done and may stop the run (kCancelled), as Ctrl-C does.
Result<RunOutcome> run_coded(const Pipeline& pipeline, const CodedInput& input, std::int64_t steps,
                             const ProgressSink& progress = {});

}  // namespace spikeloom::cli
