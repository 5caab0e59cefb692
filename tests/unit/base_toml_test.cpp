#include <gtest/gtest.h>

#include "base/io/toml.hpp"

namespace spikeloom::io {
namespace {

TEST(Toml, KeepsTheOrderOfTheFile) {
  const auto value = parse_toml(
      "zeta = 1\nalpha = [1.5, 2]\n[table]\nwhen = 2026-01-02\nyes = true\n[table.inner]\nx = 'y'\n"
      "[[list]]\na = 1\n[[list]]\na = 2\n",
      "t.toml");
  ASSERT_TRUE(value.ok()) << value.error().message();
  const Value::Map& map = *value->as_map();
  ASSERT_EQ(map.size(), 4u);
  EXPECT_EQ(map[0].first, "zeta");
  EXPECT_EQ(map[1].first, "alpha");
  EXPECT_EQ(*map[1].second.as_list()->at(0).as_real(), 1.5);
  EXPECT_EQ(*map[1].second.as_list()->at(1).as_integer(), 2);
  EXPECT_EQ(*map[2].second.find("when")->as_string(), "2026-01-02");
  EXPECT_EQ(*map[2].second.find("inner")->find("x")->as_string(), "y");
  EXPECT_EQ(*map[3].second.as_list()->at(1).find("a")->as_integer(), 2);
}

TEST(Toml, ErrorsNameTheLine) {
  const auto value = parse_toml("a = 1\nb = \n", "target.toml");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code, ErrorCode::kFormat);
  EXPECT_EQ(value.error().where.substr(0, 19), "target.toml: line 2");
  EXPECT_FALSE(parse_toml("a = 1\na = 2\n", "t").ok());
  EXPECT_FALSE(parse_toml("a = \"\xff\"\n", "t").ok());
}

TEST(Toml, GivesThePlaceOfEveryKey) {
  TomlPositions positions;
  ASSERT_TRUE(parse_toml("a = 1\n[b.c]\n  d = { e = 2 }\n", "t", &positions).ok());
  EXPECT_EQ(positions.at("a").line, 1U);
  EXPECT_EQ(positions.at("b.c.d").line, 3U);
  EXPECT_EQ(positions.at("b.c.d").column, 3U);
  EXPECT_EQ(positions.at("b.c.d.e").column, 9U);
}

TEST(Toml, LimitsTheDepth) {
  std::string dotted = "a";
  for (int i = 0; i < 100000; ++i) dotted += ".a";
  EXPECT_FALSE(parse_toml(dotted + " = 1\n", "t").ok());
  EXPECT_FALSE(parse_toml("[" + dotted + "]\n", "t").ok());
  EXPECT_FALSE(parse_toml("a = " + std::string(100000, '['), "t").ok());
  EXPECT_FALSE(parse_toml(dotted.substr(0, 401) + " = 1\n", "t").ok());
  EXPECT_TRUE(parse_toml(dotted.substr(0, 101) + " = 1\n", "t").ok());
}

TEST(Toml, OtherCharactersThanAsciiStandInStringsAndCommentsOnly) {
  const auto value = parse_toml("a = \"\u00e9\" # \u00e9\n'\u00e9' = 1\n", "t");
  ASSERT_TRUE(value.ok()) << value.error().message();
  EXPECT_EQ(*value->find("a")->as_string(), "\u00e9");
  EXPECT_EQ(*value->find("\u00e9")->as_integer(), 1);
  for (const char* bad :
       {"\u00e9 = 2", "eur\ufec3 = 2", "b = '' \u00e9", "b = 1\u0496", "b = 5!\u0496 'x"}) {
    EXPECT_FALSE(parse_toml(bad, "t").ok()) << bad;
  }
}

TEST(Toml, AnAssertionOfTheParserDoesNotEndTheProgram) {
  for (const std::string_view bad : {std::string_view("[ =, ikh .\0", 11), std::string_view("[=]"),
                                     std::string_view("[[ = ]]"), std::string_view("a . = 1")}) {
    EXPECT_FALSE(parse_toml(std::string(bad), "t").ok()) << bad;
  }
}

}  // namespace
}  // namespace spikeloom::io
