#pragma once
/// A whole network in one launch: a block, or a team of blocks, takes one batch element and runs
/// every node of every step, with barriers between phases and nothing else. In a phase operations
/// do different steps (resident_schedule.hpp); warps take parts of them until none is left.
///
/// What an element is lies in its image: per node a ring of the last steps' bits (and values, where
/// what is not 0 may be other than 1), the neurons' state, and where its input stands. While a
/// launch runs, the front of the image lies in the block's shared memory.
///
/// Float32 sums belong to threads, which add ascending, so that they are those of the other
/// backends; integers may be added by several. A dense layer or pool and the neurons that are all
/// that reads it are one operation: its sums never leave the registers.

#include <utility>

#include "backends/cuda/kernels/elementwise.hpp"
#include "backends/cuda/kernels/lanes.hpp"
#include "backends/cuda/kernels/neurons.hpp"

namespace spikeloom::cuda {

inline constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

/// Rings of `slots` steps, a power of two; places in the image are in bytes.
struct ResidentSignal {
  std::uint32_t bits = 0;
  std::uint32_t value = kNowhere;  ///< nowhere: what is not 0 is 1
  /// Inputs: per slot the last step + 1 whose values have to be looked at; in others they are 1.
  std::uint32_t graded = kNowhere;
  std::uint32_t size = 0, words = 0, slots = 1;
};

/// One step of a signal.
template <typename V>
struct ResidentRow {
  std::uint32_t* bits = nullptr;
  V* value = nullptr;  ///< null: what is not 0 is 1

  SPIKELOOM_KERNEL V at(std::uint32_t i) const {
    if ((bits[i / 32] >> (i % 32) & 1) == 0) return V{0};
    return value == nullptr ? V{1} : value[i];
  }
};

/// An input event that waits in its element's ring, by step.
template <typename V>
struct ResidentEvent {
  std::int64_t due = 0;     ///< its step + 1
  std::uint32_t place = 0;  ///< ports one after the other
  V value = 0;
};

struct ResidentLink {
  std::uint32_t signal = 0, delay = 0;
};

/// What a counter has counted in this launch; one per warp.
template <typename V>
struct ResidentCount {
  typename Tally<V>::Sum sum = 0;
  std::uint64_t unit = 0, graded = 0;
  std::uint32_t events = 0, unused = 0;

  SPIKELOOM_KERNEL void note(V value) {
    if (value == V{0}) return;
    ++events;
    sum += static_cast<typename Tally<V>::Sum>(value);
  }
  SPIKELOOM_KERNEL void note_pairs(V value, std::uint32_t pairs) {
    (value == V{1} || value == V{-1} ? unit : graded) += pairs;
  }
  SPIKELOOM_KERNEL void note_spikes(std::uint32_t spikes) {
    events += spikes;
    sum += static_cast<typename Tally<V>::Sum>(spikes);
  }
  SPIKELOOM_KERNEL void add(const ResidentCount& other) {
    sum += other.sum, events += other.events, unit += other.unit, graded += other.graded;
  }
};

/// 16 bytes: the piece in which images are copied.
struct alignas(16) Quad {
  std::uint32_t word[4];
};

/// Four values at once.
template <typename V>
struct alignas(16) Four {
  V v[4] = {};
};

/// Channels that a thread takes at once where there are enough.
inline constexpr std::uint32_t kManyChannels = 8, kSomeChannels = 4;

/// A convolution is three operations where it can be: the active inputs are listed, threads that
/// own a channel and the outputs whose row and column leave one rest (an input reaches one of these
/// at most) add them to sums, and those sums are x. Elsewhere every output looks at its window.
/// What comes in by step is three: a clear slot, its events, the values of those that need some;
/// then it is counted.
enum class Head : std::uint8_t {
  kPublish,
  kDelay,
  kLinks,
  kDense,
  kConvolution,
  kPool,
  kList,
  kScatter,
  kSums,
  kClear,
  kArrive,
  kResolve,
  kNote
};
constexpr bool is_input(Head head) { return head >= Head::kClear; }

/// Active inputs that a list holds; owners find those beyond it by their bits.
inline constexpr std::uint32_t kListed = 256;
/// Outputs of a channel that an input may reach: one for each bit of a mask.
inline constexpr std::uint32_t kMostReached = 32;

/// An input of a convolution. Of the outputs of a channel that it reaches the last one, and the
/// weight of the tap that leads there (of the group's first channel); what that output's row and
/// column leave over when divided by the spans; the input's group; which of the outputs so many
/// rows and columns before it there are (bit rows x column span + columns).
struct alignas(16) ResidentPixel {
  std::uint32_t output = 0, weight = 0;
  std::uint32_t rests = 0;  ///< row x column span + column, + 2^16 group
  std::uint32_t reached = 0;
};

/// From a pixel's last output to the one of an owner, by the rests of both.
struct alignas(8) ResidentStep {
  std::uint32_t back = 0;    ///< 32 x outputs + its bit of the pixel's
  std::uint32_t weight = 0;  ///< as far as the tap's weights are apart
};

/// number / divisor with `per` = per_divisor(divisor), where number x divisor is below 2^32.
SPIKELOOM_KERNEL std::uint32_t divided(std::uint32_t number, std::uint32_t per) {
  if (per == 0) return number;
#if defined(__CUDA_ARCH__)
  return __umulhi(number, per);
#else
  return static_cast<std::uint32_t>(std::uint64_t{number} * per >> 32);
#endif
}
/// The smallest whole number above 2^32 / divisor; 0 for 1.
constexpr std::uint32_t per_divisor(std::uint32_t divisor) {
  return divisor == 1 ? 0 : static_cast<std::uint32_t>((std::uint64_t{1} << 32) / divisor + 1);
}

/// When a neuron without input does nothing at all.
enum class Rest : std::uint8_t { kNever, kAtZero, kBelowThreshold };

struct ResidentWindow {
  std::int32_t in_rows = 1, in_columns = 1, out_rows = 1, out_columns = 1;
  std::int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1;
  std::int32_t dilation_rows = 1, dilation_columns = 1, pad_rows = 0, pad_columns = 0;
};

/// x <- the head; then y <- what the neurons make of x, or x scaled or compared, or x.
template <typename V>
struct ResidentOp {
  Head head = Head::kLinks;
  Elementwise work = Elementwise::kCopy;
  Pooling pooling = Pooling::kSum;
  Rest rest = Rest::kNever;
  bool plain = false;     ///< neurons of sums that step_words() takes, or step_currents()
  bool in_front = false;  ///< all that a convolution's operations touch is in shared memory
  bool has_neurons = false, seldom = false, published = false, narrow = false, counts_input = false;
  bool log_before_reset = false;
  std::uint8_t log_count = 0;
  std::uint32_t node = 0, size = 0, out = 0;
  std::uint32_t first_link = 0, links = 0;
  // Gathering heads: one link; weights are (in channels, taps, out channels of a group).
  std::uint32_t channels = 1;  ///< that a thread takes at once: 1, kSomeChannels or kManyChannels
  std::uint32_t plane = 1;     ///< outputs of a channel
  std::uint32_t per_plane = 0, per_column = 0;  ///< Pool: division by plane and columns (divided())
  std::uint32_t groups = 1, in_group = 1, out_group = 1;
  ResidentWindow window;
  bool even_taps = false;  ///< integers: each output channel's weights are all the same
  std::uint32_t inputs = 0, outputs = 0;  ///< Dense: of one repeat
  // Lists, their values and sums of convolutions. Of the active inputs: how many, and the first
  // that is not listed.
  std::uint32_t list = kNowhere, values = kNowhere, list_size = kNowhere, sums = kNowhere;
  std::uint32_t row_span = 1, column_span = 1;  ///< outputs that an input reaches
  const ResidentPixel* pixel = nullptr;         ///< of every input
  const ResidentStep* step = nullptr;           ///< of every pair of rests, the owner's first
  const void* weight = nullptr;
  /// Of windows whose sums are products of matrices (layer_products.hpp): for each piece of the out
  /// channels `product_count` words of taps, of each a Quad a thread. Null elsewhere.
  const Quad* products = nullptr;
  std::uint32_t product_count = 0;
  bool by_position = false;  ///< multiply_by_position()
  const V* scale = nullptr;
  const V* bias = nullptr;
  const V* parameter = nullptr;
  const std::uint32_t* delay = nullptr;
  // Neurons.
  NeuronRef<V> neurons;
  std::uint32_t membrane = kNowhere, current = kNowhere, countdown = kNowhere, awake = kNowhere;
  V amplitude = 1;
  std::int64_t reset_period = 0, reset_phase = 0;
  // Logs: steps x batch x size, or null.
  V* x_log = nullptr;
  V* x_latest = nullptr;  ///< batch x size: of a launch's last step
  V* log[3] = {};
  V* membrane_log = nullptr;
  V* current_log = nullptr;
  // Where counts go in the end; null where nobody asks.
  std::uint32_t x_counter = kNowhere, y_counter = kNowhere, in_counter = kNowhere;
  std::uint32_t parts = 1;  ///< that it is cut into, of which each has counters of its own
  Tally<V>* x_tally = nullptr;
  Tally<V>* y_tally = nullptr;
  Tally<V>* in_tally = nullptr;
};

template <typename V>
struct ResidentInput {
  std::uint32_t signal = 0, first_place = 0;
  std::uint8_t log_count = 0;
  V* log[3] = {};
  std::uint32_t counter = 0, parts = 1;  ///< as above
  Tally<V>* tally = nullptr;
};

/// What a warp does of an operation in a phase: of the step that began so many steps before.
struct ResidentTask {
  std::uint16_t op = 0, part = 0, parts = 1, steps_before = 0;
};

/// Offsets of an image, and of a block's shared memory, where its front comes last.
struct ResidentLayout {
  std::uint64_t image_bytes = 0;
  std::uint32_t front_bytes = 0;  ///< of the image, in shared memory
  /// Four words: where in its ring the input of step mod 4 begins; four: how many events it has.
  std::uint32_t cursor = 0;
  std::uint32_t ops = 0, signals = 0, links = 0, inputs = 0, counters = 0, tasks = 0;
  std::uint32_t interval = 1;  ///< phases a step
  std::uint32_t depth = 1;     ///< phases from a step's first operation to its last
  // Shared memory, as place_shared() divides it; operations come first.
  std::uint32_t signals_at = 0, links_at = 0, tasks_at = 0, starts_at = 0;
  std::uint32_t taken_at = 0;  ///< two counters of tasks that are taken, in turns
  std::uint32_t counts_at = 0, front_at = 0;

  template <typename V>
  void place_shared() {
    std::uint32_t at = 0;
    const auto take = [&at](std::size_t count, std::size_t bytes) {
      return std::exchange(at, at + static_cast<std::uint32_t>((count * bytes + 15) / 16 * 16));
    };
    take(ops, sizeof(ResidentOp<V>));
    signals_at = take(signals, sizeof(ResidentSignal));
    links_at = take(links, sizeof(ResidentLink));
    tasks_at = take(tasks, sizeof(ResidentTask));
    starts_at = take(interval + 1, 4);
    taken_at = take(2, 4);
    counts_at = take(counters, sizeof(ResidentCount<V>));
    front_at = at;
  }
};

/// kAll: everything; else no convolutions by windows, delays, spikes of before the step, and
/// neurons that seldom are, which take registers from the others.
template <typename V, bool kAll>
struct ResidentKernel {
  struct Local {
    std::uint32_t round = 0, slot = 0;  ///< steps begun before this phase's; its place among theirs
    std::uint32_t count = 0;            ///< of steps
    std::int64_t first = 0;             ///< step
  };
  const Clock* clock = nullptr;
  const ResidentOp<V>* ops = nullptr;
  const ResidentSignal* signals = nullptr;
  const ResidentLink* links = nullptr;
  const ResidentInput<V>* inputs = nullptr;
  const ResidentTask* tasks = nullptr;
  const std::uint32_t* task_start = nullptr;  ///< by slot, one more at the end
  const ResidentEvent<V>* events = nullptr;
  std::uint32_t event_slots = 0;  ///< a power of two
  char* images = nullptr;
  ResidentLayout layout;
  std::uint32_t batch = 1, team = 1, block_threads = 32;

  SPIKELOOM_KERNEL std::uint32_t warps() const { return tiles(block_threads, 32); }
  std::size_t shared_bytes() const { return layout.front_at + layout.front_bytes; }

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return batch * team; }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return block_threads; }
  /// Loading, the steps' operations, storing.
  SPIKELOOM_KERNEL std::uint32_t phases_of(std::uint32_t steps) const {
    return 2 + (steps == 0 ? 0 : (steps - 1) * layout.interval + layout.depth);
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return phases_of(clock->count); }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const;

 private:
  /// A block's view of its element.
  struct View {
    const ResidentKernel* kernel;
    char* shared;
    char* image;
    std::uint32_t element;
    std::uint32_t thread = 0, threads = 1;  ///< of those of the team that do the operation
    std::uint32_t part = 0;                 ///< of the operation's
    bool last = false;                      ///< step of the launch

    template <typename T>
    SPIKELOOM_KERNEL T* at(std::uint32_t offset) const {
      char* const base =
          offset < kernel->layout.front_bytes ? shared + kernel->layout.front_at : image;
      return reinterpret_cast<T*>(base + offset);
    }
    /// Of what may be known to lie in shared memory, whose addresses and accesses cost less.
    template <bool kFront, typename T>
    SPIKELOOM_KERNEL T* at(std::uint32_t offset) const {
      if constexpr (kFront) {
        return reinterpret_cast<T*>(shared + kernel->layout.front_at + offset);
      } else {
        return at<T>(offset);
      }
    }
    SPIKELOOM_KERNEL const ResidentOp<V>& op(std::uint32_t i) const {
      return reinterpret_cast<const ResidentOp<V>*>(shared)[i];
    }
    SPIKELOOM_KERNEL const ResidentSignal& signal(std::uint32_t i) const {
      return reinterpret_cast<const ResidentSignal*>(shared + kernel->layout.signals_at)[i];
    }
    SPIKELOOM_KERNEL const ResidentLink& link(std::uint32_t i) const {
      return reinterpret_cast<const ResidentLink*>(shared + kernel->layout.links_at)[i];
    }
    SPIKELOOM_KERNEL ResidentCount<V>& count(std::uint32_t counter) const {
      return reinterpret_cast<ResidentCount<V>*>(shared + kernel->layout.counts_at)[counter];
    }
  };
  using Row = ResidentRow<V>;
  SPIKELOOM_KERNEL static Row row_of(const View& view, std::uint32_t signal, std::int64_t step,
                                     bool for_reading) {
    const ResidentSignal s = view.signal(signal);
    const auto slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (s.slots - 1));
    Row row{view.template at<std::uint32_t>(s.bits) + slot * s.words, nullptr};
    bool valued = s.value != kNowhere;
    if (valued && for_reading && s.graded != kNowhere) {
      valued = view.template at<std::int64_t>(s.graded)[slot] == step + 1;
    }
    if (valued) row.value = view.template at<V>(s.value) + std::size_t{slot} * s.size;
    return row;
  }

  /// Counts of one thread in one operation.
  struct Counts {
    ResidentCount<V> x, y;
  };
  /// What an active input adds to an owner's outputs: to one of them at most.
  struct Addition {
    std::uint32_t output = 0;  ///< of the channel
    V value = 0;
    bool exists = false;
  };
  struct Owner {
    const ResidentStep* step;
    bool groups;  ///< more than one
    std::uint32_t group;
    V* plane;            ///< sums of the channel
    const void* weight;  ///< of the channel
    bool narrow;
    bool shares;  ///< sums with other threads
  };

  /// Where an element's values of a step begin in a log, in values of one element.
  SPIKELOOM_KERNEL std::size_t log_place(const View& view, std::int64_t step) const {
    return static_cast<std::size_t>(step - clock->log_base) * batch + view.element;
  }
  SPIKELOOM_KERNEL const ResidentInput<V>& input_of(std::uint32_t place) const {
    std::uint32_t i = layout.inputs - 1;
    while (i > 0 && inputs[i].first_place > place) --i;
    return inputs[i];
  }

  SPIKELOOM_KERNEL void do_tasks(const Place& place, View& view, std::uint32_t phase,
                                 const Local& local) const;
  SPIKELOOM_KERNEL void copy_front(char* to, const char* from, std::uint32_t thread) const;
  SPIKELOOM_KERNEL void load(const View& view, std::uint32_t thread) const;
  SPIKELOOM_KERNEL void store(const View& view, const Place& place) const;
  SPIKELOOM_KERNEL void publish_count(const View& view, const Place& place, std::uint32_t counter,
                                      std::uint32_t parts, Tally<V>* totals) const;
  SPIKELOOM_KERNEL void bring_input(const View& view, Head head, std::int64_t step) const;
  SPIKELOOM_KERNEL void arrive(const View& view, std::int64_t step) const;
  SPIKELOOM_KERNEL void resolve(const View& view, std::int64_t step) const;
  SPIKELOOM_KERNEL void clear_slot(const View& view, std::uint32_t signal, std::int64_t step) const;
  SPIKELOOM_KERNEL void count_row(const View& view, const Row& row, std::uint32_t words,
                                  ResidentCount<V>& count) const;
  SPIKELOOM_KERNEL void note_inputs(const View& view, std::int64_t step) const;
  SPIKELOOM_KERNEL void run(const View& view, std::uint32_t index, std::int64_t step) const;
  SPIKELOOM_KERNEL void list(const View& view, const ResidentOp<V>& op, const Row& in,
                             const ResidentSignal& source) const;
  template <bool kFront>
  SPIKELOOM_KERNEL void scatter_list(const View& view, const ResidentOp<V>& op, const Row& in,
                                     const ResidentSignal& source) const;
  SPIKELOOM_KERNEL Addition addition(const ResidentPixel& pixel, V x, const Owner& owner,
                                     bool there) const;
  SPIKELOOM_KERNEL void make(const Addition& addition, const Owner& owner) const;
  SPIKELOOM_KERNEL void publish(const View& view, const ResidentOp<V>& op, const Row& out,
                                std::uint32_t o, bool exists) const;
  SPIKELOOM_KERNEL void gather_window([[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op,
                                      const Row& in, std::uint32_t item, bool exists, V* sum,
                                      std::uint32_t& o, std::uint32_t& channel,
                                      ResidentCount<V>& count) const;
  SPIKELOOM_KERNEL void add_weights(const ResidentOp<V>& op, std::uint32_t at, V x, V* sum) const;
  SPIKELOOM_KERNEL void add_weights(const ResidentOp<V>& op, std::uint32_t at, V* sum) const;
  SPIKELOOM_KERNEL void fetch_weights(const ResidentOp<V>& op, std::uint32_t at, V* weight) const;
  /// What all neurons of an operation have in common in a step.
  struct Population {
    V* membrane = nullptr;
    V* current = nullptr;
    std::int32_t* countdown = nullptr;
    std::uint32_t* awake = nullptr;
    equations::Coefficients<V> all;  ///< if they are uniform
    equations::StepOptions options;
    bool restarts = false;
  };
  SPIKELOOM_KERNEL static bool restarts_at(const ResidentOp<V>& op, std::int64_t step) {
    return op.reset_period > 0 && (step - op.reset_phase) % op.reset_period == 0;
  }
  SPIKELOOM_KERNEL Population population_of(const View& view, const ResidentOp<V>& op,
                                            std::int64_t step) const;
  template <SpikeRule kRule, Reset kReset, bool kFront>
  SPIKELOOM_KERNEL void step_words(const View& view, const ResidentOp<V>& op,
                                   std::int64_t step) const;
  SPIKELOOM_KERNEL void step_currents(const View& view, const ResidentOp<V>& op,
                                      std::int64_t step) const;
  template <bool kFront>
  SPIKELOOM_KERNEL void step_plain(const View& view, const ResidentOp<V>& op,
                                   std::int64_t step) const;
  SPIKELOOM_KERNEL void finish(const View& view, const ResidentOp<V>& op,
                               const Population& population, std::int64_t step, const Row& out,
                               std::uint32_t o, bool exists, V x, Counts& counts) const;
  /// One step of one neuron.
  struct Moved {
    V y = 0;
    bool awake = false;
  };
  SPIKELOOM_KERNEL Moved move(const View& view, const ResidentOp<V>& op,
                              const Population& population, std::int64_t step, std::uint32_t i, V x,
                              const equations::StepOptions& o) const;
  SPIKELOOM_KERNEL void add(const View& view, std::uint32_t counter,
                            const ResidentCount<V>& count) const;
};

}  // namespace spikeloom::cuda

#include "backends/cuda/kernels/resident_neurons.hpp"
#include "backends/cuda/kernels/resident_phases.hpp"
#include "backends/cuda/kernels/resident_weights.hpp"
