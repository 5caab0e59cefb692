#pragma once
/// The cpu session: events from node to node, block by block.

#include <atomic>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/checkpoint.hpp"
#include "backends/cpu/executable.hpp"
#include "backends/input_queue.hpp"
#include "backends/record.hpp"

namespace spikeloom::cpu {

/// What a link carried before the first step of this session, where that is not silence.
template <typename V>
struct Prehistory {
  std::vector<Events<V>> events;     ///< oldest first
  std::vector<DenseArray<V>> dense;  ///< oldest first, complete values
  bool empty() const { return events.empty() && dense.empty(); }
};

/// Sorts events by index, each of which is there once, in time that grows with size / 64 + events.
template <typename V>
class EventSort {
 public:
  void sort(const NeuronKernels<V>& kernels, std::size_t size, Events<V>& events) {
    start(size);
    const bool valued = !events.value.empty();
    if (valued) value_.resize(size);
    for (std::size_t i = 0; i < events.size(); ++i) {
      insert(events.index[i]);
      if (valued) value_[events.index[i]] = events.value[i];
    }
    take(kernels, events.size(), events.index);
    for (std::size_t i = 0; i < events.value.size(); ++i) events.value[i] = value_[events.index[i]];
  }

  /// The same in parts: indices below `size`, then all of them, of which there are `most` or less.
  void start(std::size_t size) { set_.resize((size + 63) / 64); }
  void insert(std::uint32_t index) { set_[index / 64] |= std::uint64_t{1} << (index % 64); }
  void take(const NeuronKernels<V>& kernels, std::size_t most, std::vector<std::uint32_t>& index) {
    index.resize(most + kListSlack);
    index.resize(kernels.list(set_.data(), set_.size(), index.data()));
  }

 private:
  std::vector<std::uint64_t> set_;
  std::vector<V> value_;
};

/// What a ranged projection delivers in this step, once somebody wants it.
template <typename V>
struct Announced {
  const Events<V>* events = nullptr;
  Schedule way = Schedule::kRows;
  std::uint64_t executed = 0;  ///< accumulates
};

/// Where a population finds the values of one of its links in this step.
template <typename V>
struct NeuronSource {
  const DenseArray<V>* dense = nullptr;
  Finish<V> finish = {};
  DenseArray<V>* owned = nullptr;         ///< the same array, to be counted and cleared here
  std::uint32_t node = 0;                 ///< the link's source
  const Projection<V>* ranged = nullptr;  ///< makes the values; the array holds none
  Announced<V> announced = {};
};

/// What one thread found in its part of a population.
template <typename V>
struct NeuronPart {
  Events<V> spikes;
  std::uint64_t nonzero = 0;
  double sum = 0.0;
  std::vector<std::uint64_t> source_nonzero;  ///< of each fused link
  // By link, for the word of blocks at hand: its values; the same where they are to be cleared.
  std::vector<const V*> input;
  std::vector<V*> owned;
  // By link, for a ranged source: the values of a range, and how far its rows have been walked.
  std::vector<AlignedBuffer<V>> sums;
  std::vector<RowCursor> cursors;
  bool emits = false;                ///< whether spikes are wanted
  bool counts = false;               ///< whether the input is counted here
  std::vector<std::uint32_t> index;  ///< room for what a word of blocks spikes
  std::vector<V> value;              ///< the same, where a neuron may spike several times
};

template <typename V>
struct NodeState {
  std::vector<Events<V>> events;          ///< ring of `depth` outputs, or
  std::vector<DenseArray<V>> dense;       ///< the same for a dense node
  std::vector<Prehistory<V>> prehistory;  ///< one per link
  const Events<V>* direct = nullptr;      ///< the input, where it always lies in the same place
  // Neurons, physical order.
  AlignedBuffer<V> current, membrane, late, before;
  AlignedBuffer<std::int32_t> countdown;
  // The first step that a block has not done is the larger one of its own and its word's.
  std::vector<std::int64_t> next_step;  ///< per block
  std::vector<std::int64_t> word_step;  ///< per 64 blocks
  BlockSet awake;
  BlockSet running;                              ///< scratch: the blocks of this step
  std::vector<NeuronSource<V>> sources;          ///< scratch
  std::vector<NeuronPart<V>> parts;              ///< scratch
  std::unique_ptr<RecurrentState<V>> recurrent;  ///< recurrent layers
  EventSort<V> sort;
  WayChooser way;
  Announced<V> announced = {};
  std::vector<DenseArray<V>> scattered;  ///< per link that has to be laid out first
  // Scratch.
  Events<V> gathered;
  std::vector<V> logical, extreme;
  std::vector<std::uint32_t> members;
  std::vector<Events<V>> calendar;  ///< Delay: what leaves at step s is in slot s mod size
};

/// Counts what enters a node.
template <typename V>
void count_events(const Events<V>& events, NodeStats& stats) {
  stats.events_in += events.size();
  if (events.value.empty()) {
    stats.value_sum += static_cast<double>(events.size());
  } else {
    for (const V value : events.value) stats.value_sum += static_cast<double>(value);
  }
}

/// Where a ring of `depth` outputs keeps this step; mostly there is one, and a division would be
/// much of what a quiet node costs.
inline std::size_t ring_slot(std::int64_t step, std::size_t depth) {
  return depth == 1 ? 0 : static_cast<std::size_t>(step) % depth;
}

/// One batch element: its state, its queue and what it did.
template <typename V>
struct Element {
  explicit Element(const Program& program) : queue(program) {}
  std::vector<NodeState<V>> nodes;
  InputQueue queue;
  std::vector<NodeStats> stats;
  std::vector<Record> records;
  std::size_t taken = 0;                   ///< events taken from the queue by the running advance()
  std::vector<std::uint32_t> input_order;  ///< scratch
};

class Arena;

template <typename V>
class CpuSession : public Session {
 public:
  CpuSession(std::shared_ptr<const CpuExecutable<V>> executable, std::uint32_t batch);
  ~CpuSession() override;

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
  RunStats stats() const override;

 private:
  void clear();
  void make_nodes(Element<V>& element);
  void find_direct(Element<V>& element) const;
  void clear_element(Element<V>& element);
  void seed_links(Element<V>& element);
  Status run_until(std::int64_t target, bool by_element);
  /// Integer runs: how far before `last` every element's input is within the proven limit. The
  /// step after that, if it is the next one, is refused and its events are dropped.
  Result<std::int64_t> within_limits(std::int64_t last);
  void run_step(std::uint32_t element_index, std::int64_t step);
  void run_node(Element<V>& element, std::uint32_t node, std::int64_t step);
  void take_input(Element<V>& element, std::int64_t step);
  void publish_early(Element<V>& element, std::uint32_t node, std::int64_t step);

  View<V> view(const Element<V>& element, std::uint32_t node, std::size_t link,
               std::int64_t step) const;
  /// The summed input of a node as events; a reference into the element.
  const Events<V>& gather_events(Element<V>& element, std::uint32_t node, std::int64_t step);
  /// The summed input of a node, logical order, in `state.logical`.
  std::vector<V>& gather_dense(Element<V>& element, std::uint32_t node, std::int64_t step);

  void run_copy(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_pool(const op::Pool& pool, Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_scale(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_threshold(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_delay(const op::Delay& delay, Element<V>& element, std::uint32_t node,
                 std::int64_t step);
  void run_recurrent(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_embedding(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_decoder(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_relu(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_projection(Element<V>& element, std::uint32_t node, std::int64_t step);
  void run_neurons(Element<V>& element, std::uint32_t node, std::int64_t step);
  void start_part(const NodePlan<V>& plan, NodeState<V>& state, bool emits,
                  NeuronPart<V>& part) const;
  void run_words(const NodePlan<V>& plan, NodeState<V>& state, std::int64_t step, std::size_t first,
                 std::size_t last, NeuronPart<V>& part) const;
  void run_word(const NodePlan<V>& plan, NodeState<V>& state, std::int64_t step, std::size_t word,
                NeuronPart<V>& part) const;
  void run_mixed_block(const NodePlan<V>& plan, NodeState<V>& state, std::size_t block,
                       NeuronPart<V>& part) const;
  void advance_blocks(const NodePlan<V>& plan, BlockRun<V>& run, NeuronPart<V>& part) const;
  void wake_all(Element<V>& element, std::uint32_t node, std::int64_t step) const;
  void record(Element<V>& element, std::uint32_t element_index, std::uint32_t node,
              std::int64_t step);
  std::vector<std::vector<double>> delay_history(const Element<V>& element,
                                                 std::uint32_t node) const;
  void restore_delay(Element<V>& element, std::uint32_t node,
                     const std::vector<std::vector<double>>& history);
  std::uint64_t memory() const;

  Events<V>& events_slot(Element<V>& element, std::uint32_t node, std::int64_t step) {
    auto& ring = element.nodes[node].events;
    return ring[ring_slot(step, ring.size())];
  }
  DenseArray<V>& dense_slot(Element<V>& element, std::uint32_t node, std::int64_t step) {
    auto& ring = element.nodes[node].dense;
    return ring[ring_slot(step, ring.size())];
  }

  std::shared_ptr<const CpuExecutable<V>> executable_;
  const Program& program_;
  const std::vector<NodePlan<V>>& plans_;
  Time step_time_;
  std::int64_t step_ = 0;
  std::int64_t base_ = 0;      ///< first step of this session's own history
  std::int64_t measured_ = 0;  ///< step at which memory was last measured
  bool seeding_ = false;       ///< only links within a cycle are read
  std::vector<Element<V>> elements_;
  std::size_t waiting_ = 0;
  int step_threads_ = 1;          ///< threads that share one step of one element
  RunStats totals_;               ///< all but the nodes
  std::unique_ptr<Arena> arena_;  ///< null: everything runs on the caller's thread
  std::atomic<bool> cancelled_ = false;
};

}  // namespace spikeloom::cpu
