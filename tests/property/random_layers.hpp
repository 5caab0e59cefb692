#pragma once
/// Random layers, options and numbers: the pieces of a random network.

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "snn/discretisation.hpp"
#include "snn/node_kinds.hpp"
#include "tests/property/random_network.hpp"

namespace spikeloom::test {

/// A seed that rapidcheck reproduces but does not shrink.
std::uint64_t random_seed();

/// Numbers from a seed.
class Values {
 public:
  explicit Values(std::uint64_t seed) : stream_{seed, 0} {}
  double real(double low, double high) { return low + (high - low) * stream_.uniform(next_++); }
  int between(int low, int high) {
    return low + static_cast<int>(stream_.uniform(next_++) * (high - low + 1));
  }

 private:
  RandomStream stream_;
  std::uint64_t next_ = 0;
};

/// Every option that changes a step, and dt = 1.
Discretisation random_options(Numbers numbers);

struct RandomLayer {
  NodeKind kind;
  Shape out;
};

class RandomLayers {
 public:
  RandomLayers(const NetworkPlan& plan, const Discretisation& options);

  Shape input_shape();
  /// A layer for an input of shape `in`; `wide`: whose values are membranes, with many bits.
  RandomLayer layer(const Shape& in, bool wide);
  /// A stateless layer or Delay whose output has the shape of its input.
  NodeKind back(const Shape& shape);

 private:
  std::int64_t width();
  float number(double low, double high, double unit);
  Tensor tensor(const Shape& shape, double low, double high, double unit);
  Tensor weights(const Shape& shape);
  Tensor biases(std::int64_t count);
  /// One value or `count` of them; `f` draws one.
  template <typename F>
  Tensor parameter(std::int64_t count, F f);

  NodeKind matrix(std::int64_t outputs, std::int64_t inputs, bool flat);
  NodeKind sparse(std::int64_t outputs, std::int64_t inputs);
  NodeKind random_sparse(std::int64_t outputs, std::int64_t inputs);
  NodeKind neuron(std::int64_t count, bool spiking_only);
  NodeKind threshold(std::int64_t count);
  NodeKind delay(std::int64_t count);
  NodeKind scale(std::int64_t count);
  RandomLayer conv1d(const Shape& in);
  RandomLayer conv2d(const Shape& in);
  RandomLayer pool(const Shape& in);

  NetworkPlan plan_;
  Discretisation options_;
  Values values_;
};

}  // namespace spikeloom::test
