#pragma once
/// HDF5 files: reading from files nobody vouches for, and writing atomically.
///
///     SPIKELOOM_TRY(auto file, io::Hdf5File::open("model.nir"));
///     SPIKELOOM_TRY(auto node, file.root().group("node"));
///     SPIKELOOM_TRY(Tensor weight, node.read_tensor("weight"));
///
///     SPIKELOOM_TRY(auto out, io::Hdf5Writer::create("run.h5"));
///     SPIKELOOM_TRY(auto layers, out.root().create_group("layers"));
///     SPIKELOOM_CHECK(layers.write_tensor("spikes", spikes, io::Hdf5Compression::kDeflate));
///     SPIKELOOM_CHECK(out.commit());
///
/// Names are single link names (no '/'). Only hard links are followed: soft, external and
/// user-defined links, external storage and virtual datasets are refused, so that opening one file
/// never touches another. Sizes are checked against the file before anything is allocated: data
/// cannot be larger than what DEFLATE could have packed into the file (1032 : 1), nor than
/// `Hdf5Limits::max_bytes`.
///
/// Errors: kNotFound (no such file, name or attribute), kFormat (not HDF5, truncated, damaged),
/// kUnsupported (a type, filter or link this build does not read; the message names it),
/// kResource (over a limit), kIo (the operating system refused).
///
/// Reading does not use the HDF5 library, which is not made for hostile files; it follows the HDF5
/// File Format Specification 3.0: superblocks 0 to 3, old and new groups, attributes, contiguous,
/// compact and chunked layouts with each chunk index, DEFLATE, shuffle and Fletcher-32. It may run
/// in several threads. Writing uses the library, which is not thread-safe: each call takes one
/// process-wide lock.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "base/value.hpp"

namespace spikeloom::io {

struct Hdf5Limits {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  ///< decoded size of one dataset
  int max_depth = 64;  ///< nesting of groups; a cycle of hard links ends here
};

enum class Hdf5Kind {
  kMissing,  ///< no link of that name
  kGroup,
  kDataset,
  kOther,  ///< a soft, external or user-defined link, or a named type
};

/// What a dataset claims to be, without reading it.
struct Hdf5DatasetInfo {
  bool is_string = false;
  DType dtype = DType::kFloat64;  ///< what read_tensor gives; no meaning for strings
  std::string type;               ///< in words: "float32", "string", "big-endian int64", "compound"
  Shape shape;
  std::vector<std::string> filters;  ///< in the order applied: "deflate", "lzf", "filter 32099"
};

/// A string dataset of any shape, in C order.
struct Hdf5Strings {
  Shape shape;
  std::vector<std::string> values;
};

/// A group of an open file; keeps the file open.
class Hdf5Group {
 public:
  /// "/node/nodes/lif", for messages.
  const std::string& path() const { return path_; }

  /// Names of the links in alphabetical order (the order in which HDF5 stores them).
  Result<std::vector<std::string>> children() const;
  Hdf5Kind kind(std::string_view name) const;
  bool has(std::string_view name) const { return kind(name) != Hdf5Kind::kMissing; }

  Result<Hdf5Group> group(std::string_view name) const;

  Result<Hdf5DatasetInfo> info(std::string_view name) const;
  /// Numbers and booleans (h5py's enumeration), any byte order; half precision becomes float32.
  Result<Tensor> read_tensor(std::string_view name) const;
  /// The shape of a dataset, also where its elements are not read.
  Result<Shape> shape(std::string_view name) const;
  /// Element `index` (C order) of a dataset of variable-length sequences of numbers; kNotFound
  /// beyond its last.
  Result<Tensor> read_sequence(std::string_view name, std::uint64_t index) const;
  /// A string dataset of one element, of variable or fixed length; padding is removed.
  Result<std::string> read_string(std::string_view name) const;
  Result<Hdf5Strings> read_strings(std::string_view name) const;

  /// Attributes of this group, or of its child `object`.
  Result<std::vector<std::string>> attributes(std::string_view object = {}) const;
  /// A scalar (bool, integer, real, text) or a list of them. Attributes of more than one
  /// dimension are kUnsupported.
  Result<Value> attribute(std::string_view name, std::string_view object = {}) const;

 private:
  friend class Hdf5File;
  struct Impl;
  Hdf5Group(std::shared_ptr<const Impl> file, std::string path, std::uint64_t address, int depth);
  std::shared_ptr<const Impl> file_;
  std::string path_;
  std::uint64_t address_ = 0;  ///< of the object header
  int depth_ = 0;
};

class Hdf5File {
 public:
  static Result<Hdf5File> open(const std::string& path, Hdf5Limits limits = {});
  /// The same for a file image in memory; `name` stands for the path in messages.
  static Result<Hdf5File> open_bytes(std::span<const std::byte> bytes, const std::string& name,
                                     Hdf5Limits limits = {});
  Hdf5Group root() const { return root_; }

 private:
  explicit Hdf5File(Hdf5Group root) : root_(std::move(root)) {}
  Hdf5Group root_;
};

/// True when the bytes start like an HDF5 file (the signature at 0, 512, 1024, 2048, ...).
bool looks_like_hdf5(std::span<const std::byte> bytes);

enum class Hdf5Compression {
  kNone,     ///< contiguous
  kDeflate,  ///< one chunk, DEFLATE level 4, as `nir.write` does; scalars stay contiguous
};

/// A group being written. Values are stored as h5py stores them: little endian, bool as its
/// enumeration, text as UTF-8 of variable length.
class Hdf5OutGroup {
 public:
  const std::string& path() const { return path_; }
  Result<Hdf5OutGroup> create_group(std::string_view name);
  Status write_tensor(std::string_view name, const Tensor& tensor,
                      Hdf5Compression compression = Hdf5Compression::kNone);
  Status write_string(std::string_view name, std::string_view text);  ///< a scalar
  Status write_strings(std::string_view name, const Shape& shape,
                       std::span<const std::string> values);
  /// Another name (a hard link) for `object`, the whole path of something written before.
  Status link(std::string_view name, const std::string& object);
  /// Bool, integer, real, text, or a list of values of one of these kinds; of this group, or of
  /// its child `object`.
  Status write_attribute(std::string_view name, const Value& value, std::string_view object = {});

 private:
  friend class Hdf5Writer;
  struct Impl;
  Hdf5OutGroup(std::shared_ptr<Impl> file, std::string path);
  std::shared_ptr<Impl> file_;
  std::string path_;
};

/// A file being written. It has a temporary name beside `path` until commit(); without commit()
/// it is removed again, so a file of that name is always whole.
class Hdf5Writer {
 public:
  static Result<Hdf5Writer> create(const std::string& path);
  /// The same in memory: take() instead of commit().
  static Result<Hdf5Writer> create_in_memory();
  /// Closes a file made by create_in_memory() and gives its bytes.
  Result<std::vector<std::byte>> take();
  Hdf5OutGroup root() const { return root_; }
  /// Closes the file and gives it its name. Writing after that is kInvalidArgument.
  Status commit();

 private:
  explicit Hdf5Writer(Hdf5OutGroup root) : root_(std::move(root)) {}
  Hdf5OutGroup root_;
};

}  // namespace spikeloom::io
