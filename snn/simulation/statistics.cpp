#include "snn/simulation/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace spikeloom::simulation {
namespace {

/// NumPy's "linear" percentile of sorted values.
double percentile(const std::vector<double>& sorted, double percent) {
  const double at = percent / 100.0 * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

Distributed distributed(std::vector<double> values) {
  Distributed d;
  d.values = std::move(values);
  if (d.values.empty()) return d;
  const auto n = static_cast<double>(d.values.size());
  for (const double x : d.values) d.mean += x / n;
  for (const double x : d.values) d.sd += (x - d.mean) * (x - d.mean) / n;
  d.sd = std::sqrt(d.sd);
  std::vector<double> sorted = d.values;
  std::sort(sorted.begin(), sorted.end());
  constexpr std::array kPercents = {5.0, 25.0, 50.0, 75.0, 95.0};
  for (std::size_t i = 0; i < kPercents.size(); ++i) {
    d.percentiles[i] = percentile(sorted, kPercents[i]);
  }
  return d;
}

ActivityStatistics::ActivityStatistics(const Network& network, std::int64_t first,
                                       std::int64_t last, const StatisticsOptions& options)
    : options_(options),
      dt_(network.dt),
      first_(first),
      last_(std::max(first, last)),
      bin_steps_(std::max<std::int64_t>(1, std::llround(options.bin_ms / network.dt))),
      bins_((last_ - first_ + bin_steps_ - 1) / bin_steps_),
      first_neuron_(first_neurons(network)),
      trains_(static_cast<std::size_t>(first_neuron_.back())),
      population_of_(trains_.size()) {
  for (std::size_t p = 0; p < network.populations.size(); ++p) {
    const auto begin = static_cast<std::size_t>(first_neuron_[p]);
    const std::int64_t size = network.populations[p].size;
    std::fill_n(population_of_.begin() + static_cast<std::ptrdiff_t>(begin), size,
                static_cast<std::uint32_t>(p));
    const std::int64_t count = std::min(size, options.correlated);
    counted_.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(count),
                        std::vector<std::uint16_t>(static_cast<std::size_t>(count * bins_))});
  }
}

void ActivityStatistics::add(std::int64_t step, std::span<const std::uint32_t> neurons) {
  if (step < first_ || step >= last_) return;
  const std::int64_t bin = (step - first_) / bin_steps_;
  for (const std::uint32_t neuron : neurons) {
    Train& train = trains_[neuron];
    if (train.spikes == 0) {
      train.first = step;
    } else {
      const auto interval = static_cast<double>(step - train.last);
      train.squares += interval * interval;
    }
    train.last = step;
    ++train.spikes;
    Counted& counted = counted_[population_of_[neuron]];
    const std::uint32_t place = neuron - counted.first;
    if (place < counted.count) {
      std::uint16_t& count = counted.bins[static_cast<std::size_t>(place * bins_ + bin)];
      if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
    }
  }
}

std::vector<double> ActivityStatistics::correlations(std::uint32_t population) const {
  const Counted& counted = counted_[population];
  const auto bins = static_cast<std::size_t>(bins_);
  // Each row less its mean, of length one: a correlation is a scalar product.
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < counted.count; ++i) {
    const auto counts = std::span(counted.bins).subspan(i * bins, bins);
    double sum = 0.0;
    for (const std::uint16_t c : counts) sum += c;
    if (sum == 0.0) continue;
    const double mean = sum / static_cast<double>(bins);
    double squares = 0.0;
    for (const std::uint16_t c : counts) squares += (c - mean) * (c - mean);
    if (squares == 0.0) continue;  // as many in every bin: no correlation is defined
    std::vector<double>& row = rows.emplace_back();
    for (const std::uint16_t c : counts) row.push_back((c - mean) / std::sqrt(squares));
  }
  std::vector<double> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      double product = 0.0;
      for (std::size_t b = 0; b < bins; ++b) product += rows[i][b] * rows[j][b];
      found.push_back(product);
    }
  }
  return found;
}

PopulationStatistics ActivityStatistics::of(std::uint32_t population) const {
  PopulationStatistics statistics;
  const double seconds = static_cast<double>(last_ - first_) * dt_ * 1e-3;
  std::vector<double> rates, cvs;
  for (auto n = static_cast<std::size_t>(first_neuron_[population]);
       n < static_cast<std::size_t>(first_neuron_[population + 1]); ++n) {
    const Train& train = trains_[n];
    statistics.spikes += train.spikes;
    rates.push_back(seconds > 0.0 ? train.spikes / seconds : 0.0);
    if (train.spikes < std::max(options_.least_spikes, 2U)) continue;
    const double intervals = train.spikes - 1.0;
    const double mean = static_cast<double>(train.last - train.first) / intervals;
    const double variance = std::max(0.0, train.squares / intervals - mean * mean);
    cvs.push_back(std::sqrt(variance) / mean);
  }
  statistics.rate = distributed(std::move(rates));
  statistics.cv = distributed(std::move(cvs));
  statistics.correlation = distributed(correlations(population));
  return statistics;
}

}  // namespace spikeloom::simulation
