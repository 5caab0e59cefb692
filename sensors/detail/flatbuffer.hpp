#pragma once
/// Reading FlatBuffers (flatbuffers.dev, "FlatBuffer internals") from files nobody vouches for:
/// every offset is checked against the buffer before it is followed.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sensors/detail/load.hpp"

namespace spikeloom::detail {

/// A table within a buffer. An absent field has its default; a field that leads out of the buffer
/// is nothing.
class FlatTable {
 public:
  /// The root of a buffer that begins with its length and whose identifier is `identifier`; nothing
  /// when it is not, or when the length is not that of `bytes`.
  static std::optional<FlatTable> root(std::span<const std::byte> bytes,
                                       std::string_view identifier) {
    if (bytes.size() < 12 || load_little<std::uint32_t>(bytes.data()) != bytes.size() - 4)
      return {};
    const auto content = bytes.subspan(4);
    const std::string_view name(reinterpret_cast<const char*>(content.data()) + 4, 4);
    if (name != identifier) return {};
    return at(content, load_little<std::uint32_t>(content.data()));
  }

  /// A number of the table; `absent` when the table leaves it out.
  template <typename T>
  std::optional<T> number(std::size_t field, T absent) const {
    const auto place = field_place(field);
    if (!place) return {};
    if (*place == 0) return absent;
    if (*place + sizeof(T) > bytes_.size()) return {};
    return load_little<T>(bytes_.data() + *place);
  }

  /// The elements of a vector of `size` bytes each (text: 1); empty when the table leaves it out.
  std::optional<std::span<const std::byte>> vector(std::size_t field, std::size_t size) const {
    const auto place = field_place(field);
    if (!place) return {};
    if (*place == 0) return std::span<const std::byte>();
    if (*place + 4 > bytes_.size()) return {};
    const std::uint64_t start = *place + load_little<std::uint32_t>(bytes_.data() + *place);
    if (start + 4 > bytes_.size()) return {};
    const std::uint64_t count = load_little<std::uint32_t>(bytes_.data() + start);
    if (count * size > bytes_.size() - start - 4) return {};
    return bytes_.subspan(start + 4, count * size);
  }

 private:
  static std::optional<FlatTable> at(std::span<const std::byte> bytes, std::uint64_t table) {
    if (table + 4 > bytes.size()) return {};
    const std::int64_t vtable =
        static_cast<std::int64_t>(table) - load_little<std::int32_t>(bytes.data() + table);
    if (vtable < 0 || static_cast<std::uint64_t>(vtable) + 4 > bytes.size()) return {};
    FlatTable result;
    result.bytes_ = bytes;
    result.table_ = table;
    result.vtable_ = static_cast<std::uint64_t>(vtable);
    result.vtable_bytes_ = load_little<std::uint16_t>(bytes.data() + vtable);
    if (result.vtable_bytes_ < 4 || result.vtable_ + result.vtable_bytes_ > bytes.size()) return {};
    return result;
  }

  /// Where a field stands; 0: left out; nothing: outside the buffer.
  std::optional<std::uint64_t> field_place(std::size_t field) const {
    const std::size_t entry = 4 + 2 * field;
    if (entry + 2 > vtable_bytes_) return 0;
    const std::uint64_t offset = load_little<std::uint16_t>(bytes_.data() + vtable_ + entry);
    if (offset == 0) return 0;
    if (table_ + offset >= bytes_.size()) return {};
    return table_ + offset;
  }

  std::span<const std::byte> bytes_;
  std::uint64_t table_ = 0;
  std::uint64_t vtable_ = 0;
  std::uint64_t vtable_bytes_ = 0;
};

}  // namespace spikeloom::detail
