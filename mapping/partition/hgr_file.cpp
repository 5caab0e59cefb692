#include "mapping/partition/hgr_file.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/io/file.hpp"

namespace spikeloom::mapping {
namespace {

/// Lines of numbers, comments left out.
class Lines {
 public:
  Lines(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  /// Goes to the next line that is no comment; false at the end of the file.
  bool next() {
    while (!text_.empty()) {
      const std::size_t end = text_.find('\n');
      line_ = text_.substr(0, end);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      ++number_;
      if (!line_.starts_with('%')) return true;
    }
    ++number_;
    return false;
  }

  /// The next number of the line; false at its end.
  Result<bool> number(std::uint32_t& value) {
    while (!line_.empty() &&
           (line_.front() == ' ' || line_.front() == '\t' || line_.front() == '\r')) {
      line_.remove_prefix(1);
    }
    if (line_.empty()) return false;
    const auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), value);
    if (error != std::errc()) {
      return bad("not a number of 32 bits", std::string(line_.substr(0, 20)));
    }
    line_.remove_prefix(static_cast<std::size_t>(end - line_.data()));
    return true;
  }

  Error bad(std::string what, std::string got = {}) const {
    return Error{.code = ErrorCode::kFormat,
                 .what = std::move(what),
                 .where = fmt::format("{}, line {}", name_, number_),
                 .got = std::move(got)};
  }
  std::size_t left() const { return text_.size(); }

 private:
  std::string_view text_, line_;
  const std::string& name_;
  int number_ = 0;
};

/// Vertices that any file may have, even if no line is about them.
constexpr std::size_t kMostUnseen = 1'000'000;

struct Header {
  std::uint32_t nets = 0, vertices = 0, format = 0;
};

Result<Header> read_header(Lines& lines) {
  Header header;
  if (!lines.next()) return lines.bad("the file is empty");
  SPIKELOOM_TRY(const bool one, lines.number(header.nets));
  SPIKELOOM_TRY(const bool two, lines.number(header.vertices));
  if (!one || !two) return lines.bad("the first line has to hold `nets vertices [fmt]`");
  SPIKELOOM_CHECK(lines.number(header.format));
  if (header.format != 0 && header.format != 1 && header.format != 10 && header.format != 11) {
    return lines.bad("fmt is none of 0, 1, 10 and 11", fmt::format("{}", header.format));
  }
  // Every net and every weighted vertex takes a line; a vertex of no net takes nothing.
  const std::size_t lines_left = lines.left() + 1;
  const bool weighted = header.format >= 10;
  if (header.nets > lines_left ||
      header.vertices > (weighted ? lines_left : std::max(lines_left, kMostUnseen))) {
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("{} nets over {} vertices are more than the file can hold",
                                     header.nets, header.vertices),
                 .where = lines.bad("").where,
                 .next = weighted ? "" : "leave out vertices of no net, or give all a weight"};
  }
  return header;
}

}  // namespace

Result<Hypergraph> parse_hgr(std::string_view text, const std::string& name) {
  Lines lines(text, name);
  SPIKELOOM_TRY(const Header header, read_header(lines));
  Hypergraph graph;
  graph.vertices = header.vertices;
  graph.net_start.push_back(0);
  std::vector<std::uint32_t> seen(header.vertices, header.nets);
  for (std::uint32_t e = 0; e < header.nets; ++e) {
    if (!lines.next()) {
      return lines.bad("the file ends", fmt::format("{} of {} nets", e, header.nets));
    }
    std::uint32_t value = 1;
    if (header.format % 10 == 1) {
      SPIKELOOM_TRY(const bool there, lines.number(value));
      if (!there) return lines.bad("a net without a weight");
    }
    graph.net_weight.push_back(value);
    while (true) {
      SPIKELOOM_TRY(const bool there, lines.number(value));
      if (!there) break;
      if (value < 1 || value > header.vertices) {
        return lines.bad(
            fmt::format("no vertex has this number; they go from 1 to {}", header.vertices),
            fmt::format("{}", value));
      }
      if (seen[value - 1] == e) return lines.bad("a vertex twice", fmt::format("{}", value));
      seen[value - 1] = e;
      graph.pin.push_back(value - 1);
    }
    if (graph.pin.size() == graph.net_start.back()) return lines.bad("a net without vertices");
    graph.net_start.push_back(graph.pin.size());
  }
  graph.weight.assign(header.vertices, 1);
  for (std::uint32_t v = 0; header.format >= 10 && v < header.vertices; ++v) {
    if (!lines.next()) return lines.bad("the file ends before the weights of its vertices");
    SPIKELOOM_TRY(const bool there, lines.number(graph.weight[v]));
    if (!there) return lines.bad("a vertex without a weight");
  }
  if (const Status right = check(graph); !right.ok()) {
    Error error = right.error();
    error.code = ErrorCode::kFormat;
    return std::move(error).in(name);
  }
  index_vertices(graph);
  return graph;
}

Result<Hypergraph> read_hgr(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path, std::uint64_t{4} << 30));
  return parse_hgr(text, path);
}

}  // namespace spikeloom::mapping
