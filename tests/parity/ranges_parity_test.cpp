/// Sums that are made range by range, where the neurons read them, against the reference.

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// Connections onto 70,000 neurons, whose sums are made range by range of 16,384 and more. Forward:
/// from 40 inputs; else those and, one step later, the neurons' own spikes.
Network wide_network(bool back, bool repeats) {
  constexpr std::int64_t kWide = 70'000, kFew = 40;
  const auto connections = [repeats](std::int64_t sources, std::int64_t degree, float weight) {
    node::RandomSparse random;
    random.shape = integers({kWide, sources});
    random.source_start = integers({0});
    random.source_count = integers({sources});
    random.degree = integers({degree});
    random.weight = floats({1}, {weight});
    random.repeats = integers({repeats ? 1 : 0});
    random.seed = integers({9});
    return random;
  };
  NetworkBuilder builder;
  builder.add("in", input({kFew}));
  builder.add("forward", connections(kFew, 3, 2.0F));
  builder.add("neurons", relay(5.0F, kWide));
  builder.add("out", output({kWide}));
  builder.connect("in", "forward");
  builder.connect("forward", "neurons");
  builder.connect("neurons", "out");
  if (back) {
    builder.add("back", connections(kWide, 5, -1.0F));
    builder.connect("neurons", "back");
    builder.connect("back", "neurons");
  }
  auto made = std::move(builder).build();
  EXPECT_TRUE(made.ok()) << error_of(made);
  return *std::move(made);
}

/// Half of 40 inputs, some of them twice in a step.
CodedInput few_inputs(std::int64_t steps) {
  const RandomStream random{13, 4};
  CodedInput coded;
  coded.steps = steps;
  for (std::int64_t s = 0; s < steps; ++s) {
    for (std::uint32_t i = 0; i < 40; ++i) {
      const double draw = random.uniform(static_cast<std::uint64_t>(s) * 40 + i);
      if (draw >= 0.5) continue;
      coded.index.push_back(i);
      // All alike in every other step: bitmasks take no values.
      coded.value.push_back(s % 2 == 0 && draw < 0.1 ? 2.0 : 1.0);
    }
    coded.step_start.push_back(coded.index.size());
  }
  return coded;
}

TEST(RangesParity, EqualTheReference) {
  const CodedInput in = few_inputs(8);
  for (const bool back : {false, true}) {
    for (const bool repeats : {false, true}) {
      const Network net = wide_network(back, repeats);
      RunRequest wanted{.preset = "nir", .options = {{"dt", "1"}}};
      wanted.arithmetic = Arithmetic::kDouble;
      const auto expected = run_network(net, in, wanted);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      ASSERT_GT(expected->events.at("out").size(), 10'000U) << "the case is nearly silent";
      wanted.backend = "cpu";
      for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
        for (const Schedule schedule : {Schedule::kRows, Schedule::kBitmask}) {
          if (back && schedule == Schedule::kBitmask) continue;  // 600 MB of bits
          for (const int threads : {1, 3}) {
            wanted.arithmetic = arithmetic;
            wanted.schedule = schedule;
            wanted.threads = threads;
            const auto run = run_network(net, in, wanted);
            ASSERT_TRUE(run.ok()) << error_of(run);
            EXPECT_TRUE(run->events == expected->events)
                << to_string(arithmetic) << " " << to_string(schedule) << " " << threads
                << (back ? " back" : "") << (repeats ? " repeats" : "");
            for (std::size_t n = 0; n < run->stats.nodes.size(); ++n) {
              const NodeStats& mine = run->stats.nodes[n];
              const NodeStats& theirs = expected->stats.nodes[n];
              EXPECT_EQ(mine.events_in, theirs.events_in) << mine.name;
              EXPECT_EQ(mine.events_out, theirs.events_out) << mine.name;
              EXPECT_EQ(mine.ac + mine.mac, theirs.ac + theirs.mac) << mine.name;
              if (mine.name == "forward" && schedule == Schedule::kBitmask) {
                EXPECT_EQ(mine.steps_bitmask, 4U) << "steps without values";
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
