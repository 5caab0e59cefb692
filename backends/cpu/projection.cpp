#include "backends/cpu/projection.hpp"

#include <algorithm>

namespace spikeloom::cpu {
namespace {

/// Marks the blocks of the targets [first, last).
void mark(BlockSet& touched, std::size_t first, std::size_t last) {
  for (std::size_t block = first / kBlock; block < block_count(last); ++block) {
    touched.insert(block);
  }
}

template <typename V, typename W>
class DenseProjection : public Projection<V> {
 public:
  explicit DenseProjection(const op::Dense& dense)
      : outputs_(static_cast<std::size_t>(dense.outputs)),
        inputs_(static_cast<std::size_t>(dense.inputs)),
        stride_(block_count(outputs_) * kBlock),
        rows_(inputs_ * stride_) {
    for (std::size_t o = 0; o < outputs_; ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) {
        rows_[i * stride_ + o] = static_cast<W>(dense.weight[o * inputs_ + i]);
      }
    }
  }

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    for (std::size_t e = 0; e < events.size(); ++e) {
      const std::size_t repeat = events.index[e] / inputs_;
      const W* row = rows_.data() + events.index[e] % inputs_ * stride_;
      V* out = target.data.data() + repeat * outputs_;
      if (events.value.empty()) {
        for (std::size_t o = 0; o < outputs_; ++o) out[o] += static_cast<V>(row[o]);
      } else {
        const V value = events.value[e];
        for (std::size_t o = 0; o < outputs_; ++o) out[o] += static_cast<V>(row[o]) * value;
      }
      mark(target.touched, repeat * outputs_, (repeat + 1) * outputs_);
    }
    DeliveryCount count = count_pairs(events, [this](std::uint32_t) { return outputs_; });
    count.weight_bytes = (count.unit + count.graded) * sizeof(W);
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes(); }

 private:
  std::size_t outputs_, inputs_, stride_;
  AlignedBuffer<W> rows_;
};

}  // namespace

template <typename V>
std::unique_ptr<Projection<V>> make_projection(const Operation& operation) {
  using Weight = std::conditional_t<std::is_same_v<V, float>, float, std::int16_t>;
  return std::visit(
      [](const auto& o) -> std::unique_ptr<Projection<V>> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          return std::make_unique<DenseProjection<V, Weight>>(o);
        } else {
          return nullptr;
        }
      },
      operation);
}

template std::unique_ptr<Projection<float>> make_projection(const Operation&);
template std::unique_ptr<Projection<std::int32_t>> make_projection(const Operation&);

}  // namespace spikeloom::cpu
