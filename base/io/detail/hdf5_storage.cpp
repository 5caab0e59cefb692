#include "base/io/detail/hdf5_storage.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

namespace spikeloom::io::detail {
namespace {

Error elsewhere() {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "the data lie in another file (external or virtual storage)",
               .next = "rewrite the file with its data inside (h5repack)"};
}

/// Layout versions 1 and 2 (HDF5 before 1.6.3): one field list for every class.
Status parse_old_layout(const Source& source, Cursor& cursor, Hdf5Storage& storage) {
  const std::size_t rank = cursor.u8();
  const unsigned kind = cursor.u8();
  cursor.skip(5);
  if (kind > 2 || rank == 0 || rank > 33) return hdf5_damaged("a layout is wrong");
  storage.layout = static_cast<Hdf5Storage::Layout>(kind);
  if (storage.layout != Hdf5Storage::Layout::kCompact) {
    storage.address = cursor.address(source.offset_size());
  }
  storage.bytes = kUndefined;
  for (std::size_t i = 0; i < rank; ++i) storage.chunk.push_back(cursor.u32());
  if (storage.layout == Hdf5Storage::Layout::kChunked) {
    storage.chunk.pop_back();  // the element's size
  } else {
    storage.chunk.clear();
  }
  if (storage.layout == Hdf5Storage::Layout::kCompact) {
    const auto data = cursor.take(cursor.u32());
    storage.compact.assign(data.begin(), data.end());
  }
  return {};
}

/// Chunked storage of layout versions 4 (HDF5 1.10) and 5 (2.0): one of five indexes.
Status parse_new_chunks(const Source& source, Cursor& cursor, Hdf5Storage& storage) {
  const unsigned flags = cursor.u8();
  storage.plain_edges = (flags & 1) != 0;
  const std::size_t rank = cursor.u8();
  const std::size_t size = cursor.u8();
  if (rank == 0 || rank > 33 || size == 0 || size > 8) return hdf5_damaged("a layout is wrong");
  for (std::size_t i = 0; i < rank; ++i) storage.chunk.push_back(cursor.uint(size));
  storage.chunk.pop_back();
  switch (cursor.u8()) {
    case 1:
      storage.index = Hdf5Storage::Index::kSingle;
      storage.bytes = kUndefined;
      if ((flags & 2) != 0) {
        storage.bytes = cursor.uint(source.length_size());
        storage.single_mask = cursor.u32();
      }
      break;
    case 2:
      storage.index = Hdf5Storage::Index::kImplicit;
      break;
    case 3:
      storage.index = Hdf5Storage::Index::kFixedArray;
      storage.array_bits = cursor.u8();
      break;
    case 4:
      storage.index = Hdf5Storage::Index::kExtensibleArray;
      cursor.skip(5);  // repeated in the array's header
      break;
    case 5:
      storage.index = Hdf5Storage::Index::kTree2;
      cursor.skip(6);
      break;
    default:
      return hdf5_damaged("a chunk index is of an unknown kind");
  }
  storage.address = cursor.address(source.offset_size());
  return {};
}

Status parse_layout(const Source& source, std::span<const std::byte> body, Hdf5Storage& storage) {
  Cursor cursor(body);
  const unsigned version = cursor.u8();
  if (version < 1 || version > 5) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("HDF5 layout version {} is not read", version),
                 .next = "rewrite the file with h5repack"};
  }
  if (version < 3) {
    SPIKELOOM_CHECK(parse_old_layout(source, cursor, storage));
  } else {
    const unsigned kind = cursor.u8();
    if (kind == 3) return elsewhere();
    if (kind > 2) return hdf5_damaged("a layout is wrong");
    storage.layout = static_cast<Hdf5Storage::Layout>(kind);
    if (storage.layout == Hdf5Storage::Layout::kCompact) {
      const auto data = cursor.take(cursor.u16());
      storage.compact.assign(data.begin(), data.end());
    } else if (storage.layout == Hdf5Storage::Layout::kContiguous) {
      storage.address = cursor.address(source.offset_size());
      storage.bytes = cursor.uint(source.length_size());
    } else if (version >= 4) {
      SPIKELOOM_CHECK(parse_new_chunks(source, cursor, storage));
    } else {
      const std::size_t rank = cursor.u8();
      if (rank == 0 || rank > 33) return hdf5_damaged("a layout is wrong");
      storage.address = cursor.address(source.offset_size());
      for (std::size_t i = 0; i < rank; ++i) storage.chunk.push_back(cursor.u32());
      storage.chunk.pop_back();
    }
  }
  if (!cursor.ok()) return hdf5_damaged("a layout is cut off");
  return {};
}

Status parse_filters(std::span<const std::byte> body, std::vector<Hdf5Filter>& filters) {
  Cursor cursor(body);
  const unsigned version = cursor.u8();
  const unsigned count = cursor.u8();
  if (version == 1) cursor.skip(6);
  if (version < 1 || version > 2) return hdf5_damaged("a filter list is wrong");
  for (unsigned i = 0; i < count; ++i) {
    Hdf5Filter filter;
    filter.id = cursor.u16();
    const std::size_t name = version == 1 || filter.id >= 256 ? cursor.u16() : 0;
    cursor.skip(2);
    const std::size_t values = cursor.u16();
    cursor.skip(version == 1 ? (name + 7) / 8 * 8 : name);
    if (values > cursor.left() / 4) return hdf5_damaged("a filter list is cut off");
    for (std::size_t v = 0; v < values; ++v) filter.values.push_back(cursor.u32());
    if (version == 1 && values % 2 == 1) cursor.skip(4);
    filters.push_back(std::move(filter));
  }
  if (!cursor.ok()) return hdf5_damaged("a filter list is cut off");
  return {};
}

/// The value of elements that were never written; anything unclear counts as zeros.
Bytes parse_fill(const ObjectHeader& header, std::size_t element_size) {
  std::span<const std::byte> value;
  if (const Message* fill = header.find(MessageType::kFill); fill != nullptr && !fill->shared) {
    Cursor cursor(fill->body);
    const unsigned version = cursor.u8();
    if (version < 3) {
      cursor.skip(2);
      if (cursor.u8() != 0 || version < 2) value = cursor.take(cursor.u32());
    } else if ((cursor.u8() & 0x20) != 0) {
      value = cursor.take(cursor.u32());
    }
  } else if (const Message* old = header.find(MessageType::kOldFill); old && !old->shared) {
    Cursor cursor(old->body);
    value = cursor.take(cursor.u32());
  }
  if (value.size() != element_size) return {};
  return {value.begin(), value.end()};
}

std::uint64_t ceil_divide(std::uint64_t count, std::uint64_t size) {
  return count / size + (count % size != 0);
}

/// Copies the part of a chunk that lies inside the dataset, row by row.
void place_chunk(const Bytes& chunk, const std::vector<std::uint64_t>& chunk_shape,
                 const std::vector<std::uint64_t>& place, const Shape& shape, std::size_t element,
                 Bytes& out) {
  const std::size_t rank = shape.size();
  std::vector<std::uint64_t> first(rank), extent(rank), index(rank, 0);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    first[axis] = place[axis] * chunk_shape[axis];
    extent[axis] =
        std::min(chunk_shape[axis], static_cast<std::uint64_t>(shape[axis]) - first[axis]);
  }
  const std::size_t row = static_cast<std::size_t>(extent[rank - 1]) * element;
  while (true) {
    std::uint64_t from = 0, to = 0;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      from = from * chunk_shape[axis] + index[axis];
      to = to * static_cast<std::uint64_t>(shape[axis]) + first[axis] + index[axis];
    }
    std::memcpy(out.data() + to * element, chunk.data() + from * element, row);
    std::size_t axis = rank - 1;
    while (axis > 0 && ++index[axis - 1] == extent[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

Status read_chunks(const Source& source, const Hdf5Storage& storage, const Hdf5Space& space,
                   std::size_t element, std::uint64_t limit, Bytes& out) {
  const std::size_t rank = space.shape.size();
  std::uint64_t chunk_bytes = element;
  Hdf5Grid grid;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::uint64_t size = storage.chunk[axis];
    if (size == 0 || __builtin_mul_overflow(chunk_bytes, size, &chunk_bytes) ||
        chunk_bytes > limit) {
      return Error{.code = ErrorCode::kResource,
                   .what = "a chunk claims more than this file can hold",
                   .expected = fmt::format("at most {} bytes", limit)};
    }
    const std::uint64_t most = space.most[axis];
    grid.now.push_back(ceil_divide(static_cast<std::uint64_t>(space.shape[axis]), size));
    grid.most.push_back(most == kUndefined ? kUndefined : ceil_divide(most, size));
    grid.count *= grid.now.back();
  }
  SPIKELOOM_TRY(const auto chunks, read_chunk_index(source, storage, grid, chunk_bytes));
  std::uint64_t decoded = 0;
  for (const Hdf5Chunk& chunk : chunks) {
    decoded += chunk_bytes;
    if (decoded > limit + chunk_bytes) {
      return Error{.code = ErrorCode::kResource,
                   .what = "the chunks claim more than this file can hold",
                   .expected = fmt::format("at most {} bytes", limit)};
    }
    SPIKELOOM_TRY(Bytes data, source.fetch(chunk.address, chunk.bytes));
    bool at_edge = false;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const std::uint64_t end = (chunk.place[axis] + 1) * storage.chunk[axis];
      at_edge |= end > static_cast<std::uint64_t>(space.shape[axis]);
    }
    const std::uint32_t mask = at_edge && storage.plain_edges ? ~std::uint32_t{0} : chunk.mask;
    SPIKELOOM_TRY(data, undo_filters(storage.filters, mask, std::move(data),
                                     static_cast<std::size_t>(chunk_bytes)));
    place_chunk(data, storage.chunk, chunk.place, space.shape, element, out);
  }
  return {};
}

}  // namespace

Result<Hdf5Storage> parse_storage(const Source& source, const ObjectHeader& header,
                                  std::size_t rank, std::size_t element_size) {
  const Message* layout = header.find(MessageType::kLayout);
  if (layout == nullptr) return hdf5_damaged("a dataset has no layout");
  if (header.find(MessageType::kExternal) != nullptr) return elsewhere();
  Hdf5Storage storage;
  SPIKELOOM_CHECK(parse_layout(source, layout->body, storage));
  if (const Message* filters = header.find(MessageType::kFilters)) {
    SPIKELOOM_TRY(const Bytes body, message_body(source, *filters));
    SPIKELOOM_CHECK(parse_filters(body, storage.filters));
  }
  if (storage.layout == Hdf5Storage::Layout::kChunked &&
      (storage.chunk.size() != rank || rank == 0)) {
    return hdf5_damaged("the chunks have another number of dimensions than the data");
  }
  storage.fill = parse_fill(header, element_size);
  return storage;
}

Result<Bytes> read_elements(const Source& source, const Hdf5Storage& storage,
                            const Hdf5Space& space, std::size_t element_size, std::uint64_t limit) {
  SPIKELOOM_TRY(const std::uint64_t bytes, guarded_bytes(space.shape, element_size, limit));
  for (const Hdf5Filter& filter : storage.filters) {
    if (filter.id >= 1 && filter.id <= 3) continue;
    return Error{
        .code = ErrorCode::kUnsupported,
        .what = fmt::format("the dataset uses the filter '{}', which this build cannot decode",
                            filter_name(filter.id)),
        .next = "rewrite the file with gzip or no compression"};
  }
  if (bytes == 0) return Bytes();
  if (storage.layout == Hdf5Storage::Layout::kCompact) {
    if (storage.compact.size() < bytes) return hdf5_damaged("compact data are cut off");
    return Bytes(storage.compact.begin(),
                 storage.compact.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  const bool contiguous = storage.layout == Hdf5Storage::Layout::kContiguous;
  if (contiguous && storage.address != kUndefined) {
    if (storage.bytes < bytes) return hdf5_damaged("contiguous data are cut off");
    return source.fetch(storage.address, bytes);
  }
  Bytes out(static_cast<std::size_t>(bytes));
  for (std::size_t at = 0; !storage.fill.empty() && at < out.size(); at += element_size) {
    std::copy(storage.fill.begin(), storage.fill.end(),
              out.begin() + static_cast<std::ptrdiff_t>(at));
  }
  if (!contiguous && storage.address != kUndefined) {
    SPIKELOOM_CHECK(read_chunks(source, storage, space, element_size, limit, out));
  }
  return out;
}

}  // namespace spikeloom::io::detail
