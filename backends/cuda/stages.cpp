#include "backends/cuda/stages.hpp"

#include <algorithm>

namespace spikeloom::cuda {
namespace {

constexpr std::uint32_t kUnseen = ~std::uint32_t{0};

/// Where a walk stands: a node, and the link that it follows next.
struct Visit {
  std::uint32_t node = 0;
  std::size_t next_link = 0;
};

}  // namespace

/// R. Tarjan, SIAM J. Comput. 1 (1972), without recursion. Walking from a node to its sources, a
/// part is complete only after all parts that it reads from.
std::vector<Stage> find_stages(const Program& program) {
  const std::size_t size = program.nodes.size();
  std::vector<std::uint32_t> order(size, kUnseen), lowest(size, 0);
  std::vector<bool> open(size, false);
  std::vector<std::uint32_t> path;
  std::vector<Visit> walk;
  std::vector<Stage> stages;
  std::uint32_t seen = 0;
  const auto enter = [&](std::uint32_t node) {
    order[node] = lowest[node] = seen++;
    path.push_back(node);
    open[node] = true;
    walk.push_back({node, 0});
  };
  const auto close = [&](std::uint32_t node) {
    Stage stage;
    for (std::uint32_t last = kUnseen; last != node;) {
      last = path.back();
      path.pop_back();
      open[last] = false;
      stage.nodes.push_back(last);
    }
    std::sort(stage.nodes.begin(), stage.nodes.end());
    const std::vector<Link>& links = program.nodes[node].inputs;
    stage.cyclic =
        stage.nodes.size() > 1 ||
        std::any_of(links.begin(), links.end(), [&](const Link& l) { return l.source == node; });
    stages.push_back(std::move(stage));
  };
  for (std::uint32_t root = 0; root < size; ++root) {
    if (order[root] != kUnseen) continue;
    enter(root);
    while (!walk.empty()) {
      const std::uint32_t node = walk.back().node;
      const std::vector<Link>& links = program.nodes[node].inputs;
      if (walk.back().next_link < links.size()) {
        const std::uint32_t source = links[walk.back().next_link++].source;
        if (order[source] == kUnseen) {
          enter(source);
        } else if (open[source]) {
          lowest[node] = std::min(lowest[node], order[source]);
        }
        continue;
      }
      if (lowest[node] == order[node]) close(node);
      walk.pop_back();
      if (!walk.empty()) {
        const std::uint32_t reader = walk.back().node;
        lowest[reader] = std::min(lowest[reader], lowest[node]);
      }
    }
  }
  return stages;
}

}  // namespace spikeloom::cuda
