#include <algorithm>
#include <map>

#include "mapping/slices.hpp"

namespace spikeloom::mapping {
namespace {

class Reach {
 public:
  Reach(const PopulationGraph& graph, const Slicing& slicing) : graph_(graph), slicing_(slicing) {}

  TargetSets run(const std::vector<char>& wanted) {
    const std::size_t populations = graph_.populations.size();
    std::vector<std::vector<const Projection*>> from(populations);
    for (const Projection& projection : graph_.projections) {
      from[projection.source].push_back(&projection);
    }
    TargetSets made;
    made.of_slice.assign(slicing_.slices.size(), 0);
    made.sets.emplace_back();
    std::map<std::vector<std::uint32_t>, std::uint32_t> known{{{}, 0}};
    const auto number = [&](std::vector<std::uint32_t> set) {
      std::sort(set.begin(), set.end());
      set.erase(std::unique(set.begin(), set.end()), set.end());
      const auto [found, is_new] =
          known.try_emplace(set, static_cast<std::uint32_t>(made.sets.size()));
      if (is_new) made.sets.push_back(std::move(set));
      return found->second;
    };
    for (std::uint32_t p = 0; p < populations; ++p) {
      if (wanted[p] == 0) continue;
      const auto& of = slicing_.populations[p];
      std::vector<std::uint32_t> whole;
      bool the_same = true;
      for (const Projection* projection : from[p]) {
        if (reaches_all(*projection)) {
          append_all(projection->target, whole);
        } else {
          the_same = false;
        }
      }
      if (the_same) {
        std::fill_n(made.of_slice.begin() + of.first_slice, of.slices, number(std::move(whole)));
        continue;
      }
      std::vector<std::vector<std::uint32_t>> lists(of.slices, whole);
      for (const Projection* projection : from[p]) add(*projection, lists);
      for (std::uint32_t s = 0; s < of.slices; ++s) {
        made.of_slice[of.first_slice + s] = number(std::move(lists[s]));
      }
    }
    return made;
  }

 private:
  static bool reaches_all(const Projection& projection) {
    return projection.pattern == Pattern::kAll || projection.pattern == Pattern::kRandom;
  }

  void append_all(std::uint32_t population, std::vector<std::uint32_t>& set) const {
    const auto& of = slicing_.populations[population];
    for (std::uint32_t s = 0; s < of.slices; ++s) set.push_back(of.first_slice + s);
  }

  /// The slice of every neuron of a population.
  std::vector<std::uint32_t> slice_of_neuron(std::uint32_t population) const {
    const auto& of = slicing_.populations[population];
    std::vector<std::uint32_t> slice(graph_.populations[population].neurons());
    for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
      const Slice& its = slicing_.slices[s];
      for (std::uint32_t at = its.first; at < its.first + its.count; ++at) {
        slice[of.order.empty() ? at : of.order[at]] = s;
      }
    }
    return slice;
  }

  void add(const Projection& projection, std::vector<std::vector<std::uint32_t>>& lists) const {
    const std::uint32_t first = slicing_.populations[projection.source].first_slice;
    const auto& targets = slicing_.populations[projection.target];
    // The last target put into each list, so that repetitions stay out.
    std::vector<std::uint32_t> last(lists.size(), 0xFFFFFFFF);
    const auto join = [&](std::uint32_t source_slice, std::uint32_t target_slice) {
      const std::uint32_t at = source_slice - first;
      if (last[at] == target_slice) return;
      last[at] = target_slice;
      lists[at].push_back(target_slice);
    };
    if (projection.pattern == Pattern::kWindow) {
      for (std::uint32_t t = targets.first_slice; t < targets.first_slice + targets.slices; ++t) {
        join_window(projection, t, join);
      }
    } else if (projection.pattern == Pattern::kOneToOne) {
      const std::vector<std::uint32_t> sources = slice_of_neuron(projection.source);
      const std::vector<std::uint32_t> target = slice_of_neuron(projection.target);
      for (std::size_t i = 0; i < sources.size(); ++i) join(sources[i], target[i]);
    } else if (projection.pattern == Pattern::kList) {
      const std::vector<std::uint32_t> sources = slice_of_neuron(projection.source);
      const SynapseList& list = *projection.list;
      for (std::uint32_t t = targets.first_slice; t < targets.first_slice + targets.slices; ++t) {
        const Slice& slice = slicing_.slices[t];
        for (std::uint32_t at = slice.first; at < slice.first + slice.count; ++at) {
          const std::uint32_t neuron = targets.order.empty() ? at : targets.order[at];
          for (std::uint64_t i = list.start[neuron]; i < list.start[neuron + 1]; ++i) {
            join(sources[list.source[i]], t);
          }
        }
      }
    }
  }

  /// Boxes are a grid, so those that a window listens to are a range of it along each axis.
  template <typename Join>
  void join_window(const Projection& projection, std::uint32_t target, const Join& join) const {
    const Population& source = graph_.populations[projection.source];
    const auto& of = slicing_.populations[projection.source];
    const Box heard = listened(projection.window, slicing_.slices[target].box, source,
                               graph_.populations[projection.target]);
    if (heard.neurons() == 0) return;
    Extent3 grid{}, begin{}, end{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      grid[axis] = (source.shape[axis] + of.tile[axis] - 1) / of.tile[axis];
      begin[axis] = heard.first[axis] / of.tile[axis];
      end[axis] = (heard.first[axis] + heard.size[axis] - 1) / of.tile[axis] + 1;
    }
    const Box& box = slicing_.slices[target].box;
    const auto reaches = [&](std::size_t axis, std::uint32_t tile) {
      const WindowAxis& window = axis == 1 ? projection.window.rows : projection.window.columns;
      const std::int64_t first = std::int64_t{tile} * of.tile[axis];
      const auto last = std::min<std::int64_t>(first + of.tile[axis], source.shape[axis]);
      return hears(window, box.first[axis], box.size[axis], first, last);
    };
    for (std::uint32_t c = begin[0]; c < end[0]; ++c) {
      for (std::uint32_t r = begin[1]; r < end[1]; ++r) {
        if (!reaches(1, r)) continue;
        for (std::uint32_t w = begin[2]; w < end[2]; ++w) {
          if (!reaches(2, w)) continue;
          join(of.first_slice + (c * grid[1] + r) * grid[2] + w, target);
        }
      }
    }
  }

  const PopulationGraph& graph_;
  const Slicing& slicing_;
};

}  // namespace

TargetSets target_sets(const PopulationGraph& graph, const Slicing& slicing) {
  return target_sets(graph, slicing, std::vector<char>(graph.populations.size(), 1));
}

TargetSets target_sets(const PopulationGraph& graph, const Slicing& slicing,
                       const std::vector<char>& populations) {
  return Reach(graph, slicing).run(populations);
}

}  // namespace spikeloom::mapping
