#include "snn/simulation/draws.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "snn/simulation/neuron_models.hpp"

namespace spikeloom::simulation {
namespace {

constexpr std::uint64_t kWords = std::uint64_t{1} << 32;

/// The parameter in the model's table, and its distribution in the population.
struct Found {
  std::uint64_t index = 0;
  Distribution value = {};
};

Found find(const Population& population, std::string_view name) {
  const auto model = find_neuron_model(population.model);
  assert(model.ok());
  const NeuronParameter* parameter = find_parameter(**model, name);
  assert(parameter != nullptr);
  Found found{static_cast<std::uint64_t>(parameter - (*model)->parameters.data()),
              Constant{parameter->standard}};
  const auto given = population.parameters.find(std::string(name));
  if (given != population.parameters.end()) found.value = given->second;
  return found;
}

std::int32_t whole(double value, double unit, std::int32_t least) {
  const double rounded = std::round(value / unit);
  constexpr double kMost = 1 << 30;
  return std::max(static_cast<std::int32_t>(std::clamp(rounded, -kMost, kMost)), least);
}

}  // namespace

RandomStream draw_stream(std::uint64_t seed, DrawKind kind, std::uint64_t i, std::uint64_t j) {
  return {seed, static_cast<std::uint64_t>(kind) << 56 | i << 32 | j};
}

void parameter_values(const Network& network, std::uint32_t population, std::string_view parameter,
                      std::int64_t first, std::span<double> values) {
  const Found found = find(network.populations[population], parameter);
  if (const auto* constant = std::get_if<Constant>(&found.value)) {
    std::fill(values.begin(), values.end(), constant->value);
    return;
  }
  const RandomStream stream =
      draw_stream(network.seed, DrawKind::kParameter, population, found.index);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto neuron = static_cast<std::uint64_t>(first) + i;
    values[i] = draw(found.value, stream.words(neuron / 4)[neuron % 4]);
  }
}

bool is_uniform(const Network& network, std::uint32_t population, std::string_view parameter) {
  return std::holds_alternative<Constant>(find(network.populations[population], parameter).value);
}

WholeDraw::WholeDraw(const Distribution& distribution, double unit, std::int32_t least) {
  const auto at = [&](std::uint64_t word) {
    return whole(draw(distribution, static_cast<std::uint32_t>(word)), unit, least);
  };
  first_ = at(0);
  const std::int32_t last = at(kWords - 1);
  end_.clear();
  std::uint64_t begin = 0;
  for (std::int32_t value = first_; value < last; ++value) {
    // The first word beyond `value`: at most a few from where the distribution function says.
    const double share = cumulative(distribution, (static_cast<double>(value) + 0.5) * unit);
    std::uint64_t low = begin, high = kWords - 1;  // at(high) > value
    const auto guess = static_cast<std::uint64_t>(share * static_cast<double>(kWords));
    for (std::uint64_t reach = 1; reach < kWords; reach *= 16) {
      const std::uint64_t left = guess > reach ? guess - reach : 0;
      const std::uint64_t right = guess + reach;
      if (left <= low || right >= high) break;
      if (at(left) <= value && at(right) > value) {
        low = left;
        high = right;
        break;
      }
    }
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (at(middle) > value) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    end_.push_back(low);
    begin = low;
  }
  end_.push_back(kWords);
  std::uint32_t i = 0;
  for (std::size_t g = 0; g < guide_.size(); ++g) {
    while (static_cast<std::uint64_t>(g) << kGuideShift >= end_[i]) ++i;
    guide_[g] = i;
  }
}

PoissonDraw::PoissonDraw(double mean) {
  double share = 0.0;
  double chance = std::exp(-mean);
  for (double k = 0.0;; k += 1.0) {
    share += chance;
    const auto end = static_cast<std::uint64_t>(std::min(share, 1.0) * 0x1.0p32);
    const bool rest = k > mean && chance * 0x1.0p33 < 1.0;
    end_.push_back(rest ? kWords : end);
    if (rest || end >= kWords) break;
    chance *= mean / (k + 1.0);
  }
}

std::uint32_t PoissonDraw::operator()(std::uint32_t word) const {
  return static_cast<std::uint32_t>(std::upper_bound(end_.begin(), end_.end(), word) -
                                    end_.begin());
}

}  // namespace spikeloom::simulation
