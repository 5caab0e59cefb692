#pragma once
/// A whole network in one launch: a block, or a team of blocks, takes one batch element and runs
/// every node of every step, with barriers between nodes and nothing else.
///
/// What an element is lies in its image: per node a ring of the last steps' bits (and values, where
/// what is not 0 may be other than 1), the neurons' state, and where its input stands. While a
/// launch runs, the front of the image lies in the block's shared memory.
///
/// Sums belong to threads, which look at the bits below their window, ascending; so there are no
/// atomic additions, and float32 sums are those of the other backends. A weight node and the
/// neurons that are all that reads it are one operation: its sums never leave the registers.

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
  std::uint32_t events = 0, unit = 0, graded = 0, unused = 0;

  SPIKELOOM_KERNEL void note(V value) {
    if (value == V{0}) return;
    ++events;
    sum += static_cast<typename Tally<V>::Sum>(value);
  }
  SPIKELOOM_KERNEL void note_pairs(V value, std::uint32_t pairs) {
    (value == V{1} || value == V{-1} ? unit : graded) += pairs;
  }
  SPIKELOOM_KERNEL void add(const ResidentCount& other) {
    sum += other.sum, events += other.events, unit += other.unit, graded += other.graded;
  }
};

/// 16 bytes: the piece in which images are copied.
struct alignas(16) Quad {
  std::uint32_t word[4];
};

/// Channels that a thread takes at once where there are enough.
inline constexpr std::uint32_t kManyChannels = 8, kSomeChannels = 4;

/// A convolution is three operations where it can be: the active inputs are listed, threads that
/// own a channel and the outputs whose row and column leave one rest (an input reaches one of these
/// at most) add them to sums, and those sums are x. Elsewhere every output looks at its window.
enum class Head : std::uint8_t {
  kPublish,
  kDelay,
  kLinks,
  kDense,
  kConvolution,
  kPool,
  kList,
  kScatter,
  kSums
};

/// An active input of a convolution: its channel, the last output row and column that it may reach
/// (below 4096), the taps that lead there (below the stride, 16 at most), and what these rows and
/// columns leave over when divided by the span.
struct ResidentPixel {
  std::uint32_t from = 0;  ///< channel + 2^16 rest of the row + 2^24 rest of the column
  std::uint32_t to = 0;    ///< row + 2^12 column + 2^24 tap of the row + 2^28 tap of the column
};

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
  bool has_neurons = false, seldom = false, published = false, narrow = false, counts_input = false;
  bool log_before_reset = false;
  std::uint8_t log_count = 0;
  std::uint32_t node = 0, size = 0, out = 0;
  std::uint32_t first_link = 0, links = 0;
  // Gathering heads: one link; weights are (in channels, taps, out channels of a group).
  std::uint32_t channels = 1;  ///< that a thread takes at once: 1, kSomeChannels or kManyChannels
  std::uint32_t plane = 1;     ///< outputs of a channel
  std::uint32_t groups = 1, in_group = 1, out_group = 1;
  ResidentWindow window;
  std::uint32_t inputs = 0, outputs = 0;  ///< Dense: of one repeat
  // Lists and sums of convolutions; a word before the list has its length.
  std::uint32_t list = kNowhere, list_size = kNowhere, sums = kNowhere;
  std::uint32_t row_span = 1, column_span = 1;  ///< outputs that an input reaches
  const void* weight = nullptr;
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
  Tally<V>* x_tally = nullptr;
  Tally<V>* y_tally = nullptr;
  Tally<V>* in_tally = nullptr;
};

template <typename V>
struct ResidentInput {
  std::uint32_t signal = 0, first_place = 0;
  std::uint8_t log_count = 0;
  V* log[3] = {};
  std::uint32_t counter = 0;
  Tally<V>* tally = nullptr;
};

/// Offsets of an image, and of a block's shared memory before it.
struct ResidentLayout {
  std::uint64_t image_bytes = 0;
  std::uint32_t front_bytes = 0;  ///< of the image, in shared memory
  std::uint32_t cursor = 0;       ///< four words: where in its ring the input of step mod 4 begins
  std::uint32_t ops = 0, signals = 0, links = 0, inputs = 0, counters = 0;
};

/// kAll: everything; else no convolutions by windows, delays, spikes of before the step, and
/// neurons that seldom are, which take registers from the others.
template <typename V, bool kAll>
struct ResidentKernel {
  struct Local {
    std::uint32_t step = 0, op = 0;  ///< the step of the launch, and the operation, that come next
    std::uint32_t count = 0;         ///< of steps
    std::int64_t first = 0;          ///< step
  };
  const Clock* clock = nullptr;
  const ResidentOp<V>* ops = nullptr;
  const ResidentSignal* signals = nullptr;
  const ResidentLink* links = nullptr;
  const ResidentInput<V>* inputs = nullptr;
  const ResidentEvent<V>* events = nullptr;
  std::uint32_t event_slots = 0;  ///< a power of two
  char* images = nullptr;
  ResidentLayout layout;
  std::uint32_t batch = 1, team = 1, block_threads = 32;

  // Shared memory: operations, signals, links, inputs, counters, front of the image.
  SPIKELOOM_KERNEL static std::uint32_t padded(std::uint32_t bytes) {
    return (bytes + 15) / 16 * 16;
  }
  SPIKELOOM_KERNEL std::uint32_t signals_at() const {
    return padded(layout.ops * static_cast<std::uint32_t>(sizeof(ResidentOp<V>)));
  }
  SPIKELOOM_KERNEL std::uint32_t links_at() const {
    return signals_at() +
           padded(layout.signals * static_cast<std::uint32_t>(sizeof(ResidentSignal)));
  }
  SPIKELOOM_KERNEL std::uint32_t counts_at() const {
    return links_at() + padded(layout.links * static_cast<std::uint32_t>(sizeof(ResidentLink)));
  }
  SPIKELOOM_KERNEL std::uint32_t warps() const { return tiles(block_threads, 32); }
  SPIKELOOM_KERNEL std::uint32_t counters() const { return layout.counters; }
  SPIKELOOM_KERNEL std::uint32_t front_at() const {
    return counts_at() +
           padded(counters() * warps() * static_cast<std::uint32_t>(sizeof(ResidentCount<V>)));
  }
  std::size_t shared_bytes() const { return front_at() + layout.front_bytes; }

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return batch * team; }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return block_threads; }
  /// A step has two phases at least: input comes in beside the first two.
  SPIKELOOM_KERNEL std::uint32_t phases_a_step() const { return layout.ops < 2 ? 2 : layout.ops; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return clock->count * phases_a_step() + 4; }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const;

 private:
  /// A block's view of its element.
  struct View {
    const ResidentKernel* kernel;
    char* shared;
    char* image;
    std::uint32_t element, thread, threads;  ///< of the team's threads
    bool last = false;                       ///< step of the launch

    template <typename T>
    SPIKELOOM_KERNEL T* at(std::uint32_t offset) const {
      char* const base = offset < kernel->layout.front_bytes ? shared + kernel->front_at() : image;
      return reinterpret_cast<T*>(base + offset);
    }
    SPIKELOOM_KERNEL const ResidentOp<V>& op(std::uint32_t i) const {
      return reinterpret_cast<const ResidentOp<V>*>(shared)[i];
    }
    SPIKELOOM_KERNEL const ResidentSignal& signal(std::uint32_t i) const {
      return reinterpret_cast<const ResidentSignal*>(shared + kernel->signals_at())[i];
    }
    SPIKELOOM_KERNEL const ResidentLink& link(std::uint32_t i) const {
      return reinterpret_cast<const ResidentLink*>(shared + kernel->links_at())[i];
    }
    SPIKELOOM_KERNEL ResidentCount<V>& count(std::uint32_t counter,
                                             std::uint32_t block_thread) const {
      auto* const all = reinterpret_cast<ResidentCount<V>*>(shared + kernel->counts_at());
      return all[counter * kernel->warps() + block_thread / 32];
    }
  };
  /// One step of a signal.
  struct Row {
    std::uint32_t* bits;
    V* value;  ///< null: what is not 0 is 1

    SPIKELOOM_KERNEL V at(std::uint32_t i) const {
      if ((bits[i / 32] >> (i % 32) & 1) == 0) return V{0};
      return value == nullptr ? V{1} : value[i];
    }
  };
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

  /// Where an element's values of a step begin in a log, in values of one element.
  SPIKELOOM_KERNEL std::size_t log_place(const View& view, std::int64_t step) const {
    return static_cast<std::size_t>(step - clock->log_base) * batch + view.element;
  }
  SPIKELOOM_KERNEL const ResidentInput<V>& input_of(std::uint32_t place) const {
    std::uint32_t i = layout.inputs - 1;
    while (i > 0 && inputs[i].first_place > place) --i;
    return inputs[i];
  }

  SPIKELOOM_KERNEL void load(const View& view, std::uint32_t thread) const;
  SPIKELOOM_KERNEL void store(const View& view, const Place& place) const;
  SPIKELOOM_KERNEL void publish_count(const View& view, const Place& place, std::uint32_t counter,
                                      Tally<V>* totals) const;
  SPIKELOOM_KERNEL void scatter(const View& view, std::int64_t step) const;
  SPIKELOOM_KERNEL void resolve(const View& view, std::int64_t step) const;
  SPIKELOOM_KERNEL void clear_ahead(const View& view, std::uint32_t signal,
                                    std::int64_t step) const;
  SPIKELOOM_KERNEL void count_row(const View& view, const Row& row, std::uint32_t words,
                                  ResidentCount<V>& count) const;
  SPIKELOOM_KERNEL void note_inputs(const View& view, std::int64_t step,
                                    std::uint32_t thread) const;
  SPIKELOOM_KERNEL void run(const View& view, std::uint32_t index, std::int64_t step,
                            std::uint32_t thread) const;
  SPIKELOOM_KERNEL void list(const View& view, const ResidentOp<V>& op, const Row& in,
                             const ResidentSignal& source) const;
  SPIKELOOM_KERNEL void scatter_list(const View& view, const ResidentOp<V>& op, const Row& in,
                                     ResidentCount<V>& count) const;
  SPIKELOOM_KERNEL ResidentPixel pixel_of(const ResidentOp<V>& op, std::uint32_t source) const;
  SPIKELOOM_KERNEL V weight_at(const ResidentOp<V>& op, std::uint32_t at) const;
  SPIKELOOM_KERNEL void publish(const View& view, const ResidentOp<V>& op, const Row& out,
                                std::uint32_t o, bool exists) const;
  SPIKELOOM_KERNEL V pooled(const ResidentOp<V>& op, const Row& in, std::uint32_t o) const;
  SPIKELOOM_KERNEL void gather_window([[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op,
                                      const Row& in, std::uint32_t item, bool exists, V* sum,
                                      std::uint32_t& o, std::uint32_t& channel,
                                      ResidentCount<V>& count) const;
  SPIKELOOM_KERNEL void gather_rows([[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op,
                                    const Row& in, [[maybe_unused]] const ResidentSignal& source,
                                    std::uint32_t repeat, std::uint32_t output, bool exists, V& sum,
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
  SPIKELOOM_KERNEL Population population_of(const View& view, const ResidentOp<V>& op,
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
  SPIKELOOM_KERNEL void add(const View& view, std::uint32_t counter, std::uint32_t thread,
                            const ResidentCount<V>& count) const;
};

}  // namespace spikeloom::cuda

#include "backends/cuda/kernels/resident_phases.hpp"
#include "backends/cuda/kernels/resident_weights.hpp"
