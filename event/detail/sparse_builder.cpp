#include "event/detail/sparse_builder.hpp"

#include <algorithm>
#include <new>
#include <numeric>

#include <fmt/format.h>

namespace spikeloom {
namespace detail {

template <typename A>
void SparseBuilder<A>::synapse(std::uint32_t source, std::uint32_t target, A weight,
                               std::uint32_t slot) {
  const SparseSize& size = rows_.size_;
  if (source >= size.sources || target >= size.targets || slot >= size.delays) {
    if (fault_ == Fault::kNone) {
      fault_ = Fault::kRange;
      faulty_ = {source, target, slot};
    }
    return;
  }
  const std::size_t row = std::size_t{slot} * size.sources + source;
  const std::size_t part = row * blocks_ + target / kBlock;
  if (counting_) {
    count(row, part, weight);
  } else {
    fill(part, static_cast<std::uint16_t>(target % kBlock), weight);
  }
}

template <typename A>
void SparseBuilder<A>::count(std::size_t row, std::size_t part, A weight) {
  bool holds = left_[part] != std::numeric_limits<std::uint32_t>::max();
  if constexpr (std::is_same_v<A, float>) {
    holds = holds && std::isfinite(weight);
    if (holds && !numbers_.full()) numbers_.number(weight);
  } else {
    holds = holds && weight == static_cast<std::int16_t>(weight);
    if (weight == static_cast<std::int8_t>(weight)) {
      seen_[static_cast<std::uint8_t>(weight)] = true;
    } else {
      small_ = false;
    }
  }
  if (!holds) {
    if (fault_ == Fault::kNone) {
      fault_ = Fault::kWeight;
      faulty_ = {static_cast<std::int64_t>(row % rows_.size_.sources)};
    }
    return;
  }
  ++left_[part];
  A& first = rows_.row_weight_[row];
  if (first == kNoWeight) first = weight;
  // Bits, not values: -0 and 0 are different weights.
  if (std::bit_cast<std::uint32_t>(first) != std::bit_cast<std::uint32_t>(weight)) uniform_ = false;
}

template <typename A>
void SparseBuilder<A>::fill(std::size_t part, std::uint16_t target, A weight) {
  if (left_[part] == 0) {
    fault_ = Fault::kPasses;
    return;
  }
  const std::uint64_t at = rows_.start_[part + 1] - left_[part]--;
  if (!rows_.packed_.empty()) {
    std::uint32_t high;
    if constexpr (std::is_same_v<A, float>) {
      high = numbers_.number(weight);
    } else {
      high = static_cast<std::uint16_t>(weight);
    }
    rows_.packed_[at] = target | high << 16;
    return;
  }
  rows_.target_[at] = target;
  if (!rows_.weight_.empty()) rows_.weight_[at] = weight;
}

/// Turns the counts into starts and makes the arrays of the form that holds the weights.
template <typename A>
void SparseBuilder<A>::allocate() {
  SparseView<A>& view = rows_.view_;
  for (std::size_t part = 0; part < left_.size(); ++part) {
    rows_.start_[part + 1] = rows_.start_[part] + left_[part];
  }
  const auto synapses = static_cast<std::size_t>(rows_.start_[left_.size()]);
  if (uniform_) {
    view.form = SparseForm::kUniform;
    std::replace(rows_.row_weight_.begin(), rows_.row_weight_.end(), kNoWeight, A{0});
  } else {
    rows_.row_weight_ = {};
    view.form = !std::is_same_v<A, float> ? SparseForm::kInteger
                : numbers_.full()         ? SparseForm::kFloat
                                          : SparseForm::kTable;
  }
  if (view.form == SparseForm::kUniform || view.form == SparseForm::kFloat) {
    rows_.target_ = AlignedBuffer<std::uint16_t>(synapses);
  } else {
    rows_.packed_ = AlignedBuffer<std::uint32_t>(synapses);
  }
  if (view.form == SparseForm::kFloat) rows_.weight_ = AlignedBuffer<A>(synapses);
  if (view.form == SparseForm::kTable) {
    rows_.weight_ = AlignedBuffer<A>(numbers_.weights().size());
    std::copy(numbers_.weights().begin(), numbers_.weights().end(), rows_.weight_.begin());
  }
  if (view.form == SparseForm::kInteger && small_) {
    const auto distinct = static_cast<std::size_t>(std::count(seen_.begin(), seen_.end(), true));
    rows_.weight_ = AlignedBuffer<A>(distinct);
    for (std::size_t byte = 0, at = 0; byte < seen_.size(); ++byte) {
      if (seen_[byte]) rows_.weight_[at++] = static_cast<A>(static_cast<std::int8_t>(byte));
    }
  }
  view.numbers = view.form == SparseForm::kFloat ? 0 : rows_.weight_.size();
  view.blocks = blocks_;
  view.start = rows_.start_.data();
  view.target = rows_.target_.data();
  view.row_weight = rows_.row_weight_.data();
  view.weight = rows_.weight_.data();
  view.packed = rows_.packed_.data();
}

/// Stable: several synapses of one pair keep their order.
template <typename A>
void SparseBuilder<A>::sort_rows() {
  std::vector<std::uint32_t> order, packed;
  std::vector<std::uint16_t> targets;
  std::vector<A> weights;
  for (std::size_t part = 0; part < left_.size(); ++part) {
    const std::uint64_t begin = rows_.start_[part];
    const std::size_t count = rows_.start_[part + 1] - begin;
    const auto target = [&](std::size_t i) {
      return rows_.packed_.empty() ? rows_.target_[begin + i]
                                   : static_cast<std::uint16_t>(rows_.packed_[begin + i]);
    };
    bool sorted = true;
    for (std::size_t i = 1; i < count && sorted; ++i) sorted = target(i - 1) <= target(i);
    if (sorted) continue;
    order.resize(count);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return target(a) < target(b); });
    const auto permute = [&](auto& array, auto& copy) {
      copy.assign(array.begin() + begin, array.begin() + begin + count);
      for (std::size_t i = 0; i < count; ++i) array[begin + i] = copy[order[i]];
    };
    if (rows_.packed_.empty()) {
      permute(rows_.target_, targets);
      if (rows_.view_.form == SparseForm::kFloat) permute(rows_.weight_, weights);
    } else {
      permute(rows_.packed_, packed);
    }
  }
}

template <typename A>
Error SparseBuilder<A>::error() const {
  const SparseSize& size = rows_.size_;
  if (fault_ == Fault::kRange) {
    return {ErrorCode::kInvalidArgument,
            "a synapse is out of range",
            {},
            fmt::format("{} sources, {} targets, {} delay slots", size.sources, size.targets,
                        size.delays),
            fmt::format("source {}, target {}, slot {}", faulty_[0], faulty_[1], faulty_[2])};
  }
  if (fault_ == Fault::kWeight) {
    return {ErrorCode::kInvalidArgument, "a synapse's weight cannot be held",
            fmt::format("source {}", faulty_[0]),
            std::is_same_v<A, float> ? "a finite number" : "an integer within 16 bits"};
  }
  return {ErrorCode::kInvalidArgument, "two passes of a generator of synapses differ"};
}

template <typename A>
Result<SparseRows<A>> SparseBuilder<A>::build(const SparseSize& size,
                                              const typename SparseRows<A>::Generator& generator) {
  rows_.size_ = size;
  const std::uint64_t rows = std::uint64_t{size.sources} * size.delays;
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    return Error{ErrorCode::kResource,
                 "too many rows of synapses",
                 {},
                 "sources times delay slots below 2^32",
                 fmt::format("{}", rows)};
  }
  try {
    blocks_ = (std::size_t{size.targets} + kBlock - 1) / kBlock;
    left_.assign(rows * blocks_, 0);
    rows_.start_ = AlignedBuffer<std::uint64_t>(left_.size() + 1);
    rows_.row_weight_ = AlignedBuffer<A>(rows);
    std::fill(rows_.row_weight_.begin(), rows_.row_weight_.end(), kNoWeight);
    SynapseSink<A> sink(*this);
    generator(sink);
    if (fault_ != Fault::kNone) return error();
    allocate();
    counting_ = false;
    generator(sink);
    const bool filled = std::all_of(left_.begin(), left_.end(), [](auto n) { return n == 0; });
    if (fault_ == Fault::kNone && !filled) fault_ = Fault::kPasses;
    if (fault_ != Fault::kNone) return error();
    sort_rows();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResource, "no memory for the synapses"};
  }
  return std::move(rows_);
}

}  // namespace detail

template <typename A>
void SynapseSink<A>::synapse(std::uint32_t source, std::uint32_t target, A weight,
                             std::uint32_t slot) {
  builder_->synapse(source, target, weight, slot);
}

template <typename A>
Result<SparseRows<A>> SparseRows<A>::make(const SparseSize& size, const Generator& generator) {
  return detail::SparseBuilder<A>().build(size, generator);
}

template <typename A>
Result<SparseRows<A>> SparseRows<A>::from_outputs(std::int64_t outputs, std::int64_t inputs,
                                                  std::span<const std::int64_t> row_start,
                                                  std::span<const std::int64_t> column,
                                                  std::span<const double> value) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  bool fits = outputs >= 0 && inputs >= 0 && outputs <= kMost && inputs <= kMost &&
              row_start.size() == static_cast<std::size_t>(outputs) + 1 && row_start[0] == 0 &&
              std::is_sorted(row_start.begin(), row_start.end()) &&
              static_cast<std::size_t>(row_start.back()) == column.size() &&
              column.size() == value.size();
  for (std::size_t i = 0; fits && i < column.size(); ++i) {
    fits = column[i] >= 0 && column[i] < inputs;
  }
  if (!fits) return Error{ErrorCode::kShape, "the arrays of a sparse matrix do not fit"};
  const auto generate = [&](SynapseSink<A>& sink) {
    for (std::size_t o = 0; o + 1 < row_start.size(); ++o) {
      for (std::int64_t i = row_start[o]; i < row_start[o + 1]; ++i) {
        const double weight = value[static_cast<std::size_t>(i)];
        // A weight out of A's range becomes one that the builder refuses.
        const bool held = std::is_same_v<A, float> || std::abs(weight) <= 32768.0;
        sink.synapse(static_cast<std::uint32_t>(column[static_cast<std::size_t>(i)]),
                     static_cast<std::uint32_t>(o),
                     held ? static_cast<A>(weight) : std::numeric_limits<A>::max());
      }
    }
  };
  return make({static_cast<std::uint32_t>(inputs), static_cast<std::uint32_t>(outputs), 1},
              generate);
}

template class detail::SparseBuilder<float>;
template class detail::SparseBuilder<std::int32_t>;
template class SynapseSink<float>;
template class SynapseSink<std::int32_t>;
template Result<SparseRows<float>> SparseRows<float>::make(const SparseSize&, const Generator&);
template Result<SparseRows<std::int32_t>> SparseRows<std::int32_t>::make(const SparseSize&,
                                                                         const Generator&);
template Result<SparseRows<float>> SparseRows<float>::from_outputs(std::int64_t, std::int64_t,
                                                                   std::span<const std::int64_t>,
                                                                   std::span<const std::int64_t>,
                                                                   std::span<const double>);
template Result<SparseRows<std::int32_t>> SparseRows<std::int32_t>::from_outputs(
    std::int64_t, std::int64_t, std::span<const std::int64_t>, std::span<const std::int64_t>,
    std::span<const double>);

}  // namespace spikeloom
