#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/io/detail/hdf5_private.hpp"
#include "base/io/hdf5.hpp"

namespace spikeloom::io {

using namespace detail;

struct Hdf5Group::Impl {
  std::string name;
  Hdf5Limits limits;
  std::uint64_t file_size = 0;
  // The library reads from the caller's image only while opening; this copy is what it keeps.
  hid_t file = -1;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    const auto lock = hdf5_lock();
    if (file >= 0) H5Fclose(file);
  }

  /// Data that could not have been packed into this file even by DEFLATE is a lie.
  std::uint64_t plausible_bytes() const {
    constexpr std::uint64_t kDeflateRatio = 1032;
    constexpr std::uint64_t kSlack = 64 << 10;
    const std::uint64_t packed = file_size > limits.max_bytes / kDeflateRatio
                                     ? limits.max_bytes
                                     : file_size * kDeflateRatio + kSlack;
    return std::min(limits.max_bytes, packed);
  }
};

namespace {

constexpr std::array<unsigned char, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

Error damaged(std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .got = hdf5_message(),
               .next = "the file is damaged or truncated; get it again"};
}

Error not_hdf5(const std::string& name) {
  return Error{.code = ErrorCode::kFormat,
               .what = "not an HDF5 file",
               .where = name,
               .expected = "the HDF5 signature at byte 0, 512, 1024, ..."};
}

std::string filter_name(int id) {
  static constexpr std::array<std::pair<int, const char*>, 14> kNames = {{{1, "deflate"},
                                                                          {2, "shuffle"},
                                                                          {3, "fletcher32"},
                                                                          {4, "szip"},
                                                                          {5, "nbit"},
                                                                          {6, "scaleoffset"},
                                                                          {307, "bzip2"},
                                                                          {32000, "lzf"},
                                                                          {32001, "blosc"},
                                                                          {32004, "lz4"},
                                                                          {32008, "bitshuffle"},
                                                                          {32013, "zfp"},
                                                                          {32015, "zstd"},
                                                                          {32026, "blosc2"}}};
  for (const auto& [number, name] : kNames) {
    if (number == id) return name;
  }
  return fmt::format("filter {}", id);
}

/// How a stored type is read: the tensor's element type and the library's type in memory.
struct Reading {
  DType dtype = DType::kFloat64;
  hid_t memory = -1;
  bool is_bool = false;
  bool is_string = false;
  std::string words;
};

bool is_h5py_bool(hid_t type) {
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  for (unsigned i = 0; i < 2; ++i) {
    char* name = H5Tget_member_name(type, i);
    const bool same = name != nullptr && std::strcmp(name, i == 0 ? "FALSE" : "TRUE") == 0;
    if (name != nullptr) H5free_memory(name);
    signed char value = -1;
    if (!same || H5Tget_member_value(type, i, &value) < 0 || value != static_cast<int>(i)) {
      return false;
    }
  }
  return true;
}

Result<Reading> classify(hid_t type) {
  const auto unsupported = [](const std::string& words) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the data type '{}' is not read", words),
                 .expected = "integers, float16/32/64, bool or strings",
                 .next = "convert it before writing the file"};
  };
  Reading reading;
  const std::size_t size = H5Tget_size(type);
  const H5T_class_t kind = H5Tget_class(type);
  const bool big =
      (kind == H5T_INTEGER || kind == H5T_FLOAT) && size > 1 && H5Tget_order(type) == H5T_ORDER_BE;
  switch (kind) {
    case H5T_INTEGER: {
      const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
      reading.words =
          fmt::format("{}{}int{}", big ? "big-endian " : "", is_signed ? "" : "u", size * 8);
      if (H5Tget_precision(type) != size * 8) return unsupported(reading.words + " (packed)");
      switch (size) {
        case 1:
          reading.dtype = is_signed ? DType::kInt8 : DType::kUInt8;
          reading.memory = is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8;
          return reading;
        case 2:
          reading.dtype = is_signed ? DType::kInt16 : DType::kUInt16;
          reading.memory = is_signed ? H5T_NATIVE_INT16 : H5T_NATIVE_UINT16;
          return reading;
        case 4:
          reading.dtype = is_signed ? DType::kInt32 : DType::kUInt32;
          reading.memory = is_signed ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32;
          return reading;
        case 8:
          reading.dtype = is_signed ? DType::kInt64 : DType::kUInt64;
          reading.memory = is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
          return reading;
        default:
          return unsupported(reading.words);
      }
    }
    case H5T_FLOAT:
      reading.words = fmt::format("{}float{}", big ? "big-endian " : "", size * 8);
      if (size != 2 && size != 4 && size != 8) return unsupported(reading.words);
      reading.dtype = size == 8 ? DType::kFloat64 : DType::kFloat32;
      reading.memory = size == 8 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT;
      return reading;
    case H5T_ENUM:
      if (!is_h5py_bool(type)) return unsupported("enumeration");
      reading.words = "bool";
      reading.dtype = DType::kBool;
      reading.is_bool = true;
      return reading;
    case H5T_STRING:
      reading.words = "string";
      reading.is_string = true;
      return reading;
    case H5T_COMPOUND: {
      std::string fields;
      const int count = std::min(H5Tget_nmembers(type), 16);
      for (int i = 0; i < count; ++i) {
        char* name = H5Tget_member_name(type, static_cast<unsigned>(i));
        if (name == nullptr) continue;
        fields += (fields.empty() ? "" : ", ") + std::string(name);
        H5free_memory(name);
      }
      return unsupported(fields == "r, i" ? "complex" : "compound of " + fields);
    }
    case H5T_VLEN:
      return unsupported("variable-length sequence");
    case H5T_ARRAY:
      return unsupported("array");
    case H5T_OPAQUE:
      return unsupported("opaque");
    case H5T_REFERENCE:
      return unsupported("reference");
    case H5T_BITFIELD:
      return unsupported("bit field");
    case H5T_TIME:
      return unsupported("time");
    default:
      return unsupported("unknown");
  }
}

/// Shape of a dataspace; a null dataspace is an empty vector's (0).
Result<Shape> shape_of(hid_t space) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return Shape{0};
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) return damaged("the dataspace cannot be read");
  std::array<hsize_t, H5S_MAX_RANK> extents = {};
  if (H5Sget_simple_extent_dims(space, extents.data(), nullptr) < 0) {
    return damaged("the dataspace cannot be read");
  }
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const hsize_t extent = extents[static_cast<std::size_t>(i)];
    if (extent > static_cast<hsize_t>(INT64_MAX)) {
      return Error{.code = ErrorCode::kResource,
                   .what = "a dimension is larger than can be held",
                   .got = fmt::format("{}", extent)};
    }
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  return shape;
}

/// count x size, refused when over `limit`.
Result<std::size_t> guarded_bytes(const Shape& shape, std::size_t element_size,
                                  std::uint64_t limit) {
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), element_size, &bytes) ||
      bytes > limit) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the data claim more than this file can hold",
                 .expected = fmt::format("at most {} bytes", limit),
                 .got = fmt::format("shape {} of {} bytes each", to_string(shape), element_size),
                 .next = "the file is damaged, or the size limit has to be raised"};
  }
  return static_cast<std::size_t>(bytes);
}

std::string strip(const char* data, std::size_t size, H5T_str_t padding) {
  std::string_view text(data, size);
  switch (padding) {
    case H5T_STR_NULLTERM:
      text = text.substr(0, text.find('\0'));
      break;
    case H5T_STR_SPACEPAD:
      while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
      break;
    default:
      while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  }
  return std::string(text);
}

/// Strings of a dataset or an attribute, through `read(memory type, buffer)`.
template <typename Read>
Result<std::vector<std::string>> strings_of(hid_t type, hid_t space, const Shape& shape,
                                            std::uint64_t limit, Read read) {
  const std::size_t element = H5Tis_variable_str(type) > 0 ? sizeof(char*) : H5Tget_size(type);
  SPIKELOOM_TRY(const std::size_t bytes, guarded_bytes(shape, element, limit));
  const std::size_t count = element == 0 ? 0 : bytes / element;
  std::vector<std::string> values(count);
  if (count == 0) return values;
  if (H5Tis_variable_str(type) > 0) {
    const Id memory = type_id(H5Tcopy(H5T_C_S1));
    H5Tset_size(memory.get(), H5T_VARIABLE);
    H5Tset_cset(memory.get(), H5Tget_cset(type));
    std::vector<char*> pointers(count, nullptr);
    if (read(memory.get(), pointers.data()) < 0) return damaged("the strings cannot be read");
    for (std::size_t i = 0; i < count; ++i) {
      if (pointers[i] != nullptr) values[i] = pointers[i];
    }
    H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, pointers.data());
    return values;
  }
  std::vector<char> raw(bytes);
  if (read(type, raw.data()) < 0) return damaged("the strings cannot be read");
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = strip(raw.data() + i * element, element, H5Tget_strpad(type));
  }
  return values;
}

struct Dataset {
  Id id, type, space, creation;
  Shape shape;
};

Result<std::vector<std::pair<int, bool>>> filters_of(const Dataset& dataset) {
  std::vector<std::pair<int, bool>> filters;
  const int count = H5Pget_nfilters(dataset.creation.get());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(dataset.creation.get(), static_cast<unsigned>(i),
                                               &flags, &values, nullptr, 0, nullptr, nullptr);
    if (filter < 0) return damaged("the filter list cannot be read");
    filters.emplace_back(filter, H5Zfilter_avail(filter) > 0);
  }
  return filters;
}

/// Refuses storage this reader must not or cannot touch, before any of it is read.
Status check_storage(const Dataset& dataset, std::uint64_t file_size, std::uint64_t limit) {
  const hid_t creation = dataset.creation.get();
  const H5D_layout_t layout = H5Pget_layout(creation);
  if (layout == H5D_VIRTUAL || H5Pget_external_count(creation) > 0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the data lie in another file (external or virtual storage)",
                 .next = "rewrite the file with its data inside (h5repack)"};
  }
  SPIKELOOM_TRY(const auto filters, filters_of(dataset));
  for (const auto& [filter, available] : filters) {
    if (available) continue;
    return Error{
        .code = ErrorCode::kUnsupported,
        .what = fmt::format("the dataset uses the filter '{}', which this build cannot decode",
                            filter_name(filter)),
        .next = "rewrite the file with gzip or no compression"};
  }
  const std::uint64_t element = H5Tget_size(dataset.type.get());
  if (layout == H5D_CHUNKED) {
    std::array<hsize_t, H5S_MAX_RANK> chunk = {};
    const int rank = H5Pget_chunk(creation, H5S_MAX_RANK, chunk.data());
    if (rank < 0) return damaged("the chunk shape cannot be read");
    Shape extents;
    for (int i = 0; i < rank; ++i) {
      extents.push_back(static_cast<std::int64_t>(chunk[static_cast<std::size_t>(i)]));
    }
    return guarded_bytes(extents, element, limit).ok()
               ? Status()
               : Status(Error{.code = ErrorCode::kResource,
                              .what = "a chunk claims more than this file can hold",
                              .got = to_string(extents)});
  }
  if (layout == H5D_CONTIGUOUS) {
    const haddr_t offset = H5Dget_offset(dataset.id.get());
    const std::uint64_t stored = H5Dget_storage_size(dataset.id.get());
    if (offset != HADDR_UNDEF && (offset > file_size || stored > file_size - offset)) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the data lie beyond the end of the file",
                   .expected = fmt::format("at most {} bytes", file_size),
                   .got = fmt::format("{} bytes at {}", stored, offset),
                   .next = "the file is damaged or truncated; get it again"};
    }
  }
  return {};
}

Result<Dataset> open_dataset(hid_t file, const std::string& path) {
  Dataset dataset;
  dataset.id = dataset_id(H5Dopen2(file, path.c_str(), H5P_DEFAULT));
  if (!dataset.id.ok()) return damaged("the dataset cannot be opened");
  dataset.type = type_id(H5Dget_type(dataset.id.get()));
  dataset.space = space_id(H5Dget_space(dataset.id.get()));
  dataset.creation = list_id(H5Dget_create_plist(dataset.id.get()));
  if (!dataset.type.ok() || !dataset.space.ok() || !dataset.creation.ok()) {
    return damaged("the dataset's description cannot be read");
  }
  SPIKELOOM_TRY(dataset.shape, shape_of(dataset.space.get()));
  return dataset;
}

std::string joined(const std::string& path, std::string_view name) {
  return (path == "/" ? path : path + "/") + std::string(name);
}

Result<hid_t> open_with(const std::string& where, hid_t access, const std::string& h5_name) {
  const hid_t file = H5Fopen(h5_name.c_str(), H5F_ACC_RDONLY, access);
  if (file >= 0) return file;
  const std::string detail = hdf5_message();
  const bool truncated = detail.find("truncated") != std::string::npos;
  return Error{.code = ErrorCode::kFormat,
               .what = truncated ? "the HDF5 file is truncated" : "the HDF5 file is damaged",
               .where = where,
               .got = detail,
               .next = "get the file again"};
}

}  // namespace

bool looks_like_hdf5(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at <= bytes.size() && bytes.size() - at >= kSignature.size();
       at = at == 0 ? 512 : at * 2) {
    if (std::memcmp(bytes.data() + at, kSignature.data(), kSignature.size()) == 0) return true;
  }
  return false;
}

Hdf5Group::Hdf5Group(std::shared_ptr<const Impl> file, std::string path, int depth)
    : file_(std::move(file)), path_(std::move(path)), depth_(depth) {}

Result<Hdf5File> Hdf5File::open(const std::string& path, Hdf5Limits limits) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    return Error{.code = ErrorCode::kNotFound, .what = "no such file", .where = path};
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{.code = ErrorCode::kIo, .what = "not a regular file", .where = path};
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return Error{.code = ErrorCode::kIo, .what = "the file cannot be read", .where = path};
  }
  bool found = false;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  for (std::uint64_t at = 0; !found && at + 8 <= size; at = at == 0 ? 512 : at * 2) {
    std::array<char, 8> head = {};
    stream.seekg(static_cast<std::streamoff>(at));
    if (!stream.read(head.data(), 8)) break;
    found = looks_like_hdf5(std::as_bytes(std::span(head)));
  }
  if (!found) return not_hdf5(path);

  const auto lock = hdf5_lock();
  auto impl = std::make_shared<Hdf5Group::Impl>();
  impl->name = path;
  impl->limits = limits;
  impl->file_size = size;
  const Id access = list_id(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  // Locks fail on read-only and network file systems, and reading needs none.
  H5Pset_file_locking(access.get(), false, true);
  SPIKELOOM_TRY(impl->file, open_with(path, access.get(), path));
  return Hdf5File(Hdf5Group(std::move(impl), "/", 0));
}

Result<Hdf5File> Hdf5File::open_bytes(std::span<const std::byte> bytes, const std::string& name,
                                      Hdf5Limits limits) {
  if (!looks_like_hdf5(bytes)) return not_hdf5(name);
  const auto lock = hdf5_lock();
  auto impl = std::make_shared<Hdf5Group::Impl>();
  impl->name = name;
  impl->limits = limits;
  impl->file_size = bytes.size();
  const Id access = list_id(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  H5Pset_fapl_core(access.get(), std::size_t{64} << 10, false);
  // The library copies the image; it takes a void* but does not write to it.
  if (H5Pset_file_image(access.get(), const_cast<std::byte*>(bytes.data()), bytes.size()) < 0) {
    return Error{.code = ErrorCode::kResource, .what = "no memory for the file", .where = name};
  }
  SPIKELOOM_TRY(impl->file, open_with(name, access.get(), name));
  return Hdf5File(Hdf5Group(std::move(impl), "/", 0));
}

Result<std::vector<std::string>> Hdf5Group::children() const {
  const auto lock = hdf5_lock();
  const Id group = group_id(H5Gopen2(file_->file, path_.c_str(), H5P_DEFAULT));
  if (!group.ok()) return damaged("the group cannot be opened").in(path_).in(file_->name);
  struct Listing {
    std::vector<std::string> names;
    std::size_t most;
  } listing;
  // A link takes at least 8 bytes; more links than that is a loop in the index.
  listing.most = static_cast<std::size_t>(file_->file_size / 8 + 1);
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* data) -> herr_t {
    auto& out = *static_cast<Listing*>(data);
    if (out.names.size() >= out.most) return -1;
    out.names.emplace_back(name);
    return 0;
  };
  hsize_t index = 0;
  if (H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, &index, add, &listing) < 0) {
    return damaged("the group's links cannot be listed").in(path_).in(file_->name);
  }
  return std::move(listing.names);
}

Hdf5Kind Hdf5Group::kind(std::string_view name) const {
  if (name.empty() || name == "." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return Hdf5Kind::kMissing;
  }
  const auto lock = hdf5_lock();
  const std::string path = joined(path_, name);
  if (H5Lexists(file_->file, path.c_str(), H5P_DEFAULT) <= 0) return Hdf5Kind::kMissing;
  H5L_info_t link = {};
  if (H5Lget_info(file_->file, path.c_str(), &link, H5P_DEFAULT) < 0) return Hdf5Kind::kOther;
  if (link.type != H5L_TYPE_HARD) return Hdf5Kind::kOther;
  H5O_info_t object = {};
  if (H5Oget_info_by_name2(file_->file, path.c_str(), &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
    return Hdf5Kind::kOther;
  }
  if (object.type == H5O_TYPE_GROUP) return Hdf5Kind::kGroup;
  return object.type == H5O_TYPE_DATASET ? Hdf5Kind::kDataset : Hdf5Kind::kOther;
}

namespace {

/// Why `name` is not the wanted kind, as an error.
Status expect_kind(const Hdf5Group& group, std::string_view name, Hdf5Kind wanted) {
  const Hdf5Kind found = group.kind(name);
  if (found == wanted) return {};
  const char* word = wanted == Hdf5Kind::kGroup ? "group" : "dataset";
  if (found == Hdf5Kind::kMissing) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = fmt::format("there is no {} '{}'", word, name)};
  }
  if (found == Hdf5Kind::kOther) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("'{}' is a link or object of another kind", name),
                 .expected = fmt::format("a {} of this file", word),
                 .next = "copy the linked object into the file (h5repack, h5py)"};
  }
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("'{}' has the wrong kind", name),
               .expected = word,
               .got = found == Hdf5Kind::kGroup ? "group" : "dataset"};
}

}  // namespace

Result<Hdf5Group> Hdf5Group::group(std::string_view name) const {
  const auto lock = hdf5_lock();
  const auto wrong = [&](Error error) { return std::move(error).in(path_).in(file_->name); };
  if (auto status = expect_kind(*this, name, Hdf5Kind::kGroup); !status.ok()) {
    return wrong(std::move(status).error());
  }
  if (depth_ + 1 > file_->limits.max_depth) {
    return wrong(Error{.code = ErrorCode::kResource,
                       .what = "groups are nested too deeply, or in a cycle",
                       .expected = fmt::format("at most {} levels", file_->limits.max_depth)});
  }
  return Hdf5Group(file_, joined(path_, name), depth_ + 1);
}

Result<Hdf5DatasetInfo> Hdf5Group::info(std::string_view name) const {
  const auto lock = hdf5_lock();
  const auto read = [&]() -> Result<Hdf5DatasetInfo> {
    SPIKELOOM_CHECK(expect_kind(*this, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, open_dataset(file_->file, joined(path_, name)));
    Hdf5DatasetInfo info;
    info.shape = dataset.shape;
    info.storage_bytes = H5Dget_storage_size(dataset.id.get());
    SPIKELOOM_TRY(const auto filters, filters_of(dataset));
    for (const auto& [filter, available] : filters) info.filters.push_back(filter_name(filter));
    SPIKELOOM_TRY(const Reading reading, classify(dataset.type.get()));
    info.dtype = reading.dtype;
    info.is_string = reading.is_string;
    info.type = reading.words;
    return info;
  };
  auto info = read();
  if (!info.ok()) return std::move(info).error().in(joined(path_, name)).in(file_->name);
  return info;
}

Result<Tensor> Hdf5Group::read_tensor(std::string_view name) const {
  const auto lock = hdf5_lock();
  const auto read = [&]() -> Result<Tensor> {
    SPIKELOOM_CHECK(expect_kind(*this, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, open_dataset(file_->file, joined(path_, name)));
    SPIKELOOM_TRY(const Reading reading, classify(dataset.type.get()));
    if (reading.is_string) {
      return Error{.code = ErrorCode::kFormat, .what = "text where numbers were expected"};
    }
    const std::uint64_t limit = file_->plausible_bytes();
    SPIKELOOM_TRY(const std::size_t bytes,
                  guarded_bytes(dataset.shape, size_of(reading.dtype), limit));
    SPIKELOOM_CHECK(check_storage(dataset, file_->file_size, limit));
    std::vector<std::byte> data(bytes);
    if (bytes == 0) return Tensor::from_bytes(reading.dtype, dataset.shape, std::move(data));
    const hid_t memory = reading.is_bool ? dataset.type.get() : reading.memory;
    if (H5Dread(dataset.id.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()) < 0) {
      return damaged("the data cannot be read");
    }
    if (reading.is_bool) {
      for (std::byte& value : data) value = std::byte{value != std::byte{0}};
    }
    return Tensor::from_bytes(reading.dtype, dataset.shape, std::move(data));
  };
  try {
    auto tensor = read();
    if (!tensor.ok()) return std::move(tensor).error().in(joined(path_, name)).in(file_->name);
    return tensor;
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory for the dataset",
                 .where = file_->name + ": " + joined(path_, name)};
  }
}

Result<Hdf5Strings> Hdf5Group::read_strings(std::string_view name) const {
  const auto lock = hdf5_lock();
  const auto read = [&]() -> Result<Hdf5Strings> {
    SPIKELOOM_CHECK(expect_kind(*this, name, Hdf5Kind::kDataset));
    SPIKELOOM_TRY(const Dataset dataset, open_dataset(file_->file, joined(path_, name)));
    if (H5Tget_class(dataset.type.get()) != H5T_STRING) {
      return Error{.code = ErrorCode::kFormat, .what = "numbers where text was expected"};
    }
    const std::uint64_t limit = file_->plausible_bytes();
    SPIKELOOM_CHECK(check_storage(dataset, file_->file_size, limit));
    SPIKELOOM_TRY(auto values, strings_of(dataset.type.get(), dataset.space.get(), dataset.shape,
                                          limit, [&](hid_t memory, void* out) {
                                            return H5Dread(dataset.id.get(), memory, H5S_ALL,
                                                           H5S_ALL, H5P_DEFAULT, out);
                                          }));
    return Hdf5Strings{dataset.shape, std::move(values)};
  };
  try {
    auto strings = read();
    if (!strings.ok()) {
      return std::move(strings).error().in(joined(path_, name)).in(file_->name);
    }
    return strings;
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory for the dataset",
                 .where = file_->name + ": " + joined(path_, name)};
  }
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

namespace {

Id open_object(hid_t file, const std::string& path) {
  return object_id(H5Oopen(file, path.c_str(), H5P_DEFAULT));
}

Value element(const Tensor& tensor, std::int64_t index) {
  if (tensor.dtype() == DType::kBool) return Value(tensor.at(index) != 0.0);
  if (tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64) {
    return Value(tensor.at(index));
  }
  std::int64_t wide = 0;
  if (size_of(tensor.dtype()) == sizeof(wide)) {
    std::memcpy(&wide, tensor.bytes().data() + static_cast<std::size_t>(index) * sizeof(wide),
                sizeof(wide));
    return Value(wide);
  }
  return Value(static_cast<std::int64_t>(tensor.at(index)));
}

Result<Value> read_attribute(hid_t object, std::string_view name, std::uint64_t limit) {
  const std::string key(name);
  if (H5Aexists(object, key.c_str()) <= 0) {
    return Error{.code = ErrorCode::kNotFound, .what = "there is no such attribute"};
  }
  const Id attribute = attribute_id(H5Aopen(object, key.c_str(), H5P_DEFAULT));
  if (!attribute.ok()) return damaged("the attribute cannot be opened");
  const Id type = type_id(H5Aget_type(attribute.get()));
  const Id space = space_id(H5Aget_space(attribute.get()));
  if (!type.ok() || !space.ok()) return damaged("the attribute's description cannot be read");
  SPIKELOOM_TRY(const Shape shape, shape_of(space.get()));
  if (shape.size() > 1) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the attribute has more than one dimension",
                 .got = to_string(shape)};
  }
  SPIKELOOM_TRY(const Reading reading, classify(type.get()));
  Value list = Value::list();
  if (reading.is_string) {
    SPIKELOOM_TRY(auto values,
                  strings_of(type.get(), space.get(), shape, limit, [&](hid_t memory, void* out) {
                    return H5Aread(attribute.get(), memory, out);
                  }));
    if (shape.empty()) return Value(std::move(values.at(0)));
    for (std::string& value : values) list.push(Value(std::move(value)));
    return list;
  }
  SPIKELOOM_TRY(const std::size_t bytes, guarded_bytes(shape, size_of(reading.dtype), limit));
  std::vector<std::byte> data(bytes);
  const hid_t memory = reading.is_bool ? type.get() : reading.memory;
  if (bytes > 0 && H5Aread(attribute.get(), memory, data.data()) < 0) {
    return damaged("the attribute cannot be read");
  }
  SPIKELOOM_TRY(const Tensor tensor, Tensor::from_bytes(reading.dtype, shape, std::move(data)));
  if (shape.empty()) return element(tensor, 0);
  for (std::int64_t i = 0; i < tensor.size(); ++i) list.push(element(tensor, i));
  return list;
}

}  // namespace

Result<std::vector<std::string>> Hdf5Group::attributes(std::string_view object) const {
  const auto lock = hdf5_lock();
  const std::string path = object.empty() ? path_ : joined(path_, object);
  if (!object.empty() && kind(object) != Hdf5Kind::kGroup && kind(object) != Hdf5Kind::kDataset) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such object",
                 .where = file_->name + ": " + path};
  }
  const Id id = open_object(file_->file, path);
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* data) -> herr_t {
    static_cast<std::vector<std::string>*>(data)->emplace_back(name);
    return 0;
  };
  hsize_t index = 0;
  if (!id.ok() || H5Aiterate2(id.get(), H5_INDEX_NAME, H5_ITER_INC, &index, add, &names) < 0) {
    return damaged("the attributes cannot be listed").in(path).in(file_->name);
  }
  return names;
}

Result<Value> Hdf5Group::attribute(std::string_view name, std::string_view object) const {
  const auto lock = hdf5_lock();
  const std::string path = object.empty() ? path_ : joined(path_, object);
  const std::string where = fmt::format("{}: {}@{}", file_->name, path, name);
  if (!object.empty() && kind(object) != Hdf5Kind::kGroup && kind(object) != Hdf5Kind::kDataset) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such object",
                 .where = file_->name + ": " + path};
  }
  const Id id = open_object(file_->file, path);
  if (!id.ok()) return damaged("the object cannot be opened").in(where);
  auto value = read_attribute(id.get(), name, file_->plausible_bytes());
  if (!value.ok()) return std::move(value).error().in(where);
  return value;
}

}  // namespace spikeloom::io
