#include "mapping/plan_file.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "mapping/detail/plan_columns.hpp"

namespace spikeloom::mapping {
namespace {

using detail::Column;
using detail::Columns;

constexpr const char* kFormat = "spikeloom-plan";
constexpr std::int64_t kVersion = 1;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

struct Name {
  std::string group, column;
};
Name split(const std::string& name) {
  const std::size_t dot = name.find('.');
  return {name.substr(0, dot), name.substr(dot + 1)};
}

Error damaged(const std::string& where, std::string what) {
  return Error{.code = ErrorCode::kFormat, .what = std::move(what), .where = where};
}

Status check_header(const std::string& format, std::int64_t version, const std::string& name) {
  if (format != kFormat) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the file is no Plan",
                 .where = name,
                 .expected = fmt::format("format '{}'", kFormat),
                 .got = format};
  }
  if (version != kVersion) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a Plan of another version",
                 .where = name,
                 .expected = fmt::format("{}", kVersion),
                 .got = fmt::format("{}", version)};
  }
  return {};
}

Result<Plan> finished(const Columns& columns, const std::string& name) {
  auto plan = detail::from_columns(columns);
  if (!plan.ok()) return std::move(plan).error().in(name);
  if (auto status = check(*plan); !status.ok()) return std::move(status).error().in(name);
  return plan;
}

// JSON -------------------------------------------------------------------------------------------

Result<Column> column_from(const Value& value, const Column& like, const std::string& where) {
  const Value::List* list = value.as_list();
  if (list == nullptr) return damaged(where, "a column is no list");
  Column made = like;
  for (const Value& item : *list) {
    if (auto* integers = std::get_if<std::vector<std::int64_t>>(&made)) {
      if (item.as_integer() == nullptr) return damaged(where, "an entry is no whole number");
      integers->push_back(*item.as_integer());
    } else if (auto* reals = std::get_if<std::vector<double>>(&made)) {
      if (!item.is_number()) return damaged(where, "an entry is no number");
      reals->push_back(item.number());
    } else {
      if (item.as_string() == nullptr) return damaged(where, "an entry is no text");
      std::get<std::vector<std::string>>(made).push_back(*item.as_string());
    }
  }
  return made;
}

Result<Plan> parse_json_plan(std::string_view text, const std::string& name) {
  SPIKELOOM_TRY(const Value document, io::parse_json(text, name));
  const Value* format = document.find("format");
  const Value* version = document.find("version");
  SPIKELOOM_CHECK(check_header(
      format != nullptr && format->as_string() != nullptr ? *format->as_string() : "",
      version != nullptr && version->as_integer() != nullptr ? *version->as_integer() : -1, name));
  Columns columns;
  for (const auto& [column, like] : detail::plan_schema()) {
    const auto [group, inner] = split(column);
    const Value* found = document.find(group);
    found = found == nullptr ? nullptr : found->find(inner);
    if (found == nullptr) return damaged(name + ": " + column, "a column is missing");
    SPIKELOOM_TRY(columns[column], column_from(*found, like, name + ": " + column));
  }
  return finished(columns, name);
}

// HDF5 -------------------------------------------------------------------------------------------

Result<Column> column_from(const io::Hdf5Group& group, const std::string& name,
                           const Column& like) {
  const std::string where = group.path() + "/" + name;
  SPIKELOOM_TRY(const Shape shape, group.shape(name));
  if (shape.size() != 1) return damaged(where, "a column has not one dimension");
  if (std::holds_alternative<std::vector<std::string>>(like)) {
    // A column without entries is stored as an empty array of bytes.
    if (shape[0] == 0) return Column(std::vector<std::string>{});
    SPIKELOOM_TRY(io::Hdf5Strings strings, group.read_strings(name));
    return Column(std::move(strings.values));
  }
  SPIKELOOM_TRY(const Tensor tensor, group.read_tensor(name));
  if (std::holds_alternative<std::vector<double>>(like)) return Column(tensor.to_doubles());
  auto integers = tensor.to_integers();
  if (!integers.ok()) return std::move(integers).error().in(where);
  return Column(*std::move(integers));
}

Result<Plan> read_hdf5(const io::Hdf5File& file, const std::string& name) {
  const io::Hdf5Group root = file.root();
  if (!root.has("format") || !root.has("version")) {
    return check_header("", 0, name).error();
  }
  SPIKELOOM_TRY(const std::string format, root.read_string("format"));
  SPIKELOOM_TRY(const Tensor version, root.read_tensor("version"));
  SPIKELOOM_TRY(const double number, version.to_scalar());
  SPIKELOOM_CHECK(check_header(format, static_cast<std::int64_t>(number), name));
  Columns columns;
  for (const auto& [column, like] : detail::plan_schema()) {
    const auto [group_name, inner] = split(column);
    auto group = root.group(group_name);
    if (!group.ok()) return std::move(group).error().in(name);
    auto made = column_from(*group, inner, like);
    if (!made.ok()) return std::move(made).error().in(name);
    columns[column] = *std::move(made);
  }
  return finished(columns, name);
}

/// A chunk's index costs more than a short column.
io::Hdf5Compression compression(std::size_t elements) {
  return elements < 512 ? io::Hdf5Compression::kNone : io::Hdf5Compression::kDeflate;
}

Status write_column(io::Hdf5OutGroup& group, const std::string& name, const Column& column) {
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&column)) {
    const Shape shape{static_cast<std::int64_t>(integers->size())};
    return group.write_tensor(name, Tensor::of<std::int64_t>(shape, *integers),
                              compression(integers->size()));
  }
  if (const auto* reals = std::get_if<std::vector<double>>(&column)) {
    const Shape shape{static_cast<std::int64_t>(reals->size())};
    return group.write_tensor(name, Tensor::of<double>(shape, *reals), compression(reals->size()));
  }
  const auto& texts = std::get<std::vector<std::string>>(column);
  const Shape shape{static_cast<std::int64_t>(texts.size())};
  if (texts.empty()) {
    return group.write_tensor(name, Tensor::of<std::uint8_t>(shape, std::vector<std::uint8_t>{}));
  }
  return group.write_strings(name, shape, texts);
}

Status write_hdf5(const Plan& plan, const std::string& path) {
  SPIKELOOM_TRY(auto out, io::Hdf5Writer::create(path));
  io::Hdf5OutGroup root = out.root();
  SPIKELOOM_CHECK(root.write_string("format", kFormat));
  SPIKELOOM_CHECK(root.write_tensor("version", Tensor::scalar<std::int64_t>(kVersion)));
  std::map<std::string, io::Hdf5OutGroup> groups;
  for (const auto& [name, column] : detail::to_columns(plan)) {
    const auto [group_name, inner] = split(name);
    auto group = groups.find(group_name);
    if (group == groups.end()) {
      SPIKELOOM_TRY(auto made, root.create_group(group_name));
      group = groups.emplace(group_name, std::move(made)).first;
    }
    SPIKELOOM_CHECK(write_column(group->second, inner, column));
  }
  return out.commit();
}

}  // namespace

Value to_value(const Plan& plan) {
  Value document = Value::map();
  document.set("format", kFormat).set("version", kVersion);
  for (const auto& [name, column] : detail::to_columns(plan)) {
    const auto [group, inner] = split(name);
    if (document.find(group) == nullptr) document.set(group, Value::map());
    Value list = Value::list();
    std::visit(
        [&](const auto& values) {
          for (const auto& value : values) list.push(value);
        },
        column);
    for (auto& [key, value] : *document.as_map()) {
      if (key == group) value.set(inner, std::move(list));
    }
  }
  return document;
}

Status write_plan(const Plan& plan, const std::string& path) {
  if (path.ends_with(".json")) {
    return io::write_file_atomic(path, io::to_json(to_value(plan)) + "\n");
  }
  return write_hdf5(plan, path);
}

Result<Plan> parse_plan(std::span<const std::byte> bytes, const std::string& name) {
  if (io::looks_like_hdf5(bytes)) {
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open_bytes(bytes, name));
    return read_hdf5(file, name);
  }
  return parse_json_plan({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
}

Result<Plan> read_plan(const std::string& path) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(path, kMostBytes));
  return parse_plan(bytes, path);
}

bool looks_like_plan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file.gcount()));
  if (io::looks_like_hdf5(std::as_bytes(std::span(start)))) {
    const auto opened = io::Hdf5File::open(path);
    if (!opened.ok() || opened->root().kind("format") != io::Hdf5Kind::kDataset) return false;
    const auto format = opened->root().read_string("format");
    return format.ok() && *format == kFormat;
  }
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  return first != std::string::npos && start[first] == '{' &&
         start.find(fmt::format("\"{}\"", kFormat)) != std::string::npos;
}

}  // namespace spikeloom::mapping
