#include "models/tensors/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "base/io/half.hpp"
#include "base/io/json.hpp"

namespace spikeloom {
namespace {

static_assert(std::endian::native == std::endian::little, "the data are read as they lie");

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
  std::size_t stored;
};
constexpr std::array<TypeName, 13> kTypes = {{{"BOOL", DType::kBool, 1},
                                              {"I8", DType::kInt8, 1},
                                              {"I16", DType::kInt16, 2},
                                              {"I32", DType::kInt32, 4},
                                              {"I64", DType::kInt64, 8},
                                              {"U8", DType::kUInt8, 1},
                                              {"U16", DType::kUInt16, 2},
                                              {"U32", DType::kUInt32, 4},
                                              {"U64", DType::kUInt64, 8},
                                              {"F32", DType::kFloat32, 4},
                                              {"F64", DType::kFloat64, 8},
                                              {"F16", DType::kFloat32, 2},
                                              {"BF16", DType::kFloat32, 2}}};

Error bad(std::string what, const std::string& where, std::string got = {}) {
  return Error{
      .code = ErrorCode::kFormat, .what = std::move(what), .where = where, .got = std::move(got)};
}

std::uint64_t header_size(std::span<const std::byte> bytes) {
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof(size));
  return size;
}

/// One entry of the header, checked against the data's size.
struct Item {
  const TypeName* type = nullptr;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

Result<Item> parse_item(const Value& entry, std::uint64_t data_size, const std::string& where) {
  const Value* dtype = entry.find("dtype");
  const Value* shape = entry.find("shape");
  const Value* offsets = entry.find("data_offsets");
  if (dtype == nullptr || dtype->as_string() == nullptr || shape == nullptr ||
      shape->as_list() == nullptr || offsets == nullptr || offsets->as_list() == nullptr ||
      offsets->as_list()->size() != 2) {
    return bad("a tensor's description lacks dtype, shape or data_offsets", where);
  }
  Item item;
  const auto known = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& type) {
    return type.name == *dtype->as_string();
  });
  if (known == kTypes.end()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the data type '{}' is not read", *dtype->as_string()),
                 .where = where,
                 .next = "convert the tensor to F32 and save again"};
  }
  item.type = &*known;
  for (const Value& extent : *shape->as_list()) {
    if (extent.as_integer() == nullptr) return bad("a dimension is not an integer", where);
    item.shape.push_back(*extent.as_integer());
  }
  auto count = element_count(item.shape);
  if (!count.ok()) return std::move(count).error().in(where);
  const auto* begin = offsets->as_list()->at(0).as_integer();
  const auto* end = offsets->as_list()->at(1).as_integer();
  if (begin == nullptr || end == nullptr || *begin < 0 || *end < *begin ||
      static_cast<std::uint64_t>(*end) > data_size) {
    return bad("the data lie outside the file", where);
  }
  item.begin = static_cast<std::uint64_t>(*begin);
  item.end = static_cast<std::uint64_t>(*end);
  const std::uint64_t wanted = static_cast<std::uint64_t>(*count) * item.type->stored;
  if (item.end - item.begin != wanted) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the data do not fit the shape",
                 .where = where,
                 .expected = fmt::format("{} bytes for {}", wanted, to_string(item.shape)),
                 .got = fmt::format("{}", item.end - item.begin)};
  }
  return item;
}

Result<Tensor> make_tensor(const Item& item, std::span<const std::byte> data) {
  const auto raw = data.subspan(item.begin, item.end - item.begin);
  const bool is_half = item.type->name == "F16";
  if (!is_half && item.type->name != "BF16") {
    std::vector<std::byte> copy(raw.begin(), raw.end());
    if (item.type->dtype == DType::kBool) {
      for (std::byte& value : copy) value = std::byte{value != std::byte{0}};
    }
    return Tensor::from_bytes(item.type->dtype, item.shape, std::move(copy));
  }
  std::vector<std::byte> wide(raw.size() * 2);
  for (std::size_t i = 0; i < raw.size() / 2; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, raw.data() + i * 2, 2);
    const float value = is_half ? io::float_from_half(bits) : io::float_from_bfloat16(bits);
    std::memcpy(wide.data() + i * 4, &value, 4);
  }
  return Tensor::from_bytes(DType::kFloat32, item.shape, std::move(wide));
}

Result<TensorFile> parse(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < 8) return bad("not a safetensors file: too short", name);
  const std::uint64_t size = header_size(bytes);
  if (size > kMaxHeader || size > bytes.size() - 8) {
    return bad("the safetensors header is cut off", name, fmt::format("{} bytes", size));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8,
                              static_cast<std::size_t>(size));
  SPIKELOOM_TRY(const Value header, io::parse_json(text, name));
  if (header.as_map() == nullptr) return bad("the safetensors header is no object", name);
  const auto data = bytes.subspan(8 + static_cast<std::size_t>(size));

  TensorFile file;
  file.format = "safetensors";
  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
  for (const auto& [key, entry] : *header.as_map()) {
    const std::string where = name + ": " + key;
    if (key == kMetadata) {
      if (entry.as_map() == nullptr) return bad("the metadata are no object", where);
      for (const auto& [label, value] : *entry.as_map()) {
        if (value.as_string() == nullptr) return bad("a metadata value is no text", where);
      }
      file.metadata = entry;
      continue;
    }
    SPIKELOOM_TRY(const Item item, parse_item(entry, data.size(), where));
    extents.emplace_back(item.begin, item.end);
    SPIKELOOM_TRY(Tensor tensor, make_tensor(item, data));
    file.tensors.push_back({key, std::move(tensor)});
  }
  std::sort(extents.begin(), extents.end());
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : extents) {
    if (begin != covered) return bad("the data have holes or overlap", name);
    covered = end;
  }
  if (covered != data.size()) return bad("there are bytes after the last tensor", name);
  return file;
}

std::string_view type_name(DType dtype) {
  return std::find_if(kTypes.begin(), kTypes.end(),
                      [&](const TypeName& type) { return type.dtype == dtype; })
      ->name;
}

}  // namespace

bool looks_like_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 10 || bytes[8] != std::byte{'{'}) return false;
  const std::uint64_t size = header_size(bytes);
  return size >= 2 && size <= kMaxHeader;
}

Result<TensorFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return parse(bytes, name);
  } catch (const std::bad_alloc&) {
    return Error{
        .code = ErrorCode::kResource, .what = "not enough memory for the file", .where = name};
  }
}

Status write_safetensors(const std::string& path, const TensorFile& file) {
  std::vector<std::size_t> order(file.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(file.tensors[a].tensor.dtype()) > size_of(file.tensors[b].tensor.dtype());
  });
  std::vector<std::uint64_t> begins(file.tensors.size());
  std::uint64_t total = 0;
  for (const std::size_t i : order) {
    begins[i] = total;
    total += file.tensors[i].tensor.bytes().size();
  }
  Value::Map header;
  if (file.metadata.as_map() != nullptr) {
    Value::Map texts;
    for (const auto& entry : *file.metadata.as_map()) {
      if (entry.second.as_string() != nullptr) texts.push_back(entry);
    }
    if (!texts.empty()) header.emplace_back(kMetadata, std::move(texts));
  }
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const auto& [name, tensor] = file.tensors[i];
    const auto as_read = io::parse_json(io::to_json(Value(name)));
    const bool is_utf8 = as_read.ok() && *as_read == Value(name);
    if (name == kMetadata || !is_utf8 || !names.insert(name).second) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = fmt::format("a tensor cannot be called '{}' here", name),
                   .where = path};
    }
    Value entry = Value::map();
    entry.set("dtype", type_name(tensor.dtype()));
    Value shape = Value::list();
    for (const std::int64_t extent : tensor.shape()) shape.push(extent);
    entry.set("shape", std::move(shape));
    entry.set("data_offsets",
              Value::list().push(begins[i]).push(begins[i] + tensor.bytes().size()));
    header.emplace_back(name, std::move(entry));
  }
  std::string text = io::to_json(Value(std::move(header)));
  text.append((8 - text.size() % 8) % 8, ' ');
  std::vector<std::byte> bytes(8 + text.size() + total);
  const std::uint64_t size = text.size();
  std::memcpy(bytes.data(), &size, 8);
  std::memcpy(bytes.data() + 8, text.data(), text.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const auto source = file.tensors[i].tensor.bytes();
    std::copy(source.begin(), source.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(8 + text.size() + begins[i]));
  }
  return io::write_file_atomic(path, bytes);
}

}  // namespace spikeloom
