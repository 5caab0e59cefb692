#pragma once
/// The session of the CUDA backend: state on the device, steps in chunks.
///
/// A chunk of steps is one recorded sequence of launches. A node outside cycles does all steps of
/// the chunk at once, the nodes of a cycle take turns; so a node's values of the last chunk, and of
/// as many steps before as its links are long, stay on the device (Signal).
///
/// A small network without cycles is a launch for each layer instead (Resident).

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "backends/checkpoint.hpp"
#include "backends/cuda/executable.hpp"
#include "backends/cuda/resident.hpp"
#include "backends/cuda/stages.hpp"
#include "backends/input_queue.hpp"

namespace spikeloom::cuda {

/// Steps of a chunk.
inline constexpr std::uint32_t kChunk = 16;
static_assert(kChunk <= kMostSteps);

/// A signal and the memory behind it.
template <typename V>
struct SignalBuffer {
  Buffer<V> value;
  Buffer<std::uint32_t> mask;
  Signal<V> ref;
};

template <typename V>
struct NodeDevice {
  SignalBuffer<V> out;
  /// Input of nodes that read one signal: their own (the sum of their links), or their source's.
  SignalBuffer<V> gathered;
  Signal<V> in;
  bool gathers = false, masked = false, has_current = false;
  std::vector<Buffer<V>> before;  ///< per link: what it carried before the session's first step
  Buffer<LinkRef<V>> links;
  Buffer<V> membrane, current;
  Buffer<std::int32_t> countdown;
  /// What is recorded, until the host takes it: steps x batch x size.
  Buffer<V> output_log, membrane_log, current_log;
  Buffer<std::uint32_t> bits_log;  ///< of outputs that are 0 or 1, for the way to the host
  Buffer<std::uint32_t> list_count, list_index;
  // Recurrent layers (kernels/gates.hpp); their state is `membrane`.
  Buffer<V> gate_input, gate_update, gate_gated;
  // Dense layers whose rows can be multiplied as a whole.
  bool has_product = false, multiplies = false;
  std::uint64_t multiplied_steps = 0;
  /// Narrow products: the factors of the ring of `in`; a Decoder's sums of either part.
  Buffer<Factor<V>> factors;
  Buffer<std::int32_t> low, high;
  /// The tally that counts what this node sends, where its only reader counts it anyway.
  std::optional<std::size_t> counted_by;
  // An Exchange: packets of `words` words a row, from here and from all devices.
  Buffer<std::uint32_t> sent, received, part_bounds;
  std::uint32_t words = 0;
  Tally<V>* in_tally = nullptr;  ///< of the summed input, where that is counted on its own
};

/// One recorded moment of one node.
struct Record {
  std::uint32_t node = 0;
  Variable variable = Variable::kSpikes;
  std::uint32_t element = 0;
  std::uint32_t values = 0;  ///< how many, in Records
  std::int64_t step = 0;
};

/// Recorded moments; their indices (states have none) and values lie one after the other.
struct Records {
  std::vector<Record> all;
  std::vector<std::uint32_t> index;
  std::vector<double> value;

  static bool has_index(Variable variable) {
    return variable == Variable::kSpikes || variable == Variable::kOutput;
  }
  /// Calls f(record, indices, values) for each.
  template <typename F>
  void for_each(F f) const {
    const std::uint32_t* i = index.data();
    const double* v = value.data();
    for (const Record& record : all) {
      const std::size_t indices = has_index(record.variable) ? record.values : 0;
      f(record, std::span(i, indices), std::span(v, record.values));
      i += indices;
      v += record.values;
    }
  }
  void add(const Record& record, std::span<const std::uint32_t> indices,
           std::span<const double> values) {
    all.push_back(record);
    index.insert(index.end(), indices.begin(), indices.end());
    value.insert(value.end(), values.begin(), values.end());
  }
  void clear() { all.clear(), index.clear(), value.clear(); }
};

/// A log and where it is fetched to (session_records.cpp).
struct FetchedLog;

template <typename V>
class TeamSession;

template <typename V>
class CudaSession : public Session {
 public:
  /// kResource if the device has too little memory.
  static Result<std::unique_ptr<Session>> open(std::shared_ptr<const CudaExecutable<V>> executable,
                                               std::uint32_t batch);
  /// On a machine of a team, whose TeamSession moves it.
  static Result<std::unique_ptr<CudaSession>> open_on(
      std::shared_ptr<const CudaExecutable<V>> executable, std::shared_ptr<Machine> machine,
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
  RunStats stats() const override;

 private:
  friend class TeamSession<V>;
  /// `layers`: Resident.
  CudaSession(std::shared_ptr<const CudaExecutable<V>> executable, std::shared_ptr<Machine> machine,
              std::uint32_t batch, bool layers);
  static Result<std::unique_ptr<CudaSession>> open_as(
      std::shared_ptr<const CudaExecutable<V>> executable, std::shared_ptr<Machine> machine,
      std::uint32_t batch, bool layers);

  // session_state.cpp
  Status make_state();
  Status make_node(std::uint32_t node);
  Status make_links(std::uint32_t node);
  Status make_exchange(std::uint32_t node, const Exchange& exchange);
  Status make_logs();
  /// Whether what is recorded of the node's output is 0 or 1.
  bool records_units(std::uint32_t node) const;
  /// Whether a dense layer has a product, and what that needs.
  Status make_product(std::uint32_t node);
  Status make_resident();
  Result<SignalBuffer<V>> make_signal(std::size_t size, std::uint64_t reach, bool masked) const;
  Status clear();
  Status seed_links();
  bool takes_product_at_first(const NodeDevice<V>& device) const {
    return device.has_product && executable_->options().schedule == Schedule::kDense;
  }
  bool skipped(std::uint32_t node) const;

  // session_calls.cpp
  /// The launches of a chunk of up to `steps` steps.
  std::vector<KernelCall> make_calls(std::uint32_t steps) const;
  void add_input(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  void add_early(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  void add_node(std::uint32_t node, const Rows& rows, bool cyclic,
                std::vector<KernelCall>& calls) const;
  void add_neurons(std::uint32_t node, const Rows& rows, bool cyclic,
                   std::vector<KernelCall>& calls) const;
  void add_weights(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  /// A dense layer's or a Decoder's product for a whole chunk.
  void add_product(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  void add_exchange(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  /// Dense rows of the active sources.
  void add_rows(const op::Dense& shape, std::uint32_t node, const Rows& rows,
                std::vector<KernelCall>& calls) const;

  // session_language.cpp
  Status make_language(std::uint32_t node);
  /// Whether it is one of the language layers.
  bool add_language(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  void add_recurrent(std::uint32_t node, const Rows& rows, std::vector<KernelCall>& calls) const;
  /// Operations of `steps` steps of a language layer; pairs were counted in two tallies.
  void count_language(std::uint32_t node, std::uint64_t steps, const Tally<V>& own,
                      const Tally<V>& apart, NodeStats& made) const;

  Status run_chunk(std::uint32_t count);
  /// The share of active inputs from which on a product takes less time than rows.
  double product_share(std::uint32_t node) const;
  /// Counts steps that were done.
  void count_steps(std::uint32_t count);
  /// Rows or a product, by what was active lately.
  Status choose_ways();

  /// Two a node: of its output, of its summed input.
  Result<std::vector<Tally<V>>> read_tallies() const;
  Result<std::int64_t> within_limits(std::int64_t last);
  /// Takes the events of `count` steps from the queues.
  void take_input(std::uint32_t count);
  Status send_input(std::uint32_t count, const std::vector<InputEvent<V>>& taken);
  std::int64_t most_steps() const {
    return resident_ != nullptr ? std::min<std::int64_t>(resident_->most_steps(), log_steps_)
                                : kChunk;
  }

  // session_records.cpp
  template <typename F>
  Status each_logged(F f);
  std::vector<FetchedLog> list_logs(bool packs) const;
  Status fetch_logs(const std::vector<FetchedLog>& logs);
  /// Where they are few they come along with what advance() waits for; if not, read() asks again.
  void fetch_few_logs();
  /// Whether their bits are fetched, where they have any.
  bool packs_logs() const;
  /// Makes bits of the logs that have them.
  Status pack_logs();
  /// Takes what was recorded from the device.
  Status take_logs();
  bool logs_are_full(std::uint32_t count) const { return step_ + count - log_base_ > log_steps_; }

  Result<CheckpointState> collect() const;
  Status restore(const CheckpointState& saved);

  std::uint64_t device_memory() const {
    return executable_->machine().memory() + machine_.memory();
  }

  std::shared_ptr<const CudaExecutable<V>> executable_;
  std::shared_ptr<Machine> own_machine_;  ///< sessions may run in several threads
  const Program& program_;
  const std::vector<NodeImage<V>>& images_;
  Machine& machine_;
  std::uint32_t batch_;
  Time step_time_;
  std::vector<Stage> stages_;
  std::vector<std::vector<Variable>> records_;  ///< wanted, by node

  bool wants_resident_ = false;
  std::unique_ptr<Resident<V>> resident_;  ///< null: launches per node
  std::vector<NodeDevice<V>> nodes_;
  Buffer<Clock> clock_;       ///< of all steps; of Resident, then one for each chunk of them
  Buffer<Tally<V>> tallies_;  ///< kTallyCopies of each
  Buffer<InputEvent<V>> input_events_;
  std::unique_ptr<Sequence> one_step_, chunk_;
  std::vector<std::unique_ptr<Sequence>> chunks_;  ///< of Resident, by their number less 1
  std::unique_ptr<Sequence> pack_;                 ///< of the logs
  bool stale_ = false;                             ///< the sequences hold what is no more

  std::int64_t step_ = 0, base_ = 0;
  std::int64_t log_base_ = 0, log_steps_ = 0;  ///< the first step of the logs, and their room
  std::vector<InputQueue> queues_;
  std::size_t waiting_ = 0;
  std::vector<InputEvent<V>> taken_;  ///< scratch
  Records made_;
  HostBuffer<std::uint32_t> fetched_;  ///< scratch
  std::int64_t fetched_to_ = -1;       ///< it has the logs up to this step
  RunStats totals_;
  std::vector<NodeStats> saved_stats_;          ///< of a checkpoint that was loaded
  std::uint64_t steps_here_ = 0;                ///< since then
  std::uint64_t measured_steps_ = 0;            ///< of these, when ways were chosen last
  std::vector<std::uint64_t> measured_events_;  ///< by tally
  bool lost_ = false;                           ///< the device failed in the middle of a step
  std::atomic<bool> cancelled_ = false;
};

}  // namespace spikeloom::cuda
