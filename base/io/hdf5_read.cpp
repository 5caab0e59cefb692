#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>

#include "base/io/detail/hdf5_object.hpp"
#include "base/io/detail/hdf5_storage.hpp"
#include "base/io/detail/hdf5_type.hpp"
#include "base/io/hdf5.hpp"

namespace spikeloom::io {

using namespace detail;

struct Hdf5Group::Impl {
  std::string name;
  Hdf5Limits limits;
  Bytes image;  ///< the bytes of open_bytes(), which `source` looks at
  std::shared_ptr<const Source> source;

  using Links = std::shared_ptr<const std::vector<Link>>;

  /// Data that could not have been packed into this file even by DEFLATE are a lie.
  std::uint64_t plausible_bytes() const {
    constexpr std::uint64_t kDeflateRatio = 1032;
    constexpr std::uint64_t kSlack = 64 << 10;
    if (source->size() > limits.max_bytes / kDeflateRatio) return limits.max_bytes;
    return std::min(limits.max_bytes, source->size() * kDeflateRatio + kSlack);
  }

  /// The links of the group at `address`; parsed once.
  Result<Links> links(std::uint64_t address) const {
    const std::lock_guard lock(mutex_);
    if (const auto known = links_.find(address); known != links_.end()) return known->second;
    SPIKELOOM_TRY(const ObjectHeader header, read_object_header(*source, address));
    SPIKELOOM_TRY(auto read, read_links(*source, header));
    const auto links = std::make_shared<const std::vector<Link>>(std::move(read));
    links_.emplace(address, links);
    return links;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::uint64_t, Links> links_;
};

namespace {

std::string joined(const std::string& path, std::string_view name) {
  return (path == "/" ? path : path + "/") + std::string(name);
}

/// Runs `f` and says where an error happened; a lack of memory becomes an error too.
template <typename F>
auto guarded(const std::string& file, const std::string& path, F f) -> decltype(f()) {
  try {
    auto result = f();
    if (!result.ok()) return std::move(result).error().in(path).in(file);
    return result;
  } catch (const std::bad_alloc&) {
    return Error{
        .code = ErrorCode::kResource, .what = "not enough memory", .where = file + ": " + path};
  }
}

Hdf5Kind kind_of(const ObjectHeader& header) {
  const auto has = [&](MessageType type) { return header.find(type) != nullptr; };
  if (has(MessageType::kLayout)) return Hdf5Kind::kDataset;
  if (has(MessageType::kSymbolTable) || has(MessageType::kLinkInfo)) return Hdf5Kind::kGroup;
  return Hdf5Kind::kOther;
}

struct Dataset {
  ObjectHeader header;
  Hdf5Type type;
  Hdf5Space space;
  Hdf5Storage storage;
};

Result<Dataset> parse_dataset(const Source& source, ObjectHeader header) {
  const Message* type = header.find(MessageType::kDatatype);
  const Message* space = header.find(MessageType::kDataspace);
  if (type == nullptr || space == nullptr) return hdf5_damaged("a dataset has no type or shape");
  Dataset dataset;
  SPIKELOOM_TRY(const Bytes type_body, message_body(source, *type));
  SPIKELOOM_TRY(dataset.type, parse_type(type_body));
  SPIKELOOM_TRY(const Bytes space_body, message_body(source, *space));
  SPIKELOOM_TRY(dataset.space, parse_dataspace(space_body, source.length_size()));
  SPIKELOOM_TRY(dataset.storage,
                parse_storage(source, header, dataset.space.shape.size(), dataset.type.size));
  dataset.header = std::move(header);
  return dataset;
}

/// A scalar, or the elements as a list.
Value as_value(const Tensor& tensor) {
  const auto element = [&](std::int64_t index) {
    if (tensor.dtype() == DType::kBool) return Value(tensor.at(index) != 0.0);
    if (tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64) {
      return Value(tensor.at(index));
    }
    std::int64_t wide = 0;
    if (size_of(tensor.dtype()) < sizeof(wide)) {
      return Value(static_cast<std::int64_t>(tensor.at(index)));
    }
    std::memcpy(&wide, tensor.bytes().data() + static_cast<std::size_t>(index) * sizeof(wide),
                sizeof(wide));
    const bool huge = tensor.dtype() == DType::kUInt64 && wide < 0;
    return huge ? Value(tensor.at(index)) : Value(wide);
  };
  if (tensor.rank() == 0) return element(0);
  Value list = Value::list();
  for (std::int64_t i = 0; i < tensor.size(); ++i) list.push(element(i));
  return list;
}

/// The type and the space may be references to where they lie.
struct Attribute {
  std::string name;
  Bytes type, space, data;
  bool shared_type = false, shared_space = false;
};

/// Attribute messages, versions 1 to 3; version 1 pads its parts to 8 bytes.
Result<Attribute> parse_attribute(std::span<const std::byte> body) {
  Cursor cursor(body);
  const unsigned version = cursor.u8();
  const unsigned flags = cursor.u8();
  if (version < 1 || version > 3) return hdf5_damaged("an attribute has an unknown version");
  const std::size_t name_size = cursor.u16(), type_size = cursor.u16(), space_size = cursor.u16();
  if (version == 3) cursor.skip(1);
  const auto part = [&](std::size_t size) {
    const auto field = cursor.take(size);
    if (version == 1) cursor.skip((8 - size % 8) % 8);
    return field;
  };
  const auto name = part(name_size);
  const auto type = part(type_size);
  const auto space = part(space_size);
  if (!cursor.ok()) return hdf5_damaged("an attribute is cut off");
  Attribute attribute;
  const auto end = std::find(name.begin(), name.end(), std::byte{0});
  attribute.name.assign(reinterpret_cast<const char*>(name.data()),
                        static_cast<std::size_t>(end - name.begin()));
  attribute.type.assign(type.begin(), type.end());
  attribute.space.assign(space.begin(), space.end());
  attribute.shared_type = version > 1 && (flags & 1) != 0;
  attribute.shared_space = version > 1 && (flags & 2) != 0;
  const auto data = cursor.take(cursor.left());
  attribute.data.assign(data.begin(), data.end());
  return attribute;
}

Result<Value> attribute_value(const Source& source, Attribute attribute, std::uint64_t limit) {
  if (attribute.shared_type) {
    SPIKELOOM_TRY(attribute.type, shared_body(source, attribute.type, MessageType::kDatatype));
  }
  if (attribute.shared_space) {
    SPIKELOOM_TRY(attribute.space, shared_body(source, attribute.space, MessageType::kDataspace));
  }
  SPIKELOOM_TRY(const Hdf5Type type, parse_type(attribute.type));
  SPIKELOOM_TRY(const Hdf5Space space, parse_dataspace(attribute.space, source.length_size()));
  if (space.shape.size() > 1) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the attribute has more than one dimension",
                 .got = to_string(space.shape)};
  }
  if (type.kind == Hdf5Type::Kind::kOther) return unsupported_type(type);
  SPIKELOOM_TRY(const std::uint64_t bytes, guarded_bytes(space.shape, type.size, limit));
  if (attribute.data.size() < bytes) return hdf5_damaged("an attribute is cut off");
  attribute.data.resize(static_cast<std::size_t>(bytes));
  if (!type.is_text()) {
    SPIKELOOM_TRY(const Tensor tensor, to_tensor(type, space.shape, std::move(attribute.data)));
    return as_value(tensor);
  }
  SPIKELOOM_TRY(auto texts, to_strings(source, type, attribute.data, limit));
  if (space.shape.empty()) return Value(std::move(texts.at(0)));
  Value list = Value::list();
  for (std::string& text : texts) list.push(Value(std::move(text)));
  return list;
}

/// The header of a link's object, or why there is none of the wanted kind.
template <typename Impl>
Result<ObjectHeader> open_child(const Impl& file, std::uint64_t group, std::string_view name,
                                Hdf5Kind wanted, std::uint64_t* address = nullptr) {
  const char* word = wanted == Hdf5Kind::kGroup     ? "group"
                     : wanted == Hdf5Kind::kDataset ? "dataset"
                                                    : "object";
  SPIKELOOM_TRY(const auto links, file.links(group));
  const auto found = std::lower_bound(
      links->begin(), links->end(), name,
      [](const Link& link, std::string_view key) { return link.name.compare(key) < 0; });
  if (found == links->end() || found->name != name) {
    return Error{.code = ErrorCode::kNotFound, .what = fmt::format("there is no such {}", word)};
  }
  const Error other{.code = ErrorCode::kUnsupported,
                    .what = "a link, or an object of another kind",
                    .expected = fmt::format("a {} inside this file", word),
                    .next = "copy what it points to into the file (h5py, h5repack)"};
  if (!found->hard) return other;
  SPIKELOOM_TRY(ObjectHeader header, read_object_header(*file.source, found->address));
  const Hdf5Kind kind = kind_of(header);
  if (wanted != Hdf5Kind::kOther && kind == Hdf5Kind::kOther) return other;
  if (wanted != Hdf5Kind::kOther && kind != wanted) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "an object of the wrong kind",
                 .expected = word,
                 .got = kind == Hdf5Kind::kGroup ? "group" : "dataset"};
  }
  if (address != nullptr) *address = found->address;
  return header;
}

/// The header of the group itself (no name) or of a child.
template <typename Impl>
Result<ObjectHeader> open_object(const Impl& file, std::uint64_t group, std::string_view name) {
  if (name.empty()) return read_object_header(*file.source, group);
  return open_child(file, group, name, Hdf5Kind::kOther);
}

}  // namespace

bool looks_like_hdf5(std::span<const std::byte> bytes) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  for (std::size_t at = 0; at <= bytes.size() && bytes.size() - at >= kSignature.size();
       at = at == 0 ? 512 : at * 2) {
    if (std::memcmp(bytes.data() + at, kSignature.data(), kSignature.size()) == 0) return true;
  }
  return false;
}

Hdf5Group::Hdf5Group(std::shared_ptr<const Impl> file, std::string path, std::uint64_t address,
                     int depth)
    : file_(std::move(file)), path_(std::move(path)), address_(address), depth_(depth) {}

Result<Hdf5File> Hdf5File::open(const std::string& path, Hdf5Limits limits) {
  auto impl = std::make_shared<Hdf5Group::Impl>();
  impl->name = path;
  impl->limits = limits;
  auto source = Source::open(path);
  if (!source.ok()) return std::move(source).error().in(path);
  impl->source = *std::move(source);
  const std::uint64_t root = impl->source->root();
  return Hdf5File(Hdf5Group(std::move(impl), "/", root, 0));
}

Result<Hdf5File> Hdf5File::open_bytes(std::span<const std::byte> bytes, const std::string& name,
                                      Hdf5Limits limits) {
  auto impl = std::make_shared<Hdf5Group::Impl>();
  impl->name = name;
  impl->limits = limits;
  impl->image.assign(bytes.begin(), bytes.end());
  auto source = Source::view(impl->image);
  if (!source.ok()) return std::move(source).error().in(name);
  impl->source = *std::move(source);
  const std::uint64_t root = impl->source->root();
  return Hdf5File(Hdf5Group(std::move(impl), "/", root, 0));
}

Result<std::vector<std::string>> Hdf5Group::children() const {
  return guarded(file_->name, path_, [&]() -> Result<std::vector<std::string>> {
    SPIKELOOM_TRY(const auto links, file_->links(address_));
    std::vector<std::string> names;
    for (const Link& link : *links) names.push_back(link.name);
    return names;
  });
}

Hdf5Kind Hdf5Group::kind(std::string_view name) const {
  const auto header = guarded(file_->name, path_,
                              [&] { return open_child(*file_, address_, name, Hdf5Kind::kOther); });
  if (header.ok()) return kind_of(*header);
  return header.error().code == ErrorCode::kNotFound ? Hdf5Kind::kMissing : Hdf5Kind::kOther;
}

Result<Hdf5Group> Hdf5Group::group(std::string_view name) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Hdf5Group> {
    std::uint64_t address = kUndefined;
    SPIKELOOM_CHECK(open_child(*file_, address_, name, Hdf5Kind::kGroup, &address));
    if (depth_ + 1 > file_->limits.max_depth) {
      return Error{.code = ErrorCode::kResource,
                   .what = "groups are nested too deeply, or in a cycle",
                   .expected = fmt::format("at most {} levels", file_->limits.max_depth)};
    }
    return Hdf5Group(file_, joined(path_, name), address, depth_ + 1);
  });
}

Result<Hdf5DatasetInfo> Hdf5Group::info(std::string_view name) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Hdf5DatasetInfo> {
    SPIKELOOM_TRY(ObjectHeader header, open_child(*file_, address_, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, parse_dataset(*file_->source, std::move(header)));
    if (dataset.type.kind == Hdf5Type::Kind::kOther) return unsupported_type(dataset.type);
    Hdf5DatasetInfo info;
    info.is_string = dataset.type.is_text();
    info.dtype = dataset.type.dtype;
    info.type = dataset.type.words;
    info.shape = dataset.space.shape;
    for (const Hdf5Filter& filter : dataset.storage.filters) {
      info.filters.push_back(filter_name(filter.id));
    }
    return info;
  });
}

Result<Tensor> Hdf5Group::read_tensor(std::string_view name) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Tensor> {
    const Source& source = *file_->source;
    SPIKELOOM_TRY(ObjectHeader header, open_child(*file_, address_, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, parse_dataset(source, std::move(header)));
    if (dataset.type.is_text()) {
      return Error{.code = ErrorCode::kFormat, .what = "text where numbers were expected"};
    }
    if (dataset.type.kind == Hdf5Type::Kind::kOther) return unsupported_type(dataset.type);
    SPIKELOOM_TRY(Bytes raw, read_elements(source, dataset.storage, dataset.space,
                                           dataset.type.size, file_->plausible_bytes()));
    return to_tensor(dataset.type, dataset.space.shape, std::move(raw));
  });
}

Result<Shape> Hdf5Group::shape(std::string_view name) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Shape> {
    SPIKELOOM_TRY(ObjectHeader header, open_child(*file_, address_, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, parse_dataset(*file_->source, std::move(header)));
    return dataset.space.shape;
  });
}

Result<Tensor> Hdf5Group::read_sequence(std::string_view name, std::uint64_t index) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Tensor> {
    const Source& source = *file_->source;
    SPIKELOOM_TRY(ObjectHeader header, open_child(*file_, address_, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, parse_dataset(source, std::move(header)));
    const Hdf5Type& type = dataset.type;
    if (type.element == nullptr || type.element->kind == Hdf5Type::Kind::kOther ||
        type.element->is_text()) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "no variable-length sequences of numbers",
                   .got = type.words};
    }
    const std::uint64_t limit = file_->plausible_bytes();
    SPIKELOOM_TRY(const Bytes raw,
                  read_elements(source, dataset.storage, dataset.space, type.size, limit));
    const std::uint64_t count = raw.size() / type.size;
    if (index >= count) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "there is no such sequence",
                   .expected = fmt::format("below {}", count),
                   .got = fmt::format("{}", index)};
    }
    return to_sequence(source, type, std::span(raw).subspan(index * type.size, type.size), limit);
  });
}

Result<Hdf5Strings> Hdf5Group::read_strings(std::string_view name) const {
  return guarded(file_->name, joined(path_, name), [&]() -> Result<Hdf5Strings> {
    const Source& source = *file_->source;
    SPIKELOOM_TRY(ObjectHeader header, open_child(*file_, address_, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, parse_dataset(source, std::move(header)));
    if (!dataset.type.is_text()) {
      return Error{.code = ErrorCode::kFormat, .what = "numbers where text was expected"};
    }
    const std::uint64_t limit = file_->plausible_bytes();
    SPIKELOOM_TRY(const Bytes raw,
                  read_elements(source, dataset.storage, dataset.space, dataset.type.size, limit));
    SPIKELOOM_TRY(auto values, to_strings(source, dataset.type, raw, limit));
    return Hdf5Strings{dataset.space.shape, std::move(values)};
  });
}

Result<std::string> Hdf5Group::read_string(std::string_view name) const {
  SPIKELOOM_TRY(auto strings, read_strings(name));
  if (strings.values.size() != 1) {
    return Error{.code = ErrorCode::kShape,
                 .what = "one string was expected",
                 .where = file_->name + ": " + joined(path_, name),
                 .got = to_string(strings.shape)};
  }
  return std::move(strings.values[0]);
}

Result<std::vector<std::string>> Hdf5Group::attributes(std::string_view object) const {
  const std::string path = object.empty() ? path_ : joined(path_, object);
  return guarded(file_->name, path, [&]() -> Result<std::vector<std::string>> {
    SPIKELOOM_TRY(const ObjectHeader header, open_object(*file_, address_, object));
    SPIKELOOM_TRY(const auto bodies, read_attribute_messages(*file_->source, header));
    std::vector<std::string> names;
    for (const Bytes& body : bodies) {
      SPIKELOOM_TRY(Attribute attribute, parse_attribute(body));
      names.push_back(std::move(attribute.name));
    }
    std::sort(names.begin(), names.end());
    return names;
  });
}

Result<Value> Hdf5Group::attribute(std::string_view name, std::string_view object) const {
  const std::string path = object.empty() ? path_ : joined(path_, object);
  return guarded(file_->name, fmt::format("{}@{}", path, name), [&]() -> Result<Value> {
    SPIKELOOM_TRY(const ObjectHeader header, open_object(*file_, address_, object));
    SPIKELOOM_TRY(const auto bodies, read_attribute_messages(*file_->source, header));
    for (const Bytes& body : bodies) {
      SPIKELOOM_TRY(Attribute attribute, parse_attribute(body));
      if (attribute.name == name) {
        return attribute_value(*file_->source, std::move(attribute), file_->plausible_bytes());
      }
    }
    return Error{.code = ErrorCode::kNotFound, .what = "there is no such attribute"};
  });
}

}  // namespace spikeloom::io
