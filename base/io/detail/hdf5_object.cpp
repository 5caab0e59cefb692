#include "base/io/detail/hdf5_object.hpp"

#include <algorithm>
#include <deque>
#include <unordered_set>

#include <fmt/format.h>

namespace spikeloom::io::detail {
namespace {

/// Messages of one object; h5py's objects have a dozen, with attributes some hundreds.
constexpr std::size_t kMaxMessages = 1 << 20;

struct Block {
  std::uint64_t address, size;
};

/// Reads the messages of one block, and queues the blocks that continue it.
Status read_messages(const Source& source, std::span<const std::byte> bytes, bool old,
                     bool has_order, ObjectHeader& header, std::deque<Block>& queue) {
  Cursor cursor(bytes);
  const std::size_t prefix = old ? 8 : 4 + (has_order ? 2 : 0);
  while (cursor.left() >= prefix) {
    Message message;
    message.type = static_cast<MessageType>(old ? cursor.u16() : cursor.u8());
    const std::size_t size = cursor.u16();
    message.shared = (cursor.u8() & 2) != 0;
    if (old) cursor.skip(3);
    if (!old && has_order) cursor.skip(2);
    const auto body = cursor.take(size);
    if (!cursor.ok()) return hdf5_damaged("a header message is cut off");
    if (header.messages.size() >= kMaxMessages) return hdf5_damaged("too many messages");
    if (message.type == MessageType::kContinuation) {
      Cursor fields(body);
      Block block{};
      block.address = fields.address(source.offset_size());
      block.size = fields.uint(source.length_size());
      if (!fields.ok()) return hdf5_damaged("a header continuation is cut off");
      queue.push_back(block);
      continue;
    }
    message.body.assign(body.begin(), body.end());
    header.messages.push_back(std::move(message));
  }
  return {};
}

Status check_sum(std::span<const std::byte> bytes) {
  if (bytes.size() < 4) return hdf5_damaged("a checksum is cut off");
  Cursor sum(bytes.last(4));
  if (sum.u32() != hdf5_checksum(bytes.first(bytes.size() - 4))) {
    return hdf5_damaged("a checksum does not match");
  }
  return {};
}

}  // namespace

const Message* ObjectHeader::find(MessageType type) const {
  const auto same = [&](const Message& message) { return message.type == type; };
  const auto found = std::find_if(messages.begin(), messages.end(), same);
  return found == messages.end() ? nullptr : &*found;
}

Result<ObjectHeader> read_object_header(const Source& source, std::uint64_t address) {
  ObjectHeader header;
  std::deque<Block> queue;
  SPIKELOOM_TRY(const Bytes start, source.fetch_up_to(address, 40));
  Cursor cursor(start);
  const bool old = !start.empty() && start[0] == std::byte{1};
  bool has_order = false;
  if (old) {
    cursor.skip(8);  // version, reserved, message count, reference count
    const std::uint64_t size = cursor.u32();
    if (!cursor.ok()) return hdf5_damaged("an object header is cut off");
    queue.push_back({address + 16, size});
  } else {
    if (!cursor.signature("OHDR") || cursor.u8() != 2) {
      return hdf5_damaged("an object header is missing");
    }
    const unsigned flags = cursor.u8();
    has_order = (flags & 4) != 0;
    cursor.skip((flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
    const std::uint64_t size = cursor.uint(std::size_t{1} << (flags & 3));
    if (!cursor.ok() || size > source.size()) return hdf5_damaged("an object header is wrong");
    SPIKELOOM_TRY(const Bytes whole, source.fetch(address, cursor.at() + size + 4));
    SPIKELOOM_CHECK(check_sum(whole));
    const auto messages = std::span(whole).subspan(cursor.at(), size);
    SPIKELOOM_CHECK(read_messages(source, messages, false, has_order, header, queue));
  }
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t total = 0;
  while (!queue.empty()) {
    const Block block = queue.front();
    queue.pop_front();
    total += block.size;
    if (!seen.insert(block.address).second || total > source.size()) {
      return hdf5_damaged("an object header continues in itself");
    }
    SPIKELOOM_TRY(const Bytes bytes, source.fetch(block.address, block.size));
    std::span<const std::byte> messages = bytes;
    if (!old) {
      Cursor check(bytes);
      if (!check.signature("OCHK")) return hdf5_damaged("a header continuation is missing");
      SPIKELOOM_CHECK(check_sum(bytes));
      if (bytes.size() < 8) return hdf5_damaged("a header continuation is cut off");
      messages = messages.subspan(4, bytes.size() - 8);
    }
    SPIKELOOM_CHECK(read_messages(source, messages, old, has_order, header, queue));
  }
  return header;
}

Result<Bytes> shared_body(const Source& source, std::span<const std::byte> reference,
                          MessageType type) {
  Cursor cursor(reference);
  const unsigned version = cursor.u8();
  const unsigned kind = cursor.u8();
  if (version == 1) cursor.skip(6);
  if (version == 0 || version > 3 || (version == 3 && kind != 2)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "messages in a shared heap are not read",
                 .next = "rewrite the file with h5repack"};
  }
  const std::uint64_t address = cursor.address(source.offset_size());
  if (!cursor.ok()) return hdf5_damaged("a shared message is cut off");
  SPIKELOOM_TRY(const ObjectHeader header, read_object_header(source, address));
  const Message* found = header.find(type);
  if (found == nullptr || found->shared) return hdf5_damaged("a shared message is missing");
  return found->body;
}

Result<Bytes> message_body(const Source& source, const Message& message) {
  if (message.shared) return shared_body(source, message.body, message.type);
  return message.body;
}

Result<std::span<const std::byte>> GlobalHeap::object(std::uint64_t address, std::uint32_t index) {
  auto found = collections_.find(address);
  if (found == collections_.end()) {
    const std::size_t length = source_.length_size();
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 8 + length));
    Cursor start(head);
    if (!start.signature("GCOL") || start.u8() != 1) {
      return hdf5_damaged("a global heap is missing");
    }
    start.skip(3);
    SPIKELOOM_TRY(Bytes bytes, source_.fetch(address, start.uint(length)));
    Collection collection;
    Cursor cursor(bytes);
    cursor.skip(8 + length);
    while (cursor.left() >= 8 + length) {
      const std::uint32_t id = cursor.u16();
      cursor.skip(6);  // reference count, reserved
      const std::uint64_t size = cursor.uint(length);
      if (id == 0) break;  // the free space at the end
      if (size > cursor.left()) return hdf5_damaged("a global heap object is cut off");
      collection.objects[id] = {cursor.at(), static_cast<std::size_t>(size)};
      cursor.skip(std::min<std::size_t>(cursor.left(), (size + 7) / 8 * 8));
    }
    collection.bytes = std::move(bytes);
    found = collections_.emplace(address, std::move(collection)).first;
  }
  const auto object = found->second.objects.find(index);
  if (object == found->second.objects.end()) {
    return hdf5_damaged(fmt::format("object {} is missing in a global heap", index));
  }
  const auto [at, size] = object->second;
  return std::span<const std::byte>(found->second.bytes).subspan(at, size);
}

}  // namespace spikeloom::io::detail
