#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "event/bitmask_rows.hpp"
#include "tests/support/kernel_targets.hpp"

/// Counted bits against adding the same synapses one by one. Weights are integers, also in float,
/// so that both ways are exact.
namespace spikeloom::test {
namespace {

template <typename A>
struct Network {
  std::vector<std::vector<bool>> joined;  ///< [row][target]
  std::vector<A> weight;                  ///< by row

  Network(std::size_t rows, std::size_t targets, int percent, std::size_t weights)
      : joined(rows, std::vector<bool>(targets)) {
    std::mt19937 random(4);
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t t = 0; t < targets; ++t) {
        joined[row][t] = static_cast<int>(random() % 100) < percent;
      }
      weight.push_back(static_cast<A>(row * weights / rows) * A{-3} + A{2});
    }
  }

  Result<SparseRows<A>> rows() const {
    const SparseSize size{static_cast<std::uint32_t>(joined.size()),
                          static_cast<std::uint32_t>(joined[0].size())};
    return SparseRows<A>::make(size, [this](SynapseSink<A>& sink) {
      for (std::uint32_t row = 0; row < joined.size(); ++row) {
        for (std::uint32_t t = 0; t < joined[row].size(); ++t) {
          if (joined[row][t]) sink.synapse(row, t, weight[row]);
        }
      }
    });
  }
};

template <typename A>
void check(std::size_t rows, std::size_t targets, int percent, std::size_t weights) {
  const Network<A> network(rows, targets, percent, weights);
  const auto sparse = network.rows();
  ASSERT_TRUE(sparse.ok());
  const auto bits = BitmaskRows<A>::make(*sparse);
  ASSERT_TRUE(bits.ok()) << bits.error().message();
  for (const std::size_t step : {1, 2, 5}) {
    std::vector<std::uint32_t> list;
    std::vector<A> expected(targets, A{7});
    for (std::size_t row = 0; row < rows; row += step) {
      list.push_back(static_cast<std::uint32_t>(row));
      for (std::size_t t = 0; t < targets; ++t) {
        if (network.joined[row][t]) expected[t] += network.weight[row];
      }
    }
    std::vector<A> acc(targets, A{7});
    bits->add(list, acc.data());
    EXPECT_EQ(acc, expected);
    if (targets > 512) {
      std::fill(acc.begin(), acc.end(), A{7});
      bits->add(list, acc.data(), 512, static_cast<std::uint32_t>(targets));
      EXPECT_EQ(acc[511], A{7});
      EXPECT_EQ(acc[512], expected[512]);
      bits->add(list, acc.data(), 0, 512);
      EXPECT_EQ(acc, expected);
    }
  }
}

TEST(BitmaskRows, EqualAddingOneByOne) {
  for_each_kernel_target([] {
    for (const std::size_t targets : {1, 63, 64, 65, 511, 512, 513, 1500}) {
      check<float>(30, targets, 10, 1);
      check<std::int32_t>(30, targets, 30, 3);
    }
  });
}

// Around the 255 rows that eight planes can count, with every bit set.
TEST(BitmaskRows, ManyRows) {
  for_each_kernel_target([] {
    for (const std::size_t rows : {7, 8, 9, 254, 255, 256, 257, 600}) {
      check<float>(rows, 70, 100, 1);
      check<std::int32_t>(rows, 600, 100, 2);
    }
  });
}

TEST(BitmaskRows, NoRowsChangeNothing) {
  const Network<float> network(3, 20, 50, 1);
  const auto bits = BitmaskRows<float>::make(*network.rows());
  ASSERT_TRUE(bits.ok());
  std::vector<float> acc(20, 1.0F);
  bits->add({}, acc.data());
  EXPECT_EQ(acc, std::vector<float>(20, 1.0F));
}

TEST(BitmaskRows, MultapsesAndUnequalWeightsAreRefused) {
  const auto refused = [](std::uint32_t second_target, float second_weight) {
    const auto rows = SparseRows<float>::make({2, 4}, [&](SynapseSink<float>& sink) {
      sink.synapse(1, 2, 1.0F);
      sink.synapse(1, second_target, second_weight);
    });
    const auto bits = BitmaskRows<float>::make(*rows);
    return !bits.ok() && bits.error().code == ErrorCode::kUnsupported;
  };
  EXPECT_FALSE(refused(3, 1.0F));
  EXPECT_TRUE(refused(2, 1.0F));
  EXPECT_TRUE(refused(3, 2.0F));
}

/// Synapses drawn with repetition, added one by one.
template <typename A>
void check_repeats(std::uint32_t rows, std::uint32_t targets, std::uint32_t fan_out) {
  std::mt19937 random(11);
  std::vector<std::vector<std::uint32_t>> drawn(rows);
  for (auto& row : drawn) {
    for (std::uint32_t k = 0; k < fan_out; ++k) row.push_back(random() % targets);
  }
  const auto weight = [](std::uint32_t row) { return A(row % 3) - A{1} + A(row % 3 == 1) * A{4}; };
  const SparseSize size{rows / 2, targets, 2};  // two delay slots
  const auto sparse = SparseRows<A>::make(size, [&](SynapseSink<A>& sink) {
    for (std::uint32_t row = 0; row < rows; ++row) {
      for (const std::uint32_t t : drawn[row]) {
        sink.synapse(row % size.sources, t, weight(row), row / size.sources);
      }
    }
  });
  ASSERT_TRUE(sparse.ok()) << sparse.error().message();
  std::optional<SparseRows<A>> repeats;
  const auto bits = BitmaskRows<A>::make(*sparse, repeats);
  ASSERT_TRUE(bits.ok()) << bits.error().message();
  ASSERT_TRUE(repeats.has_value());
  EXPECT_LT(repeats->synapses(), sparse->synapses());
  std::vector<std::uint32_t> list;
  std::vector<A> expected(targets, A{7}), acc(targets, A{7});
  for (std::uint32_t row = 0; row < rows; row += 2) {
    list.push_back(row);
    for (const std::uint32_t t : drawn[row]) expected[t] += weight(row);
  }
  bits->add(list, acc.data());
  repeats->add(list, acc.data(), 0, targets);
  EXPECT_EQ(acc, expected);
}

TEST(BitmaskRows, RepeatsStayRows) {
  check_repeats<float>(40, 100, 60);
  check_repeats<std::int32_t>(40, 700, 200);
}

TEST(BitmaskRows, WithoutMultapsesNothingRepeats) {
  const Network<float> network(3, 20, 50, 1);
  const auto rows = network.rows();
  std::optional<SparseRows<float>> repeats;
  EXPECT_TRUE(BitmaskRows<float>::make(*rows, repeats).ok());
  EXPECT_FALSE(repeats.has_value());
}

}  // namespace
}  // namespace spikeloom::test
