#include <algorithm>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "event/sparse_rows.hpp"

/// Rows in every form against a plain list of synapses, added one after the other.
namespace spikeloom::test {
namespace {

template <typename A>
struct Synapse {
  std::uint32_t source, target, slot;
  A weight;
};

enum class Weights { kOne, kByRow, kFew, kAny };

struct Shape {
  SparseSize size;
  std::size_t synapses;
  Weights weights;
  SparseForm float_form;
};

void PrintTo(const Shape& s, std::ostream* os) {
  *os << s.size.sources << " sources, " << s.size.targets << " targets, " << s.size.delays
      << " delays, " << to_string(s.float_form);
}

/// Random pairs in no order, with multapses.
template <typename A>
std::vector<Synapse<A>> random_synapses(const Shape& s, std::mt19937& random) {
  std::vector<Synapse<A>> all;
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  while (all.size() < s.synapses) {
    Synapse<A> synapse{below(s.size.sources), below(s.size.targets), below(s.size.delays), A{1}};
    if (s.weights == Weights::kByRow) {
      synapse.weight = static_cast<A>(synapse.source * 3 + synapse.slot) - A{7};
    } else if (s.weights == Weights::kFew) {
      synapse.weight = static_cast<A>(below(9)) * A(0.75) + A(-2);
    } else if (s.weights == Weights::kAny) {
      synapse.weight = std::is_same_v<A, float>
                           ? static_cast<A>(static_cast<float>(random()) * 1e-9F - 2.0F)
                           : static_cast<A>(below(65536)) - A(32768);
    }
    all.push_back(synapse);
    if (below(10) == 0) all.push_back(synapse);
  }
  return all;
}

template <typename A>
Result<SparseRows<A>> build(const SparseSize& size, const std::vector<Synapse<A>>& synapses) {
  return SparseRows<A>::make(size, [&](SynapseSink<A>& sink) {
    for (const auto& s : synapses) sink.synapse(s.source, s.target, s.weight, s.slot);
  });
}

template <typename A>
std::vector<A> expected(const SparseSize& size, const std::vector<Synapse<A>>& synapses,
                        const std::vector<std::uint32_t>& rows, const std::vector<A>& values,
                        std::uint32_t first, std::uint32_t last) {
  std::vector<A> acc(size.targets, A{0});
  for (std::size_t k = 0; k < rows.size(); ++k) {
    for (const auto& s : synapses) {
      if (s.slot * size.sources + s.source != rows[k] || s.target < first || s.target >= last) {
        continue;
      }
      const A term = s.weight * values[k];
      acc[s.target] += term;
    }
  }
  return acc;
}

template <typename A>
void check(const Shape& s) {
  std::mt19937 random(5);
  const auto synapses = random_synapses<A>(s, random);
  const auto rows = build<A>(s.size, synapses);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(rows->synapses(), synapses.size());
  if constexpr (std::is_same_v<A, float>) {
    EXPECT_EQ(rows->form(), s.float_form);
  }

  std::vector<std::uint32_t> list;
  std::vector<A> values;
  for (std::uint32_t row = 0; row < rows->rows(); ++row) {
    if (random() % 3 == 0) continue;
    list.push_back(row);
    values.push_back(static_cast<A>(random() % 5) - A{2});
  }
  const std::vector<A> ones(list.size(), A{1});
  const std::uint32_t targets = s.size.targets;
  for (const auto& [first, last] :
       std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, targets},
                                                            {0, targets / 2},
                                                            {targets / 2, targets},
                                                            {1, targets - 1},
                                                            {targets / 3, targets / 3}}) {
    std::vector<A> acc(targets, A{0});
    rows->add(list, acc.data(), first, last);
    EXPECT_EQ(acc, expected<A>(s.size, synapses, list, ones, first, last));
    std::fill(acc.begin(), acc.end(), A{0});
    rows->multiply_add(list, values, acc.data(), first, last);
    EXPECT_EQ(acc, expected<A>(s.size, synapses, list, values, first, last));
  }
  std::vector<A> acc(targets, A{0});
  rows->add({}, acc.data());
  EXPECT_EQ(acc, std::vector<A>(targets, A{0}));
}

class Sparse : public testing::TestWithParam<Shape> {};

TEST_P(Sparse, AddsWhatTheListOfSynapsesSays) {
  check<float>(GetParam());
  check<std::int32_t>(GetParam());
}

TEST_P(Sparse, FanOutRowsAndMarksAreThoseOfTheList) {
  const Shape& s = GetParam();
  std::mt19937 random(6);
  const auto synapses = random_synapses<float>(s, random);
  const auto rows = build<float>(s.size, synapses);
  ASSERT_TRUE(rows.ok());
  for (std::uint32_t row = 0; row < rows->rows(); ++row) {
    std::vector<std::pair<std::uint32_t, float>> of_row;
    for (const auto& x : synapses) {
      if (rows->row(x.source, x.slot) == row) of_row.emplace_back(x.target, x.weight);
    }
    std::stable_sort(of_row.begin(), of_row.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    EXPECT_EQ(rows->fan_out(row), of_row.size());
    std::vector<std::uint32_t> targets;
    std::vector<float> weights;
    rows->read_row(row, targets, weights);
    ASSERT_EQ(targets.size(), of_row.size());
    std::vector<std::uint64_t> bitmap(s.size.targets / 4096 + 1, 0), least = bitmap;
    rows->mark({&row, 1}, bitmap.data());
    for (std::size_t i = 0; i < of_row.size(); ++i) {
      EXPECT_EQ(targets[i], of_row[i].first);
      EXPECT_EQ(weights[i], of_row[i].second);
      least[targets[i] / 4096] |= std::uint64_t{1} << (targets[i] / 64 % 64);
    }
    for (std::size_t block = 0; block < bitmap.size() * 64; ++block) {
      const auto set = [&](const auto& map) { return (map[block / 64] >> (block % 64) & 1) != 0; };
      EXPECT_TRUE(set(bitmap) || !set(least));
      const bool between = !of_row.empty() && block >= of_row.front().first / 64 &&
                           block <= of_row.back().first / 64;
      EXPECT_TRUE(between || !set(bitmap)) << "row " << row << " block " << block;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Sparse,
    testing::Values(Shape{{50, 700}, 5000, Weights::kOne, SparseForm::kUniform},
                    Shape{{20, 90, 3}, 3000, Weights::kByRow, SparseForm::kUniform},
                    Shape{{20, 90, 3}, 3000, Weights::kFew, SparseForm::kTable},
                    Shape{{5, 150000}, 4000, Weights::kByRow, SparseForm::kUniform},
                    Shape{{5, 150000, 2}, 4000, Weights::kFew, SparseForm::kTable},
                    Shape{{1, 1}, 3, Weights::kOne, SparseForm::kUniform},
                    Shape{{7, 65536}, 900, Weights::kAny, SparseForm::kTable},
                    Shape{{7, 65537}, 900, Weights::kAny, SparseForm::kTable}));

// More than 65,536 distinct weights: 16-bit numbers do not suffice.
TEST(SparseRows, ManyWeightsAreStoredAsTheyAre) {
  const Shape s{{3, 70000, 1}, 80000, Weights::kAny, SparseForm::kFloat};
  check<float>(s);
}

TEST(SparseRows, ASynapseTakesTheBytesOfItsForm) {
  const auto bytes = [](Weights weights) {
    const Shape s{{100, 60000}, 200000, weights, SparseForm::kUniform};
    std::mt19937 random(1);
    const auto rows = build<float>(s.size, random_synapses<float>(s, random));
    return static_cast<double>(rows->bytes()) / static_cast<double>(rows->synapses());
  };
  EXPECT_NEAR(bytes(Weights::kByRow), 2.0, 0.02);
  EXPECT_NEAR(bytes(Weights::kFew), 4.0, 0.02);
  EXPECT_NEAR(bytes(Weights::kAny), 6.0, 0.02);
}

TEST(SparseRows, FromRowsOfOutputs) {
  // outputs x inputs: [[0, 2, 0], [3, 0, -1]]
  const std::vector<std::int64_t> start = {0, 1, 3}, column = {1, 0, 2};
  const std::vector<double> value = {2, 3, -1};
  const auto rows = SparseRows<float>::from_outputs(2, 3, start, column, value);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  std::vector<float> acc(2, 0.0F);
  const std::vector<std::uint32_t> all = {0, 1, 2};
  const std::vector<float> values = {1, 10, 100};
  rows->multiply_add(all, values, acc.data());
  EXPECT_EQ(acc, (std::vector<float>{20, 3 - 100}));

  const auto code = [&](std::vector<std::int64_t> starts, std::vector<std::int64_t> columns,
                        std::vector<double> weights) {
    const auto made = SparseRows<std::int32_t>::from_outputs(2, 3, starts, columns, weights);
    return made.ok() ? std::string("ok") : std::string(to_string(made.error().code));
  };
  const std::string shape = to_string(ErrorCode::kShape);
  const std::string invalid = to_string(ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(start, column, value), "ok");
  EXPECT_EQ(code({0, 1}, column, value), shape);
  EXPECT_EQ(code({0, 3, 1}, column, value), shape);
  EXPECT_EQ(code({0, 1, 4}, column, value), shape);
  EXPECT_EQ(code(start, {1, 0, 3}, value), shape);
  EXPECT_EQ(code(start, {1, 0, -1}, value), shape);
  EXPECT_EQ(code(start, column, {2, 3}), shape);
  EXPECT_EQ(code(start, column, {2, 3, 32768}), invalid);
  EXPECT_EQ(code(start, column, {2, 3, 1e12}), invalid);
}

TEST(SparseRows, WhatCannotBeHeldIsAnError) {
  const auto error = [](std::vector<Synapse<float>> synapses) {
    const auto made = build<float>({4, 5, 2}, synapses);
    return made.ok() ? std::string("ok") : std::string(to_string(made.error().code));
  };
  const std::string invalid = to_string(ErrorCode::kInvalidArgument);
  EXPECT_EQ(error({{3, 4, 1, 1.0F}}), "ok");
  EXPECT_EQ(error({{4, 4, 1, 1.0F}}), invalid);
  EXPECT_EQ(error({{3, 5, 1, 1.0F}}), invalid);
  EXPECT_EQ(error({{3, 4, 2, 1.0F}}), invalid);
  EXPECT_EQ(error({{3, 4, 1, std::numeric_limits<float>::infinity()}}), invalid);
  EXPECT_EQ(error({{3, 4, 1, std::numeric_limits<float>::quiet_NaN()}}), invalid);
}

TEST(SparseRows, APassThatDiffersIsAnError) {
  for (const int more : {-1, 1}) {
    int pass = 0;
    const auto made = SparseRows<float>::make({4, 4}, [&](SynapseSink<float>& sink) {
      for (int i = 0; i < (pass == 0 ? 3 : 3 + more); ++i) sink.synapse(1, 2, 1.0F);
      ++pass;
    });
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(SparseRows, NoSynapsesAtAll) {
  const auto rows = build<float>({3, 4}, {});
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->synapses(), 0U);
  std::vector<float> acc(4, 1.0F);
  const std::vector<std::uint32_t> all = {0, 1, 2};
  rows->add(all, acc.data());
  EXPECT_EQ(acc, std::vector<float>(4, 1.0F));
}

}  // namespace
}  // namespace spikeloom::test
