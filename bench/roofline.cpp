/// Roofline probe: bandwidth by cache level, and every kernel beside the minimal hand loop (load
/// index, load weight, add, store) over the same arrays in the same run.
///
///     spikeloom_roofline [INSTRUCTION SET]     e.g. AVX2; the best one if not given
///
/// Kernel and hand loop take turns, 15 rounds; the table gives the median and the range of each
/// over the rounds, and of their ratio round by round. Times are the thread's own CPU time, so that
/// other load on the machine costs cache and clock, but not minutes. The table is Markdown.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <numeric>

#include "bench/kernel_cases.hpp"
#include "event/bitmask_rows.hpp"
#include "event/kernel_targets.hpp"

namespace spikeloom {
namespace {

using bench::SparseCase;
using bench::WeightKind;

constexpr int kRounds = 15;
constexpr double kSecondsPerRound = 0.02;

double cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline void clobber(const void* data) { asm volatile("" : : "r"(data) : "memory"); }

/// Units of work per second of one round of `work`, which says how many units it did. The clock is
/// read once for about a millisecond of work.
double rate(const std::function<double()>& work) {
  double units = 0.0, seconds = 0.0;
  const double start = cpu_seconds();
  for (int calls = 1; seconds < kSecondsPerRound; calls = seconds < 0.001 ? calls * 2 : calls) {
    for (int i = 0; i < calls; ++i) units += work();
    seconds = cpu_seconds() - start;
  }
  return units / seconds;
}

using Line = std::uint64_t __attribute__((vector_size(64)));

/// Reads every byte, with the widest loads there are.
__attribute__((target_clones("avx512f", "avx2", "default"))) std::uint64_t read_all(
    const Line* lines, std::size_t count) {
  Line a = {}, b = {}, c = {}, d = {};
  for (std::size_t i = 0; i < count; i += 4) {
    a += lines[i];
    b += lines[i + 1];
    c += lines[i + 2];
    d += lines[i + 3];
  }
  a += b;
  c += d;
  a += c;
  return a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

struct Spread {
  double least, median, most;
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

void print_bandwidth() {
  std::printf("| read from | array | GB/s (median, range) |\n|---|---|---|\n");
  const auto level = [](const char* name, std::size_t bytes) {
    AlignedBuffer<std::uint64_t> array(bytes / 8);
    std::iota(array.begin(), array.end(), 1U);
    const auto* const lines = reinterpret_cast<const Line*>(array.data());
    std::vector<double> rates;
    for (int round = 0; round < kRounds; ++round) {
      rates.push_back(rate([&] {
                        const std::uint64_t sum = read_all(lines, bytes / sizeof(Line));
                        clobber(&sum);
                        return static_cast<double>(bytes);
                      }) *
                      1e-9);
    }
    const Spread s = spread(rates);
    std::printf("| %s | %zu kB | %.0f (%.0f to %.0f) |\n", name, bytes >> 10, s.median, s.least,
                s.most);
  };
  level("L1", std::size_t{16} << 10);
  level("L2", std::size_t{384} << 10);
  level("L3", std::size_t{8} << 20);
  level("memory", std::size_t{256} << 20);
  std::printf("\n");
}

void print_heads() {
  std::printf(
      "| kernel | rows lie in | kernel, G events/s (median, range) | hand loop | ratio |\n");
  std::printf("|---|---|---|---|---|\n");
}

void print_pair(const char* name, const char* level, const std::function<double()>& kernel,
                const std::function<double()>& hand) {
  std::vector<double> fast, plain, ratio;
  for (int round = 0; round < kRounds; ++round) {
    fast.push_back(rate(kernel) * 1e-9);
    plain.push_back(rate(hand) * 1e-9);
    ratio.push_back(fast.back() / plain.back());
  }
  const Spread f = spread(fast), p = spread(plain), r = spread(ratio);
  std::printf("| %s | %s | %.2f (%.2f to %.2f) | %.2f (%.2f to %.2f) | %.2f (%.2f to %.2f) |\n",
              name, level, f.median, f.least, f.most, p.median, p.least, p.most, r.median, r.least,
              r.most);
  std::fflush(stdout);
}

/// The minimal loops over the arrays of SparseRows (one block of targets).
template <typename A>
void hand_loop(const detail::SparseView<A>& v, const std::vector<std::uint32_t>& rows, A* acc) {
  for (const std::uint32_t row : rows) {
    const std::uint64_t end = v.start[row + 1];
    std::uint64_t i = v.start[row];
    if (v.form == SparseForm::kUniform) {
      const A weight = v.row_weight[row];
      for (; i < end; ++i) acc[v.target[i]] += weight;
    } else if (v.form == SparseForm::kFloat) {
      for (; i < end; ++i) acc[v.target[i]] += v.weight[i];
    } else if (v.form == SparseForm::kTable) {
      for (; i < end; ++i) acc[v.packed[i] & 0xFFFF] += v.weight[v.packed[i] >> 16];
    } else {
      for (; i < end; ++i) {
        acc[v.packed[i] & 0xFFFF] += static_cast<A>(static_cast<std::int32_t>(v.packed[i]) >> 16);
      }
    }
  }
}

template <typename A>
bool compare_sparse(const SparseCase& c, const char* name, WeightKind kind) {
  const auto rows = bench::make_sparse<A>(c, kind);
  if (!rows.ok()) return false;
  const auto lists = bench::turns(c.sources);
  AlignedBuffer<A> acc(c.targets);
  std::size_t turn = 0, hand_turn = 0;
  const auto kernel = [&] {
    const auto& list = lists[turn++ % lists.size()];
    rows->add(list, acc.data());
    clobber(acc.data());
    return static_cast<double>(list.size() * c.fan_out);
  };
  const auto hand = [&] {
    const auto& list = lists[hand_turn++ % lists.size()];
    hand_loop(rows->view(), list, acc.data());
    clobber(acc.data());
    return static_cast<double>(list.size() * c.fan_out);
  };
  print_pair(name, c.name, kernel, hand);
  return true;
}

template <typename W, typename A>
void compare_dense(const char* name) {
  const std::size_t targets = 1024, sources = 512 / sizeof(W);
  const auto rows = bench::make_dense<W>(sources, targets);
  const auto list = bench::every(0, 1, static_cast<std::uint32_t>(sources));
  AlignedBuffer<A> acc(targets);
  const double events = static_cast<double>(sources * targets);
  const auto kernel = [&] {
    add_dense_rows<W, A>(rows.data(), targets, targets, list, acc.data());
    clobber(acc.data());
    return events;
  };
  const auto hand = [&] {
    for (const std::uint32_t s : list) {
      const W* const row = rows.data() + s * targets;
      for (std::size_t t = 0; t < targets; ++t) acc[t] = static_cast<A>(acc[t] + row[t]);
    }
    clobber(acc.data());
    return events;
  };
  print_pair(name, "L2", kernel, hand);
}

/// brunel_dc without multapses: 12,500 neurons, each joined to a tenth of them.
bool compare_bitmask() {
  const SparseCase c = {"L3", 12500, 12500, 1250};
  const auto sparse = bench::make_sparse<float>(c, WeightKind::kUniform);
  if (!sparse.ok()) return false;
  const auto bits = BitmaskRows<float>::make(*sparse);
  if (!bits.ok()) return false;
  const auto lists = bench::turns(c.sources);
  AlignedBuffer<float> acc(c.targets);
  std::size_t turn = 0, sparse_turn = 0;
  const auto count = [&] {
    const auto& list = lists[turn++ % lists.size()];
    bits->add(list, acc.data());
    clobber(acc.data());
    return static_cast<double>(list.size() * c.fan_out);
  };
  const auto walk = [&] {
    const auto& list = lists[sparse_turn++ % lists.size()];
    sparse->add(list, acc.data());
    clobber(acc.data());
    return static_cast<double>(list.size() * c.fan_out);
  };
  std::printf("\nBitmask rows against uniform sparse rows, a tenth of all pairs joined:\n\n");
  std::printf("| kernel | rows lie in | bitmask, G events/s (median, range) | sparse | ratio |\n");
  std::printf("|---|---|---|---|---|\n");
  print_pair("bitmask", c.name, count, walk);
  return true;
}

bool compare_all() {
  print_heads();
  for (const SparseCase& c : {bench::kSparseL2, bench::kSparseL3, bench::kSparseMemory}) {
    const bool fits =
        compare_sparse<float>(c, "sparse, 2 bytes, float", WeightKind::kUniform) &&
        compare_sparse<std::int32_t>(c, "sparse, 2 bytes, integer", WeightKind::kUniform) &&
        compare_sparse<std::int32_t>(c, "sparse, 4 bytes, integer", WeightKind::kFew) &&
        compare_sparse<float>(c, "sparse, 4 bytes, float table", WeightKind::kFew) &&
        compare_sparse<float>(c, "sparse, 6 bytes, float", WeightKind::kAny);
    if (!fits) return false;
  }
  compare_dense<std::int8_t, std::int32_t>("dense, 8 bits");
  compare_dense<std::int16_t, std::int32_t>("dense, 16 bits");
  compare_dense<float, float>("dense, float");
  return compare_bitmask();
}

int probe(const char* target) {
  if (!use_kernel_target(target)) {
    std::fprintf(stderr, "roofline: no %s here\n", target);
    return 2;
  }
  std::printf("Kernels: %s\n\n", *target != '\0' ? target : kernel_targets()[0].c_str());
  print_bandwidth();
  if (compare_all()) return 0;
  std::fprintf(stderr, "roofline: out of memory\n");
  return 1;
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) { return spikeloom::probe(argc > 1 ? argv[1] : ""); }
