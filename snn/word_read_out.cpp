#include "snn/word_read_out.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spikeloom {

double log_likelihood(std::span<const float> logits, std::uint32_t word) {
  float largest = -std::numeric_limits<float>::infinity();
  for (const float logit : logits) largest = std::max(largest, logit);
  double sum = 0.0;
  for (const float logit : logits) sum += static_cast<double>(std::exp(logit - largest));
  return static_cast<double>(logits[word] - largest) - std::log(sum);
}

double PerplexityMeter::perplexity() const { return std::exp(loss()); }

std::vector<ScoredWord> best_words(std::span<const float> logits, std::size_t count) {
  const auto better = [](const ScoredWord& a, const ScoredWord& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.word < b.word);
  };
  // A heap whose top is the worst word kept: nearly every other word fails one comparison.
  std::vector<ScoredWord> kept;
  count = std::min(count, logits.size());
  kept.reserve(count);
  for (std::uint32_t word = 0; word < logits.size(); ++word) {
    const ScoredWord scored{word, logits[word]};
    if (kept.size() < count) {
      kept.push_back(scored);
      std::push_heap(kept.begin(), kept.end(), better);
    } else if (count > 0 && scored.logit > kept.front().logit) {
      std::pop_heap(kept.begin(), kept.end(), better);
      kept.back() = scored;
      std::push_heap(kept.begin(), kept.end(), better);
    }
  }
  std::sort_heap(kept.begin(), kept.end(), better);
  return kept;
}

std::uint32_t choose_word(std::span<const float> logits, const WordChoice& choice,
                          const RandomStream& random, std::uint64_t index) {
  const std::size_t among = choice.temperature > 0.0 ? std::max<std::size_t>(choice.among, 1) : 1;
  std::vector<ScoredWord> best = best_words(logits, among + (choice.never ? 1 : 0));
  if (choice.never) {
    std::erase_if(best, [&](const ScoredWord& scored) { return scored.word == *choice.never; });
    if (best.size() > among) best.pop_back();
  }
  if (best.size() <= 1) return best.empty() ? 0 : best.front().word;
  std::vector<double> cumulative;
  double sum = 0.0;
  for (const ScoredWord& scored : best) {
    const double distance = static_cast<double>(scored.logit) - best.front().logit;
    sum += std::exp(distance / choice.temperature);
    cumulative.push_back(sum);
  }
  const double drawn = random.uniform(index) * sum;
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), drawn);
  const auto place = std::min<std::ptrdiff_t>(found - cumulative.begin(),
                                              static_cast<std::ptrdiff_t>(best.size()) - 1);
  return best[static_cast<std::size_t>(place)].word;
}

}  // namespace spikeloom
