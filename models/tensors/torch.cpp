#include "models/tensors/torch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "base/io/half.hpp"
#include "base/io/zip.hpp"
#include "models/tensors/detail/pickle.hpp"

namespace spikeloom {
namespace {

using detail::Pickle;
using detail::PickleIndex;
using detail::PickleKind;
using detail::PickleNode;

static_assert(std::endian::native == std::endian::little, "storages are read as they lie");

constexpr int kMaxDepth = 100;
/// Aliases let a small pickle describe a huge tree; a file with more leaves than this is refused.
constexpr std::size_t kMaxVisits = 200'000;
constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxText = 64 << 20;
constexpr std::uint64_t kMaxPickle = 16 << 20;

struct StorageType {
  DType dtype = DType::kFloat32;
  std::size_t stored = 4;
  enum { kPlain, kHalf, kBFloat16 } widening = kPlain;
};

std::optional<StorageType> storage_type(std::string_view name) {
  if (name == "torch.FloatStorage") return StorageType{DType::kFloat32, 4};
  if (name == "torch.DoubleStorage") return StorageType{DType::kFloat64, 8};
  if (name == "torch.HalfStorage") return StorageType{DType::kFloat32, 2, StorageType::kHalf};
  if (name == "torch.BFloat16Storage") {
    return StorageType{DType::kFloat32, 2, StorageType::kBFloat16};
  }
  if (name == "torch.LongStorage") return StorageType{DType::kInt64, 8};
  if (name == "torch.IntStorage") return StorageType{DType::kInt32, 4};
  if (name == "torch.ShortStorage") return StorageType{DType::kInt16, 2};
  if (name == "torch.CharStorage") return StorageType{DType::kInt8, 1};
  if (name == "torch.ByteStorage") return StorageType{DType::kUInt8, 1};
  if (name == "torch.BoolStorage") return StorageType{DType::kBool, 1};
  return std::nullopt;
}

class Reader {
 public:
  Reader(const io::ZipArchive& archive, std::string prefix, const Pickle& pickle,
         const std::string& name, std::uint64_t limit, bool big_endian)
      : archive_(archive),
        prefix_(std::move(prefix)),
        pickle_(pickle),
        name_(name),
        left_(limit),
        big_endian_(big_endian) {}

  Result<TensorFile> run() {
    file_.format = "torch";
    SPIKELOOM_CHECK(visit(pickle_.root, "", 0));
    return std::move(file_);
  }

 private:
  Error bad(std::string what, const std::string& path, ErrorCode code = ErrorCode::kFormat) const {
    return Error{
        .code = code, .what = std::move(what), .where = path.empty() ? name_ : name_ + ": " + path};
  }

  Status visit(PickleIndex index, const std::string& path, int depth) {
    if (depth > kMaxDepth || ++visits_ > kMaxVisits) {
      return bad("containers are nested too deeply, or in a cycle", "", ErrorCode::kResource);
    }
    const PickleNode& node = pickle_[index];
    text_ += path.size() + node.text.size();
    if (path.size() > kMaxPath || text_ > kMaxText) {
      return bad("the names are too long", "", ErrorCode::kResource);
    }
    const auto inside = [&](const std::string& key) {
      return path.empty() ? key : path + "." + key;
    };
    switch (node.kind) {
      case PickleKind::kTensor: {
        auto tensor = read_tensor(node, path);
        if (!tensor.ok()) return std::move(tensor).error();
        file_.tensors.push_back({path.empty() ? "tensor" : path, *std::move(tensor)});
        return {};
      }
      case PickleKind::kTuple:
      case PickleKind::kList:
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          SPIKELOOM_CHECK(visit(node.items[i], inside(std::to_string(i)), depth + 1));
        }
        return {};
      case PickleKind::kDict:
        return visit_dict(node, path, depth);
      case PickleKind::kDataset:
        return visit_dataset(node, path, depth);
      case PickleKind::kStorage:
        return bad("a storage without a tensor is not read", path, ErrorCode::kUnsupported);
      default:
        return add_plain(node, path);
    }
  }

  Status visit_dict(const PickleNode& dict, const std::string& path, int depth) {
    // The last value of a key counts, at the place of the first, as in Python.
    std::vector<std::pair<std::string, PickleIndex>> entries;
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleNode& key = pickle_[dict.items[i]];
      if (key.kind != PickleKind::kText && key.kind != PickleKind::kInteger) {
        return bad("a dictionary key is neither text nor an integer", path,
                   ErrorCode::kUnsupported);
      }
      std::string text = key.kind == PickleKind::kText ? key.text : std::to_string(key.integer);
      const auto [place, is_new] = places.emplace(text, entries.size());
      if (is_new) {
        entries.emplace_back(std::move(text), dict.items[i + 1]);
      } else {
        entries[place->second].second = dict.items[i + 1];
      }
    }
    for (const auto& [key, value] : entries) {
      SPIKELOOM_CHECK(visit(value, path.empty() ? key : path + "." + key, depth + 1));
    }
    return {};
  }

  /// TensorDataset keeps its content in the attribute `tensors`; the name adds nothing.
  Status visit_dataset(const PickleNode& dataset, const std::string& path, int depth) {
    if (!dataset.items.empty()) {
      const PickleNode& state = pickle_[dataset.items[0]];
      for (std::size_t i = 0; i + 1 < state.items.size(); i += 2) {
        if (state.kind == PickleKind::kDict && pickle_[state.items[i]].text == "tensors") {
          return visit(state.items[i + 1], path, depth + 1);
        }
      }
    }
    return bad("a TensorDataset has no tensors", path);
  }

  Status add_plain(const PickleNode& node, const std::string& path) {
    Value value;
    switch (node.kind) {
      case PickleKind::kBool:
        value = Value(node.integer != 0);
        break;
      case PickleKind::kInteger:
        value = Value(node.integer);
        break;
      case PickleKind::kReal:
        value = Value(node.real);
        break;
      case PickleKind::kText:
      case PickleKind::kGlobal:
        value = Value(node.text);
        break;
      default:
        break;  // None, and bytes, which no reader of ours asks for
    }
    file_.metadata.as_map()->emplace_back(path, std::move(value));
    return {};
  }

  Result<Tensor> read_tensor(const PickleNode& node, const std::string& path) {
    const PickleNode& storage = pickle_[node.items[0]];
    const std::string& type_name = pickle_[storage.items[0]].text;
    const auto type = storage_type(type_name);
    if (!type) {
      return bad(fmt::format("storages of type '{}' are not read", type_name), path,
                 ErrorCode::kUnsupported);
    }
    const auto integers = [&](PickleIndex index) {
      Shape values;
      for (const PickleIndex item : pickle_[index].items) {
        values.push_back(pickle_[item].integer);
      }
      return values;
    };
    const Shape shape = integers(node.items[2]);
    const Shape stride = integers(node.items[3]);
    const std::int64_t offset = pickle_[node.items[1]].integer;
    const std::int64_t stored = pickle_[storage.items[2]].integer;

    auto counted = element_count(shape);
    if (!counted.ok()) return std::move(counted).error().in(name_ + ": " + path);
    const std::int64_t count = *counted;
    if (shape.size() != stride.size() || offset < 0 || stored < 0) {
      return bad("a tensor's description is damaged", path);
    }
    // The last element the view touches.
    std::int64_t last = offset;
    for (std::size_t axis = 0; axis < shape.size() && count > 0; ++axis) {
      std::int64_t reach = 0;
      if (stride[axis] < 0 || __builtin_mul_overflow(shape[axis] - 1, stride[axis], &reach) ||
          __builtin_add_overflow(last, reach, &last)) {
        return bad("a tensor's strides are damaged", path);
      }
    }
    if (count > 0 && last >= stored) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the tensor reaches beyond its storage",
                   .where = name_ + ": " + path,
                   .expected = fmt::format("at most {} elements", stored),
                   .got = fmt::format("element {}", last)};
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(count) * size_of(type->dtype);
    if (bytes > left_) {
      return bad("the tensors claim more than this file can hold", path, ErrorCode::kResource);
    }
    left_ -= bytes;
    SPIKELOOM_TRY(const auto* raw, load(pickle_[storage.items[1]].text, path,
                                        static_cast<std::uint64_t>(stored), type->stored));
    return gather(*raw, *type, shape, stride, offset, static_cast<std::size_t>(count));
  }

  /// The raw bytes of a storage; read once, because tensors may share one.
  Result<const std::vector<std::byte>*> load(const std::string& key, const std::string& path,
                                             std::uint64_t count, std::size_t element) {
    auto found = storages_.find(key);
    if (found == storages_.end()) {
      const io::ZipEntry* entry = archive_.find(prefix_ + "data/" + key);
      if (entry == nullptr) {
        return bad(fmt::format("the storage '{}' is missing", key.substr(0, 80)), path);
      }
      SPIKELOOM_TRY(auto bytes, archive_.read(*entry));
      found = storages_.emplace(key, std::move(bytes)).first;
    }
    if (found->second.size() / element != count || found->second.size() % element != 0) {
      return Error{.code = ErrorCode::kFormat,
                   .what = fmt::format("the storage '{}' has the wrong size", key),
                   .where = name_ + ": " + path,
                   .expected = fmt::format("{} elements of {} bytes", count, element),
                   .got = fmt::format("{} bytes", found->second.size())};
    }
    return &found->second;
  }

  Result<Tensor> gather(const std::vector<std::byte>& raw, const StorageType& type,
                        const Shape& shape, const Shape& stride, std::int64_t offset,
                        std::size_t count) const {
    const std::size_t size = size_of(type.dtype);
    std::vector<std::byte> data(count * size);
    Shape index(shape.size(), 0);
    auto from = static_cast<std::size_t>(offset);
    for (std::size_t to = 0; to < count; ++to) {
      copy_element(raw.data() + from * type.stored, type, data.data() + to * size);
      for (std::size_t axis = shape.size(); axis-- > 0;) {
        from += static_cast<std::size_t>(stride[axis]);
        if (++index[axis] < shape[axis]) break;
        from -= static_cast<std::size_t>(stride[axis] * shape[axis]);
        index[axis] = 0;
      }
    }
    return Tensor::from_bytes(type.dtype, shape, std::move(data));
  }

  void copy_element(const std::byte* from, const StorageType& type, std::byte* to) const {
    std::array<std::byte, 8> element = {};
    std::memcpy(element.data(), from, type.stored);
    if (big_endian_) std::reverse(element.begin(), element.begin() + type.stored);
    if (type.widening != StorageType::kPlain) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, element.data(), sizeof(bits));
      const float value = type.widening == StorageType::kHalf ? io::float_from_half(bits)
                                                              : io::float_from_bfloat16(bits);
      std::memcpy(to, &value, sizeof(value));
      return;
    }
    if (type.dtype == DType::kBool) element[0] = std::byte{element[0] != std::byte{0}};
    std::memcpy(to, element.data(), type.stored);
  }

  const io::ZipArchive& archive_;
  const std::string prefix_;
  const Pickle& pickle_;
  const std::string& name_;
  std::uint64_t left_;
  const bool big_endian_;
  std::size_t visits_ = 0;
  std::size_t text_ = 0;
  std::unordered_map<std::string, std::vector<std::byte>> storages_;
  TensorFile file_;
};

Result<TensorFile> parse(std::span<const std::byte> bytes, const std::string& name,
                         const TensorFileOptions& options) {
  SPIKELOOM_TRY(const auto archive, io::ZipArchive::view(bytes, name, options.max_bytes));
  constexpr std::string_view kPickle = "data.pkl";
  const io::ZipEntry* description = nullptr;
  for (const io::ZipEntry& entry : archive.entries()) {
    const bool is_script =
        entry.name.ends_with("/constants.pkl") || entry.name.ends_with("/attributes.pkl");
    if (is_script) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a TorchScript archive holds a program, which is not run",
                   .where = name,
                   .next = "save model.state_dict() with torch.save"};
    }
    const bool at_top = std::count(entry.name.begin(), entry.name.end(), '/') <= 1;
    if (at_top && (entry.name == kPickle || entry.name.ends_with("/data.pkl"))) {
      description = &entry;
    }
  }
  if (description == nullptr) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "not a PyTorch file",
                 .where = name,
                 .expected = "an entry data.pkl in the archive"};
  }
  if (description->bytes > kMaxPickle) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the pickle is larger than a description of tensors can be",
                 .where = name,
                 .expected = fmt::format("at most {} bytes", kMaxPickle),
                 .got = fmt::format("{}", description->bytes)};
  }
  const std::string prefix = description->name.substr(0, description->name.size() - kPickle.size());
  bool big_endian = false;
  if (const io::ZipEntry* order = archive.find(prefix + "byteorder")) {
    SPIKELOOM_TRY(const auto text, archive.read(*order));
    big_endian = !text.empty() && text[0] == std::byte{'b'};
  }
  SPIKELOOM_TRY(const auto pickled, archive.read(*description));
  const std::string where = name + ": " + description->name;
  SPIKELOOM_TRY(const Pickle pickle, detail::parse_pickle(pickled, where));
  // A view may repeat elements, but not without measure.
  const std::uint64_t limit =
      std::min<std::uint64_t>(options.max_bytes, bytes.size() * 1032 + (64 << 10));
  return Reader(archive, prefix, pickle, name, limit, big_endian).run();
}

}  // namespace

Result<TensorFile> parse_torch(std::span<const std::byte> bytes, const std::string& name,
                               TensorFileOptions options) {
  try {
    return parse(bytes, name, options);
  } catch (const std::bad_alloc&) {
    return Error{
        .code = ErrorCode::kResource, .what = "not enough memory for the file", .where = name};
  }
}

}  // namespace spikeloom
