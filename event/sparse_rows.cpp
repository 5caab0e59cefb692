#include "event/sparse_rows.hpp"

#include <algorithm>

namespace spikeloom {
namespace {

using detail::SparseView;

constexpr std::size_t kBlock = 65536;

/// Synapses whose numbers of two bytes fill a cache line: one line of the next row is asked for
/// while as many are added.
constexpr std::size_t kChunk = 32;

inline void prefetch(const void* address) { __builtin_prefetch(address); }

template <typename A>
A product_of(A value, A weight, Product product) {
  if (product != Product::kShift) return weight * value;
  if constexpr (std::is_same_v<A, float>) {
    return shifted_product(value, weight);
  } else {
    return shifted_product(value, shift_code(weight));
  }
}

// One synapse in each form; an event of value 1 is not graded.

template <typename A, bool kGraded>
struct UniformRun {
  const SparseView<A>& v;
  A value;
  Product product;

  UniformRun(const SparseView<A>& view, A x, Product p) : v(view), value(x), product(p) {}
  std::uint16_t target(std::size_t i) const { return v.target[i]; }
  A weight(std::size_t row) const {
    return kGraded ? product_of(value, v.row_weight[row], product) : v.row_weight[row];
  }
  void prefetch_at(std::size_t i) const { prefetch(v.target + i); }
  void add(std::size_t i, A weight, A* acc) const { acc[v.target[i]] += weight; }
};

template <typename A, bool kGraded>
struct FloatRun {
  const SparseView<A>& v;
  A value;

  FloatRun(const SparseView<A>& view, A x, Product) : v(view), value(x) {}
  std::uint16_t target(std::size_t i) const { return v.target[i]; }
  A weight(std::size_t) const { return value; }
  void prefetch_at(std::size_t i) const {
    prefetch(v.target + i);
    prefetch(v.weight + i);
    prefetch(v.weight + i + kChunk / 2);
  }
  void add(std::size_t i, A x, A* acc) const {
    const A w = v.weight[i];
    acc[v.target[i]] += kGraded ? w * x : w;
  }
};

template <typename A, bool kGraded>
struct PackedRun {
  const SparseView<A>& v;
  A value;

  PackedRun(const SparseView<A>& view, A x, Product) : v(view), value(x) {}
  std::uint16_t target(std::size_t i) const { return static_cast<std::uint16_t>(v.packed[i]); }
  A weight(std::size_t) const { return value; }
  void prefetch_at(std::size_t i) const {
    prefetch(v.packed + i);
    prefetch(v.packed + i + kChunk / 2);
  }
  void add(std::size_t i, A x, A* acc) const {
    const std::uint32_t synapse = v.packed[i];
    A w;
    if constexpr (std::is_same_v<A, float>) {
      w = v.weight[synapse >> 16];
    } else {
      w = static_cast<std::int32_t>(synapse) >> 16;
    }
    acc[synapse & 0xFFFF] += kGraded ? w * x : w;
  }
};

/// Packed, and the products with the few weights there are lie ready: by index, or by the byte of
/// an integer.
template <typename A, bool kGraded>
struct ProductRun : PackedRun<A, kGraded> {
  A products[256];

  ProductRun(const SparseView<A>& view, A x, Product p) : PackedRun<A, kGraded>(view, x, p) {
    for (std::size_t n = 0; n < view.numbers; ++n) {
      const A w = view.weight[n];
      const std::size_t at =
          std::is_same_v<A, float> ? n : static_cast<std::uint8_t>(static_cast<std::int32_t>(w));
      products[at] = product_of(x, w, p);
    }
  }
  void add(std::size_t i, A, A* acc) const {
    const std::uint32_t synapse = this->v.packed[i];
    acc[synapse & 0xFFFF] += products[synapse >> 16 & 0xFF];
  }
};

/// The first synapse of [from, to) whose target is not below this one.
template <class Run>
std::size_t lower_bound(const Run& run, std::size_t from, std::size_t to, std::size_t target) {
  while (from < to) {
    const std::size_t middle = from + (to - from) / 2;
    if (run.target(middle) < target) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

template <typename A>
struct Call {
  const SparseView<A>& view;
  std::span<const std::uint32_t> rows;
  const A* values;  ///< null for events of value 1
  std::size_t first, last;
  A* acc;             ///< of target 0, or of `first` with a cursor
  RowCursor* cursor;  ///< or null
  Product product = Product::kOne;
};

/// The accumulator that is `offset` before (or behind) this one, though it need not exist.
template <typename A>
A* at_distance(A* acc, std::ptrdiff_t offset) {
  const auto bytes = static_cast<std::uintptr_t>(offset) * sizeof(A);
  return reinterpret_cast<A*>(reinterpret_cast<std::uintptr_t>(acc) + bytes);
}

/// Target blocks outside, rows inside: the accumulators of a block stay in the L2 cache.
template <template <typename, bool> class Form, bool kGraded, typename A>
void walk(const Call<A>& call) {
  const SparseView<A> view = call.view;
  const std::size_t count = call.rows.size();
  for (std::size_t block = call.first / kBlock; block * kBlock < call.last; ++block) {
    const std::size_t origin = block * kBlock;
    const std::size_t first = call.first > origin ? call.first - origin : 0;
    const std::size_t last = std::min(call.last - origin, kBlock);
    const bool follows = call.cursor != nullptr && call.cursor->next == origin + first && first > 0;
    const auto start_of = [&](std::size_t row) {
      return static_cast<std::size_t>(view.start[row * view.blocks + block]);
    };
    std::uint64_t* const at = call.cursor == nullptr ? nullptr : call.cursor->at.data();
    A* const acc = call.cursor == nullptr
                       ? call.acc + origin
                       : at_distance(call.acc, static_cast<std::ptrdiff_t>(origin) -
                                                   static_cast<std::ptrdiff_t>(call.first));
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t row = call.rows[k];
      const std::size_t after = k + 1 < count ? k + 1 : k;
      const Form<A, kGraded> run(view, kGraded ? call.values[k] : A{1}, call.product);
      const std::size_t end = view.start[row * view.blocks + block + 1];
      std::size_t i = follows ? at[k] : start_of(row);
      const std::size_t ahead = (follows ? at[after] : start_of(call.rows[after])) - i;
      if (first > 0 && !follows) i = lower_bound(run, i, end, first);
      const A weight = run.weight(row);
      // Sorted targets: the last one of a chunk says whether all of it lies in the range.
      for (; i + kChunk <= end && run.target(i + kChunk - 1) < last; i += kChunk) {
        run.prefetch_at(i + ahead);
#pragma GCC unroll 8
        for (std::size_t j = 0; j < kChunk; ++j) run.add(i + j, weight, acc);
      }
      run.prefetch_at(i + ahead);
      for (; i < end && run.target(i) < last; ++i) run.add(i, weight, acc);
      if (at != nullptr) at[k] = i;
    }
    if (call.cursor != nullptr) call.cursor->next = origin + last;
  }
}

template <bool kGraded, typename A>
void walk(const Call<A>& call) {
  switch (call.view.form) {
    case SparseForm::kUniform:
      return walk<UniformRun, kGraded>(call);
    case SparseForm::kFloat:
      return walk<FloatRun, kGraded>(call);
    default:
      break;
  }
  const bool few = call.view.numbers > 0 && call.view.numbers <= SparseRows<A>::kFewWeights;
  return kGraded && few ? walk<ProductRun, kGraded>(call) : walk<PackedRun, kGraded>(call);
}

/// Sets the bits [first, last] of a bitmap.
void set_bits(std::uint64_t* bitmap, std::size_t first, std::size_t last) {
  for (std::size_t b = first; b <= last;) {
    const std::size_t word_end = std::min(last + 1, (b / 64 + 1) * 64);
    const std::size_t width = word_end - b;
    const std::uint64_t bits = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    bitmap[b / 64] |= bits << (b % 64);
    b = word_end;
  }
}

}  // namespace

const char* to_string(SparseForm form) {
  switch (form) {
    case SparseForm::kUniform:
      return "uniform";
    case SparseForm::kInteger:
      return "integer";
    case SparseForm::kTable:
      return "table";
    default:
      return "float";
  }
}

template <typename A>
void SparseRows<A>::add(std::span<const std::uint32_t> rows, A* acc, std::uint32_t first,
                        std::uint32_t last) const {
  const std::size_t end = last == size_.targets ? view_.blocks * kBlock : last;
  walk<false, A>({view_, rows, nullptr, first, end, acc, nullptr});
}

template <typename A>
void SparseRows<A>::multiply_add(std::span<const std::uint32_t> rows, std::span<const A> values,
                                 A* acc, std::uint32_t first, std::uint32_t last,
                                 Product product) const {
  const std::size_t end = last == size_.targets ? view_.blocks * kBlock : last;
  walk<true, A>({view_, rows, values.data(), first, end, acc, nullptr, product});
}

template <typename A>
void SparseRows<A>::add_range(std::span<const std::uint32_t> rows, std::span<const A> values,
                              std::uint32_t first, std::uint32_t last, RowCursor& cursor, A* acc,
                              Product product) const {
  cursor.at.resize(rows.size());
  if (values.empty()) {
    walk<false, A>({view_, rows, nullptr, first, last, acc, &cursor});
  } else {
    walk<true, A>({view_, rows, values.data(), first, last, acc, &cursor, product});
  }
}

template <typename A>
void SparseRows<A>::mark(std::span<const std::uint32_t> rows, std::uint64_t* bitmap) const {
  for (const std::uint32_t row : rows) {
    for (std::size_t block = 0; block < view_.blocks; ++block) {
      const std::size_t begin = view_.start[row * view_.blocks + block];
      const std::size_t end = view_.start[row * view_.blocks + block + 1];
      if (begin == end) continue;
      const auto target = [&](std::size_t i) {
        return view_.packed == nullptr ? view_.target[i]
                                       : static_cast<std::uint16_t>(view_.packed[i]);
      };
      const std::size_t base = block * (kBlock / 64);
      const std::size_t first = target(begin) / 64, last = target(end - 1) / 64;
      // With four targets a block of 64, hardly one (1 in 55) stays without any.
      if (end - begin >= 4 * (last - first + 1)) {
        set_bits(bitmap, base + first, base + last);
        continue;
      }
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t b = base + target(i) / 64;
        bitmap[b / 64] |= std::uint64_t{1} << (b % 64);
      }
    }
  }
}

template <typename A>
void SparseRows<A>::read_row(std::uint32_t row, std::vector<std::uint32_t>& targets,
                             std::vector<A>& weights) const {
  for (std::size_t block = 0; block < view_.blocks; ++block) {
    const std::size_t end = view_.start[row * view_.blocks + block + 1];
    for (std::size_t i = view_.start[row * view_.blocks + block]; i < end; ++i) {
      std::size_t target = 0;
      A weight{0};
      if (view_.packed != nullptr) {
        target = view_.packed[i] & 0xFFFF;
        weight = form() == SparseForm::kTable
                     ? view_.weight[view_.packed[i] >> 16]
                     : static_cast<A>(static_cast<std::int32_t>(view_.packed[i]) >> 16);
      } else {
        target = view_.target[i];
        weight = form() == SparseForm::kFloat ? view_.weight[i] : view_.row_weight[row];
      }
      targets.push_back(static_cast<std::uint32_t>(block * kBlock + target));
      weights.push_back(weight);
    }
  }
}

template <typename A>
std::uint64_t SparseRows<A>::bytes() const {
  return start_.bytes() + target_.bytes() + packed_.bytes() + weight_.bytes() + row_weight_.bytes();
}

template class SparseRows<float>;
template class SparseRows<std::int32_t>;

}  // namespace spikeloom
