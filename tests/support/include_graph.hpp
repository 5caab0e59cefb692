#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// The dependency rules of DESIGN: which module may include which, and which third-party headers
/// stay out of installed headers. The functions work on text, so that a test can feed them sources
/// that break a rule.
namespace spikeloom::test {

/// One `#include` line: `path` as written between the quotes or brackets.
struct Include {
  std::string path;
  bool angled = false;
  int line = 0;
};

struct SourceFile {
  std::string path;  ///< relative to the repository root, e.g. "snn/network.hpp"
  std::string text;
};

std::vector<Include> parse_includes(std::string_view text);

/// Every violation in `files`, one sentence each; empty when all rules hold.
std::vector<std::string> include_violations(const std::vector<SourceFile>& files);

/// Module -> modules it includes, from the sources themselves.
std::map<std::string, std::set<std::string>> module_graph(const std::vector<SourceFile>& files);

/// One cycle, as "a -> b -> a"; empty when there is none.
std::string find_cycle(const std::map<std::string, std::set<std::string>>& graph);

/// The modules, lowest first.
const std::vector<std::string>& module_names();

/// Every .hpp and .cpp of the modules in the source tree.
std::vector<SourceFile> module_sources();

}  // namespace spikeloom::test
