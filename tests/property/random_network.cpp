#include "tests/property/random_network.hpp"

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include <rapidcheck.h>

#include "snn/integer.hpp"
#include "snn/lowering.hpp"
#include "tests/property/random_layers.hpp"

namespace spikeloom::test {
namespace {

struct Placed {
  std::string name;
  Shape shape;
  bool neuron = false, spiking = false;
};

class Grower {
 public:
  explicit Grower(const NetworkPlan& plan)
      : plan_(plan), options_(random_options(plan.numbers)), layers_(plan, options_) {}

  Program grow();

 private:
  std::string add(NodeKind kind, Shape shape) {
    const bool neuron = is_neuron(kind);
    const bool spiking = is_spiking_neuron(kind);
    std::string name = "n" + std::to_string(placed_.size()) + std::string(kind_name(kind));
    builder_.add(name, std::move(kind));
    placed_.push_back({name, std::move(shape), neuron, spiking});
    return name;
  }
  void grow_layer();
  void grow_loop(std::size_t from, std::size_t to);

  NetworkPlan plan_;
  Discretisation options_;
  RandomLayers layers_;
  NetworkBuilder builder_;
  std::vector<Placed> placed_;
};

/// A new layer behind an earlier one, with skip links from others of the same shape.
void Grower::grow_layer() {
  const std::size_t count = placed_.size();
  const std::size_t source =
      one_in(4) ? static_cast<std::size_t>(between(0, int(count) - 1)) : count - 1;
  const Shape in = placed_[source].shape;
  const bool wide = placed_[source].neuron && !placed_[source].spiking;
  RandomLayer layer = layers_.layer(in, wide);
  const std::string name = add(std::move(layer.kind), std::move(layer.out));
  builder_.connect(placed_[source].name, name);
  for (std::size_t i = 0; i < count; ++i) {
    const bool graded = placed_[i].neuron && !placed_[i].spiking;
    if (placed_[i].shape == in && (!graded || wide) && one_in(i == source ? 8 : 4)) {
      builder_.connect(placed_[i].name, name);
    }
  }
}

/// A link from one layer back to a neuron, through a stateless layer or a Delay, or direct.
void Grower::grow_loop(std::size_t from, std::size_t to) {
  if (one_in(3)) {
    builder_.connect(placed_[from].name, placed_[to].name);
    return;
  }
  NodeKind kind = layers_.back(placed_[from].shape);
  const std::string name = add(std::move(kind), placed_[to].shape);
  builder_.connect(placed_[from].name, name);
  builder_.connect(name, placed_[to].name);
}

Program Grower::grow() {
  const int inputs = one_in(5) ? 2 : 1;
  const Shape shape = layers_.input_shape();
  for (int i = 0; i < inputs; ++i) add(node::Input{shape_tensor(shape)}, shape);
  const int layers = between(1, 6);
  for (int i = 0; i < layers; ++i) grow_layer();
  if (inputs == 2) {  // the first Input is used in any case
    const RandomLayer layer = layers_.layer(shape, false);
    const std::string name = add(layer.kind, layer.out);
    builder_.connect(placed_[0].name, name);
  }
  const std::size_t grown = placed_.size();
  // A loop in which a spike gives several grows for ever.
  const bool bursts =
      options_.spike_rule == SpikeRule::kMultiple || options_.spike_time == SpikeTime::kSubStep;
  const bool loops = !(bursts && plan_.long_runs && plan_.numbers == Numbers::kReal);
  for (std::size_t to = 0; to < grown && loops; ++to) {
    if (!placed_[to].neuron) continue;
    if (!placed_[to].spiking) {
      // Grows with every turn: integers stop at their limit.
      if (plan_.numbers == Numbers::kInteger && one_in(4)) {
        builder_.connect(placed_[to].name, placed_[to].name);
      }
      continue;
    }
    if (!one_in(3)) continue;
    std::size_t from = to;
    for (std::size_t i = to; i < grown; ++i) {
      const bool fits = placed_[i].shape == placed_[to].shape && placed_[i].spiking;
      if (fits && one_in(3)) from = i;
    }
    grow_loop(from, to);
  }
  const std::size_t outputs = one_in(3) ? 2 : 1;
  for (std::size_t i = 0; i < outputs && i < grown; ++i) {
    const Placed last = placed_[grown - 1 - i];
    const std::string name = add(node::Output{shape_tensor(last.shape)}, last.shape);
    builder_.connect(last.name, name);
  }
  auto network = std::move(builder_).build();
  if (!network.ok()) throw std::logic_error(network.error().message());
  auto program = lower(*network, options_);
  if (!program.ok()) throw std::logic_error(program.error().message());
  if (plan_.numbers == Numbers::kInteger) RC_PRE(to_integer(*program).ok());
  return *std::move(program);
}

/// Values of events; dyadic ones have one fractional bit.
double event_value(Numbers numbers, Values& values) {
  static constexpr double kWhole[] = {1, 1, 1, 1, 2, 3, -1, -2};
  const int pick = values.between(0, 9);
  if (pick < 8) return kWhole[pick];
  if (numbers == Numbers::kInteger) return pick == 8 ? 5 : -3;
  if (numbers == Numbers::kDyadic) return pick == 8 ? 0.5 : -1.5;
  return static_cast<double>(static_cast<float>(values.real(-2.0, 2.0)));
}

void fill_step(const Program& program, Numbers numbers, std::int64_t step, double rate,
               std::int32_t limit, Values& values, std::vector<InputEvent>& events) {
  for (std::uint32_t port = 0; port < program.inputs.size(); ++port) {
    const auto size = static_cast<std::uint32_t>(program.nodes[program.inputs[port]].out_size);
    for (std::uint32_t i = 0; i < size; ++i) {
      if (values.real(0.0, 1.0) >= rate) continue;
      if (limit < 10) {
        events.push_back({step, port, i, values.between(0, 3) == 0 ? -1.0 : 1.0});
        continue;
      }
      const int repeats = values.between(0, 7) == 0 ? 2 : 1;
      for (int r = 0; r < repeats; ++r) {
        events.push_back({step, port, i, event_value(numbers, values)});
      }
    }
  }
}

std::int32_t input_limit(const Program& program, Numbers numbers) {
  if (numbers != Numbers::kInteger) return kEventLimit;
  const auto integer = to_integer(program);
  return integer.ok() ? integer->input_limit : 1;
}

}  // namespace

Program random_program(const NetworkPlan& plan) { return Grower(plan).grow(); }

std::vector<InputEvent> random_input(const Program& program, Numbers numbers, std::int64_t steps) {
  static constexpr double kRates[] = {0.3, 0.05, 0.8};
  const double rate = kRates[between(0, 2)];
  const std::int32_t limit = input_limit(program, numbers);
  Values values(random_seed());
  std::vector<InputEvent> events;
  for (std::int64_t s = 0; s < steps; ++s) {
    if (values.between(0, 4) == 0) continue;
    fill_step(program, numbers, s, rate, limit, values, events);
  }
  return events;
}

std::vector<InputEvent> random_bursts(const Program& program, Numbers numbers, std::int64_t steps) {
  const std::int32_t limit = input_limit(program, numbers);
  Values values(random_seed());
  std::vector<InputEvent> events;
  for (std::int64_t s = 0; s < steps;) {
    const int burst = values.between(1, 4);
    const double rate = values.between(0, 1) == 0 ? 0.02 : 0.4;
    for (int b = 0; b < burst && s < steps; ++b, ++s) {
      fill_step(program, numbers, s, rate, limit, values, events);
    }
    s += values.between(0, 2) == 0 ? values.between(1, 6) : values.between(60, 300);
  }
  return events;
}

/// Not smaller in early trials, as rapidcheck's ranges are by default.
int between(int low, int high) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high + 1));
}

bool one_in(int n) { return between(0, n - 1) == n - 1; }

}  // namespace spikeloom::test
