#pragma once
/// Runs of a program as property tests compare them: everything that was recorded, and the counts.

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "backends/backend.hpp"
#include "tests/property/random_network.hpp"
#include "tests/support/compare_runs.hpp"

namespace spikeloom::test {

/// (step, node name, variable) -> (index, value) pairs, or every neuron's state.
using Trace = std::map<std::tuple<std::int64_t, std::string, std::string>,
                       std::vector<std::pair<std::uint32_t, double>>>;

/// What is recorded. It decides what cpu may leave out.
enum class Watch {
  kEnds,     ///< the Outputs: sums may go straight into neurons, and spikes lie in any order
  kOutputs,  ///< y of every node
  kStates,   ///< also v and u of every neuron, for which each is updated in every step
};
inline constexpr Watch kWatches[] = {Watch::kEnds, Watch::kOutputs, Watch::kStates};

struct Setup {
  std::string backend = "cpu";
  Arithmetic arithmetic = Arithmetic::kFloat32;
  Watch watch = Watch::kStates;
  int threads = 1;
  Schedule schedule = Schedule::kAuto;
};

/// A session that throws where one returns an error: rapidcheck reports what() as a failure.
class RecordedRun {
 public:
  RecordedRun(const Program& program, const Setup& setup, std::uint32_t batch = 1);

  /// Pushes events, some of them late within their step.
  void push(std::span<const InputEvent> events, std::uint32_t element = 0);
  void advance(std::int64_t steps);
  Checkpoint save() const;
  void load(const Checkpoint& checkpoint);
  /// Also drops what was collected.
  void reset();
  /// Reads what was recorded since the last call into the traces.
  void collect();
  /// Drops what was collected from step `first` on.
  void forget(std::int64_t first);
  /// One per batch element.
  const std::vector<Trace>& traces();
  RunStats stats() const { return session_->stats(); }
  std::int64_t steps_done() const { return session_->steps_done(); }
  Session& session() { return *session_; }
  const Executable& executable() const { return *executable_; }

 private:
  Program program_;
  std::shared_ptr<const Executable> executable_;
  std::unique_ptr<Session> session_;
  std::vector<Trace> traces_;
};

/// The arithmetic in which a network of these numbers runs on cpu.
Arithmetic cpu_arithmetic(Numbers numbers);

/// Says where two traces differ first; empty when they are equal.
std::string difference(const Trace& expected, const Trace& got);
/// What double sums of the values of this trace may differ by when added in another order.
double rounding(const Trace& trace);

/// The part of a trace from step `first` on.
Trace from_step(const Trace& trace, std::int64_t first);
/// The part that would be recorded by `watch`, of a trace of states.
Trace seen_by(Watch watch, const Program& program, const Trace& trace);

/// Nodes, links and options, for a failure's report.
std::string describe(const Program& program);

}  // namespace spikeloom::test
