#include "mapping/partition/detail/coarsen.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.hpp"

namespace spikeloom::mapping::detail {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
/// Longer nets are looked at through this many of their pins; through fewer, but not less than
/// kFewestPins, where a vertex has so many nets that it would look at more than kLooks pins.
constexpr std::size_t kSampledPins = 96, kFewestPins = 6, kLooks = 12000;

/// Every net cut into its pieces inside the parts; pieces of one pin are left out.
Hypergraph inside_parts(const Hypergraph& graph, std::span<const std::uint32_t> part) {
  Hypergraph inside;
  inside.vertices = graph.vertices;
  const std::size_t nowhere = graph.pin.size();
  std::vector<std::size_t> next(*std::max_element(part.begin(), part.end()) + std::size_t{1}, 0);
  std::vector<std::uint32_t> touched;
  inside.pin.resize(graph.pin.size());
  inside.net_start.push_back(0);
  std::size_t end = 0;
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    touched.clear();
    for (const std::uint32_t v : graph.pins(e)) {
      if (next[part[v]]++ == 0) touched.push_back(part[v]);
    }
    for (const std::uint32_t p : touched) {
      const std::size_t pins = next[p];
      next[p] = pins < 2 ? nowhere : end;
      if (pins < 2) continue;
      end += pins;
      inside.net_start.push_back(end);
      inside.net_weight.push_back(graph.net_weight[e]);
    }
    for (const std::uint32_t v : graph.pins(e)) {
      if (next[part[v]] != nowhere) inside.pin[next[part[v]]++] = v;
    }
    for (const std::uint32_t p : touched) next[p] = 0;
  }
  inside.pin.resize(end);
  index_vertices(inside);
  return inside;
}

/// Clusters while they grow; each is named by one of its vertices.
class Clusters {
 public:
  Clusters(const Hypergraph& graph, const CoarsenOptions& options)
      : graph_(graph),
        options_(options),
        inside_(options.part.empty() ? Hypergraph{} : inside_parts(graph, options.part)),
        nets_(options.part.empty() ? graph : inside_),
        of_(graph.vertices),
        weight_(graph.weight),
        touched_(graph.vertices + std::size_t{1}),
        rating_(graph.vertices, 0.0F),
        single_(graph.vertices, 1) {
    std::iota(of_.begin(), of_.end(), 0U);
  }

  /// Joins v, if it is still alone, to its best neighbour; true when it did.
  bool join(std::uint32_t v) {
    if (single_[v] == 0) return false;
    const auto nets = nets_.nets_of(v);
    if (nets.empty()) return false;
    std::size_t touched = 0;
    const std::size_t most = std::clamp(kLooks / nets.size(), kFewestPins, kSampledPins);
    for (const std::uint32_t e : nets) {
      const auto pins = nets_.pins(e);
      // A rating of 0 stands for a cluster that was not met yet.
      if (pins.size() < 2 || nets_.net_weight[e] == 0) continue;
      const float score =
          static_cast<float>(nets_.net_weight[e]) / static_cast<float>(pins.size() - 1);
      const std::size_t count = std::min(pins.size(), most);
      std::size_t at = pins.size() > most
                           ? (v * std::size_t{2654435761U} + e * std::size_t{40503U}) % pins.size()
                           : 0;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t c = of_[pins[at]];
        at = at + 1 == pins.size() ? 0 : at + 1;
        const float before = rating_[c];
        touched_[touched] = c;  // without a branch: this loop is most of coarsening
        touched += before == 0.0F ? 1 : 0;
        rating_[c] = before + score;
      }
    }
    std::uint32_t best = kNone;
    double best_rating = 0.0;
    for (std::size_t i = 0; i < touched; ++i) {
      const std::uint32_t c = touched_[i];
      // Light clusters first, so that all grow alike.
      const double rating = rating_[c] / weight_[std::size_t{c} * graph_.resources];
      rating_[c] = 0.0F;
      if (c == v) continue;
      if (rating < best_rating || (rating == best_rating && best != kNone && c > best)) continue;
      if (!fit(v, c)) continue;
      best = c;
      best_rating = rating;
    }
    if (best == kNone) return false;
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      weight_[std::size_t{best} * graph_.resources + r] += graph_.weights(v)[r];
    }
    of_[v] = best;
    single_[v] = single_[best] = 0;
    return true;
  }

  std::vector<std::uint32_t> numbered(std::uint32_t& clusters) {
    std::vector<std::uint32_t> number(graph_.vertices, kNone);
    clusters = 0;
    for (std::uint32_t& c : of_) {
      if (number[c] == kNone) number[c] = clusters++;
      c = number[c];
    }
    return std::move(of_);
  }

 private:
  bool fit(std::uint32_t v, std::uint32_t c) const {
    for (std::uint32_t r = 0; r < graph_.resources; ++r) {
      const std::uint32_t sum =
          weight_[std::size_t{c} * graph_.resources + r] + graph_.weights(v)[r];
      if (sum > options_.max_weight[r]) return false;
    }
    return true;
  }

  const Hypergraph& graph_;
  const CoarsenOptions& options_;
  const Hypergraph inside_;
  const Hypergraph& nets_;  ///< of the graph, or their pieces inside the parts
  std::vector<std::uint32_t> of_, weight_, touched_;
  std::vector<float> rating_;
  std::vector<char> single_;
};

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 31;
  x *= 0x9E3779B97F4A7C15U;
  return x ^ x >> 29;
}

}  // namespace

std::vector<std::uint32_t> shuffled(std::uint32_t n, std::uint64_t seed) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  const RandomStream stream{seed, 0x5u};
  std::array<std::uint32_t, 4> words{};
  for (std::uint32_t i = n; i > 1; --i) {
    if ((n - i) % 4 == 0) words = stream.words((n - i) / 4);
    std::swap(order[i - 1], order[std::uint64_t{words[(n - i) % 4]} * i >> 32]);
  }
  return order;
}

std::vector<std::uint32_t> cluster(const Hypergraph& graph, const CoarsenOptions& options,
                                   std::uint32_t& clusters) {
  Clusters growing(graph, options);
  std::uint32_t left = graph.vertices;
  // At most to 40 % in one level: what is joined too fast is joined badly.
  const auto enough =
      std::max(options.min_vertices, static_cast<std::uint32_t>(0.4 * graph.vertices));
  for (const std::uint32_t v : shuffled(graph.vertices, options.seed)) {
    if (left <= enough) break;
    if (growing.join(v)) --left;
  }
  return growing.numbered(clusters);
}

Hypergraph contract(const Hypergraph& graph, std::span<const std::uint32_t> cluster,
                    std::uint32_t clusters, bool keep_axons) {
  Hypergraph coarse;
  coarse.vertices = clusters;
  coarse.resources = graph.resources;
  coarse.weight.assign(std::size_t{clusters} * graph.resources, 0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    for (std::uint32_t r = 0; r < graph.resources; ++r) {
      coarse.weight[std::size_t{cluster[v]} * graph.resources + r] += graph.weights(v)[r];
    }
  }
  // Pins without repeats, the source's cluster first and the others ascending.
  std::vector<std::uint32_t> pins, seen(clusters, kNone);
  std::vector<std::uint64_t> hash;
  coarse.net_start.push_back(0);
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    pins.clear();
    const auto old = graph.pins(e);
    bool loops = graph.loops(e);
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::uint32_t c = cluster[old[i]];
      if (i > 0 && c == cluster[old[0]]) loops = true;
      if (seen[c] == e) continue;
      seen[c] = e;
      pins.push_back(c);
    }
    if (pins.size() < 2 && !keep_axons) continue;
    std::sort(pins.begin() + 1, pins.end());
    std::uint64_t h = pins.size();
    if (keep_axons) {
      h = mix(h * 2 + (loops ? 1 : 0)) + pins[0];
      coarse.net_loops.push_back(loops ? 1 : 0);
      coarse.net_axons.push_back(graph.axons(e));
    }
    // The sum does not depend on which pin is the source.
    for (const std::uint32_t c : pins) h += mix(c + 0x9E3779B97F4A7C15U);
    hash.push_back(h);
    coarse.net_weight.push_back(graph.net_weight[e]);
    coarse.pin.insert(coarse.pin.end(), pins.begin(), pins.end());
    coarse.net_start.push_back(coarse.pin.size());
  }

  // Equal nets side by side by hash, then compared.
  std::vector<std::uint32_t> order(coarse.nets());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return hash[a] != hash[b] ? hash[a] < hash[b] : a < b;
  });
  const auto same = [&](std::uint32_t a, std::uint32_t b) {
    const auto left = coarse.pins(a), right = coarse.pins(b);
    if (left.size() != right.size()) return false;
    if (keep_axons) {
      return coarse.net_loops[a] == coarse.net_loops[b] &&
             std::equal(left.begin(), left.end(), right.begin());
    }
    std::vector<std::uint32_t> x(left.begin(), left.end()), y(right.begin(), right.end());
    std::sort(x.begin(), x.end());
    std::sort(y.begin(), y.end());
    return x == y;
  };
  std::vector<char> dropped(coarse.nets(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (dropped[order[i]] != 0) continue;
    for (std::size_t j = i + 1; j < order.size() && hash[order[j]] == hash[order[i]]; ++j) {
      if (dropped[order[j]] != 0 || !same(order[i], order[j])) continue;
      coarse.net_weight[order[i]] += coarse.net_weight[order[j]];
      if (keep_axons) coarse.net_axons[order[i]] += coarse.net_axons[order[j]];
      dropped[order[j]] = 1;
    }
  }
  std::size_t kept = 0, kept_pins = 0;
  for (std::uint32_t e = 0; e < dropped.size(); ++e) {
    if (dropped[e] != 0) continue;
    const std::size_t first = coarse.net_start[e], last = coarse.net_start[e + 1];
    std::copy(coarse.pin.begin() + static_cast<std::ptrdiff_t>(first),
              coarse.pin.begin() + static_cast<std::ptrdiff_t>(last),
              coarse.pin.begin() + static_cast<std::ptrdiff_t>(kept_pins));
    kept_pins += last - first;
    coarse.net_weight[kept] = coarse.net_weight[e];
    if (keep_axons) {
      coarse.net_loops[kept] = coarse.net_loops[e];
      coarse.net_axons[kept] = coarse.net_axons[e];
    }
    coarse.net_start[++kept] = kept_pins;
  }
  coarse.pin.resize(kept_pins);
  coarse.net_weight.resize(kept);
  coarse.net_start.resize(kept + 1);
  if (keep_axons) {
    coarse.net_loops.resize(kept);
    coarse.net_axons.resize(kept);
  }
  index_vertices(coarse);
  return coarse;
}

}  // namespace spikeloom::mapping::detail
