#include "tests/support/include_graph.hpp"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace spikeloom::test {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(IncludeGraph, TheSourceTreeKeepsTheRules) {
  const std::vector<SourceFile> files = module_sources();
  ASSERT_GE(files.size(), 8U) << "the module directories were not found";
  EXPECT_EQ(joined(include_violations(files)), "");
}

TEST(IncludeGraph, TheSourceTreeIsReallyRead) {
  const auto graph = module_graph(module_sources());
  ASSERT_TRUE(graph.contains("snn"));
  EXPECT_TRUE(graph.at("snn").contains("base"));
  EXPECT_FALSE(graph.contains("base")) << "base depends on nothing";
}

TEST(IncludeGraph, ParsesIncludeLinesAndNothingElse) {
  const auto found = parse_includes(
      "#pragma once\n"
      "  #  include \"base/time.hpp\"  // why\n"
      "#include <vector>\n"
      "// #include \"base/not_this.hpp\"\n"
      "const char* text = \"#include <nor_this>\";\n"
      "#include \"unclosed\n"
      "#include <last>");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].path, "base/time.hpp");
  EXPECT_FALSE(found[0].angled);
  EXPECT_EQ(found[0].line, 2);
  EXPECT_EQ(found[1].path, "vector");
  EXPECT_TRUE(found[1].angled);
  EXPECT_EQ(found[2].path, "last");
}

// Each file here breaks exactly one rule, and must be caught for exactly that.
struct BadCase {
  std::string path, text, message;
};

void PrintTo(const BadCase& bad, std::ostream* out) { *out << bad.path << " " << bad.text; }

class IncludeGraphCatches : public testing::TestWithParam<BadCase> {};

TEST_P(IncludeGraphCatches, TheViolation) {
  const auto violations = include_violations({{GetParam().path, GetParam().text}});
  ASSERT_EQ(violations.size(), 1U) << joined(violations);
  EXPECT_NE(violations[0].find(GetParam().message), std::string::npos) << violations[0];
  EXPECT_NE(violations[0].find(GetParam().path), std::string::npos) << violations[0];
}

INSTANTIATE_TEST_SUITE_P(
    Rules, IncludeGraphCatches,
    testing::Values(
        BadCase{"base/a.cpp", "#include \"event/b.hpp\"\n", "base must not depend on event"},
        BadCase{"snn/a.hpp", "#include \"event/b.hpp\"\n", "snn must not depend on event"},
        BadCase{"snn/a.cpp", "#include \"models/b.hpp\"\n", "snn must not depend on models"},
        BadCase{"models/nir/a.cpp", "#include \"backends/b.hpp\"\n", "not depend on backends"},
        BadCase{"models/nir/a.cpp", "#include \"sensors/b.hpp\"\n", "not depend on sensors"},
        BadCase{"backends/a.cpp", "#include \"mapping/place.hpp\"\n", "not depend on mapping"},
        BadCase{"backends/a.cpp", "#include \"cli/b.hpp\"\n", "backends must not depend on cli"},
        BadCase{"base/a.cpp", "#include \"result.hpp\"\n", "not relative to the repository root"},
        BadCase{"base/a.cpp", "#include \"../base/b.hpp\"\n", "not relative to the repository"},
        BadCase{"snn/a.cpp", "#include <base/b.hpp>\n", "project headers take quotes"},
        BadCase{"snn/a.hpp", "#include <boost/graph/adjacency_list.hpp>\n", "third-party header"},
        BadCase{"base/io/a.hpp", "#include <hdf5.h>\n", "third-party header"},
        BadCase{"base/io/a.hpp", "#include <H5Dpublic.h>\n", "third-party header"},
        BadCase{"base/io/a.hpp", "#include <toml++/toml.h>\n", "third-party header"},
        BadCase{"models/a.hpp", "#include <nlohmann/json_fwd.hpp>\n", "third-party header"},
        BadCase{"energy/a.hpp", "#include <fmt/core.h>\n", "third-party header"},
        BadCase{"base/log.hpp", "#include <spdlog/spdlog.h>\n", "third-party header"},
        BadCase{"base/args.hpp", "#include <CLI/CLI.hpp>\n", "third-party header"},
        BadCase{"event/a.hpp", "#include <hwy/highway.h>\n", "third-party header"},
        BadCase{"backends/a.hpp", "#include <tbb/parallel_for.h>\n", "third-party header"},
        BadCase{"backends/a.hpp", "#include <Eigen/Core>\n", "third-party header"}));

TEST(IncludeGraph, AllowsWhatDesignAllows) {
  const std::vector<SourceFile> files = {
      {"backends/a.cpp", "#include <fmt/core.h>\n#include \"mapping/plan.hpp\"\n"},
      {"base/io/detail/h5.hpp", "#include <hdf5.h>\n"},
      {"base/io/h5_private.hpp", "#include <hdf5.h>\n"},
      {"models/motion/scene.cpp", "#include \"sensors/scene.hpp\"\n"},
      {"cli/run.hpp", "#include <CLI/CLI.hpp>\n#include \"backends/registry.hpp\"\n"},
  };
  EXPECT_EQ(joined(include_violations(files)), "");
}

TEST(IncludeGraph, FindsACycle) {
  EXPECT_EQ(find_cycle({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}}), "a -> b -> c -> a");
  EXPECT_EQ(find_cycle({{"a", {"b", "c"}}, {"b", {"c"}}}), "");
  const auto violations = include_violations({
      {"sensors/a.cpp", "#include \"event/b.hpp\"\n"},
      {"event/b.cpp", "#include \"sensors/a.hpp\"\n"},
  });
  EXPECT_TRUE(std::any_of(violations.begin(), violations.end(), [](const std::string& line) {
    return line.find("in a cycle: event -> sensors -> event") != std::string::npos;
  })) << joined(violations);
}

}  // namespace
}  // namespace spikeloom::test
