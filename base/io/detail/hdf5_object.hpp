#pragma once
/// HDF5 object headers, links and heaps. Not installed.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/io/detail/hdf5_source.hpp"
#include "base/result.hpp"

namespace spikeloom::io::detail {

/// Message types of an object header, with the numbers of the specification (section IV.A.2).
enum class MessageType : std::uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kOldFill = 0x04,
  kFill = 0x05,
  kLink = 0x06,
  kExternal = 0x07,
  kLayout = 0x08,
  kFilters = 0x0b,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

struct Message {
  MessageType type;
  bool shared = false;  ///< the body is a reference to where the message lies
  Bytes body;
};

struct ObjectHeader {
  std::vector<Message> messages;

  /// The first message of a type, or nullptr.
  const Message* find(MessageType type) const;
};

Result<ObjectHeader> read_object_header(const Source& source, std::uint64_t address);

/// The body of a message; one that is shared with another object (a committed data type) is
/// fetched from there.
Result<Bytes> message_body(const Source& source, const Message& message);
Result<Bytes> shared_body(const Source& source, std::span<const std::byte> reference,
                          MessageType type);

struct Link {
  std::string name;
  bool hard = true;
  std::uint64_t address = kUndefined;  ///< of the object header; for hard links
};

/// The links of a group in alphabetical order, old (symbol table) and new style.
Result<std::vector<Link>> read_links(const Source& source, const ObjectHeader& header);

/// The bodies of all attribute messages, whether in the header or in dense storage.
Result<std::vector<Bytes>> read_attribute_messages(const Source& source,
                                                   const ObjectHeader& header);

/// The records of a version 2 B-tree, in order; of a tree of another type kFormat.
Result<std::vector<Bytes>> read_tree2(const Source& source, std::uint64_t address, unsigned type);

/// Objects of a fractal heap, by heap id.
class FractalHeap {
 public:
  static Result<FractalHeap> open(const Source& source, std::uint64_t address);
  Result<Bytes> object(std::span<const std::byte> id) const;
  std::size_t id_size() const { return id_size_; }

 private:
  explicit FractalHeap(const Source& source) : source_(&source) {}
  std::uint64_t row_size(unsigned row) const;
  Result<Bytes> managed(std::uint64_t offset, std::uint64_t length) const;

  const Source* source_;
  std::size_t id_size_ = 0;
  std::size_t offset_bytes_ = 0;
  std::size_t length_bytes_ = 0;
  unsigned width_ = 0;
  unsigned direct_rows_ = 0;
  std::uint64_t start_size_ = 0;
  std::uint64_t root_ = kUndefined;
  unsigned root_rows_ = 0;
};

/// Global heap collections, parsed once each; where strings of variable length lie.
class GlobalHeap {
 public:
  explicit GlobalHeap(const Source& source) : source_(source) {}
  Result<std::span<const std::byte>> object(std::uint64_t collection, std::uint32_t index);

 private:
  struct Collection {
    Bytes bytes;
    std::unordered_map<std::uint32_t, std::pair<std::size_t, std::size_t>> objects;
  };
  const Source& source_;
  std::unordered_map<std::uint64_t, Collection> collections_;
};

}  // namespace spikeloom::io::detail
