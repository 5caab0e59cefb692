#include <ostream>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "event/convolution_stencil.hpp"
#include "tests/support/kernel_targets.hpp"

/// The stencil against the definition of a convolution, evaluated output by output.
namespace spikeloom::test {
namespace {

struct Shape {
  std::int64_t in, out, groups;
  WindowAxis rows, columns;
};

void PrintTo(const Shape& s, std::ostream* os) {
  *os << s.in << " to " << s.out << " channels in " << s.groups << " groups";
  for (const WindowAxis& a : {s.rows, s.columns}) {
    *os << ", (in " << a.input << " out " << a.output << " kernel " << a.kernel << " stride "
        << a.stride << " dilation " << a.dilation << " pad " << a.pad << ")";
  }
}

/// Output size as every framework computes it, with the same pad on both sides.
WindowAxis axis(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                std::int64_t dilation = 1) {
  return {input,    (input + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1,
          kernel,   stride,
          dilation, pad};
}

/// One pair of an input element and a weight, and the accumulator it goes to.
struct Pair {
  std::uint32_t source = 0;
  std::size_t weight = 0, acc = 0;
};

std::vector<Pair> all_pairs(const Shape& s) {
  std::vector<Pair> pairs;
  const std::int64_t in = s.in / s.groups, out = s.out / s.groups;
  for (std::int64_t o = 0; o < s.out; ++o) {
    for (std::int64_t ro = 0; ro < s.rows.output; ++ro) {
      for (std::int64_t co = 0; co < s.columns.output; ++co) {
        for (std::int64_t i = 0; i < in; ++i) {
          for (std::int64_t kr = 0; kr < s.rows.kernel; ++kr) {
            for (std::int64_t kc = 0; kc < s.columns.kernel; ++kc) {
              const std::int64_t ri = ro * s.rows.stride - s.rows.pad + kr * s.rows.dilation;
              const std::int64_t ci =
                  co * s.columns.stride - s.columns.pad + kc * s.columns.dilation;
              if (ri < 0 || ri >= s.rows.input || ci < 0 || ci >= s.columns.input) continue;
              const std::int64_t channel = o / out * in + i;
              pairs.push_back(
                  {static_cast<std::uint32_t>((channel * s.rows.input + ri) * s.columns.input + ci),
                   static_cast<std::size_t>(((o * in + i) * s.rows.kernel + kr) * s.columns.kernel +
                                            kc),
                   static_cast<std::size_t>((ro * s.columns.output + co) * s.out + o)});
            }
          }
        }
      }
    }
  }
  return pairs;
}

class Stencil : public testing::TestWithParam<Shape> {
 protected:
  ConvolutionGeometry geometry() const {
    const Shape& s = GetParam();
    return {s.in, s.out, s.groups, s.rows, s.columns};
  }
};

template <typename W>
std::vector<double> some_weights(std::int64_t count, std::mt19937& random) {
  std::vector<double> weights;
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<W, float>) {
      weights.push_back(std::uniform_real_distribution<float>(-1.0F, 1.0F)(random));
    } else {
      weights.push_back(std::uniform_int_distribution<int>(std::numeric_limits<W>::min(),
                                                           std::numeric_limits<W>::max())(random));
    }
  }
  return weights;
}

/// Terms of each accumulator in ascending order of their sources, one rounding each.
template <typename A>
std::vector<A> expected(const Shape& s, const std::vector<double>& weights,
                        const std::vector<std::uint32_t>& sources, const std::vector<A>& values,
                        const std::vector<A>& start) {
  std::vector<A> value_of(static_cast<std::size_t>(s.in * s.rows.input * s.columns.input), A{0});
  std::set<std::uint32_t> active(sources.begin(), sources.end());
  for (std::size_t k = 0; k < sources.size(); ++k) value_of[sources[k]] = values[k];
  std::vector<Pair> pairs = all_pairs(s);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.source < b.source; });
  std::vector<A> acc = start;
  for (const Pair& p : pairs) {
    if (!active.contains(p.source)) continue;
    const A term = static_cast<A>(weights[p.weight]) * value_of[p.source];
    acc[p.acc] += term;
  }
  return acc;
}

template <typename W>
void check_against_definition(const Shape& s, const ConvolutionGeometry& geometry) {
  using A = typename ConvolutionStencil<W>::Accumulator;
  std::mt19937 random(3);
  const std::vector<double> weights = some_weights<W>(geometry.weights(), random);
  const auto stencil = ConvolutionStencil<W>::make(geometry, weights);
  ASSERT_TRUE(stencil.ok()) << stencil.error().message();
  std::vector<A> start;
  for (std::int64_t i = 0; i < geometry.outputs(); ++i) start.push_back(A(i % 5));
  const auto rows = static_cast<std::uint32_t>(s.rows.output);
  for (const int percent : {3, 40, 100}) {
    std::vector<std::uint32_t> sources;
    std::vector<A> values;
    for (std::uint32_t i = 0; i < geometry.inputs(); ++i) {
      if (static_cast<int>(random() % 100) >= percent) continue;
      sources.push_back(i);
      values.push_back(static_cast<A>(random() % 7) - A(3));
    }
    const std::vector<A> ones(sources.size(), A{1});

    std::vector<A> acc = start;
    stencil->add_events(sources, acc.data());
    EXPECT_EQ(acc, expected<A>(s, weights, sources, ones, start));

    const std::vector<A> graded = expected<A>(s, weights, sources, values, start);
    acc = start;
    stencil->multiply_add_events(sources, values, acc.data());
    EXPECT_EQ(acc, graded);

    acc = start;  // two threads' shares of the rows
    stencil->multiply_add_events(sources, values, acc.data(), rows / 2, rows);
    stencil->multiply_add_events(sources, values, acc.data(), 0, rows / 2);
    EXPECT_EQ(acc, graded);
  }
}

TEST_P(Stencil, EqualsTheDefinition) {
  const Shape& s = GetParam();
  for_each_kernel_target([&] {
    check_against_definition<float>(s, geometry());
    check_against_definition<std::int8_t>(s, geometry());
    check_against_definition<std::int16_t>(s, geometry());
  });
}

TEST_P(Stencil, CountsThePairsAndMarksTheBlocks) {
  const Shape& s = GetParam();
  const std::vector<double> weights(static_cast<std::size_t>(geometry().weights()), 1.0);
  const auto stencil = ConvolutionStencil<float>::make(geometry(), weights);
  ASSERT_TRUE(stencil.ok());
  std::vector<std::uint64_t> count(static_cast<std::size_t>(geometry().inputs()), 0);
  std::vector<std::set<std::size_t>> blocks(count.size());
  for (const Pair& p : all_pairs(s)) {
    ++count[p.source];
    blocks[p.source].insert(p.acc / 64);
  }
  const bool exact = s.groups == 1 && s.columns.dilation == 1;
  const std::size_t words = static_cast<std::size_t>(geometry().outputs()) / 4096 + 1;
  for (std::uint32_t source = 0; source < count.size(); ++source) {
    ASSERT_EQ(stencil->pairs(source), count[source]) << source;
    std::vector<std::uint64_t> bitmap(words, 0);
    stencil->mark({&source, 1}, bitmap.data());
    for (std::size_t block = 0; block < words * 64; ++block) {
      const bool marked = (bitmap[block / 64] >> (block % 64) & 1) != 0;
      const bool reached = blocks[source].contains(block);
      ASSERT_TRUE(exact ? marked == reached : marked || !reached) << source << " block " << block;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Stencil,
    testing::Values(Shape{2, 8, 1, axis(12, 3, 1, 1), axis(11, 3, 1, 1)},
                    Shape{3, 16, 1, axis(9, 5, 1, 2), axis(13, 5, 1, 0)},
                    Shape{2, 5, 1, axis(10, 3, 2, 1), axis(11, 3, 2, 1)},
                    Shape{1, 7, 1, axis(13, 5, 2, 2), axis(17, 4, 3, 1)},
                    Shape{2, 3, 1, axis(9, 2, 3, 0), axis(8, 1, 2, 0)},
                    Shape{1, 33, 1, axis(6, 3, 1, 1), axis(7, 3, 1, 1)},
                    Shape{2, 4, 1, axis(9, 3, 1, 2, 2), axis(12, 3, 1, 1, 3)},
                    Shape{1, 4, 1, axis(9, 3, 2, 2, 2), axis(12, 4, 3, 3, 2)},
                    Shape{1, 3, 1, axis(16, 3, 4, 2, 2), axis(14, 3, 2, 3, 4)},
                    Shape{4, 6, 2, axis(7, 3, 1, 1), axis(8, 3, 1, 1)},
                    Shape{5, 5, 5, axis(6, 3, 2, 1), axis(9, 3, 1, 1)},
                    Shape{4, 8, 4, axis(6, 3, 1, 1, 2), axis(9, 3, 2, 1)},
                    Shape{3, 9, 1, {}, axis(40, 7, 2, 3)},  // one dimension
                    Shape{2, 4, 1, axis(1, 1, 1, 0), axis(1, 1, 1, 0)},
                    Shape{2, 6, 1, axis(3, 7, 1, 4), axis(2, 5, 1, 3)},      // kernel over input
                    Shape{2, 4, 1, axis(8, 1, 5, 0), axis(9, 2, 4, 0)},      // inputs out of reach
                    Shape{2, 4, 1, {6, 3, 3, 2, 1, 0}, {6, 4, 3, 2, 1, 1}},  // pad on one side
                    Shape{1, 128, 1, axis(5, 3, 1, 1), axis(5, 3, 1, 1)}));

TEST(StencilErrors, GeometryAndWeightsThatDoNotFit) {
  const auto code = [](const ConvolutionGeometry& g, std::size_t weights) {
    const auto made = ConvolutionStencil<float>::make(g, std::vector<double>(weights, 1.0));
    return made.ok() ? std::string("ok") : std::string(to_string(made.error().code));
  };
  const ConvolutionGeometry good{2, 4, 1, axis(8, 3, 1, 1), axis(8, 3, 1, 1)};
  const std::string shape = to_string(ErrorCode::kShape);
  const std::string resource = to_string(ErrorCode::kResource);
  EXPECT_EQ(code(good, 72), "ok");
  EXPECT_EQ(code(good, 71), shape);
  ConvolutionGeometry bad = good;
  bad.groups = 3;
  EXPECT_EQ(code(bad, 72), shape);
  bad = good;
  bad.rows.stride = 0;
  EXPECT_EQ(code(bad, 72), shape);
  bad = good;
  bad.columns.pad = -1;
  EXPECT_EQ(code(bad, 72), shape);
  bad = good;
  bad.rows.input = bad.columns.input = 100000;
  EXPECT_EQ(code(bad, 72), resource);
}

}  // namespace
}  // namespace spikeloom::test
