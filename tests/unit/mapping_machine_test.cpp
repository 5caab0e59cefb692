/// Targets, machines and multicast trees.

#include <algorithm>
#include <deque>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "mapping/machine.hpp"
#include "mapping/trees.hpp"

namespace spikeloom::mapping {
namespace {

Target target(const std::string& name) {
  auto loaded = load_target(name);
  EXPECT_TRUE(loaded.ok()) << loaded.error().message();
  return *std::move(loaded);
}

Machine machine(const std::string& name, const Faults& faults = {}) {
  auto made = Machine::make(target(name), faults);
  EXPECT_TRUE(made.ok()) << made.error().message();
  return *std::move(made);
}

TEST(Targets, BuiltInOnesAreWholeAndSaySources) {
  ASSERT_EQ(target_names(),
            (std::vector<std::string>{"cpu", "gpu", "loihi", "spinnaker1", "spinnaker2"}));
  for (const std::string& name : target_names()) {
    const Target loaded = target(name);
    EXPECT_EQ(loaded.name, name);
    EXPECT_GE(loaded.constants.cores, 1.0);
    for (const TargetEntry& entry : loaded.entries)
      EXPECT_GT(entry.source.size(), 4U) << entry.name;
  }
}

TEST(Targets, SizesAreThoseOfTheMachines) {
  // A SpiNN-5 board has 48 chips; a chip of SpiNNaker1 18 cores, one of them the monitor.
  EXPECT_EQ(machine("spinnaker1:board").working_chips(), 48U);
  EXPECT_EQ(machine("spinnaker1:board").working_cores(), 48U * 17);
  EXPECT_EQ(machine("spinnaker1:12x11").working_chips(), 132U);
  EXPECT_EQ(machine("spinnaker2").working_cores(), 150U);
  EXPECT_EQ(machine("loihi").working_cores(), 128U);
}

TEST(Targets, WrongFilesAreNamed) {
  const auto message = [](const std::string& text, const std::string& size = "") {
    const auto parsed = parse_target(text, "file.toml", size);
    return parsed.ok() ? std::string("accepted") : parsed.error().message();
  };
  const std::string start =
      "name = \"t\"\ntitle = \"t\"\ntopology = \"hex\"\nsynapses = \"packed\"\nsize = \"a\"\n";
  const std::string sizes = "[sizes.a]\nwidth = 2\nheight = 2\n";
  const std::string cores = "[core.count]\nvalue = 4\nsource = \"a test\"\n";
  EXPECT_EQ(message(start + sizes + cores), "accepted");
  EXPECT_NE(message(start + sizes).find("core.count"), std::string::npos);
  EXPECT_NE(message(start + sizes + "[core.count]\nvalue = 4\n").find("source"), std::string::npos);
  EXPECT_NE(message(start + sizes + cores + "[core.speed]\nvalue = 1\nsource = \"x\"\n")
                .find("core.speed"),
            std::string::npos);
  EXPECT_NE(message(start + sizes + "[core.count]\nvalue = -4\nsource = \"x\"\n").find("line 10"),
            std::string::npos);
  EXPECT_NE(message(start + sizes + cores, "b").find("no size 'b'"), std::string::npos);
  EXPECT_NE(message(start + cores).find("sizes"), std::string::npos);
  EXPECT_NE(message("topology = [").find("line 1"), std::string::npos);
  EXPECT_EQ(load_target("nothing").error().code, ErrorCode::kNotFound);
}

TEST(Targets, FaultsAreRead) {
  const auto faults = parse_faults(
      "chips = [[1, 2]]\ncores = [[0, 0, 3]]\nlinks = [[0, 1, \"NE\"], "
      "[2, 2, 5]]\n",
      "f.toml");
  ASSERT_TRUE(faults.ok()) << faults.error().message();
  EXPECT_EQ(faults->chips.size(), 1U);
  EXPECT_EQ(faults->cores.front().core, 3);
  EXPECT_EQ(faults->links[0].direction, 1);
  EXPECT_EQ(faults->links[1].direction, 5);
  EXPECT_FALSE(parse_faults("links = [[0, 0, \"UP\"]]", "f.toml").ok());
  EXPECT_FALSE(parse_faults("wires = []", "f.toml").ok());
}

/// Distances by search over the links.
std::vector<std::uint32_t> searched(const Machine& machine, std::uint32_t from) {
  std::vector<std::uint32_t> distance(machine.chips(), kNoChip);
  std::deque<std::uint32_t> queue{from};
  distance[from] = 0;
  while (!queue.empty()) {
    const std::uint32_t at = queue.front();
    queue.pop_front();
    for (int d = 0; d < kDirections; ++d) {
      const std::uint32_t next = machine.neighbour(at, d);
      if (next == kNoChip || distance[next] != kNoChip) continue;
      distance[next] = distance[at] + 1;
      queue.push_back(next);
    }
  }
  return distance;
}

TEST(Machines, DistancesAreThoseOfASearch) {
  for (const char* name : {"spinnaker1:12x11", "spinnaker1:5x3", "spinnaker1:board", "loihi"}) {
    const Machine m = machine(name);
    for (std::uint32_t from = 0; from < m.chips(); ++from) {
      if (!m.works(from)) continue;
      const auto distance = searched(m, from);
      for (std::uint32_t to = 0; to < m.chips(); ++to) {
        if (!m.works(to)) continue;
        EXPECT_EQ(m.distance(from, to), distance[to]) << name;
      }
    }
  }
}

TEST(Machines, DeadPartsAreGone) {
  const Machine m =
      machine("spinnaker1:4x4", {.chips = {{1, 1}}, .cores = {{0, 0, 5}}, .links = {{2, 2, 0}}});
  EXPECT_FALSE(m.works(m.chip(1, 1)));
  EXPECT_TRUE(m.cores(m.chip(1, 1)).empty());
  EXPECT_EQ(m.neighbour(m.chip(0, 0), 1), kNoChip);
  EXPECT_EQ(m.cores(m.chip(0, 0)).size(), 16U);
  EXPECT_EQ(m.neighbour(m.chip(2, 2), 0), kNoChip);
  EXPECT_EQ(m.neighbour(m.chip(3, 2), 3), kNoChip);
  EXPECT_EQ(m.neighbour(m.chip(3, 3), 1), m.chip(0, 0));  // around the torus
  EXPECT_FALSE(Machine::make(target("spinnaker1:4x4"), {.chips = {{4, 0}}}).ok());
  EXPECT_FALSE(Machine::make(target("spinnaker1:4x4"), {.cores = {{0, 0, 18}}}).ok());
  EXPECT_FALSE(Machine::make(target("spinnaker1:board"), {.links = {{0, 0, 5}}}).ok());
}

/// A dead column of a mesh of 4 x 4 leaves 4 chips on one side and 8 on the other.
TEST(Machines, ThePieceWithMostCoresIsTheOneToUse) {
  Faults faults;
  for (std::int32_t y = 0; y < 4; ++y) faults.chips.push_back({1, y});
  Target mesh = target("spinnaker1:4x4");
  mesh.wraps = false;
  const auto made = Machine::make(mesh, faults);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->working_cores(), 12U * 17);
  EXPECT_EQ(made->joined_cores(), 8U * 17);
  EXPECT_FALSE(made->joined(made->chip(0, 0)));
  EXPECT_FALSE(made->joined(made->chip(1, 0)));
  EXPECT_TRUE(made->joined(made->chip(2, 0)));
  EXPECT_EQ(machine("spinnaker1:board").joined_cores(), 48U * 17);
}

/// Joined, without cycles, over links that exist, and every chip wanted is in it.
void expect_tree(const Machine& m, const std::vector<TreeChip>& tree, std::uint32_t source,
                 const std::vector<std::uint32_t>& chips) {
  std::set<std::uint32_t> reached;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    EXPECT_TRUE(reached.insert(tree[i].chip).second);
    if (i == 0) {
      EXPECT_EQ(tree[i].chip, source);
      continue;
    }
    ASSERT_LT(tree[i].parent, static_cast<std::int32_t>(i));
    EXPECT_EQ(m.neighbour(tree[static_cast<std::size_t>(tree[i].parent)].chip, tree[i].direction),
              tree[i].chip);
  }
  for (const std::uint32_t chip : chips) EXPECT_EQ(reached.count(chip), 1U);
}

TEST(Trees, AreAsShortAsCanBeWhereThatIsKnown) {
  const Machine m = machine("spinnaker1:8x8");
  TreeFinder finder(m);
  // A row of neighbours: one link each.
  std::vector<std::uint32_t> row;
  for (std::int32_t x = 0; x < 6; ++x) row.push_back(m.chip(x, 3));
  auto tree = finder.find(m.chip(2, 3), row);
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->size(), 6U);
  // One target: a shortest way.
  for (std::uint32_t to = 0; to < m.chips(); ++to) {
    const std::vector<std::uint32_t> one{to};
    tree = finder.find(0, one);
    ASSERT_TRUE(tree.ok());
    EXPECT_EQ(tree->size() - 1, m.distance(0, to));
    expect_tree(m, *tree, 0, one);
  }
  // Three chips: the best meeting point, by trying all.
  for (std::uint32_t a = 1; a < m.chips(); a += 5) {
    for (std::uint32_t b = 2; b < m.chips(); b += 7) {
      if (a == b) continue;
      std::uint32_t best = 1000;
      for (std::uint32_t middle = 0; middle < m.chips(); ++middle) {
        best =
            std::min(best, m.distance(0, middle) + m.distance(a, middle) + m.distance(b, middle));
      }
      const std::vector<std::uint32_t> two{std::min(a, b), std::max(a, b)};
      tree = finder.find(0, two);
      ASSERT_TRUE(tree.ok());
      expect_tree(m, *tree, 0, two);
      EXPECT_LE(tree->size() - 1, best + 1);
    }
  }
}

TEST(Trees, GoRoundWhatIsDead) {
  Faults faults;
  for (std::int32_t y = 0; y < 4; ++y) faults.chips.push_back({2, y});
  const Machine m = machine("spinnaker1:5x4", faults);
  TreeFinder finder(m);
  const std::vector<std::uint32_t> chips{m.chip(3, 1)};
  auto tree = finder.find(m.chip(1, 1), chips);
  ASSERT_TRUE(tree.ok()) << tree.error().message();
  expect_tree(m, *tree, m.chip(1, 1), chips);
  EXPECT_EQ(tree->size() - 1, 3U);  // west, around the torus: x 1, 0, 4, 3
  for (std::int32_t y = 0; y < 4; ++y) faults.chips.push_back({4, y});
  const Machine split = machine("spinnaker1:5x4", faults);
  TreeFinder lost(split);
  const auto none = lost.find(split.chip(1, 1), chips);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message().find("chip (3, 1)"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::mapping
