#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/include_graph.hpp"

/// House rules that a grep can hold: libraries never print, exit or abort; headers are guarded;
/// files stay short; nothing names a machine.
namespace spikeloom::test {
namespace {

constexpr int max_lines = 600;

/// Calls that print or end the process. A name counts only as a whole word.
constexpr std::array<std::string_view, 13> forbidden_in_libraries = {
    "std::cout", "std::cerr", "std::clog", "printf(", "fprintf(",   "puts(",      "fmt::print(",
    "exit(",     "_exit(",    "abort(",    "system(", "terminate(", "quick_exit("};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool contains_call(std::string_view line, std::string_view call) {
  for (std::size_t at = line.find(call); at != std::string_view::npos;
       at = line.find(call, at + 1)) {
    if (at == 0 || !is_word(line[at - 1])) return true;
  }
  return false;
}

std::vector<std::string> rule_violations(const SourceFile& file) {
  std::vector<std::string> found;
  const bool is_library = !file.path.starts_with("cli/");
  if (file.path.ends_with(".hpp") && file.text.find("#pragma once") == std::string::npos) {
    found.push_back(file.path + ": no #pragma once");
  }
  int number = 0;
  std::string_view text = file.text;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string at = file.path + ":" + std::to_string(++number);
    for (const char* root : {"\"/tmp/", "\"/work/", "\"/home/", " /work/"}) {
      if (line.find(root) != std::string_view::npos) {
        found.push_back(at + ": names a folder of one machine: " + root);
      }
    }
    if (!is_library) continue;
    const std::string_view code = line.substr(0, line.find("//"));
    for (const std::string_view call : forbidden_in_libraries) {
      if (contains_call(code, call)) {
        found.push_back(at + ": a library must not call " + std::string(call));
      }
    }
  }
  if (number > max_lines) {
    found.push_back(file.path + ": " + std::to_string(number) + " lines, over " +
                    std::to_string(max_lines));
  }
  return found;
}

TEST(SourceRules, TheSourceTreeKeepsThem) {
  const std::vector<SourceFile> files = module_sources();
  ASSERT_GE(files.size(), 8U);
  std::string all;
  for (const SourceFile& file : files) {
    for (const std::string& line : rule_violations(file)) all += line + "\n";
  }
  EXPECT_EQ(all, "");
}

TEST(SourceRules, CatchEachViolation) {
  const auto count = [](std::string path, std::string text) {
    return rule_violations({std::move(path), std::move(text)}).size();
  };
  EXPECT_EQ(count("base/a.cpp", "std::cout << 1;\n"), 1U);
  EXPECT_EQ(count("base/a.cpp", "    printf(\"x\");\n"), 1U);
  EXPECT_EQ(count("snn/a.cpp", "if (bad) std::exit(1);\n"), 1U);
  EXPECT_EQ(count("snn/a.cpp", "std::abort();\n"), 1U);
  EXPECT_EQ(count("snn/a.cpp", "open(\"/tmp/x\");\n"), 1U);
  EXPECT_EQ(count("snn/a.hpp", "struct A {};\n"), 1U);
  EXPECT_EQ(count("snn/a.cpp", std::string(max_lines + 1, '\n')), 1U);

  EXPECT_EQ(count("snn/a.cpp", std::string(max_lines, '\n')), 0U);
  EXPECT_EQ(count("cli/a.cpp", "std::cout << 1;\nstd::exit(2);\n"), 0U);
  EXPECT_EQ(count("base/a.cpp", "std::snprintf(buffer, 8, \"x\");  // not printf(\n"), 0U);
  EXPECT_EQ(count("base/a.cpp", "on_exit(1);\n"), 0U);
}

}  // namespace
}  // namespace spikeloom::test
