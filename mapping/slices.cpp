#include "mapping/slices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mapping/detail/shared_cores.hpp"

namespace spikeloom::mapping {
namespace {

/// Boxes may take so many times the fewest cores to save packets.
constexpr double kMoreCores = 1.05;
constexpr int kRounds = 4;
/// More slices than any machine has cores (machine.hpp).
constexpr std::uint32_t kMostSlices = 1U << 23;

std::uint32_t divide_up(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

class Cutter {
 public:
  Cutter(const PopulationGraph& graph, const Target& target, const ResourceOptions& options)
      : graph_(graph),
        target_(target),
        options_(options),
        model_(graph, target, options),
        windowed_(graph.populations.size(), 0),
        listed_(graph.populations.size(), 0) {
    for (std::uint32_t p = 0; p < graph.populations.size(); ++p) {
      limits_.push_back(core_limits(target, options, p));
    }
    for (const Projection& projection : graph.projections) {
      if (projection.pattern == Pattern::kWindow) {
        windowed_[projection.source] = windowed_[projection.target] = 1;
      }
      if (projection.pattern == Pattern::kList) listed_[projection.target] = 1;
    }
  }

  Result<Slicing> run() {
    const auto populations = static_cast<std::uint32_t>(graph_.populations.size());
    for (std::uint32_t p = 0; p < populations; ++p) SPIKELOOM_CHECK(check_delay(p));
    slices_.assign(populations, 1);
    std::vector<std::vector<Box>> boxes(populations);
    // A core's lookup table grows with the slices of its sources, so one round may not be enough.
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::uint32_t> now(populations);
      for (std::uint32_t p = 0; p < populations; ++p) {
        SPIKELOOM_TRY(boxes[p], boxes_of(p));
        now[p] = static_cast<std::uint32_t>(boxes[p].size());
      }
      const bool settled = now == slices_;
      // Never fewer than before, so that the rounds end.
      for (std::uint32_t p = 0; p < populations; ++p) slices_[p] = std::max(slices_[p], now[p]);
      if (settled) break;
    }
    return made(boxes);
  }

 private:
  Status check_delay(std::uint32_t p) const {
    const std::uint32_t longest = model_.longest_delay(p);
    const std::uint64_t most = limits_[p].delay;
    if (most == 0 || longest <= most) return {};
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("a delay into population '{}' is too long for {}",
                                     graph_.populations[p].name, target_.name),
                 .expected = fmt::format("at most {} ticks", most),
                 .got = fmt::format("{}", longest),
                 .next = "a longer time step, or a chain of relay populations"};
  }

  CoreUse use(std::uint32_t p, const Box& box) const { return model_.use(p, box, slices_); }
  bool fits(std::uint32_t p, const Box& box) const { return !over(use(p, box), limits_[p]); }

  Error too_big(std::uint32_t p, const Box& box) const {
    const CoreUse one = use(p, box);
    const Resource resource = *over(one, limits_[p]);
    std::string next = "a target with larger cores";
    if (resource == Resource::kData) {
      for (const std::uint32_t bytes : {2U, 1U}) {
        ResourceOptions lighter = options_;
        lighter.weight_bytes = bytes;
        const ResourceModel model(graph_, target_, lighter);
        if (!over(model.use(p, box, slices_), limits_[p])) {
          next = fmt::format("weights of {} bits would fit (spikeloom quantize)", 8 * bytes);
        }
      }
      if (one.table_bytes > limits_[p].data_bytes) {
        next = "fewer, larger slices of the populations that send here";
      }
    } else if (resource == Resource::kCycles) {
      next = "a longer tick";
    }
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("one neuron of population '{}' does not fit a core of {}: {}",
                                     graph_.populations[p].name, target_.name, to_string(resource)),
                 .expected = fmt::format("at most {:.0f}", amount(limits_[p], resource)),
                 .got = fmt::format("{:.0f}", amount(one, resource)),
                 .next = next};
  }

  Error too_many(std::uint32_t p, double parts) const {
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("population '{}' needs more cores than any machine has",
                                     graph_.populations[p].name),
                 .expected = fmt::format("at most {}", kMostSlices),
                 .got = fmt::format("{:.0f}", parts)};
  }

  Result<std::vector<Box>> boxes_of(std::uint32_t p) const {
    const Population& population = graph_.populations[p];
    if (detail::shares_cores(target_)) return shares(p);
    if (windowed_[p] != 0) return tiles(p);
    if (listed_[p] != 0) return listed_runs(p);
    const std::uint32_t n = population.neurons();
    const std::uint32_t most = most_that_fit(p, 0, n);
    if (most == 0) return too_big(p, run_box(0, 1));
    const std::uint32_t parts = divide_up(n, most), size = divide_up(n, parts);
    if (parts > kMostSlices) return too_many(p, parts);
    std::vector<Box> boxes;
    for (std::uint32_t first = 0; first < n; first += size) {
      boxes.push_back(run_box(first, std::min(size, n - first)));
    }
    return boxes;
  }

  /// A part for every core: rows of what windows touch, even bytes of listed synapses, else even
  /// neurons. Small populations leave some cores without any.
  Result<std::vector<Box>> shares(std::uint32_t p) const {
    const Extent3& shape = graph_.populations[p].shape;
    const bool rows = windowed_[p] != 0;
    const std::uint32_t length = rows ? shape[1] : graph_.populations[p].neurons();
    auto parts = std::min(static_cast<std::uint32_t>(target_.constants.cores), length);
    const std::uint32_t tile = divide_up(length, parts);  // windows want a grid of equal boxes
    if (rows) parts = divide_up(length, tile);
    const auto bytes = [&](std::uint32_t end) {
      return static_cast<double>(use(p, run_box(0, end)).data_bytes());
    };
    const double whole = listed_[p] != 0 && !rows ? bytes(length) : 0.0;
    std::vector<Box> boxes;
    std::uint32_t first = 0;
    for (std::uint32_t part = 1; part <= parts; ++part) {
      auto end = rows ? std::min(length, tile * part)
                      : static_cast<std::uint32_t>(std::uint64_t{length} * part / parts);
      if (whole > 0.0 && part < parts) {
        // As far as this part's share of the bytes, with a neuron left for each of the others.
        std::uint32_t low = first + 1, high = length - (parts - part);
        while (low < high) {
          const std::uint32_t middle = low + (high - low) / 2;
          if (bytes(middle) * parts < whole * part) {
            low = middle + 1;
          } else {
            high = middle;
          }
        }
        end = low;
      }
      boxes.push_back(rows ? Box{{0, first, 0}, {shape[0], end - first, shape[2]}}
                           : run_box(first, end - first));
      first = end;
      const CoreUse share = use(p, boxes.back());
      if (const auto resource = over(share, limits_[p])) {
        return Error{
            .code = ErrorCode::kResource,
            .what = fmt::format("1/{} of population '{}' does not fit a core of {}: {}", parts,
                                graph_.populations[p].name, target_.name, to_string(*resource)),
            .expected = fmt::format("at most {:.0f}", amount(limits_[p], *resource)),
            .got = fmt::format("{:.0f}", amount(share, *resource)),
            .next = "a target with more, or larger, cores"};
      }
    }
    return boxes;
  }

  static Box run_box(std::uint32_t first, std::uint32_t count) {
    return {{0, 0, first}, {1, 1, count}};
  }

  /// The longest run from `first` that fits, at most `limit`; 0 when not even one neuron does.
  std::uint32_t most_that_fit(std::uint32_t p, std::uint32_t first, std::uint32_t limit) const {
    if (limits_[p].neurons > 0) {
      limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, limits_[p].neurons));
    }
    std::uint32_t low = 0, high = limit;
    while (low < high) {
      const std::uint32_t middle = low + (high - low + 1) / 2;
      if (fits(p, run_box(first, middle))) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /// Fewest runs first, then the smallest share of a core's limits that needs no more of them.
  Result<std::vector<Box>> listed_runs(std::uint32_t p) const {
    const std::uint32_t n = graph_.populations[p].neurons();
    std::vector<Box> best = greedy_runs(p, limits_[p]);
    if (best.empty()) {
      std::uint32_t first = 0;
      while (first < n && fits(p, run_box(first, 1))) ++first;
      return too_big(p, run_box(first, 1));
    }
    const std::size_t fewest = best.size();
    double low = 0.0, high = 1.0;
    for (int i = 0; i < 8 && fewest > 1; ++i) {
      const double share = (low + high) / 2;
      CoreLimits tight = limits_[p];
      const CoreUse whole = use(p, run_box(0, n));
      tight.neurons = scaled(limits_[p].neurons, whole.neurons, share);
      tight.data_bytes = scaled(limits_[p].data_bytes, whole.data_bytes(), share);
      const std::vector<Box> tried = greedy_runs(p, tight);
      if (!tried.empty() && tried.size() <= fewest) {
        best = tried;
        high = share;
      } else {
        low = share;
      }
    }
    return best;
  }

  static std::uint64_t scaled(std::uint64_t limit, std::uint64_t whole, double share) {
    const std::uint64_t of = limit > 0 ? std::min(limit, whole) : whole;
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(share * static_cast<double>(of)));
  }

  std::vector<Box> greedy_runs(std::uint32_t p, const CoreLimits& limits) const {
    const std::uint32_t n = graph_.populations[p].neurons();
    std::vector<Box> boxes;
    std::uint32_t guess = n;
    for (std::uint32_t first = 0; first < n;) {
      const auto run_fits = [&](std::uint32_t count) {
        return !over(use(p, run_box(first, count)), limits);
      };
      // Runs are much alike: the search starts at the last one's length.
      const std::uint32_t left = n - first;
      std::uint32_t low = 0, high = left + 1;  // low fits, high does not
      std::uint32_t step = 1;
      for (std::uint32_t at = std::min(guess, left); low + 1 < high; step *= 2) {
        if (run_fits(at)) {
          low = at;
          if (high <= left) break;
          at = std::min(left, at + step);
        } else {
          high = at;
          if (low > 0) break;
          at = at > step ? at - step : 1;
        }
      }
      while (low + 1 < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        (run_fits(middle) ? low : high) = middle;
      }
      if (low == 0) return {};
      boxes.push_back(run_box(first, low));
      first += low;
      guess = low;
    }
    return boxes;
  }

  /// Packets that a tiling of `p` draws from what it listens to, a tick.
  double packets(std::uint32_t p, const Extent3& tile) const {
    const Population& target = graph_.populations[p];
    double sum = 0.0;
    for (const std::uint32_t i : model_.into(p)) {
      const Projection& projection = graph_.projections[i];
      const Population& source = graph_.populations[projection.source];
      double visits = source.neurons();
      if (projection.pattern == Pattern::kWindow) {
        visits = source.shape[0];
        for (const std::size_t axis : {std::size_t{1}, std::size_t{2}}) {
          const WindowAxis& window = axis == 1 ? projection.window.rows : projection.window.columns;
          std::int64_t length = 0;
          for (std::uint32_t at = 0; at < target.shape[axis]; at += tile[axis]) {
            const Listened range = listened(
                window, at, std::min(tile[axis], target.shape[axis] - at), source.shape[axis]);
            length += std::max<std::int64_t>(0, range.end - range.begin);
          }
          visits *= static_cast<double>(length);
        }
        visits *= std::max<double>(1.0, divide_up(target.shape[0], tile[0]) /
                                            static_cast<double>(projection.window.groups));
      } else {
        for (const std::size_t axis : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
          visits *= divide_up(target.shape[axis], tile[axis]);
        }
      }
      sum += visits * std::max(source.rate, 1e-9);
    }
    // Boxes that are long and thin reach more cores of the next layer than cubes.
    return sum * (1.0 + 1e-3 * (tile[1] + tile[2]) / std::sqrt(double{1} * tile[1] * tile[2]));
  }

  Result<std::vector<Box>> tiles(std::uint32_t p) const {
    const Extent3& shape = graph_.populations[p].shape;
    struct Candidate {
      Extent3 tile;
      double cores;
    };
    std::vector<Candidate> candidates;
    double fewest = std::numeric_limits<double>::infinity();
    // Of all sizes that cut an axis into so many pieces the most even one is enough.
    const auto sizes = [](std::uint32_t length) {
      std::vector<std::uint32_t> found{length};
      while (found.back() > 1) {
        const std::uint32_t pieces = divide_up(length, found.back() - 1);
        found.push_back(divide_up(length, pieces));
      }
      return found;
    };
    const std::vector<std::uint32_t> channels = sizes(shape[0]), rows = sizes(shape[1]),
                                     columns = sizes(shape[2]);
    for (const std::uint32_t r : rows) {
      for (const std::uint32_t w : columns) {
        // The most channels that fit; sizes fall, so that fitting is a suffix.
        const auto first =
            std::partition_point(channels.begin(), channels.end(), [&](std::uint32_t c) {
              return !fits(p, {{0, 0, 0}, {c, r, w}});
            });
        if (first == channels.end()) continue;
        const double cores = static_cast<double>(divide_up(shape[0], *first)) *
                             divide_up(shape[1], r) * divide_up(shape[2], w);
        candidates.push_back({{*first, r, w}, cores});
        fewest = std::min(fewest, cores);
        // Larger boxes with smaller sides need not be looked at: they only add cores.
        if (first == channels.begin()) break;
      }
    }
    if (candidates.empty()) return too_big(p, {{0, 0, 0}, {1, 1, 1}});
    if (fewest > kMostSlices) return too_many(p, fewest);
    const Candidate* best = nullptr;
    double best_packets = 0.0;
    for (const Candidate& candidate : candidates) {
      if (candidate.cores > std::max(fewest, std::floor(fewest * kMoreCores))) continue;
      const double cost = packets(p, candidate.tile);
      if (best == nullptr || cost < best_packets) {
        best = &candidate;
        best_packets = cost;
      }
    }
    std::vector<Box> boxes;
    const Extent3& tile = best->tile;
    for (std::uint32_t c = 0; c < shape[0]; c += tile[0]) {
      for (std::uint32_t r = 0; r < shape[1]; r += tile[1]) {
        for (std::uint32_t w = 0; w < shape[2]; w += tile[2]) {
          boxes.push_back({{c, r, w},
                           {std::min(tile[0], shape[0] - c), std::min(tile[1], shape[1] - r),
                            std::min(tile[2], shape[2] - w)}});
        }
      }
    }
    return boxes;
  }

  Result<Slicing> made(const std::vector<std::vector<Box>>& boxes) const {
    Slicing slicing;
    slicing.populations.resize(boxes.size());
    for (std::uint32_t p = 0; p < boxes.size(); ++p) {
      Slicing::OfPopulation& of = slicing.populations[p];
      of.first_slice = static_cast<std::uint32_t>(slicing.slices.size());
      of.slices = static_cast<std::uint32_t>(boxes[p].size());
      of.tile = boxes[p].front().size;
      std::uint32_t position = 0;
      for (const Box& box : boxes[p]) {
        Slice slice{
            .population = p, .first = position, .count = box.neurons(), .box = box, .use = {}};
        const std::size_t first_block = slicing.blocks.size();
        slice.use = model_.use(p, box, slices_, &slicing.blocks);
        for (std::size_t b = first_block; b < slicing.blocks.size(); ++b) {
          slicing.blocks[b].slice = static_cast<std::uint32_t>(slicing.slices.size());
        }
        if (const auto resource = over(slice.use, limits_[p])) return too_big(p, box);
        position += slice.count;
        slicing.slices.push_back(slice);
      }
      if (windowed_[p] != 0) of.order = order(graph_.populations[p].shape, boxes[p]);
    }
    return slicing;
  }

  /// Neurons box by box; empty when that is their own order.
  static std::vector<std::uint32_t> order(const Extent3& shape, const std::vector<Box>& boxes) {
    std::vector<std::uint32_t> neurons;
    neurons.reserve(std::size_t{shape[0]} * shape[1] * shape[2]);
    for (const Box& box : boxes) {
      for (std::uint32_t c = box.first[0]; c < box.first[0] + box.size[0]; ++c) {
        for (std::uint32_t r = box.first[1]; r < box.first[1] + box.size[1]; ++r) {
          for (std::uint32_t w = box.first[2]; w < box.first[2] + box.size[2]; ++w) {
            neurons.push_back((c * shape[1] + r) * shape[2] + w);
          }
        }
      }
    }
    for (std::uint32_t i = 0; i < neurons.size(); ++i) {
      if (neurons[i] != i) return neurons;
    }
    return {};
  }

  const PopulationGraph& graph_;
  const Target& target_;
  ResourceOptions options_;
  std::vector<CoreLimits> limits_;
  ResourceModel model_;
  std::vector<char> windowed_, listed_;
  std::vector<std::uint32_t> slices_;  ///< of each population, as far as is known
};

}  // namespace

Result<Slicing> cut(const PopulationGraph& graph, const Target& target,
                    const ResourceOptions& options) {
  SPIKELOOM_CHECK(check(graph));
  return Cutter(graph, target, options).run();
}

}  // namespace spikeloom::mapping
