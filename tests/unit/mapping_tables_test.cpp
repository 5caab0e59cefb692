#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "mapping/tables/compress.hpp"
#include "mapping/tables/prove.hpp"
#include "mapping/tables/table_file.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::mapping {
namespace {

Result<TableFile> parse(std::string_view text) {
  return parse_table_file(std::as_bytes(std::span(text.data(), text.size())), "tables");
}

TEST(RoutingTables, ReadsAndWritesBothFormats) {
  const auto csv = parse("key,mask,route\n# comment\n0x10,0xFFFFFFF0,0x3\n 32 , 4294967280 , 5\n");
  ASSERT_TRUE(csv.ok()) << csv.error().message();
  ASSERT_EQ(csv->tables.size(), 1U);
  const std::vector<RoutingEntry> expected = {{0x10, 0xFFFFFFF0, 3}, {32, 0xFFFFFFF0, 5}};
  EXPECT_EQ(csv->tables[0].entries, expected);
  EXPECT_EQ(*to_text(*csv), "0x00000010,0xFFFFFFF0,0x00000003\n0x00000020,0xFFFFFFF0,0x00000005\n");

  const auto json = parse(R"([{"x": 1, "y": 2, "entries": [{"key": 4, "mask": 12,
      "defaultable": true, "spinnaker_route": 9}]}, {"x": 0, "y": 0, "entries": []}])");
  ASSERT_TRUE(json.ok()) << json.error().message();
  ASSERT_EQ(json->tables.size(), 2U);
  EXPECT_EQ(json->tables[0].x, 1);
  EXPECT_EQ(json->tables[0].y, 2);
  const RoutingEntry entry{4, 12, 9, true};
  EXPECT_EQ(json->tables[0].entries, std::vector{entry});
  const auto again = parse(*to_text(*json));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->tables, json->tables);
}

TEST(RoutingTables, WrongFilesAreNamed) {
  const auto message = [](std::string_view text) {
    const auto read = parse(text);
    return read.ok() ? std::string("accepted") : read.error().message();
  };
  EXPECT_NE(message("").find("empty"), std::string::npos);
  EXPECT_NE(message("1,2\n").find("line 1"), std::string::npos);
  EXPECT_NE(message("1,1,1\n4294967296,1,1\n").find("line 2"), std::string::npos);
  EXPECT_NE(message("3,1,1\n").find("outside its mask"), std::string::npos);
  EXPECT_NE(message("[]").find("no routing table"), std::string::npos);
  EXPECT_NE(message(R"([{"x":0,"y":0,"entries":[{"key":-1,"mask":0,"spinnaker_route":0}]}])")
                .find("table 0, entry 0"),
            std::string::npos);
  EXPECT_NE(message("\x1f\x8b garbage").find("gzip"), std::string::npos);
}

TEST(RoutingProof, NamesTheKeyOfAPlantedError) {
  const std::vector<RoutingEntry> raw = {
      {0x20, 0xFFFFFFF0, 1}, {0x30, 0xFFFFFFF0, 1}, {0x47, 0xFFFFFFFF, 2}};
  std::vector<RoutingEntry> good = {{0x47, 0xFFFFFFFF, 2}, {0x0, 0x0, 1}};
  ASSERT_FALSE(find_difference(raw, good)->has_value());
  // One key of the block 0x30 is taken by a wrong entry.
  std::vector<RoutingEntry> bad = good;
  bad.insert(bad.begin(), {0x3A, 0xFFFFFFFF, 4});
  const auto found = find_difference(raw, bad);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->key, 0x3AU);
  EXPECT_EQ((*found)->raw_route, 1U);
  EXPECT_EQ((*found)->compressed_route, std::optional<std::uint32_t>(4));
  EXPECT_EQ((*found)->text(), "key 0x0000003A: raw 0x00000001, compressed 0x00000004");
  // A key that nobody uses may go anywhere.
  bad[0] = {0x50, 0xFFFFFFFF, 4};
  EXPECT_FALSE(find_difference(raw, bad)->has_value());
  // No entry at all is wrong too, unless the default route does the same.
  std::vector<RoutingEntry> straight = raw;
  straight[2].defaultable = true;
  const std::vector<RoutingEntry> none = {{0x20, 0xFFFFFFE0, 1}};
  ASSERT_TRUE(find_difference(straight, none)->has_value());
  EXPECT_FALSE(find_difference(straight, none, {.allow_default_routes = true})->has_value());
  EXPECT_TRUE(find_difference(raw, none, {.allow_default_routes = true})->has_value());
}

TEST(RoutingProof, GivesUpAtItsLimitInsteadOfGuessing) {
  const std::vector<RoutingEntry> raw = {{0, 0xFFFF0000, 1}, {0x10000, 0xFFFF0000, 1}};
  EXPECT_FALSE(find_difference(raw, raw, {.max_regions = 1}).ok());
}

TEST(CompressTables, OneRouteIsOneEntryAndTheDefaultRouteIsNone) {
  const std::vector<RoutingEntry> raw = {{5, 0xFFFFFFFF, 8, true}, {9, 0xFFFFFFFF, 8, true}};
  EXPECT_EQ(compress(raw)->size(), 1U);
  EXPECT_EQ(compress(raw, {.use_default_routes = true})->size(), 0U);
  EXPECT_TRUE(compress({})->empty());
}

TEST(CompressTables, EarlierEntriesWinOverLaterOnes) {
  // The second entry never decides, the third decides half of its keys only.
  const std::vector<RoutingEntry> raw = {
      {0, 0xFFFFFFFC, 1}, {2, 0xFFFFFFFF, 9}, {0, 0xFFFFFFF8, 2}};
  const auto table = compress(raw);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->size(), 2U);
}

/// The bars of issue 10: what today's best compressor reaches on the same tables.
TEST(CompressTables, TablesOfPacmanAreWithinTheBars) {
  REQUIRE_SHARED("acceptance/mapping/many_to_one.json.gz");
  const auto many = read_table_file(test::shared_path("acceptance/mapping/many_to_one.json.gz"));
  ASSERT_TRUE(many.ok()) << many.error().message();
  ASSERT_EQ(many->tables.size(), 576U);
  std::size_t largest = 0, sum = 0;
  for (const RoutingTable& raw : many->tables) {
    const auto table = compress(raw.entries);
    ASSERT_TRUE(table.ok()) << table.error().message();
    largest = std::max(largest, table->size());
    sum += table->size();
  }
  EXPECT_LE(largest, 906U);
  EXPECT_LE(sum, 2507U);

  const auto one = read_table_file(test::shared_path("acceptance/mapping/table1.csv.gz"));
  ASSERT_TRUE(one.ok()) << one.error().message();
  auto table = compress(one->tables[0].entries);
  ASSERT_TRUE(table.ok()) << table.error().message();
  EXPECT_LE(table->size(), 736U);
  // An entry with another route, and the proof names a key that it matches.
  RoutingEntry& changed = (*table)[table->size() / 2];
  changed.route ^= 1U << 30;
  const auto found = find_difference(one->tables[0].entries, *table);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_TRUE(changed.matches((*found)->key));
}

}  // namespace
}  // namespace spikeloom::mapping
