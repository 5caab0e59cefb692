#pragma once
/// The reference session: every step, every node in order, for every batch element.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/record.hpp"
#include "backends/reference/executable.hpp"
#include "backends/reference/recurrent.hpp"

namespace spikeloom::reference {

/// Values on their way: position (t mod length) holds what entered `length` steps before t.
template <typename Real>
struct Ring {
  std::vector<std::vector<Real>> slots;
};

/// State of one node in one batch element.
template <typename Real>
struct NodeState {
  std::vector<Real> in, out;
  std::vector<NeuronState<Real>> neurons;
  std::vector<Real> before_reset;  ///< membranes as the threshold saw them
  Ring<Real> delayed;              ///< op::Delay: past inputs, one slot more than the longest
  std::vector<Ring<Real>> links;   ///< one per incoming link; empty for delay 0
  RecurrentState<Real> recurrent;  ///< op::Recurrent
};

/// The state before the first step.
template <typename Real>
void start_neurons(const NeuronCoefficients& c, NodeState<Real>& state) {
  std::fill(state.neurons.begin(), state.neurons.end(), NeuronState<Real>{});
  for (std::size_t i = 0; i < c.initial.size(); ++i) {
    state.neurons[i].membrane = static_cast<Real>(c.initial[i]);
  }
}

/// Input events that wait: step -> port -> (index, value).
struct PendingEvent {
  std::uint32_t port = 0, index = 0;
  double value = 0.0;
};

template <typename Real>
struct ElementState {
  std::vector<NodeState<Real>> nodes;
  std::map<std::int64_t, std::vector<PendingEvent>> pending;
  std::vector<Time> latest;  ///< latest time pushed so far, per port
};

template <typename Real>
class ReferenceSession : public Session {
 public:
  ReferenceSession(std::shared_ptr<const ReferenceExecutable<Real>> executable,
                   std::uint32_t batch);

  Status push(std::uint32_t element, std::uint32_t port, const EventSpan& events) override;
  Status advance(Time until) override;
  Status read(Sink& sink) override;
  Status latest(std::uint32_t element, std::uint32_t node, std::span<float> out) const override;
  Status reset() override;
  void cancel() noexcept override { cancelled_ = true; }
  Result<Checkpoint> save() const override;
  Status load(std::span<const std::byte> checkpoint) override;
  std::int64_t steps_done() const override { return step_; }
  Time step_time() const override { return step_time_; }
  RunStats stats() const override { return stats_; }

 private:
  void clear();
  void seed_links(ElementState<Real>& element);
  /// Integer runs: no element of this step's input may exceed what the overflow proof allows. The
  /// events of a refused step are dropped.
  Status check_input();
  void run_step(std::uint32_t element_index);
  void take_input(ElementState<Real>& element);
  void gather_inputs(ElementState<Real>& element, std::uint32_t node, bool cycle_only = false);
  /// Sums of a weight node from `state.in`.
  template <typename Op>
  PairCount add_up(const Op& operation, std::uint32_t node, NodeState<Real>& state,
                   NodeStats& stats);
  /// One step of a language layer.
  template <typename Op>
  void run_language(const Op& operation, std::uint32_t node, NodeState<Real>& state,
                    NodeStats& stats);
  /// Output of a node from `state.in`; counts into `stats`.
  void compute(std::uint32_t node, NodeState<Real>& state, NodeStats& stats);
  void publish_early(std::uint32_t node, NodeState<Real>& state);
  void push_links(ElementState<Real>& element);
  void record(std::uint32_t element_index, std::uint32_t node, const NodeState<Real>& state);
  void update_peak_memory();

  std::shared_ptr<const ReferenceExecutable<Real>> executable_;
  const Program& program_;
  Time step_time_;
  std::int64_t step_ = 0;
  std::size_t pending_count_ = 0;
  std::vector<ElementState<Real>> elements_;
  std::vector<Record> records_;
  RunStats stats_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace spikeloom::reference
