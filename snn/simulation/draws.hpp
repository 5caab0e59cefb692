#pragma once
/// Which random word decides what. Engines that keep to this make the same network and noise.
///
/// Everything is a word of a Philox stream (base/random.hpp) of the network's seed; the number of
/// the stream is (kind, i, j), the index as the table says; `w` is a word of the block there.
///
///     kind         i, j                          index                       word
///     parameter    population, parameter         neuron / 4                  neuron mod 4
///     Poisson      stimulus, 0                   step * ceil(size/4) + n/4   n mod 4
///     degrees      projection, target block      binomial.hpp
///     spread       projection, source            binomial.hpp
///     synapses     projection, target block      source * 2^32 + k           0 target, 1 weight,
///                                                                            2 delay
///     pairs        projection, target block      source * 2^32 + try / 4     try mod 4
///
/// Parameters count in the order of the model's table, neurons and sources within their population,
/// stimuli and projections in the order of the network.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

enum class DrawKind : std::uint8_t {
  kParameter = 1,
  kPoisson = 2,
  kDegrees = 3,
  kSpread = 4,
  kSynapses = 5,
  kPairs = 6,
};

/// i < 2^24.
RandomStream draw_stream(std::uint64_t seed, DrawKind kind, std::uint64_t i, std::uint64_t j);

/// The values of a parameter for the neurons [first, first + values.size()) of a population.
void parameter_values(const Network& network, std::uint32_t population, std::string_view parameter,
                      std::int64_t first, std::span<double> values);

/// Whether all neurons of the population share one value.
bool is_uniform(const Network& network, std::uint32_t population, std::string_view parameter);

/// A whole number as a function of a random word, by tables: llround(draw(d, word) / unit), bounded
/// below by `least`.
class WholeDraw {
 public:
  WholeDraw() = default;
  WholeDraw(const Distribution& distribution, double unit, std::int32_t least);

  std::int32_t operator()(std::uint32_t word) const {
    std::uint32_t i = guide_[word >> kGuideShift];
    while (word >= end_[i]) ++i;
    return first_ + static_cast<std::int32_t>(i);
  }
  std::int32_t smallest() const { return first_; }
  std::int32_t largest() const { return first_ + static_cast<std::int32_t>(end_.size()) - 1; }

 private:
  static constexpr int kGuideShift = 20;

  std::int32_t first_ = 0;
  std::vector<std::uint64_t> end_ = {std::uint64_t{1}
                                     << 32};  ///< one past the last word of value i
  std::vector<std::uint32_t> guide_ = std::vector<std::uint32_t>(1U << (32 - kGuideShift), 0);
};

/// Poisson numbers of mean `mean` by inversion of one word; `mean` at most 500.
class PoissonDraw {
 public:
  explicit PoissonDraw(double mean);
  std::uint32_t operator()(std::uint32_t word) const;
  /// Word w gives k, where end()[k - 1] <= w < end()[k].
  std::span<const std::uint64_t> end() const { return end_; }

 private:
  std::vector<std::uint64_t> end_;
};

}  // namespace spikeloom::simulation
