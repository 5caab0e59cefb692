#include "event/bitmask_rows.hpp"

#include <bit>
#include <new>

#include "event/detail/bitmask_kernels.hpp"

namespace spikeloom {

template <typename A>
Result<BitmaskRows<A>> BitmaskRows<A>::set_bits(const SparseRows<A>& rows,
                                                std::uint64_t& repeated) {
  if (rows.form() != SparseForm::kUniform) {
    return Error{ErrorCode::kUnsupported,
                 "synapses of one row differ in weight",
                 {},
                 "one weight for each row",
                 to_string(rows.form())};
  }
  BitmaskRows made;
  try {
    made.targets_ = rows.size().targets;
    made.words_ = (std::size_t{made.targets_} + kTargets - 1) / kTargets * (kTargets / 64);
    made.bits_ = AlignedBuffer<std::uint64_t>(made.words_ * rows.rows());
    made.weights_.assign(rows.view().row_weight, rows.view().row_weight + rows.rows());
    std::vector<std::uint32_t> targets;
    std::vector<A> weights;
    for (std::uint32_t row = 0; row < rows.rows(); ++row) {
      targets.clear();
      weights.clear();
      rows.read_row(row, targets, weights);
      std::uint64_t* const bits = made.bits_.data() + row * made.words_;
      for (const std::uint32_t target : targets) {
        const std::uint64_t bit = std::uint64_t{1} << (target % 64);
        repeated += (bits[target / 64] & bit) != 0 ? 1 : 0;
        bits[target / 64] |= bit;
      }
    }
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResource, "no memory for the bits of the synapses"};
  }
  return made;
}

template <typename A>
Result<BitmaskRows<A>> BitmaskRows<A>::make(const SparseRows<A>& rows) {
  std::uint64_t repeated = 0;
  auto made = set_bits(rows, repeated);
  if (made.ok() && repeated != 0) {
    return Error{ErrorCode::kUnsupported,
                 "several synapses join one pair of neurons",
                 {},
                 "at most one for each pair",
                 std::to_string(repeated) + " more"};
  }
  return made;
}

template <typename A>
Result<BitmaskRows<A>> BitmaskRows<A>::make(const SparseRows<A>& rows,
                                            std::optional<SparseRows<A>>& repeats) {
  repeats.reset();
  std::uint64_t repeated = 0;
  auto made = set_bits(rows, repeated);
  if (!made.ok() || repeated == 0) return made;
  auto rest = SparseRows<A>::make(rows.size(), [&rows](SynapseSink<A>& sink) {
    const std::uint32_t sources = rows.size().sources;
    std::vector<std::uint32_t> targets;
    std::vector<A> weights;
    for (std::uint32_t row = 0; row < rows.rows(); ++row) {
      targets.clear();
      weights.clear();
      rows.read_row(row, targets, weights);
      for (std::size_t i = 1; i < targets.size(); ++i) {  // ascending: repeats are neighbours
        if (targets[i] != targets[i - 1]) continue;
        sink.synapse(row % sources, targets[i], weights[i], row / sources);
      }
    }
  });
  if (!rest.ok()) return rest.error();
  repeats = *std::move(rest);
  return made;
}

template <typename A>
void BitmaskRows<A>::add_range(std::span<const std::uint32_t> rows, std::uint32_t first,
                               std::uint32_t last, A* acc) const {
  for (std::size_t begin = 0; begin < rows.size() && first < last;) {
    const A weight = weights_[rows[begin]];
    std::size_t end = begin + 1;
    while (end < rows.size() && weights_[rows[end]] == weight) ++end;
    detail::add_bitmask_rows(detail::BitmaskCall<A>{bits_.data(), words_, rows.data() + begin,
                                                    end - begin, weight, first, last, acc});
    begin = end;
  }
}

template class BitmaskRows<float>;
template class BitmaskRows<std::int32_t>;

}  // namespace spikeloom
