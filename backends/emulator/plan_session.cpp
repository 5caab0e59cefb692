#include "backends/emulator/plan_session.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/input_queue.hpp"
#include "backends/record.hpp"
#include "base/stopwatch.hpp"
#include "snn/integer.hpp"

namespace spikeloom::emulator {
namespace {

using Clock = std::chrono::steady_clock;

Error no_checkpoints() {
  return Error{.code = ErrorCode::kUnsupported,
               .what =
                   "an emulated machine has no checkpoints: packets in its queues and sums of "
                   "later ticks are no values of links",
               .next = "run from the start, or save a session of cpu"};
}

class PlannedExecutable : public Executable {
 public:
  Program of;
  RunOptions run;
  mapping::Plan plan;
  PlanOptions how;
  mapping::PlanImages images;
  bool has_images = false;
  std::int32_t input_limit = 0;  ///< 0: real numbers
  std::vector<double> unit;      ///< of a node's output
  std::vector<RecordRequest> wanted;

  const Program& program() const override { return of; }
  const RunOptions& options() const override { return run; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;
  Result<PlanEmulator> machine() const {
    return PlanEmulator::create(of, plan, how, has_images ? &images : nullptr);
  }
};

class Emulated : public PlanSession {
 public:
  explicit Emulated(std::shared_ptr<const PlannedExecutable> executable)
      : executable_(std::move(executable)),
        program_(executable_->of),
        step_time_(session_step_time(program_.discretisation)) {}

  Status start(std::uint32_t batch) {
    elements_.clear();
    records_.clear();
    waiting_ = 0;
    step_ = 0;
    stats_ = {};
    stats_.backend = "emulator";
    stats_.arithmetic = to_string(executable_->run.arithmetic);
    for (const ProgramNode& node : program_.nodes) {
      NodeStats& stats = stats_.nodes.emplace_back();
      stats.name = node.name;
      stats.kind = node.kind;
    }
    for (std::uint32_t e = 0; e < batch; ++e) {
      SPIKELOOM_TRY(PlanEmulator machine, executable_->machine());
      elements_.push_back({std::move(machine), InputQueue(program_)});
    }
    return {};
  }

  Status push(std::uint32_t element, std::uint32_t port, const EventSpan& events) override {
    SPIKELOOM_CHECK(check_push(program_, elements_.size(), element, port));
    SPIKELOOM_CHECK(check_values(port, events));
    return elements_[element].queue.push(port, events, step_time_, step_, executable_->run,
                                         executable_->input_limit > 0, waiting_, stats_.input);
  }

  Status advance(Time until) override {
    cancelled_ = false;
    const std::int64_t target = floor_div(until, step_time_);
    const auto start = Clock::now();
    Status status;
    while (step_ < target && status.ok()) {
      if (cancelled_) {
        status = Error{.code = ErrorCode::kCancelled,
                       .what = "the run was cancelled",
                       .where = fmt::format("after step {}", step_)};
      } else {
        status = run_step();
      }
    }
    stats_.seconds.compute += seconds_since(start);
    return status;
  }

  Status read(Sink& sink) override {
    for (const Record& r : records_) r.give(sink);
    records_.clear();
    return {};
  }

  Status latest(std::uint32_t element, std::uint32_t node, std::span<float> out) const override {
    SPIKELOOM_CHECK(
        check_latest(program_, executable_->run, elements_.size(), element, node, out.size()));
    if (!elements_[element].machine.sends(node)) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "no core holds what this node gives",
                   .where = program_.nodes[node].name,
                   .next = "ask for a population or an Output"};
    }
    std::fill(out.begin(), out.end(), 0.0F);
    for (const PlacedEvent& event : elements_[element].machine.sent(node)) {
      out[event.index] = static_cast<float>(event.value * executable_->unit[node]);
    }
    return {};
  }

  Status reset() override { return start(static_cast<std::uint32_t>(elements_.size())); }
  void cancel() noexcept override { cancelled_ = true; }
  Result<Checkpoint> save() const override { return no_checkpoints(); }
  Status load(std::span<const std::byte>) override { return no_checkpoints(); }
  std::int64_t steps_done() const override { return step_; }
  Time step_time() const override { return step_time_; }
  RunStats stats() const override { return stats_; }
  const PlanEmulator& machine(std::uint32_t element) const override {
    return elements_[element].machine;
  }

 private:
  struct Element {
    PlanEmulator machine;
    InputQueue queue;
  };

  /// What no packet carries is refused before a machine has done a part of its step.
  Status check_values(std::uint32_t port, const EventSpan& events) const {
    if (executable_->input_limit > 0) return {};  // the queue takes integers alone
    for (std::size_t i = 0; i < events.value.size(); ++i) {
      const double value = events.value[i];
      if (std::abs(value) <= double{std::numeric_limits<float>::max()}) continue;
      return Error{.what = "an event's value is no number that a packet carries",
                   .where = fmt::format("input \"{}\", event {}",
                                        program_.nodes[program_.inputs[port]].name, i),
                   .expected = "a finite float32",
                   .got = fmt::format("{}", value)};
    }
    return {};
  }

  /// Integer runs: no element of this step's input may exceed what the overflow proof allows. The
  /// events of a refused step are dropped.
  Status check_input() {
    const double limit = executable_->input_limit;
    if (limit == 0.0) return {};
    for (std::size_t e = 0; e < elements_.size(); ++e) {
      const auto excess = elements_[e].queue.find_excess(step_ + 1, limit);
      if (!excess) continue;
      const std::size_t dropped = elements_[e].queue.drop(step_);
      waiting_ -= dropped;
      stats_.input.dropped += dropped;
      return excess_error(program_, e, *excess, limit);
    }
    return {};
  }

  Status run_step() {
    SPIKELOOM_CHECK(check_input());
    for (std::uint32_t e = 0; e < elements_.size(); ++e) {
      Element& element = elements_[e];
      std::vector<PlacedEvent> events;
      for (const QueuedEvent& event : element.queue.take(step_)) {
        events.push_back({program_.inputs[event.port], event.index, event.value});
      }
      waiting_ -= events.size();
      SPIKELOOM_CHECK(element.machine.tick(events));
      for (const PlacedPopulation& population : element.machine.placed().populations) {
        NodeStats& stats = stats_.nodes[population.node];
        const bool updates =
            population.kind == PlacedKind::kNeuron || population.kind == PlacedKind::kRecurrent;
        if (!updates) continue;
        stats.neuron_updates += population.slice.size();
        stats.executed_updates += population.slice.size();
      }
      // Populations, and Outputs that record what these send.
      for (std::uint32_t n = 0; n < stats_.nodes.size(); ++n) {
        stats_.nodes[n].events_out += element.machine.sent(n).size();
      }
      for (const RecordRequest& request : executable_->wanted) record(e, request);
    }
    ++step_;
    ++stats_.steps;
    return {};
  }

  void record(std::uint32_t e, const RecordRequest& request) {
    const PlanEmulator& machine = elements_[e].machine;
    Record made{request.node, request.variable, e, step_, {}, {}};
    if (request.variable == Variable::kMembrane) {
      const std::int64_t size = program_.nodes[request.node].out_size;
      for (std::uint32_t i = 0; i < size; ++i) {
        made.value.push_back(machine.membrane(request.node, i));
      }
    } else {
      for (const PlacedEvent& event : machine.sent(request.node)) {
        made.index.push_back(event.index);
        made.value.push_back(event.value);
      }
      if (made.index.empty()) return;
    }
    records_.push_back(std::move(made));
  }

  std::shared_ptr<const PlannedExecutable> executable_;
  const Program& program_;
  Time step_time_;
  std::vector<Element> elements_;
  std::vector<Record> records_;
  std::size_t waiting_ = 0;
  std::int64_t step_ = 0;
  RunStats stats_;
  std::atomic<bool> cancelled_ = false;
};

Result<std::unique_ptr<Session>> PlannedExecutable::open(std::uint32_t batch) const {
  if (batch == 0) {
    return Error{.what = "a session needs at least one batch element", .got = "batch 0"};
  }
  auto self = std::static_pointer_cast<const PlannedExecutable>(shared_from_this());
  auto session = std::make_unique<Emulated>(std::move(self));
  SPIKELOOM_CHECK(session->start(batch));
  return std::unique_ptr<Session>(std::move(session));
}

/// What no core has.
Status check_records(const PlannedExecutable& executable, const PlanEmulator& machine) {
  for (const RecordRequest& request : executable.wanted) {
    const ProgramNode& node = executable.of.nodes[request.node];
    const bool before =
        executable.of.discretisation.record_membrane == RecordMembrane::kBeforeReset;
    const bool has = request.variable == Variable::kMembrane
                         ? has_variable(node, request.variable) && !before
                         : request.variable != Variable::kCurrent && machine.sends(request.node);
    if (has) continue;
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the emulator does not record this",
                 .where = fmt::format("node \"{}\"", node.name),
                 .expected = "spikes and y of populations and Outputs, v after the reset",
                 .got = to_string(request.variable)};
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Executable>> compile_planned(const Program& program,
                                                          RunOptions options,
                                                          const mapping::Plan& plan,
                                                          PlanOptions how,
                                                          const mapping::PlanImages* images) {
  const Support support = check_run(program, options);
  if (!support.yes) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the emulator cannot run this network",
                 .where = support.reasons.empty() ? "" : support.reasons.front()};
  }
  if (options.sharpen != 0.0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "thresholds are not sharpened on an emulated machine"};
  }
  auto made = std::make_shared<PlannedExecutable>();
  made->of = program;
  made->run = std::move(options);
  made->plan = plan;
  made->how = how;
  made->how.arithmetic = made->run.arithmetic;
  made->how.state_reset = made->run.state_reset;
  if (images != nullptr) made->images = *images;
  made->has_images = images != nullptr;
  made->unit.assign(program.nodes.size(), 1.0);
  if (made->run.arithmetic == Arithmetic::kInteger || made->run.arithmetic == Arithmetic::kRing16) {
    SPIKELOOM_TRY(const IntegerProgram integer, to_integer(program));
    made->input_limit = integer.input_limit;
    for (std::size_t n = 0; n < integer.nodes.size(); ++n) {
      made->unit[n] = std::ldexp(1.0, -integer.nodes[n].exponent);
    }
  }
  if (made->run.record_outputs) {
    for (const std::uint32_t node : program.outputs) {
      made->wanted.push_back({node, Variable::kOutput});
    }
  }
  for (const RecordRequest& request : made->run.record) {
    const auto same = [&](const RecordRequest& other) {
      return other.node == request.node && other.variable == request.variable;
    };
    if (std::none_of(made->wanted.begin(), made->wanted.end(), same)) {
      made->wanted.push_back(request);
    }
  }
  SPIKELOOM_TRY(const PlanEmulator machine, made->machine());
  SPIKELOOM_CHECK(check_records(*made, machine));
  return std::shared_ptr<const Executable>(std::move(made));
}

}  // namespace spikeloom::emulator
