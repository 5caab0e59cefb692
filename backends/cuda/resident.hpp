#pragma once
/// A session's network as a launch for each layer (kernels/layer.hpp): what it runs, and what of a
/// batch element lies where in one image (kernels/resident.hpp).

#include <memory>
#include <string>
#include <vector>

#include "backends/checkpoint.hpp"
#include "backends/cuda/executable.hpp"
#include "backends/cuda/tuning.hpp"
#include "backends/input_queue.hpp"

namespace spikeloom::cuda {

/// What the kernel needs to know of a node that the program does not say.
template <typename V>
struct ResidentNode {
  bool gathers = false;  ///< its input is counted on its own
  bool unit = false;     ///< what it sends is 0 or 1
  Tally<V>* out_tally = nullptr;
  Tally<V>* in_tally = nullptr;
  V* output_log = nullptr;
  V* membrane_log = nullptr;
  V* current_log = nullptr;
};

/// Steps of a Delay node's longest delay.
std::uint32_t longest(const op::Delay& delay);

/// Why a network is not taken; empty if it is.
std::string refuse_resident(const Program& program, const RunOptions& options, bool real);

template <typename V>
class Resident {
 public:
  /// kResource if the device has too little memory.
  static Result<std::unique_ptr<Resident>> make(const Program& program,
                                                const std::vector<NodeImage<V>>& images,
                                                const std::vector<ResidentNode<V>>& nodes,
                                                std::uint32_t batch, Machine& machine);

  /// Back to the start: initial membranes, silence on all links, no input.
  Status clear();

  // Input waits on the device from the moment when it is pushed, if it comes by step and its sums
  // are the same in any order; else it is sent as a whole before the next steps.
  /// The last `pushed` events of an element's queue are new.
  Status push(std::uint32_t element, const InputQueue& queue, std::size_t pushed);
  /// Before steps: what is not there yet. Whether the kernels have to be recorded again.
  Result<bool> send(std::vector<InputQueue>& queues);
  /// What was due before `step` is gone from the queue; its number.
  std::size_t drop(std::uint32_t element, InputQueue& queue, std::int64_t step);
  /// The element's queue was changed in other ways.
  void forget(std::uint32_t element) { inputs_of_[element].known = false; }

  /// For so many chunks, each with a clock of its own.
  std::vector<KernelCall> calls(const Clock* clocks, std::uint32_t chunks) const;
  std::vector<Clock> divide(const Clock& clock) const;
  std::uint32_t most_chunks() const { return most_steps_ / chunk_steps_; }
  std::uint32_t most_steps() const { return most_steps_; }

  /// A node's counts are another's: 0 the summed input's, 1 what it sends.
  void complete(std::vector<Tally<V>>& tallies) const;

  /// What a node sent in a step; gone when its readers are done with it, but the last one's.
  Result<std::vector<V>> output(std::uint32_t element, std::uint32_t node, std::int64_t step) const;
  /// A node of a checkpoint made before `step`.
  Result<CheckpointNode> save(std::uint32_t element, std::uint32_t node, std::int64_t step) const;
  /// After clear(); the kernels have to be recorded again.
  Status load(std::uint32_t element, std::uint32_t node, std::int64_t step,
              const CheckpointNode& saved);

 private:
  struct Place {  ///< of a node
    std::uint32_t signal = kNowhere, gathered = kNowhere;
    std::uint32_t membrane = kNowhere, current = kNowhere, countdown = kNowhere;
    std::uint32_t counted_as = kNowhere;  ///< another node's output, and its counts
    std::uint32_t latest = kNowhere;      ///< fused weight nodes: their buffer below
  };
  Resident(const Program& program, Machine& machine, std::uint32_t batch)
      : program_(program), machine_(machine), batch_(batch), places_(program.nodes.size()) {}

  Status plan(const std::vector<NodeImage<V>>& images, const std::vector<ResidentNode<V>>& nodes);
  void find_aliases(const std::vector<ResidentNode<V>>& nodes);
  void add_node(std::uint32_t n, const NodeImage<V>& image,
                const std::vector<ResidentNode<V>>& nodes, ResidentOp<V>& op);
  void add_neurons(std::uint32_t n, const NodeImage<V>& image, const ResidentNode<V>& node,
                   ResidentOp<V>& op);
  void add_log(V* log, ResidentOp<V>& op) const;
  std::uint32_t add_signal(std::size_t size, std::uint64_t reach, bool unit, bool input);
  Status lay_out();
  // resident_layers.cpp
  std::vector<std::uint32_t> makers(const std::vector<const ResidentOp<V>*>& ops) const;
  KernelCall input_call(const Clock* clock) const;
  KernelCall layer_call(const Clock* clock, const ResidentOp<V>& op) const;
  template <LayerForm kForm>
  KernelCall layer_call_as(const Clock* clock, const ResidentOp<V>& op) const;
  template <typename K>
  KernelCall fill(K kernel, const Clock* clock, const ResidentOp<V>& op) const;
  template <typename K>
  KernelCall fill_run(K kernel, const Clock* clock) const;
  Status add_products(const WeightImage<V>& weights, ResidentOp<V>& op);
  void size_rings();

  Result<std::vector<V>> read(std::uint32_t element, std::uint32_t signal, std::int64_t step) const;
  Status write(std::uint32_t element, std::uint32_t signal, std::int64_t step,
               const std::vector<double>& values) const;
  void keep_bounds(std::uint32_t membrane, const CheckpointNode& saved);
  template <typename T>
  Result<std::vector<double>> state(std::uint32_t element, std::uint32_t place,
                                    std::size_t size) const;
  Status grow(std::size_t events);
  Status send_all(std::uint32_t element, InputQueue& queue);
  template <typename T>
  Result<std::vector<T>> fetch(std::uint32_t element, std::uint64_t offset,
                               std::size_t count) const;
  template <typename T>
  Status put(std::uint32_t element, std::uint64_t offset, const std::vector<T>& values) const;

  const Program& program_;
  Machine& machine_;
  std::uint32_t batch_;
  std::uint32_t most_steps_ = 1, chunk_steps_ = 1, event_slots_ = 0;
  std::vector<Place> places_;
  std::vector<ResidentOp<V>> ops_;
  std::vector<ResidentSignal> signals_;
  std::vector<ResidentLink> links_;
  std::vector<ResidentInput<V>> inputs_;
  std::vector<std::uint32_t> first_place_;  ///< by port
  /// Four words: where in its ring the input of step mod 4 begins; four: how many events it has.
  std::uint32_t cursor_ = 0;
  std::vector<char> fresh_;  ///< an element's image at the start

  Buffer<ResidentSignal> signals_image_;
  Buffer<ResidentLink> links_image_;
  Buffer<ResidentInput<V>> inputs_image_;
  std::vector<Buffer<Quad>> products_;
  Buffer<char> images_;
  Buffer<ResidentEvent<V>> events_;
  std::vector<Buffer<V>> latest_;
  std::vector<ResidentEvent<V>> scratch_;
  struct InputOf {          ///< of an element
    bool known = true;      ///< its queue and its ring hold the same
    bool summed = false;    ///< the ring has fewer, which are sums
    std::uint32_t end = 0;  ///< of the ring, not wrapped
    std::size_t waiting = 0;
  };
  std::vector<InputOf> inputs_of_;
};

}  // namespace spikeloom::cuda
