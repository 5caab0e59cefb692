#pragma once
/// Read-outs of a network that scores words (logits l_w): likelihood, best words, choice.
///
///     log-likelihood of word t:  l_t - log sum_w exp(l_w)     (sum in double, largest taken out)
///     perplexity of T words:     exp(- 1/T sum of their log-likelihoods)
///     choice at temperature K:   word w with probability proportional to exp(l_w / K) among the
///                                `among` best but `never`; K = 0: the best. Ties: the lower index.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.hpp"

namespace spikeloom {

/// Log-likelihood of `word`, nats; not finite where a logit is NaN.
double log_likelihood(std::span<const float> logits, std::uint32_t word);

/// Adds up log-likelihoods.
class PerplexityMeter {
 public:
  void add(double log_likelihood) {
    sum_ += log_likelihood;
    ++words_;
  }
  std::uint64_t words() const { return words_; }
  double loss() const { return words_ == 0 ? 0.0 : -sum_ / static_cast<double>(words_); }
  double perplexity() const;

 private:
  double sum_ = 0.0;
  std::uint64_t words_ = 0;
};

struct ScoredWord {
  std::uint32_t word = 0;
  float logit = 0.0F;
};

/// The `count` best words, best first, in one pass over the logits: they are never sorted.
std::vector<ScoredWord> best_words(std::span<const float> logits, std::size_t count);

struct WordChoice {
  double temperature = 1.0;
  std::size_t among = 50;
  /// A word that is never chosen: texts are written without <unk>.
  std::optional<std::uint32_t> never = {};
};

/// Word number `index` of a text: a function of logits, options, random.seed and index.
std::uint32_t choose_word(std::span<const float> logits, const WordChoice& choice,
                          const RandomStream& random, std::uint64_t index);

}  // namespace spikeloom
