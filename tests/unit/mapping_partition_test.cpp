#include <algorithm>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "mapping/partition/detail/anneal.hpp"
#include "mapping/partition/hgr_file.hpp"
#include "mapping/partition/partition.hpp"

namespace spikeloom::mapping {
namespace {

TEST(Hypergraphs, ReadsHMetisFiles) {
  // The second example of the hMetis manual, section 3.1, in shape: weights of nets and vertices.
  const auto graph = parse_hgr("% comment\n3 4 11\n2 1 2\n3 4 2 3\n8 1 4\n5\n1\n8\n7\n", "file");
  ASSERT_TRUE(graph.ok()) << graph.error().message();
  EXPECT_EQ(graph->vertices, 4U);
  EXPECT_EQ(graph->net_weight, (std::vector<std::uint32_t>{2, 3, 8}));
  EXPECT_EQ(graph->weight, (std::vector<std::uint32_t>{5, 1, 8, 7}));
  const auto pins = graph->pins(1);
  EXPECT_EQ(std::vector(pins.begin(), pins.end()), (std::vector<std::uint32_t>{3, 1, 2}));
  const auto nets = graph->nets_of(3);
  EXPECT_EQ(std::vector(nets.begin(), nets.end()), (std::vector<std::uint32_t>{1, 2}));
}

TEST(Hypergraphs, WrongFilesAreNamed) {
  const auto message = [](std::string_view text) {
    const auto graph = parse_hgr(text, "file");
    return graph.ok() ? std::string("accepted") : graph.error().message();
  };
  EXPECT_NE(message("").find("empty"), std::string::npos);
  EXPECT_NE(message("1\n").find("line 1"), std::string::npos);
  EXPECT_NE(message("1 2 7\n1 2\n").find("fmt"), std::string::npos);
  EXPECT_NE(message("1 2\n1 3\n").find("from 1 to 2"), std::string::npos);
  EXPECT_NE(message("1 2\n1 1\n").find("twice"), std::string::npos);
  EXPECT_NE(message("2 2\n1 2\n").find("line 3"), std::string::npos);
  EXPECT_NE(message("1 2\nx\n").find("number"), std::string::npos);
  EXPECT_NE(message("4000000000 2\n1 2\n").find("more than the file can hold"), std::string::npos);
}

/// Found by fuzzing: 16 bytes that claimed 90 million vertices took more than 2 GiB.
TEST(Hypergraphs, AShortFileHasNoMillionsOfVertices) {
  for (const char* text : {"0 00090005658 1 ", "1 1000001\n1 2\n", "0 4294967295", "0 20 10\n"}) {
    const auto graph = parse_hgr(text, "file");
    ASSERT_FALSE(graph.ok()) << text;
    EXPECT_EQ(graph.error().code, ErrorCode::kResource) << text;
  }
  const auto lonely = parse_hgr("1 1000000\n1 1000000\n", "file");
  ASSERT_TRUE(lonely.ok()) << lonely.error().message();
  EXPECT_EQ(lonely->vertices, 1'000'000U);
  EXPECT_TRUE(lonely->nets_of(500).empty());
  std::string weights;
  for (int v = 0; v < 1'200'000; ++v) weights += "1\n";
  const auto weighted = parse_hgr("1 1200000 10\n1 1200000\n" + weights, "file");
  ASSERT_TRUE(weighted.ok()) << weighted.error().message();
  EXPECT_EQ(weighted->weight.size(), 1'200'000U);
}

/// `groups` rings of `size` neurons; each neuron sends to the next three of its ring.
Hypergraph rings(std::uint32_t groups, std::uint32_t size) {
  Hypergraph graph;
  graph.vertices = groups * size;
  graph.weight.assign(graph.vertices, 1);
  graph.net_start.push_back(0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    // Rings are scattered over the numbers.
    const std::uint32_t ring = v % groups, at = v / groups;
    for (std::uint32_t i = 0; i < 4; ++i) graph.pin.push_back((at + i) % size * groups + ring);
    graph.net_weight.push_back(1 + v % 3);
    graph.net_start.push_back(graph.pin.size());
  }
  index_vertices(graph);
  return graph;
}

TEST(Partitions, FindGroupsThatDoNotTalk) {
  const Hypergraph graph = rings(6, 40);
  const auto found = partition(graph, {.parts = 6, .capacity = {40}});
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->packets, 0U);
  EXPECT_EQ(packets(graph, found->part, 6), 0U);
}

TEST(Partitions, OfSilentNeuronsAreAnyThatFit) {
  Hypergraph graph = rings(3, 400);
  graph.net_weight.assign(graph.nets(), 0);
  const auto silent = partition(graph, {.parts = 10, .capacity = {125}});
  ASSERT_TRUE(silent.ok()) << silent.error().message();
  EXPECT_EQ(silent->packets, 0U);
  for (std::uint32_t e = 0; e < graph.nets(); e += 7) graph.net_weight[e] = 2;
  const auto mixed = partition(graph, {.parts = 10, .capacity = {125}});
  ASSERT_TRUE(mixed.ok()) << mixed.error().message();
  EXPECT_EQ(mixed->packets, packets(graph, mixed->part, 10));
}

TEST(Partitions, PacketsAreConnectivityMinusOneTimesRate) {
  const auto graph = parse_hgr("2 4 1\n3 1 2 3\n5 4 1\n", "file");
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(packets(*graph, std::vector<std::uint32_t>{0, 1, 2, 2}, 3), 3U * 2 + 5U * 1);
}

TEST(Partitions, TheSameSeedGivesTheSamePartition) {
  const Hypergraph graph = rings(3, 100);
  const PartitionOptions options{.parts = 10, .capacity = {32}, .seed = 5};
  EXPECT_EQ(partition(graph, options)->part, partition(graph, options)->part);
}

TEST(Partitions, KeepsTwoResourcesAndAxons) {
  Hypergraph graph = rings(4, 60);
  graph.resources = 2;
  graph.weight.clear();
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    graph.weight.push_back(1);
    graph.weight.push_back(v % 7);
  }
  const PartitionOptions options{.parts = 8, .capacity = {33, 100}, .max_axons = 40};
  const auto found = partition(graph, options);
  ASSERT_TRUE(found.ok()) << found.error().message();
  const PartUse use = part_use(graph, *found);
  for (std::uint32_t p = 0; p < 8; ++p) {
    std::uint32_t neurons = 0, other = 0;
    std::vector<char> heard(graph.nets(), 0);
    for (std::uint32_t v = 0; v < graph.vertices; ++v) {
      if (found->part[v] != p) continue;
      ++neurons;
      other += v % 7;
      for (const std::uint32_t e : graph.nets_of(v)) {
        if (graph.pins(e)[0] != v) heard[e] = 1;
      }
    }
    const auto axons = static_cast<std::uint32_t>(std::accumulate(heard.begin(), heard.end(), 0));
    EXPECT_LE(neurons, 33U);
    EXPECT_LE(other, 100U);
    EXPECT_LE(axons, 40U);
    EXPECT_EQ(use.load[p * 2], neurons);
    EXPECT_EQ(use.load[p * 2 + 1], other);
    EXPECT_EQ(use.axons[p], axons);
  }
}

/// 60 neurons that talk to each other and have ten synapses each, 180 with one: no part holds the
/// 60, and parts full of the others have no room for them unless some leave in exchange.
TEST(Partitions, NeuronsChangePlacesWhereNoPartHasRoomInAllResources) {
  Hypergraph graph;
  graph.vertices = 240;
  graph.resources = 2;
  graph.net_start.push_back(0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    const bool dense = v < 60;
    graph.weight.insert(graph.weight.end(), {1U, dense ? 10U : 1U});
    const std::uint32_t first = dense ? 0 : v - v % 60, reach = dense ? 60 : 6;
    for (std::uint32_t i = 0; i < reach; ++i) graph.pin.push_back(first + (v % 60 + i) % 60);
    graph.net_weight.push_back(1);
    graph.net_start.push_back(graph.pin.size());
  }
  index_vertices(graph);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto found = partition(graph, {.parts = 4, .capacity = {61, 210}, .seed = seed});
    ASSERT_TRUE(found.ok()) << found.error().message();
    const PartUse use = part_use(graph, *found);
    for (std::size_t p = 0; p < 4; ++p) {
      EXPECT_LE(use.load[2 * p], 61U);
      EXPECT_LE(use.load[2 * p + 1], 210U);
    }
  }
}

/// Two rings, neurons alternating between two parts that are full: no move keeps the limits.
TEST(Partitions, AnnealingCrossesLimitsAndComesBack) {
  const Hypergraph graph = rings(2, 20);
  detail::PartLimits limits{.parts = 2, .capacity = {20, 20}};
  detail::Blocks blocks(graph, limits);
  std::vector<std::uint32_t> part(40);
  for (std::uint32_t v = 0; v < 40; ++v) part[v] = v / 2 % 2;
  blocks.assign(part);
  for (std::uint32_t v = 0; v < 40; ++v) EXPECT_FALSE(blocks.fits(v, 1 - part[v]));
  detail::anneal(graph, limits, blocks, {.heat = 1.0});
  EXPECT_EQ(blocks.excess(), 0U);
  EXPECT_EQ(packets(graph, blocks.part(), 2), 0U);
}

TEST(Partitions, WhatCannotFitIsAnError) {
  const auto found = partition(rings(2, 20), {.parts = 3, .capacity = {13}});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kResource);
  EXPECT_FALSE(partition(rings(2, 20), {.parts = 3, .capacity = {}}).ok());
}

}  // namespace
}  // namespace spikeloom::mapping
