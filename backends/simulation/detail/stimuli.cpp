#include "backends/simulation/detail/stimuli.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::simulation {

Stimuli::Stimuli(const Network& network, const Part& part, double unit)
    : first_(part.first),
      size_(part.size),
      blocks_((network.populations[part.population].size + 3) / 4) {
  for (std::size_t i = 0; i < network.stimuli.size(); ++i) {
    if (const auto* s = std::get_if<PoissonStimulus>(&network.stimuli[i]);
        s != nullptr && s->population == part.population && s->rate > 0.0) {
      const auto weight = static_cast<std::int32_t>(std::llround(s->weight / unit));
      poisson_.push_back({draw_stream(network.seed, DrawKind::kPoisson, i, 0),
                          PoissonDraw(s->rate * network.dt * 1e-3), weight,
                          part.accumulator + (part.split && weight < 0 ? part.padded : 0)});
    }
    if (const auto* s = std::get_if<CurrentStimulus>(&network.stimuli[i]);
        s != nullptr && s->population == part.population) {
      constexpr double kLastStep = 9e18;
      const auto step = [&](double time) {
        return static_cast<std::int64_t>(std::min(std::round(time / network.dt), kLastStep));
      };
      currents_.push_back({s->amplitude, step(s->start), step(s->stop)});
    }
  }
}

void Stimuli::add_poisson(std::int64_t step, std::int32_t* accumulators) const {
  for (const Poisson& p : poisson_) {
    const std::uint64_t base =
        static_cast<std::uint64_t>(step) * static_cast<std::uint64_t>(blocks_);
    std::int32_t* out = accumulators + p.accumulator;
    for (std::int64_t b = first_ / 4; b * 4 < first_ + size_; ++b) {
      const auto words = p.stream.words(base + static_cast<std::uint64_t>(b));
      for (std::int64_t i = 0; i < 4; ++i) {
        const std::int64_t neuron = b * 4 + i - first_;
        if (neuron < 0 || neuron >= size_) continue;
        const std::uint32_t spikes = p.draw(words[static_cast<std::size_t>(i)]);
        out[neuron] += static_cast<std::int32_t>(spikes) * p.weight;
      }
    }
  }
}

double Stimuli::current(std::int64_t step) const {
  double sum = 0.0;
  for (const Current& c : currents_) {
    if (step >= c.first && step < c.last) sum += c.amplitude;
  }
  return sum;
}

}  // namespace spikeloom::simulation
