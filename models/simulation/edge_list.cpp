#include "models/simulation/edge_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/npy.hpp"

namespace spikeloom {
namespace {

using simulation::ExplicitList;

constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 30;
constexpr std::array<std::string_view, 4> kColumns = {"source", "target", "weight", "delay"};
enum Column : std::size_t { kSource, kTarget, kWeight, kDelay };

Error format_error(std::string what, std::string where, std::string expected = {},
                   std::string got = {}) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = std::move(where),
               .expected = std::move(expected),
               .got = std::move(got)};
}

Status check_count(std::int64_t count, const std::string& where) {
  if (count <= kMostListedSynapses) return {};
  return Error{.code = ErrorCode::kResource,
               .what = "too many synapses in a list",
               .where = where,
               .expected = fmt::format("at most {}", kMostListedSynapses),
               .got = std::to_string(count)};
}

/// Numbers of neurons from an array of integers.
Result<std::vector<std::uint32_t>> neurons(const Tensor& tensor, const std::string& where) {
  const DType type = tensor.dtype();
  if (tensor.rank() != 1 || type == DType::kFloat32 || type == DType::kFloat64) {
    return format_error("not a list of neurons", where, "integers in one dimension",
                        fmt::format("{} {}", to_string(type), to_string(tensor.shape())));
  }
  SPIKELOOM_CHECK(check_count(tensor.size(), where));
  std::vector<std::uint32_t> values(static_cast<std::size_t>(tensor.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = tensor.at(static_cast<std::int64_t>(i));
    if (!(value >= 0.0 && value <= 4294967295.0)) {
      return format_error(fmt::format("entry {} is no number of a neuron", i), where,
                          "0 to 4294967295", fmt::format("{}", value));
    }
    values[i] = static_cast<std::uint32_t>(value);
  }
  return values;
}

bool is_single(double value) {
  return std::isfinite(value) && std::abs(value) <= std::numeric_limits<float>::max();
}

Result<std::vector<float>> reals(const Tensor& tensor, const std::string& where) {
  SPIKELOOM_CHECK(check_count(tensor.size(), where));
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = tensor.at(static_cast<std::int64_t>(i));
    if (!is_single(value)) {
      return format_error(fmt::format("entry {} is not finite", i), where, "a number",
                          fmt::format("{}", value));
    }
    values[i] = static_cast<float>(value);
  }
  return values;
}

Status check_lengths(const ExplicitList& list, const std::string& where) {
  const std::size_t size = list.source.size();
  const auto fits = [size](const std::vector<float>& v) { return v.empty() || v.size() == size; };
  if (list.target.size() == size && fits(list.weight) && fits(list.delay)) return {};
  return Error{.code = ErrorCode::kShape,
               .what = "the columns of a list of synapses differ in length",
               .where = where,
               .expected = fmt::format("{}, as many as sources", size),
               .got = fmt::format("{} targets, {} weights, {} delays", list.target.size(),
                                  list.weight.size(), list.delay.size())};
}

Result<ExplicitList> edges_of_arrays(const io::NamedTensors& arrays, const std::string& path) {
  ExplicitList list;
  std::array<bool, kColumns.size()> found = {};
  for (const auto& [name, tensor] : arrays) {
    const std::string where = path + ": " + name;
    const auto column = std::find(kColumns.begin(), kColumns.end(), name);
    if (column == kColumns.end()) {
      return format_error("an array that a list of synapses has no use for", where,
                          fmt::format("{}", fmt::join(kColumns, ", ")));
    }
    const auto index = static_cast<std::size_t>(column - kColumns.begin());
    found[index] = true;
    if (index <= kTarget) {
      SPIKELOOM_TRY(auto values, neurons(tensor, where));
      (index == kSource ? list.source : list.target) = std::move(values);
    } else {
      SPIKELOOM_TRY(auto values, reals(tensor, where));
      (index == kWeight ? list.weight : list.delay) = std::move(values);
    }
  }
  if (!found[kSource] || !found[kTarget]) {
    return format_error("a list of synapses lacks an array", path, "source and target");
  }
  SPIKELOOM_CHECK(check_lengths(list, path));
  return list;
}

/// The population's group; the only one where none is named.
Result<io::Hdf5Group> sonata_population(const io::Hdf5File& file, const std::string& path,
                                        const std::string& population) {
  SPIKELOOM_TRY(const io::Hdf5Group edges, file.root().group("edges"));
  if (!population.empty()) return edges.group(population);
  SPIKELOOM_TRY(const auto names, edges.children());
  if (names.size() != 1) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "a SONATA file with several populations of edges",
                 .where = path,
                 .expected = "one of them",
                 .got = fmt::format("{}", fmt::join(names, ", ")),
                 .next = "name it with edge_population"};
  }
  return edges.group(names.front());
}

/// Attributes of edges stand in groups; here all in group 0, in the order of the edges.
Status check_groups(const io::Hdf5Group& edges, const std::string& where) {
  for (const char* name : {"edge_group_id", "edge_group_index"}) {
    if (!edges.has(name)) continue;
    SPIKELOOM_TRY(const Tensor values, edges.read_tensor(name));
    const bool is_index = std::string_view(name) == "edge_group_index";
    for (std::int64_t i = 0; i < values.size(); ++i) {
      if (values.at(i) == (is_index ? static_cast<double>(i) : 0.0)) continue;
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "edges in several groups or in another order",
                   .where = where + "/" + name,
                   .expected = "all in group 0, in the order of the edges"};
    }
  }
  return {};
}

Result<ExplicitList> edges_of_sonata(const io::Hdf5File& file, const std::string& path,
                                     const std::string& population) {
  SPIKELOOM_TRY(const io::Hdf5Group edges, sonata_population(file, path, population));
  const std::string where = path + ": " + edges.path();
  const auto numbers = [&](const char* name) -> Result<std::vector<std::uint32_t>> {
    SPIKELOOM_TRY(const Tensor tensor, edges.read_tensor(name));
    return neurons(tensor, where + "/" + name);
  };
  ExplicitList list;
  SPIKELOOM_TRY(list.source, numbers("source_node_id"));
  SPIKELOOM_TRY(list.target, numbers("target_node_id"));
  if (edges.kind("0") == io::Hdf5Kind::kGroup) {
    SPIKELOOM_CHECK(check_groups(edges, where));
    SPIKELOOM_TRY(const io::Hdf5Group group, edges.group("0"));
    for (const auto& [name, values] :
         {std::pair{"syn_weight", &list.weight}, std::pair{"delay", &list.delay}}) {
      if (!group.has(name)) continue;
      SPIKELOOM_TRY(const Tensor tensor, group.read_tensor(name));
      SPIKELOOM_TRY(*values, reals(tensor, where + "/0/" + name));
    }
  }
  SPIKELOOM_CHECK(check_lengths(list, where));
  return list;
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t comma = line.find(',');
    cells.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

template <typename T>
std::optional<T> number(std::string_view cell) {
  T value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

/// Which column of the list each cell of a line is.
Result<std::vector<std::size_t>> read_heading(std::string_view line, const std::string& where) {
  std::vector<std::size_t> order;
  for (const std::string_view cell : cells_of(line)) {
    const auto column = std::find(kColumns.begin(), kColumns.end(), cell);
    const auto index = static_cast<std::size_t>(column - kColumns.begin());
    const bool again = std::find(order.begin(), order.end(), index) != order.end();
    if (column == kColumns.end() || again || order.size() > kColumns.size()) {
      return format_error("no heading of a list of synapses", where,
                          "source,target and perhaps weight,delay, each once", std::string(line));
    }
    order.push_back(index);
  }
  for (const std::size_t needed : {std::size_t{kSource}, std::size_t{kTarget}}) {
    if (std::find(order.begin(), order.end(), needed) == order.end()) {
      return format_error("no heading of a list of synapses", where, "source and target",
                          std::string(line));
    }
  }
  return order;
}

Status read_line(std::string_view line, const std::vector<std::size_t>& order,
                 const std::string& where, ExplicitList& list) {
  const auto cells = cells_of(line);
  if (cells.size() != order.size()) {
    return format_error("a synapse with too few or too many values", where,
                        fmt::format("{}", order.size()), std::to_string(cells.size()));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t column = order[i];
    if (column <= kTarget) {
      const auto value = number<std::uint32_t>(cells[i]);
      if (!value) {
        return format_error(fmt::format("the {} is no number of a neuron", kColumns[column]), where,
                            "0 to 4294967295", std::string(cells[i]));
      }
      (column == kSource ? list.source : list.target).push_back(*value);
    } else {
      const auto value = number<double>(cells[i]);
      if (!value || !is_single(*value)) {
        return format_error(fmt::format("the {} is no number", kColumns[column]), where, "a number",
                            std::string(cells[i]));
      }
      (column == kWeight ? list.weight : list.delay).push_back(static_cast<float>(*value));
    }
  }
  return {};
}

}  // namespace

Result<ExplicitList> parse_edges_csv(std::string_view text, const std::string& name) {
  ExplicitList list;
  std::vector<std::size_t> order;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::string where = fmt::format("{}: line {}", name, line_number);
    if (order.empty()) {
      SPIKELOOM_TRY(order, read_heading(line, where));
    } else {
      SPIKELOOM_CHECK(read_line(line, order, where, list));
    }
  }
  if (order.empty()) return format_error("an empty list of synapses", name, "a heading");
  return list;
}

Result<ExplicitList> parse_edge_list(std::span<const std::byte> bytes, const std::string& name,
                                     const std::string& population) {
  if (name.ends_with(".csv")) {
    return parse_edges_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
  }
  if (name.ends_with(".npz")) {
    SPIKELOOM_TRY(const io::NamedTensors arrays, io::parse_npz(bytes, name, kMostBytes));
    return edges_of_arrays(arrays, name);
  }
  if (name.ends_with(".h5") || name.ends_with(".hdf5")) {
    SPIKELOOM_TRY(const auto file,
                  io::Hdf5File::open_bytes(bytes, name, {.max_bytes = kMostBytes}));
    return edges_of_sonata(file, name, population);
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "not a list of synapses by its ending",
               .where = name,
               .expected = ".csv, .npz, or .h5 with SONATA edges"};
}

Result<ExplicitList> read_edge_list(const std::string& path, const std::string& population) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(path, kMostBytes));
  return parse_edge_list(bytes, path, population);
}

}  // namespace spikeloom
