#include <string>

#include <gtest/gtest.h>

#include "base/io/yaml.hpp"

namespace spikeloom::io {
namespace {

Value parsed(std::string_view text) {
  auto value = parse_yaml(text, "test.yaml");
  EXPECT_TRUE(value.ok()) << value.error().message();
  return value.ok() ? *std::move(value) : Value();
}

std::string refusal(std::string_view text) {
  const auto value = parse_yaml(text, "test.yaml");
  return value.ok() ? "accepted" : value.error().message();
}

TEST(Yaml, BlockAndFlowStyles) {
  const Value value = parsed(
      "simulation:\n"
      "    Ts: 1.0   # a comment\n"
      "    tSample: 1450\n"
      "region: {start: 0, stop: -2}\n"
      "list: [1, two, 3.5e2]\n"
      "block:\n"
      "  - a\n"
      "  - true\n");
  ASSERT_NE(value.find("simulation"), nullptr);
  EXPECT_EQ(*value.find("simulation"), Value(Value::Map{{"Ts", 1.0}, {"tSample", 1450}}));
  EXPECT_EQ(*value.find("region"), Value(Value::Map{{"start", 0}, {"stop", -2}}));
  EXPECT_EQ(*value.find("list"), Value(Value::List{1, "two", 350.0}));
  EXPECT_EQ(*value.find("block"), Value(Value::List{"a", true}));
}

TEST(Yaml, ScalarsByTheirStyle) {
  const Value value = parsed("plain: 80\nquoted: '80'\nempty:\ntilde: ~\ninf: inf\nplus: +7\n");
  EXPECT_EQ(*value.find("plain"), Value(80));
  EXPECT_EQ(*value.find("quoted"), Value("80"));
  EXPECT_TRUE(value.find("empty")->is_null());
  EXPECT_TRUE(value.find("tilde")->is_null());
  EXPECT_EQ(*value.find("inf"), Value("inf"));
  EXPECT_EQ(*value.find("plus"), Value(7));
  EXPECT_TRUE(parsed("").is_null());
}

TEST(Yaml, RefusesWhatCouldGrowOrMislead) {
  EXPECT_NE(refusal("a: &x 1\nb: *x\n").find("anchors"), std::string::npos);
  EXPECT_NE(refusal("b: *x\n").find("aliases"), std::string::npos);
  EXPECT_NE(refusal("a: !!int 3\n").find("tags"), std::string::npos);
  EXPECT_NE(refusal("a: 1\na: 2\n").find("appears twice"), std::string::npos);
  EXPECT_NE(refusal("a: 1\n---\nb: 2\n").find("second document"), std::string::npos);
  EXPECT_NE(refusal("? [1]\n: 2\n").find("one word"), std::string::npos);
  EXPECT_NE(refusal(std::string(2000, '[')).find("nested deeper"), std::string::npos);
  EXPECT_NE(refusal("a: [1, 2\nb: 3\n").find("line 2"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::io
