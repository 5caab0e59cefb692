#pragma once
/// What the tests of model files share: a folder that removes itself, and a comparison of networks
/// that shares no code with the readers.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>
#include <unistd.h>
#include <vector>

#include "snn/network.hpp"

namespace spikeloom::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<unsigned> serial = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("spikeloom-test-" + std::to_string(::getpid()) + "-" + std::to_string(serial++));
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::byte> file_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)),
                         std::istreambuf_iterator<char>());
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string describe(const Tensor& tensor) {
  return std::string(to_string(tensor.dtype())) + to_string(tensor.shape());
}

inline void compare_members(const std::string& at, const Tensor& a, const Tensor& b,
                            std::vector<std::string>& found) {
  if (!(a == b)) found.push_back(at + ": " + describe(a) + " against " + describe(b));
}

inline void compare_members(const std::string& at, const std::optional<Tensor>& a,
                            const std::optional<Tensor>& b, std::vector<std::string>& found) {
  if (a.has_value() != b.has_value()) {
    found.push_back(at + ": present in one only");
  } else if (a) {
    compare_members(at, *a, *b, found);
  }
}

inline void compare_members(const std::string& at, const Padding& a, const Padding& b,
                            std::vector<std::string>& found) {
  if (!(a == b)) found.push_back(at + ": other padding");
}

/// Everything in which two networks differ: order, names, kinds, element types, shapes, bytes,
/// absent parameters, edges, metadata, version. Empty when they are equal.
inline std::vector<std::string> differences(const Network& a, const Network& b,
                                            const std::string& prefix = "") {
  std::vector<std::string> found;
  if (a.nodes().size() != b.nodes().size()) return {prefix + ": other number of nodes"};
  for (std::size_t i = 0; i < a.nodes().size(); ++i) {
    const Node& left = a.nodes()[i];
    const Node& right = b.nodes()[i];
    const std::string at = prefix + "/" + left.name;
    if (left.name != right.name) found.push_back(at + ": other name " + right.name);
    if (!(left.metadata == right.metadata)) found.push_back(at + ": other metadata");
    if (left.kind.index() != right.kind.index()) {
      found.push_back(at + ": other kind");
      continue;
    }
    std::visit(
        [&]<typename Kind>(const Kind& kind) {
          const Kind& other = std::get<Kind>(right.kind);
          if constexpr (std::is_same_v<Kind, node::Subgraph>) {
            const auto below = differences(*kind.network, *other.network, at);
            found.insert(found.end(), below.begin(), below.end());
          } else {
            std::apply(
                [&](const auto&... field) {
                  (compare_members(at + "." + std::string(field.name), kind.*(field.member),
                                   other.*(field.member), found),
                   ...);
                },
                Kind::fields());
          }
        },
        left.kind);
  }
  const auto same_edge = [](const Edge& x, const Edge& y) {
    return x.source == y.source && x.target == y.target;
  };
  if (!std::equal(a.edges().begin(), a.edges().end(), b.edges().begin(), b.edges().end(),
                  same_edge)) {
    found.push_back(prefix + ": other edges");
  }
  if (!(a.metadata() == b.metadata())) found.push_back(prefix + ": other graph metadata");
  if (a.producer_version() != b.producer_version()) found.push_back(prefix + ": other version");
  return found;
}

}  // namespace spikeloom::test
