#include "models/brunel/brunel_network.hpp"

#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMembraneStream = 1;

Tensor one(double value) { return Tensor::scalar(static_cast<float>(value)); }

Tensor integers(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

Result<Network> make_brunel_network(const BrunelOptions& options) {
  if (options.neurons < 5 || options.degree < 5) {
    return Error{.what = "the network is too small for both kinds of neurons",
                 .expected = "at least 5 neurons and 5 sources of each",
                 .got = fmt::format("{} and {}", options.neurons, options.degree)};
  }
  const std::int64_t excitatory = std::llround(0.8 * static_cast<double>(options.neurons));
  const std::int64_t from_excitatory = std::llround(0.8 * static_cast<double>(options.degree));
  const auto weight = static_cast<float>(125.0 / static_cast<double>(options.degree));

  node::RandomSparse synapses;
  synapses.shape = integers({options.neurons, options.neurons});
  synapses.source_start = integers({0, excitatory});
  synapses.source_count = integers({excitatory, options.neurons - excitatory});
  synapses.degree = integers({from_excitatory, options.degree - from_excitatory});
  synapses.weight = Tensor::of<float>({2}, std::vector<float>{weight, -5.0F * weight});
  synapses.repeats = Tensor::scalar<std::int64_t>(options.repeats ? 1 : 0);
  synapses.seed = Tensor::scalar(static_cast<std::int64_t>(options.seed));
  SPIKELOOM_CHECK(random_rule(synapses));

  node::Lif lif{one(20), one(1), one(40), one(20), one(0)};
  lif.t_ref = one(2);
  const RandomStream random{options.seed, kMembraneStream};
  std::vector<float> initial;
  for (std::int64_t i = 0; i < options.neurons; ++i) {
    initial.push_back(static_cast<float>(20.0 * random.uniform(static_cast<std::uint64_t>(i))));
  }
  lif.v_initial = Tensor::of<float>({options.neurons}, initial);

  NetworkBuilder builder;
  builder.add("neurons", lif);
  builder.add("delay", node::Delay{one(1.4)});
  builder.add("synapses", synapses);
  builder.connect("neurons", "delay");
  builder.connect("delay", "synapses");
  builder.connect("synapses", "neurons");
  return std::move(builder).build();
}

Discretisation brunel_discretisation() {
  Discretisation d;
  d.dt = 0.1;
  d.time_unit = TimeUnit::kMilliseconds;
  d.integrator = Integrator::kRaw;  // exact decay; a weight is a jump of the membrane
  d.spike_rule = SpikeRule::kGreaterEqual;
  d.link_delay = 1;
  return d;
}

}  // namespace spikeloom
