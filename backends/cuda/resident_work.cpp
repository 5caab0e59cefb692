/// Who does what of a network in one launch, and when (resident_schedule.hpp).

#include <algorithm>
#include <bit>
#include <utility>

#include "backends/cuda/resident.hpp"

namespace spikeloom::cuda {

namespace {

/// Where each input of a convolution reaches.
std::vector<ResidentPixel> pixels_of(const op::Convolution& conv, std::int64_t row_span,
                                     std::int64_t column_span) {
  const std::int64_t in_group = conv.in_channels / conv.groups;
  const std::int64_t out_group = conv.out_channels / conv.groups;
  const std::int64_t taps = conv.kernel.rows * conv.kernel.columns;
  // Of outputs before the last one which there are, and are reached by a tap.
  const auto reached = [](std::int64_t back, std::int64_t last, std::int64_t first_tap,
                          std::int64_t stride, std::int64_t taps_of_axis, std::int64_t outputs) {
    return last - back >= 0 && last - back < outputs && first_tap + back * stride < taps_of_axis;
  };
  std::vector<ResidentPixel> pixels;
  for (std::int64_t channel = 0; channel < conv.in_channels; ++channel) {
    for (std::int64_t r = 0; r < conv.input.rows; ++r) {
      for (std::int64_t c = 0; c < conv.input.columns; ++c) {
        const std::int64_t row = (r + conv.pad_before.rows) / conv.stride.rows;
        const std::int64_t column = (c + conv.pad_before.columns) / conv.stride.columns;
        const std::int64_t row_tap = (r + conv.pad_before.rows) % conv.stride.rows;
        const std::int64_t column_tap = (c + conv.pad_before.columns) % conv.stride.columns;
        ResidentPixel pixel;
        pixel.output = static_cast<std::uint32_t>(row * conv.output.columns + column);
        const std::int64_t tap = channel * taps + row_tap * conv.kernel.columns + column_tap;
        pixel.weight = static_cast<std::uint32_t>(tap * out_group);
        pixel.rests = static_cast<std::uint32_t>(
            (row % row_span * column_span + column % column_span) | (channel / in_group) << 16);
        for (std::int64_t k = 0; k < row_span * column_span; ++k) {
          const bool there = reached(k / column_span, row, row_tap, conv.stride.rows,
                                     conv.kernel.rows, conv.output.rows) &&
                             reached(k % column_span, column, column_tap, conv.stride.columns,
                                     conv.kernel.columns, conv.output.columns);
          pixel.reached |= static_cast<std::uint32_t>(there) << k;
        }
        pixels.push_back(pixel);
      }
    }
  }
  return pixels;
}

/// From the last output that an input reaches to the one that has an owner's rests.
std::vector<ResidentStep> steps_of(const op::Convolution& conv, std::int64_t row_span,
                                   std::int64_t column_span) {
  const std::int64_t out_group = conv.out_channels / conv.groups, all = row_span * column_span;
  std::vector<ResidentStep> steps;
  for (std::int64_t owner = 0; owner < all; ++owner) {
    for (std::int64_t last = 0; last < all; ++last) {
      const std::int64_t rows = (last / column_span - owner / column_span + row_span) % row_span;
      const std::int64_t columns =
          (last % column_span - owner % column_span + column_span) % column_span;
      ResidentStep step;
      step.back = static_cast<std::uint32_t>((rows * conv.output.columns + columns) * 32 +
                                             rows * column_span + columns);
      const std::int64_t taps =
          rows * conv.stride.rows * conv.kernel.columns + columns * conv.stride.columns;
      step.weight = static_cast<std::uint32_t>(taps * out_group);
      steps.push_back(step);
    }
  }
  return steps;
}

}  // namespace

/// Before all that reads it: an input's slot is cleared, its events come, then their values.
template <typename V>
void Resident<V>::add_input_ops() {
  if (inputs_.empty()) return;
  for (const Head head : {Head::kClear, Head::kArrive, Head::kResolve, Head::kNote}) {
    ResidentOp<V> op;
    op.head = head;
    ops_.push_back(op);
  }
}

/// The list of active inputs and the sums; `op` becomes what takes them.
template <typename V>
Status Resident<V>::add_scatter(const op::Convolution& conv, const WeightImage<V>& weights,
                                ResidentOp<V>& op) {
  op.row_span = static_cast<std::uint32_t>(weights.row_span);
  op.column_span = static_cast<std::uint32_t>(weights.column_span);
  op.channels = 1;
  SPIKELOOM_TRY(auto pixels,
                Buffer<ResidentPixel>::of(machine_, pixels_of(conv, op.row_span, op.column_span)));
  op.pixel = pixels.data();
  pixels_.push_back(std::move(pixels));
  SPIKELOOM_TRY(auto steps,
                Buffer<ResidentStep>::of(machine_, steps_of(conv, op.row_span, op.column_span)));
  op.step = steps.data();
  steps_.push_back(std::move(steps));
  ResidentOp<V> part = op;
  part.head = Head::kList;
  part.y_tally = nullptr;  // x_tally gets the pairs
  ops_.push_back(part);
  part.head = Head::kScatter;
  part.counts_input = false;
  part.x_tally = part.in_tally = nullptr;
  ops_.push_back(part);
  op.head = Head::kSums;
  op.counts_input = false;
  op.in_tally = nullptr;
  return {};
}

template <typename V>
template <typename Visit>
void Resident<V>::for_each_read(std::uint32_t i, Visit&& visit) const {
  const ResidentOp<V>& op = ops_[i];
  if (op.head == Head::kNote) {
    for (const ResidentInput<V>& input : inputs_) visit(input.signal, 0U, 0U);
  }
  if (is_input(op.head) || op.head == Head::kPublish || op.head == Head::kSums) return;
  if (op.head == Head::kDelay) {
    const auto& delay = std::get<op::Delay>(program_.nodes[op.node].operation);
    const auto [least, most] = std::minmax_element(delay.steps.begin(), delay.steps.end());
    visit(links_[op.first_link].signal, *least, *most);
    return;
  }
  for (std::uint32_t l = 0; l < op.links; ++l) {
    const ResidentLink& link = links_[op.first_link + l];
    visit(link.signal, link.delay, link.delay);
  }
}

/// By signal: who writes it last, and who begins to write a step's slot.
template <typename V>
typename Resident<V>::Writers Resident<V>::writers() const {
  Writers of{std::vector<std::uint32_t>(signals_.size(), kNowhere), {}};
  for (std::uint32_t i = 0; i < ops_.size(); ++i) {
    const ResidentOp<V>& op = ops_[i];
    const bool writes =
        !is_input(op.head) && op.head != Head::kList && op.head != Head::kScatter && !op.published;
    if (writes) of.last[op.out] = i;
  }
  of.first = of.last;
  for (std::uint32_t i = 0; i < ops_.size(); ++i) {
    for (const ResidentInput<V>& input : inputs_) {
      if (ops_[i].head == Head::kClear) of.first[input.signal] = i;
      if (ops_[i].head == Head::kResolve) of.last[input.signal] = i;
    }
  }
  return of;
}

template <typename V>
std::vector<Dependence> Resident<V>::dependences() const {
  const Writers of = writers();
  std::vector<Dependence> all;
  for (std::uint32_t i = 0; i < ops_.size(); ++i) {
    const ResidentOp<V>& op = ops_[i];
    for_each_read(i, [&](std::uint32_t signal, std::uint32_t least, std::uint32_t) {
      if (of.last[signal] != kNowhere) all.push_back({of.last[signal], i, least});
    });
    const bool follows = op.head == Head::kScatter || op.head == Head::kSums;
    // One list and one set of sums: they are used before they are made anew.
    if (follows) all.push_back({i - 1, i, 0}), all.push_back({i, i - 1, 1});
    if (op.head == Head::kArrive || op.head == Head::kResolve) all.push_back({i - 1, i, 0});
    if (op.head != Head::kPublish) continue;
    for (std::uint32_t k = 0; k < ops_.size(); ++k) {
      if (!ops_[k].has_neurons || ops_[k].node != op.node) continue;
      all.push_back({i, k, 0});
      all.push_back({k, i, 1});
    }
  }
  return all;
}

/// Rings hold what is read late, until it is overwritten.
template <typename V>
void Resident<V>::widen_rings() {
  const Writers of = writers();
  for (std::uint32_t i = 0; i < ops_.size(); ++i) {
    for_each_read(i, [&](std::uint32_t signal, std::uint32_t, std::uint32_t most) {
      if (of.first[signal] == kNowhere) return;
      std::uint32_t& slots = signals_[signal].slots;
      slots = std::max(slots, std::bit_ceil(ring_slots(schedule_, of.first[signal], i, most)));
    });
  }
}

/// In warp instructions of a step, roughly, from the code; what is active is guessed.
template <typename V>
WarpLoad Resident<V>::load_of(const ResidentOp<V>& op) const {
  const auto active = [](std::uint64_t inputs, double share) {
    return std::max(4.0, share * static_cast<double>(inputs));
  };
  const auto words_of = [&](std::uint32_t signal) { return signals_[signal].words; };
  std::uint32_t words = 0;  // of all input
  for (const ResidentInput<V>& input : inputs_) words += words_of(input.signal);
  const std::uint32_t rows = tiles(words, 32), tiled = tiles(op.size, 32);
  const std::uint32_t source = op.links > 0 ? links_[op.first_link].signal : 0;
  switch (op.head) {
    case Head::kClear:
      return {10.0 + 8.0 * rows, std::max(rows, 1U)};
    case Head::kArrive:
      return {100.0, 4};
    case Head::kResolve:
      return {40.0, 2};
    case Head::kNote:
      return {40.0 + 15.0 * rows, std::max(rows, 1U)};
    case Head::kList:
      return {60.0 + 2.0 * words_of(source), 1};
    case Head::kScatter: {
      const std::uint32_t owners =
          tiles(op.groups * op.out_group * op.row_span * op.column_span, 32);
      return {owners * (40.0 + 35.0 * active(signals_[source].size, 0.01)), owners};
    }
    case Head::kDense:
      return {tiled * (40.0 + 0.3 * words_of(source) + 10.0 * active(op.inputs, 0.05)), tiled};
    case Head::kConvolution:
      return {tiled / static_cast<double>(op.channels) *
                  (80.0 + 8.0 * op.in_group * op.window.kernel_rows),
              std::max(tiled / op.channels, 1U)};
    case Head::kPool:
      return {60.0 * tiled, tiled};
    default:
      // Four neurons a thread.
      return {45.0 * tiled, op.plain && op.size % 128 == 0 ? op.size / 128 : tiled};
  }
}

/// What there is for warps to take in each of a step's phases.
template <typename V>
void Resident<V>::divide_work() {
  // Several parts of each warp's fair share, so that the last end at much the same time; but a part
  // costs some hundred instructions whatever it does.
  constexpr double kSmallest = 150.0;
  const double shares_of_warp = tuning().shares != 0 ? tuning().shares : 3.0;
  tasks_.clear();
  task_start_.assign(1, 0);
  for (std::uint32_t slot = 0; slot < schedule_.interval; ++slot) {
    std::vector<std::uint32_t> ops;
    std::vector<WarpLoad> loads;
    double total = 0.0;
    for (std::uint32_t i = 0; i < ops_.size(); ++i) {
      if (schedule_.lag[i] % schedule_.interval != slot) continue;
      ops.push_back(i);
      WarpLoad load = load_of(ops_[i]);  // of a block's share
      load.cost /= team_;
      load.most = tiles(load.most, team_);
      loads.push_back(load);
      total += load.cost;
    }
    const double fair = total / (threads_ / 32);
    for (const WarpPart& w : cut_work(loads, std::max(kSmallest, fair / shares_of_warp))) {
      const std::uint32_t op = ops[w.operation];
      tasks_.push_back({static_cast<std::uint16_t>(op), static_cast<std::uint16_t>(w.part),
                        static_cast<std::uint16_t>(w.parts),
                        static_cast<std::uint16_t>(schedule_.lag[op] / schedule_.interval)});
    }
    task_start_.push_back(static_cast<std::uint32_t>(tasks_.size()));
  }
  layout_.tasks = static_cast<std::uint32_t>(tasks_.size());
}

/// Every part of an operation counts apart.
template <typename V>
void Resident<V>::count_up() {
  layout_.counters = 0;
  const auto take = [&](std::uint32_t parts) {
    return std::exchange(layout_.counters, layout_.counters + parts);
  };
  for (const ResidentTask& task : tasks_) ops_[task.op].parts = task.parts;
  for (ResidentOp<V>& op : ops_) {
    if (op.x_tally != nullptr) op.x_counter = take(op.parts);
    if (op.y_tally != nullptr) op.y_counter = take(op.parts);
    if (op.in_tally != nullptr) op.in_counter = take(op.parts);
    if (op.head != Head::kNote) continue;
    for (ResidentInput<V>& input : inputs_) {
      input.parts = op.parts;
      input.counter = take(op.parts);
    }
  }
}

#define SPIKELOOM_RESIDENT_WORK(V)                                                        \
  template void Resident<V>::add_input_ops();                                             \
  template Status Resident<V>::add_scatter(const op::Convolution&, const WeightImage<V>&, \
                                           ResidentOp<V>&);                               \
  template std::vector<Dependence> Resident<V>::dependences() const;                      \
  template void Resident<V>::widen_rings();                                               \
  template void Resident<V>::divide_work();                                               \
  template void Resident<V>::count_up();

SPIKELOOM_RESIDENT_WORK(float)
SPIKELOOM_RESIDENT_WORK(std::int32_t)

#undef SPIKELOOM_RESIDENT_WORK

}  // namespace spikeloom::cuda
