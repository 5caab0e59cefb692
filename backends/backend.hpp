#pragma once
/// The backend contract, as users see it: registry, Executable, Session.
///
///     const BackendInfo* info = find_backend("reference");
///     SPIKELOOM_TRY(auto executable, compile("reference", program, options));
///     SPIKELOOM_TRY(auto session, executable->open());
///     session->push(0, 0, events);          // input port 0 of batch element 0
///     session->advance(100 * kMillisecond); // runs every step that ends by then
///     session->read(sink);                  // what was recorded since the last read
///
/// An Executable is immutable and may be shared between threads; a Session belongs to one thread
/// at a time, except for cancel(). What an implementer provides is in backend_impl.hpp.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"
#include "snn/program.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom {

enum class Arithmetic { kDouble, kFloat32, kInteger, kRing16 };
const char* to_string(Arithmetic arithmetic);
Result<Arithmetic> parse_arithmetic(std::string_view text);

/// What of a node is recorded: spikes and outputs y (non-zero values), membrane v, current i.
enum class Variable { kSpikes, kOutput, kMembrane, kCurrent };
/// "spikes", "y", "v", "u" (u is the synaptic current).
const char* to_string(Variable variable);
Result<Variable> parse_variable(std::string_view text);
/// Spikes and y: every node; v: neurons; u: neurons with a synaptic current (CubaLI, CubaLIF).
bool has_variable(const ProgramNode& node, Variable variable);

struct RecordRequest {
  std::uint32_t node = 0;  ///< index into Program::nodes
  Variable variable = Variable::kSpikes;
};

/// What to do with an event for a step that has been computed already.
enum class LatePolicy { kError, kDrop, kNextStep };
/// What to do when more events wait than `max_pending_events`.
enum class OverflowPolicy { kError, kDropNewest };

/// How cpu adds up a projection: the rows of active sources, bitmasks of connections that share a
/// weight, or a dense product. kAuto picks by measured activity; a way that a projection does not
/// have falls back to rows.
enum class Schedule { kAuto, kRows, kBitmask, kDense };
/// "auto", "rows", "bitmask", "dense".
const char* to_string(Schedule schedule);
Result<Schedule> parse_schedule(std::string_view text);

struct RunOptions {
  Arithmetic arithmetic = Arithmetic::kFloat32;
  int threads = 1;
  Schedule schedule = Schedule::kAuto;
  std::uint64_t seed = 0;
  LatePolicy late = LatePolicy::kError;
  OverflowPolicy overflow = OverflowPolicy::kError;
  std::size_t max_pending_events = std::size_t{1} << 28;
  std::vector<RecordRequest> record;  ///< besides every Output node
  /// Record what leaves the Output nodes; without it latest() has the nodes in front of them only.
  bool record_outputs = true;
  /// Recurrent layers whose output is carried forget their state h before every step that is a
  /// multiple of this; 0: never. Published perplexities of EGRUs have 70.
  std::int64_t state_reset = 0;
  /// cpu: a recurrent layer that reads an Embedding keeps the sums of its input product for every
  /// word: words x gates x units values of memory, and the product is never computed again.
  bool tabulate = false;
  /// Added to every threshold of event-based recurrent units: fewer events for less accuracy.
  double sharpen = 0.0;
};

/// Receives what a session recorded, step by step, batch element by batch element.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Non-zero values of an Output or of a node recorded as spikes or y.
  virtual void events(std::uint32_t node, Variable variable, std::uint32_t element,
                      std::int64_t step, std::span<const std::uint32_t> index,
                      std::span<const double> value) = 0;
  /// A dense state variable of every neuron of a node.
  virtual void state(std::uint32_t node, Variable variable, std::uint32_t element,
                     std::int64_t step, std::span<const double> value) = 0;
};

/// Bytes of a saved session; portable between backends of one arithmetic (docs/formats.md).
using Checkpoint = std::vector<std::byte>;

/// The state of one run, or of a batch of runs in step.
class Session {
 public:
  virtual ~Session() = default;

  /// Queues events for an input port (index into Program::inputs) of a batch element. Time t
  /// belongs to step floor(t / step). kShape: an index outside the input.
  virtual Status push(std::uint32_t element, std::uint32_t port, const EventSpan& events) = 0;
  /// Runs every step that ends at or before `until`. kCancelled after cancel(): whole steps are
  /// done, and the session can go on. Integer runs, kInvalidArgument: an element's events of a step
  /// add up to more than the overflow proof allows. That step has not begun; what waited for it in
  /// that batch element is dropped and counted, and the session can go on, with other events or
  /// none.
  virtual Status advance(Time until) = 0;
  /// Hands over what was recorded since the last read and forgets it.
  virtual Status read(Sink& sink) = 0;
  /// The output of a node in the step done last, one value per element, in real units; `out` has
  /// the node's size. kNotFound, kShape. Before the first step everything is 0.
  virtual Status latest(std::uint32_t element, std::uint32_t node, std::span<float> out) const = 0;
  /// Back to step 0 with the initial state; statistics and queued events are cleared.
  virtual Status reset() = 0;
  /// Asks a running advance() to stop after the present step (a batch that threads share: after
  /// at most 16 more). Callable from any thread.
  virtual void cancel() noexcept = 0;

  virtual Result<Checkpoint> save() const = 0;
  virtual Status load(std::span<const std::byte> checkpoint) = 0;

  virtual std::int64_t steps_done() const = 0;
  /// Duration of a step in ns; push and advance count in it.
  virtual Time step_time() const = 0;
  virtual RunStats stats() const = 0;
};

/// A program compiled for one backend and one set of options.
class Executable : public std::enable_shared_from_this<Executable> {
 public:
  virtual ~Executable() = default;
  virtual const Program& program() const = 0;
  virtual const RunOptions& options() const = 0;
  /// A new session of `batch` independent runs at step 0.
  virtual Result<std::unique_ptr<Session>> open(std::uint32_t batch = 1) const = 0;
};

struct BackendInfo {
  std::string name;
  std::string description;
  bool available = false;
  std::string reason;  ///< why it is not available, with the next step; empty when it is
  std::vector<Arithmetic> arithmetics;
};

/// Whether a backend can run a program, and if not, why: each reason names its node.
struct Support {
  bool yes = false;
  std::vector<std::string> reasons;
};

/// All backends, built in or not, best first for `auto`.
std::vector<BackendInfo> backends();
/// kNotFound lists the names; kUnsupported carries the reason it is not available.
Result<BackendInfo> find_backend(std::string_view name);
Support supports(std::string_view backend, const Program& program, const RunOptions& options);
/// "auto" takes the first available backend that supports the program.
Result<std::shared_ptr<const Executable>> compile(std::string_view backend, const Program& program,
                                                  const RunOptions& options);

}  // namespace spikeloom
