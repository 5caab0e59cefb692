#include <algorithm>
#include <unordered_set>

#include "base/io/detail/hdf5_object.hpp"

namespace spikeloom::io::detail {
namespace {

/// Old-style groups: a B-tree (version 1) of symbol table nodes, with names in a local heap.
class SymbolTable {
 public:
  explicit SymbolTable(const Source& source) : source_(source) {}

  Result<std::vector<Link>> read(std::uint64_t tree, std::uint64_t heap) {
    SPIKELOOM_CHECK(read_heap(heap));
    SPIKELOOM_CHECK(read_tree(tree, 256));
    return std::move(links_);
  }

 private:
  Status read_heap(std::uint64_t address) {
    const std::size_t length = source_.length_size();
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 8 + 2 * length + source_.offset_size()));
    Cursor cursor(head);
    if (!cursor.signature("HEAP")) return hdf5_damaged("a local heap is missing");
    cursor.skip(4);
    const std::uint64_t size = cursor.uint(length);
    cursor.skip(length);
    SPIKELOOM_TRY(names_, source_.fetch(cursor.address(source_.offset_size()), size));
    return {};
  }

  /// Nodes do not overlap: together they are no larger than the file, and none occurs twice.
  Status account(std::uint64_t address, std::uint64_t bytes) {
    spent_ += bytes;
    if (!seen_.insert(address).second || spent_ > source_.size()) {
      return hdf5_damaged("a group's index contains itself");
    }
    return {};
  }

  Status read_tree(std::uint64_t address, unsigned above) {
    const std::size_t offset = source_.offset_size();
    const std::size_t length = source_.length_size();
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 8));
    Cursor cursor(head);
    if (!cursor.signature("TREE") || cursor.u8() != 0) {
      return hdf5_damaged("a group's index is missing");
    }
    const unsigned level = cursor.u8();
    const std::size_t count = cursor.u16();
    if (level >= above) return hdf5_damaged("a group's index has wrong levels");
    const std::uint64_t size = 8 + 2 * offset + count * (length + offset) + length;
    SPIKELOOM_CHECK(account(address, size));
    SPIKELOOM_TRY(const Bytes node, source_.fetch(address, size));
    Cursor children(node);
    children.skip(8 + 2 * offset);
    for (std::size_t i = 0; i < count; ++i) {
      children.skip(length);
      const std::uint64_t child = children.address(offset);
      SPIKELOOM_CHECK(level > 0 ? read_tree(child, level) : read_leaf(child));
    }
    return {};
  }

  Status read_leaf(std::uint64_t address) {
    const std::size_t offset = source_.offset_size();
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 8));
    Cursor cursor(head);
    if (!cursor.signature("SNOD")) return hdf5_damaged("a symbol table node is missing");
    cursor.skip(2);
    const std::size_t count = cursor.u16();
    const std::uint64_t size = 8 + count * (2 * offset + 24);
    SPIKELOOM_CHECK(account(address, size));
    SPIKELOOM_TRY(const Bytes node, source_.fetch(address, size));
    Cursor entries(node);
    entries.skip(8);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t name = entries.uint(offset);
      Link link;
      link.address = entries.address(offset);
      link.hard = entries.u32() != 2;  // cache type 2: a symbolic link
      entries.skip(20);
      if (name >= names_.size()) return hdf5_damaged("a link's name is missing");
      Cursor text{std::span<const std::byte>(names_).subspan(static_cast<std::size_t>(name))};
      link.name = text.c_string();
      name_bytes_ += link.name.size();
      if (!text.ok() || name_bytes_ > names_.size()) {
        return hdf5_damaged("a link's name is cut off");
      }
      links_.push_back(std::move(link));
    }
    return {};
  }

  const Source& source_;
  Bytes names_;
  std::vector<Link> links_;
  std::unordered_set<std::uint64_t> seen_;
  std::uint64_t spent_ = 0;
  std::uint64_t name_bytes_ = 0;
};

Result<Link> parse_link(const Source& source, std::span<const std::byte> body) {
  Cursor cursor(body);
  if (cursor.u8() != 1) return hdf5_damaged("a link message has an unknown version");
  const unsigned flags = cursor.u8();
  const unsigned type = (flags & 8) != 0 ? cursor.u8() : 0;
  cursor.skip(((flags & 4) != 0 ? 8 : 0) + ((flags & 0x10) != 0 ? 1 : 0));
  const std::uint64_t size = cursor.uint(std::size_t{1} << (flags & 3));
  if (size > cursor.left()) return hdf5_damaged("a link's name is cut off");
  const auto name = cursor.take(static_cast<std::size_t>(size));
  Link link;
  link.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  link.hard = type == 0;
  if (link.hard) link.address = cursor.address(source.offset_size());
  if (!cursor.ok()) return hdf5_damaged("a link message is cut off");
  return link;
}

/// Objects of dense storage, named by a version 2 B-tree whose records hold a heap id.
Result<std::vector<Bytes>> read_dense(const Source& source, std::uint64_t heap_address,
                                      std::uint64_t tree_address, unsigned type,
                                      std::size_t id_offset) {
  SPIKELOOM_TRY(const FractalHeap heap, FractalHeap::open(source, heap_address));
  SPIKELOOM_TRY(const auto records, read_tree2(source, tree_address, type));
  std::vector<Bytes> objects;
  std::uint64_t spent = 0;
  for (const Bytes& record : records) {
    if (record.size() < id_offset + heap.id_size()) return hdf5_damaged("a record is too short");
    SPIKELOOM_TRY(Bytes object, heap.object(std::span(record).subspan(id_offset, heap.id_size())));
    spent += object.size();
    if (spent > source.size()) return hdf5_damaged("heap objects overlap");
    objects.push_back(std::move(object));
  }
  return objects;
}

}  // namespace

Result<std::vector<Link>> read_links(const Source& source, const ObjectHeader& header) {
  std::vector<Link> links;
  if (const Message* table = header.find(MessageType::kSymbolTable)) {
    Cursor cursor(table->body);
    const std::uint64_t tree = cursor.address(source.offset_size());
    const std::uint64_t heap = cursor.address(source.offset_size());
    if (!cursor.ok()) return hdf5_damaged("a symbol table message is cut off");
    SPIKELOOM_TRY(links, SymbolTable(source).read(tree, heap));
  }
  for (const Message& message : header.messages) {
    if (message.type != MessageType::kLink) continue;
    SPIKELOOM_TRY(Link link, parse_link(source, message.body));
    links.push_back(std::move(link));
  }
  if (const Message* info = header.find(MessageType::kLinkInfo)) {
    Cursor cursor(info->body);
    cursor.skip(1);
    if ((cursor.u8() & 1) != 0) cursor.skip(8);
    const std::uint64_t heap = cursor.address(source.offset_size());
    const std::uint64_t tree = cursor.address(source.offset_size());
    if (!cursor.ok()) return hdf5_damaged("a link information message is cut off");
    if (heap != kUndefined) {
      constexpr unsigned kNameIndex = 5;
      SPIKELOOM_TRY(const auto bodies, read_dense(source, heap, tree, kNameIndex, 4));
      for (const Bytes& body : bodies) {
        SPIKELOOM_TRY(Link link, parse_link(source, body));
        links.push_back(std::move(link));
      }
    }
  }
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.name < b.name; });
  const auto twice = [](const Link& a, const Link& b) { return a.name == b.name; };
  if (std::adjacent_find(links.begin(), links.end(), twice) != links.end()) {
    return hdf5_damaged("two links have one name");
  }
  return links;
}

Result<std::vector<Bytes>> read_attribute_messages(const Source& source,
                                                   const ObjectHeader& header) {
  std::vector<Bytes> bodies;
  for (const Message& message : header.messages) {
    if (message.type != MessageType::kAttribute) continue;
    SPIKELOOM_TRY(Bytes body, message_body(source, message));
    bodies.push_back(std::move(body));
  }
  if (const Message* info = header.find(MessageType::kAttributeInfo)) {
    Cursor cursor(info->body);
    cursor.skip(1);
    if ((cursor.u8() & 1) != 0) cursor.skip(2);
    const std::uint64_t heap = cursor.address(source.offset_size());
    const std::uint64_t tree = cursor.address(source.offset_size());
    if (!cursor.ok()) return hdf5_damaged("an attribute information message is cut off");
    if (heap != kUndefined) {
      constexpr unsigned kAttributeIndex = 8;
      SPIKELOOM_TRY(auto dense, read_dense(source, heap, tree, kAttributeIndex, 0));
      for (Bytes& body : dense) bodies.push_back(std::move(body));
    }
  }
  return bodies;
}

}  // namespace spikeloom::io::detail
