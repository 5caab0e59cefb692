#include <algorithm>
#include <atomic>
#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

#include "base/io/detail/hdf5_library.hpp"
#include "base/io/hdf5.hpp"

namespace spikeloom::io {

using namespace detail;

struct Hdf5OutGroup::Impl {
  std::string path;
  std::string temporary;
  hid_t file = -1;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    const auto lock = hdf5_lock();
    if (file >= 0) H5Fclose(file);
    if (!temporary.empty()) std::remove(temporary.c_str());
  }
};

namespace {

Error refused(const std::string& where, std::string what) {
  return Error{.code = ErrorCode::kIo,
               .what = std::move(what),
               .where = where,
               .got = hdf5_message(),
               .next = "check the disk and the permissions"};
}

Status check_name(hid_t file, const std::string& where, std::string_view name) {
  if (file < 0) {
    return Error{
        .code = ErrorCode::kInvalidArgument, .what = "the file is already closed", .where = where};
  }
  if (name.empty() || name == "." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "not a name HDF5 can hold",
                 .where = where,
                 .expected = "one or more bytes without '/'",
                 .got = fmt::format("'{}'", name)};
  }
  return {};
}

/// The stored type, little endian, and the type in memory.
struct Types {
  Id owned;
  hid_t file = -1;
  hid_t memory = -1;
};

Types types_of(DType dtype) {
  switch (dtype) {
    case DType::kBool: {
      Types types;
      types.owned = type_id(H5Tenum_create(H5T_STD_I8LE));
      for (const signed char value : {0, 1}) {
        H5Tenum_insert(types.owned.get(), value == 0 ? "FALSE" : "TRUE", &value);
      }
      types.file = types.memory = types.owned.get();
      return types;
    }
    case DType::kInt8:
      return {{}, H5T_STD_I8LE, H5T_NATIVE_INT8};
    case DType::kInt16:
      return {{}, H5T_STD_I16LE, H5T_NATIVE_INT16};
    case DType::kInt32:
      return {{}, H5T_STD_I32LE, H5T_NATIVE_INT32};
    case DType::kInt64:
      return {{}, H5T_STD_I64LE, H5T_NATIVE_INT64};
    case DType::kUInt8:
      return {{}, H5T_STD_U8LE, H5T_NATIVE_UINT8};
    case DType::kUInt16:
      return {{}, H5T_STD_U16LE, H5T_NATIVE_UINT16};
    case DType::kUInt32:
      return {{}, H5T_STD_U32LE, H5T_NATIVE_UINT32};
    case DType::kUInt64:
      return {{}, H5T_STD_U64LE, H5T_NATIVE_UINT64};
    case DType::kFloat32:
      return {{}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT};
    case DType::kFloat64:
      break;
  }
  return {{}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE};
}

Id make_space(const Shape& shape) {
  if (shape.empty()) return space_id(H5Screate(H5S_SCALAR));
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  return space_id(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
}

/// Creation properties: no timestamps, so equal content gives equal bytes.
Id make_creation(const Tensor& tensor, Hdf5Compression compression) {
  Id creation = list_id(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(creation.get(), false);
  if (compression == Hdf5Compression::kNone || tensor.rank() == 0 || tensor.size() == 0) {
    return creation;
  }
  std::vector<hsize_t> chunk(tensor.shape().begin(), tensor.shape().end());
  // A chunk stays below the format's 4 GiB, cut along the first dimensions.
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 30;
  std::uint64_t bytes = tensor.bytes().size();
  for (std::size_t axis = 0; axis < chunk.size() && bytes > kLargest; ++axis) {
    const std::uint64_t row = bytes / chunk[axis];
    chunk[axis] = std::max<std::uint64_t>(1, kLargest / std::max<std::uint64_t>(row, 1));
    bytes = row * chunk[axis];
  }
  H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_deflate(creation.get(), 4);
  return creation;
}

std::string joined(const std::string& path, std::string_view name) {
  return (path == "/" ? path : path + "/") + std::string(name);
}

Id link_names() {
  Id list = list_id(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_char_encoding(list.get(), H5T_CSET_UTF8);
  return list;
}

Status write_dataset(hid_t file, const std::string& where, const std::string& path, hid_t file_type,
                     hid_t memory_type, const Shape& shape, const Id& creation, const void* data,
                     bool empty) {
  const Id space = make_space(shape);
  const Id links = link_names();
  const Id dataset = dataset_id(H5Dcreate2(file, path.c_str(), file_type, space.get(), links.get(),
                                           creation.get(), H5P_DEFAULT));
  if (!dataset.ok()) return refused(where, "the dataset cannot be created");
  if (!empty && H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    return refused(where, "the data cannot be written");
  }
  return {};
}

/// A list of values of one kind as a tensor, or as strings.
struct Flat {
  bool is_text = false;
  std::vector<std::string> texts;
  Tensor numbers;
  Shape shape;
};

Result<Flat> flatten(const Value& value) {
  const Error mixed{.code = ErrorCode::kInvalidArgument,
                    .what = "an attribute is a bool, a number, text, or a list of one of these"};
  const Value::List single = {value};
  const Value::List& list = value.as_list() != nullptr ? *value.as_list() : single;
  Flat flat;
  if (value.as_list() != nullptr) flat.shape = {static_cast<std::int64_t>(list.size())};
  const auto all = [&](auto is) { return std::all_of(list.begin(), list.end(), is); };
  if (!list.empty() && all([](const Value& v) { return v.as_string() != nullptr; })) {
    flat.is_text = true;
    for (const Value& item : list) flat.texts.push_back(*item.as_string());
  } else if (!list.empty() && all([](const Value& v) { return v.as_bool() != nullptr; })) {
    std::vector<std::byte> bytes;
    for (const Value& item : list) bytes.push_back(std::byte{*item.as_bool()});
    SPIKELOOM_TRY(flat.numbers, Tensor::from_bytes(DType::kBool, flat.shape, bytes));
  } else if (!list.empty() && all([](const Value& v) { return v.as_integer() != nullptr; })) {
    std::vector<std::int64_t> integers;
    for (const Value& item : list) integers.push_back(*item.as_integer());
    flat.numbers = Tensor::of<std::int64_t>(flat.shape, integers);
  } else if (all([](const Value& v) { return v.is_number(); })) {
    std::vector<double> reals;
    for (const Value& item : list) reals.push_back(item.number());
    flat.numbers = Tensor::of<double>(flat.shape, reals);
  } else {
    return mixed;
  }
  return flat;
}

std::vector<const char*> pointers_to(std::span<const std::string> values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  return pointers;
}

}  // namespace

Hdf5OutGroup::Hdf5OutGroup(std::shared_ptr<Impl> file, std::string path)
    : file_(std::move(file)), path_(std::move(path)) {}

Result<Hdf5OutGroup> Hdf5OutGroup::create_group(std::string_view name) {
  const auto lock = hdf5_lock();
  const std::string where = file_->path + ": " + joined(path_, name);
  SPIKELOOM_CHECK(check_name(file_->file, where, name));
  const std::string path = joined(path_, name);
  const Id creation = list_id(H5Pcreate(H5P_GROUP_CREATE));
  H5Pset_obj_track_times(creation.get(), false);
  const Id links = link_names();
  const Id group =
      group_id(H5Gcreate2(file_->file, path.c_str(), links.get(), creation.get(), H5P_DEFAULT));
  if (!group.ok()) return refused(where, "the group cannot be created");
  return Hdf5OutGroup(file_, path);
}

Status Hdf5OutGroup::write_tensor(std::string_view name, const Tensor& tensor,
                                  Hdf5Compression compression) {
  const auto lock = hdf5_lock();
  const std::string where = file_->path + ": " + joined(path_, name);
  SPIKELOOM_CHECK(check_name(file_->file, where, name));
  const Types types = types_of(tensor.dtype());
  return write_dataset(file_->file, where, joined(path_, name), types.file, types.memory,
                       tensor.shape(), make_creation(tensor, compression), tensor.bytes().data(),
                       tensor.size() == 0);
}

Status Hdf5OutGroup::write_strings(std::string_view name, const Shape& shape,
                                   std::span<const std::string> values) {
  const auto lock = hdf5_lock();
  const std::string where = file_->path + ": " + joined(path_, name);
  SPIKELOOM_CHECK(check_name(file_->file, where, name));
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  if (static_cast<std::size_t>(count) != values.size()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the number of strings does not fit the shape",
                 .where = where,
                 .expected = to_string(shape),
                 .got = std::to_string(values.size())};
  }
  const Id type = utf8_type();
  const auto pointers = pointers_to(values);
  return write_dataset(file_->file, where, joined(path_, name), type.get(), type.get(), shape,
                       make_creation(Tensor(), Hdf5Compression::kNone), pointers.data(),
                       values.empty());
}

Status Hdf5OutGroup::write_string(std::string_view name, std::string_view text) {
  const std::string copy(text);
  return write_strings(name, {}, std::span(&copy, 1));
}

Status Hdf5OutGroup::link(std::string_view name, const std::string& object) {
  const auto lock = hdf5_lock();
  const std::string where = file_->path + ": " + joined(path_, name);
  SPIKELOOM_CHECK(check_name(file_->file, where, name));
  const Id links = link_names();
  if (H5Lcreate_hard(file_->file, object.c_str(), file_->file, joined(path_, name).c_str(),
                     links.get(), H5P_DEFAULT) < 0) {
    return refused(where, "the link to " + object + " cannot be created");
  }
  return {};
}

Status Hdf5OutGroup::write_attribute(std::string_view name, const Value& value,
                                     std::string_view object) {
  const auto lock = hdf5_lock();
  const std::string path = object.empty() ? path_ : joined(path_, object);
  const std::string where = fmt::format("{}: {}@{}", file_->path, path, name);
  SPIKELOOM_CHECK(check_name(file_->file, where, name));
  auto made = flatten(value);
  if (!made.ok()) return std::move(made).error().in(where);
  const Flat& flat = *made;
  const Id target = object_id(H5Oopen(file_->file, path.c_str(), H5P_DEFAULT));
  if (!target.ok()) return refused(where, "the object does not exist");
  const Id space = make_space(flat.shape);
  const Types types = flat.is_text ? Types{utf8_type()} : types_of(flat.numbers.dtype());
  const hid_t file_type = flat.is_text ? types.owned.get() : types.file;
  const hid_t memory_type = flat.is_text ? types.owned.get() : types.memory;
  const auto pointers = pointers_to(flat.texts);
  const void* data = flat.is_text ? static_cast<const void*>(pointers.data())
                                  : static_cast<const void*>(flat.numbers.bytes().data());
  const Id attribute = attribute_id(H5Acreate2(target.get(), std::string(name).c_str(), file_type,
                                               space.get(), H5P_DEFAULT, H5P_DEFAULT));
  if (!attribute.ok()) return refused(where, "the attribute cannot be created");
  const bool empty = !flat.is_text && flat.numbers.size() == 0;
  if (!empty && H5Awrite(attribute.get(), memory_type, data) < 0) {
    return refused(where, "the attribute cannot be written");
  }
  return {};
}

Result<Hdf5Writer> Hdf5Writer::create(const std::string& path) {
  const auto lock = hdf5_lock();
  static std::atomic<unsigned> serial = 0;
  auto impl = std::make_shared<Hdf5OutGroup::Impl>();
  impl->path = path;
  const std::string temporary = fmt::format("{}.part-{}-{}", path, getpid(), serial++);
  const Id access = list_id(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  H5Pset_file_locking(access.get(), false, true);
  impl->file = H5Fcreate(temporary.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, access.get());
  if (impl->file < 0) return refused(path, "the file cannot be created");
  impl->temporary = temporary;
  return Hdf5Writer(Hdf5OutGroup(std::move(impl), "/"));
}

Result<Hdf5Writer> Hdf5Writer::create_in_memory() {
  const auto lock = hdf5_lock();
  auto impl = std::make_shared<Hdf5OutGroup::Impl>();
  impl->path = "memory";
  const Id access = list_id(H5Pcreate(H5P_FILE_ACCESS));
  constexpr std::size_t kGrowth = std::size_t{1} << 20;
  H5Pset_fapl_core(access.get(), kGrowth, false);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  impl->file = H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access.get());
  if (impl->file < 0) return refused(impl->path, "no file can be made in memory");
  return Hdf5Writer(Hdf5OutGroup(std::move(impl), "/"));
}

Result<std::vector<std::byte>> Hdf5Writer::take() {
  const auto lock = hdf5_lock();
  auto& impl = *root_.file_;
  if (impl.file < 0 || !impl.temporary.empty()) {
    return Error{.what = "not an open file in memory", .where = impl.path};
  }
  H5Fflush(impl.file, H5F_SCOPE_GLOBAL);
  const ssize_t size = H5Fget_file_image(impl.file, nullptr, 0);
  std::vector<std::byte> bytes(size > 0 ? static_cast<std::size_t>(size) : 0);
  const bool taken = size > 0 && H5Fget_file_image(impl.file, bytes.data(), bytes.size()) == size;
  H5Fclose(impl.file);
  impl.file = -1;
  if (!taken) return refused(impl.path, "the file in memory cannot be read back");
  return bytes;
}

Status Hdf5Writer::commit() {
  const auto lock = hdf5_lock();
  auto& impl = *root_.file_;
  if (impl.file < 0 || impl.temporary.empty()) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the file is already closed",
                 .where = impl.path};
  }
  const bool flushed = H5Fflush(impl.file, H5F_SCOPE_GLOBAL) >= 0;
  const bool closed = H5Fclose(impl.file) >= 0;
  impl.file = -1;
  if (!flushed || !closed) return refused(impl.path, "the file cannot be written");
  if (std::rename(impl.temporary.c_str(), impl.path.c_str()) != 0) {
    return Error{.code = ErrorCode::kIo,
                 .what = "the finished file cannot be given its name",
                 .where = impl.path};
  }
  impl.temporary.clear();
  return {};
}

}  // namespace spikeloom::io
