#include "tests/support/include_graph.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

struct Arrow {
  std::string_view from;  ///< a path prefix: a module, or a folder of one
  std::string_view to;    ///< a path prefix: a module, or one header of it
};

/// Everything that is allowed besides a module including itself; cli may include anything.
constexpr std::array allowed_arrows = {
    Arrow{"event/", "base/"},
    Arrow{"snn/", "base/"},
    Arrow{"sensors/", "base/"},
    Arrow{"sensors/", "event/"},
    Arrow{"models/", "base/"},
    Arrow{"models/", "snn/"},
    Arrow{"models/motion/", "sensors/"},
    Arrow{"models/gesture/", "sensors/"},
    Arrow{"models/vision/", "sensors/"},
    Arrow{"mapping/", "base/"},
    Arrow{"mapping/", "snn/"},
    Arrow{"backends/", "base/"},
    Arrow{"backends/", "event/"},
    Arrow{"backends/", "snn/"},
    Arrow{"backends/", "mapping/plan.hpp"},
    Arrow{"energy/", "base/"},
    Arrow{"energy/", "snn/"},
};

/// Third-party headers that slow every user's build or force the package on them.
constexpr std::array<std::string_view, 15> private_headers = {
    "fmt/",   "spdlog/", "CLI/", "nlohmann/", "toml++/", "toml.hpp", "hdf5",  "H5",
    "boost/", "zlib.h",  "hwy/", "tbb/",      "oneapi/", "Eigen/",   "yaml.h"};

std::string module_of(std::string_view path) {
  const std::string first(path.substr(0, path.find('/')));
  const auto& names = module_names();
  return std::find(names.begin(), names.end(), first) == names.end() ? std::string() : first;
}

bool is_installed_header(std::string_view path) {
  return path.ends_with(".hpp") && !path.starts_with("cli/") &&
         path.find("/detail/") == std::string_view::npos && !path.ends_with("_private.hpp");
}

bool is_allowed(std::string_view from, std::string_view to) {
  return std::any_of(allowed_arrows.begin(), allowed_arrows.end(), [&](const Arrow& arrow) {
    return from.starts_with(arrow.from) && to.starts_with(arrow.to);
  });
}

}  // namespace

const std::vector<std::string>& module_names() {
  static const std::vector<std::string> names = {
      "base", "event", "snn", "sensors", "models", "mapping", "energy", "backends", "cli"};
  return names;
}

std::vector<Include> parse_includes(std::string_view text) {
  std::vector<Include> found;
  int line_number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    const auto skip_blanks = [&line] {
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    };
    skip_blanks();
    if (!line.starts_with('#')) continue;
    line.remove_prefix(1);
    skip_blanks();
    if (!line.starts_with("include")) continue;
    line.remove_prefix(7);
    skip_blanks();
    if (line.empty() || (line.front() != '"' && line.front() != '<')) continue;
    const bool angled = line.front() == '<';
    const std::size_t close = line.find(angled ? '>' : '"', 1);
    if (close == std::string_view::npos) continue;
    found.push_back({std::string(line.substr(1, close - 1)), angled, line_number});
  }
  return found;
}

std::map<std::string, std::set<std::string>> module_graph(const std::vector<SourceFile>& files) {
  std::map<std::string, std::set<std::string>> graph;
  for (const SourceFile& file : files) {
    const std::string from = module_of(file.path);
    for (const Include& include : parse_includes(file.text)) {
      const std::string to = module_of(include.path);
      if (!from.empty() && !to.empty() && from != to) graph[from].insert(to);
    }
  }
  return graph;
}

std::string find_cycle(const std::map<std::string, std::set<std::string>>& graph) {
  std::vector<std::string> path;
  std::set<std::string> finished;
  std::string cycle;
  const std::function<bool(const std::string&)> visit = [&](const std::string& node) {
    if (const auto seen = std::find(path.begin(), path.end(), node); seen != path.end()) {
      for (auto step = seen; step != path.end(); ++step) cycle += *step + " -> ";
      cycle += node;
      return true;
    }
    if (finished.contains(node)) return false;
    path.push_back(node);
    if (const auto edges = graph.find(node); edges != graph.end()) {
      for (const std::string& next : edges->second) {
        if (visit(next)) return true;
      }
    }
    path.pop_back();
    finished.insert(node);
    return false;
  };
  for (const auto& [node, edges] : graph) {
    if (visit(node)) return cycle;
  }
  return {};
}

std::vector<std::string> include_violations(const std::vector<SourceFile>& files) {
  std::vector<std::string> violations;
  for (const SourceFile& file : files) {
    const std::string from = module_of(file.path);
    for (const Include& include : parse_includes(file.text)) {
      const std::string at =
          file.path + ":" + std::to_string(include.line) + ": includes " + include.path;
      const std::string to = module_of(include.path);
      if (to.empty()) {
        if (!include.angled) {
          violations.push_back(at + ", which is not relative to the repository root");
        }
        const bool is_private =
            std::any_of(private_headers.begin(), private_headers.end(),
                        [&](auto prefix) { return include.path.starts_with(prefix); });
        if (is_private && is_installed_header(file.path)) {
          violations.push_back(at + ", a third-party header, in an installed header");
        }
        continue;
      }
      if (include.angled) violations.push_back(at + " in <>; project headers take quotes");
      if (from != to && from != "cli" && !is_allowed(file.path, include.path)) {
        violations.push_back(at + ": " + from + " must not depend on " + to);
      }
    }
  }
  if (const std::string cycle = find_cycle(module_graph(files)); !cycle.empty()) {
    violations.push_back("modules include each other in a cycle: " + cycle);
  }
  return violations;
}

std::vector<SourceFile> module_sources() {
  namespace fs = std::filesystem;
  std::vector<SourceFile> files;
  for (const std::string& module : module_names()) {
    const fs::path root = source_dir() / module;
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".hpp" && path.extension() != ".cpp") continue;
      std::ifstream in(path, std::ios::binary);
      files.push_back({path.lexically_relative(source_dir()).generic_string(),
                       std::string(std::istreambuf_iterator<char>(in), {})});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace spikeloom::test
