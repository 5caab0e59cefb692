#include "models/detail/metadata_io.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

// The smallest group with a `type` dataset in it takes more than this, in any version of HDF5.
constexpr std::uint64_t kBytesPerNode = 64;
// A row of two variable-length strings is 32 bytes before compression.
constexpr std::uint64_t kBytesPerEdge = 4;
// No DEFLATE stream expands further (zlib, "Maximum Expansion Factor": 1032).
constexpr std::uint64_t kDeflateRatio = 1032;
constexpr std::uint64_t kSlack = 64 << 10;

Error used_up(const char* what, std::uint64_t left, std::uint64_t wanted) {
  return Error{
      .code = ErrorCode::kResource,
      .what = fmt::format("the file describes more {} than a file of its size can hold", what),
      .expected = fmt::format("at most {} more", left),
      .got = fmt::format("{}", wanted),
      .next = "the file is damaged or made to exhaust memory; export it again"};
}

}  // namespace

ReadBudget::ReadBudget(std::uint64_t file_size, std::uint64_t max_bytes)
    : nodes_(file_size / kBytesPerNode),
      edges_(file_size / kBytesPerEdge),
      bytes_(std::min(max_bytes, std::min(file_size, max_bytes) * kDeflateRatio + kSlack)) {}

Status ReadBudget::take_node() {
  if (nodes_ == 0) return used_up("nodes", 0, 1);
  --nodes_;
  return {};
}

Status ReadBudget::take_edges(std::int64_t count) {
  const auto wanted = static_cast<std::uint64_t>(count);
  if (wanted > edges_) return used_up("edges", edges_, wanted);
  edges_ -= wanted;
  return {};
}

Status ReadBudget::take_bytes(const io::Hdf5DatasetInfo& info) {
  SPIKELOOM_TRY(const std::int64_t count, element_count(info.shape));
  // A string in memory takes its object and at least one character.
  const std::uint64_t size = info.is_string ? sizeof(std::string) : size_of(info.dtype);
  std::uint64_t wanted = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), size, &wanted) || wanted > bytes_) {
    return used_up("bytes of data", bytes_, wanted);
  }
  bytes_ -= wanted;
  return {};
}

std::string place(const std::string& file, const io::Hdf5Group& group, std::string_view name) {
  const std::string path = name.empty()          ? group.path()
                           : group.path() == "/" ? "/" + std::string(name)
                                                 : group.path() + "/" + std::string(name);
  return file + ": " + path;
}

Result<Tensor> read_tensor(const io::Hdf5Group& group, std::string_view name, ReadBudget& budget) {
  SPIKELOOM_TRY(const auto info, group.info(name));
  if (info.is_string) return group.read_tensor(name);  // which refuses it
  if (auto status = budget.take_bytes(info); !status.ok()) {
    return std::move(status).error().in(group.path() + "/" + std::string(name));
  }
  return group.read_tensor(name);
}

Result<Metadata> read_metadata(const io::Hdf5Group& group, ReadBudget& budget,
                               std::vector<std::string>& dropped) {
  SPIKELOOM_TRY(const auto names, group.children());
  Metadata metadata;
  for (const std::string& name : names) {
    SPIKELOOM_CHECK(budget.take_node());
    const io::Hdf5Kind kind = group.kind(name);
    if (kind == io::Hdf5Kind::kGroup) {
      auto nested = group.group(name);
      if (!nested.ok()) return std::move(nested).error();
      SPIKELOOM_TRY(Metadata items, read_metadata(*nested, budget, dropped));
      metadata.push_back({name, std::move(items)});
      continue;
    }
    auto info = group.info(name);
    if (!info.ok()) {
      dropped.push_back(info.error().message());
      continue;
    }
    if (info->is_string) {
      SPIKELOOM_CHECK(budget.take_bytes(*info));
      auto strings = group.read_strings(name);
      if (!strings.ok()) return std::move(strings).error();
      if (strings->shape.empty()) {
        metadata.push_back({name, std::move(strings->values.front())});
      } else {
        metadata.push_back(
            {name, StringArray{std::move(strings->shape), std::move(strings->values)}});
      }
      continue;
    }
    SPIKELOOM_CHECK(budget.take_bytes(*info));
    auto tensor = group.read_tensor(name);
    if (tensor.ok()) {
      metadata.push_back({name, *std::move(tensor)});
    } else {
      dropped.push_back(tensor.error().message());
    }
  }
  return metadata;
}

Status write_metadata(io::Hdf5OutGroup& group, const Metadata& metadata,
                      io::Hdf5Compression compression) {
  for (const MetadataItem& item : metadata) {
    if (const auto* tensor = std::get_if<Tensor>(&item.value)) {
      SPIKELOOM_CHECK(group.write_tensor(item.name, *tensor, compression));
    } else if (const auto* text = std::get_if<std::string>(&item.value)) {
      SPIKELOOM_CHECK(group.write_string(item.name, *text));
    } else if (const auto* texts = std::get_if<StringArray>(&item.value)) {
      SPIKELOOM_CHECK(group.write_strings(item.name, texts->shape, texts->values));
    } else {
      SPIKELOOM_TRY(auto nested, group.create_group(item.name));
      SPIKELOOM_CHECK(
          write_metadata(nested, std::get<std::vector<MetadataItem>>(item.value), compression));
    }
  }
  return {};
}

}  // namespace spikeloom::detail
