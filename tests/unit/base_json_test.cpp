#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/io/json.hpp"

namespace spikeloom::io {
namespace {

TEST(Json, ReadsEveryKindInOrder) {
  const auto value = parse_json(R"({"b": [1, -2.5, "x\u00e9", true, null], "a": {"k": 3e2}})");
  ASSERT_TRUE(value.ok()) << value.error().message();
  const Value::Map& map = *value->as_map();
  EXPECT_EQ(map[0].first, "b");
  EXPECT_EQ(map[1].first, "a");
  const Value::List& list = *map[0].second.as_list();
  EXPECT_EQ(*list[0].as_integer(), 1);
  EXPECT_EQ(*list[1].as_real(), -2.5);
  EXPECT_EQ(*list[2].as_string(), "x\xc3\xa9");
  EXPECT_EQ(*list[3].as_bool(), true);
  EXPECT_TRUE(list[4].is_null());
  EXPECT_EQ(*map[1].second.find("k")->as_real(), 300.0);
}

TEST(Json, KeepsLargeIntegersAndTurnsLargerOnesIntoReals) {
  EXPECT_EQ(*parse_json("9223372036854775807")->as_integer(), INT64_MAX);
  EXPECT_EQ(*parse_json("-9223372036854775808")->as_integer(), INT64_MIN);
  EXPECT_EQ(*parse_json("9223372036854775808")->as_real(), 0x1p63);
}

TEST(Json, ErrorsNameLineAndColumn) {
  const auto value = parse_json("{\n  \"a\": 1,\n  \"b\": tru\n}", "run.json");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code, ErrorCode::kFormat);
  EXPECT_EQ(value.error().where, "run.json: line 3, column 11");
  EXPECT_EQ(parse_json("{\"a\": 1,\n \"a\": 2}").error().where, "line 2, column 4");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "nan", "1 2", "'a'", "// c\n1", "\"\x01\"",
                           "[1e999]", "\"\xff\"", "{\"a\":1,\"a\":2}"}) {
    EXPECT_FALSE(parse_json(text).ok()) << text;
  }
}

TEST(Json, EveryPrefixOfADocumentIsRefused) {
  const std::string text = R"({"a": [1, 2.5, "x"], "b": {"c": null}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_json(text.substr(0, size)).ok()) << size;
  }
}

TEST(Json, LimitsTheDepth) {
  EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']')).ok());
  EXPECT_FALSE(parse_json(std::string(101, '[') + std::string(101, ']')).ok());
  EXPECT_FALSE(parse_json(std::string(1000000, '[')).ok());
}

TEST(Json, WritesWhatItReads) {
  const std::string text = R"({"a": [1, 1.0, 0.1, 1e+300], "b": {}, "c": [], "d": "q\"\n"})";
  const auto value = parse_json(text);
  ASSERT_TRUE(value.ok()) << value.error().message();
  EXPECT_EQ(to_json(*value), text);
  EXPECT_EQ(to_json(Value::map().set("a", Value::list().push(1)), 2),
            "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Json, DoublesRoundTripAndNonFiniteOnesBecomeNull) {
  for (const double value : {0.1, 1.0 / 3.0, 5e-324, 1.7976931348623157e308, -0.0}) {
    const auto read = parse_json(to_json(Value(value)));
    ASSERT_TRUE(read.ok());
    ASSERT_NE(read->as_real(), nullptr) << to_json(Value(value));
    EXPECT_EQ(*read->as_real(), value);
    EXPECT_EQ(std::signbit(*read->as_real()), std::signbit(value));
  }
  EXPECT_EQ(to_json(Value(std::nan(""))), "null");
  EXPECT_EQ(to_json(Value(std::numeric_limits<double>::infinity())), "null");
  EXPECT_EQ(to_json(Value("\xff")), "\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace spikeloom::io
