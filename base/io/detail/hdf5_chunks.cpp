#include <algorithm>
#include <bit>
#include <set>
#include <unordered_set>

#include "base/io/detail/hdf5_storage.hpp"

namespace spikeloom::io::detail {
namespace {

using Places = std::vector<std::uint64_t>;

/// Version 1 B-tree: keys are a chunk's size, skipped filters and offset.
class Tree1 {
 public:
  Tree1(const Source& source, const Hdf5Storage& storage) : source_(source), storage_(storage) {}

  Result<std::vector<Hdf5Chunk>> read() {
    SPIKELOOM_CHECK(read_node(storage_.address, 256));
    return std::move(chunks_);
  }

 private:
  Status read_node(std::uint64_t address, unsigned above) {
    const std::size_t offset = source_.offset_size();
    const std::size_t rank = storage_.chunk.size();
    const std::size_t key = 8 + 8 * (rank + 1);
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 8));
    Cursor start(head);
    if (!start.signature("TREE") || start.u8() != 1) {
      return hdf5_damaged("a chunk index is missing");
    }
    const unsigned level = start.u8();
    const std::size_t count = start.u16();
    const std::uint64_t size = 8 + 2 * offset + count * (key + offset);
    spent_ += size;
    if (level >= above || !seen_.insert(address).second || spent_ > source_.size()) {
      return hdf5_damaged("a chunk index contains itself");
    }
    SPIKELOOM_TRY(const Bytes node, source_.fetch(address, size));
    Cursor cursor(node);
    cursor.skip(8 + 2 * offset);
    for (std::size_t i = 0; i < count; ++i) {
      Hdf5Chunk chunk;
      chunk.bytes = cursor.u32();
      chunk.mask = cursor.u32();
      for (std::size_t axis = 0; axis < rank; ++axis) {
        const std::uint64_t at = cursor.u64();
        if (at % storage_.chunk[axis] != 0) return hdf5_damaged("a chunk is out of place");
        chunk.place.push_back(at / storage_.chunk[axis]);
      }
      cursor.skip(8);
      chunk.address = cursor.address(offset);
      if (level > 0) {
        SPIKELOOM_CHECK(read_node(chunk.address, level));
      } else {
        chunks_.push_back(std::move(chunk));
      }
    }
    return {};
  }

  const Source& source_;
  const Hdf5Storage& storage_;
  std::vector<Hdf5Chunk> chunks_;
  std::unordered_set<std::uint64_t> seen_;
  std::uint64_t spent_ = 0;
};

/// An entry of a fixed or extensible array: an address, with filters also size and mask.
Hdf5Chunk parse_entry(const Source& source, std::span<const std::byte> entry, bool filtered,
                      std::uint64_t chunk_bytes) {
  Cursor cursor(entry);
  Hdf5Chunk chunk;
  chunk.address = cursor.address(source.offset_size());
  chunk.bytes = chunk_bytes;
  if (filtered && entry.size() > source.offset_size() + 4) {
    chunk.bytes = cursor.uint(std::min<std::size_t>(8, entry.size() - source.offset_size() - 4));
    chunk.mask = cursor.u32();
  }
  return chunk;
}

class FixedArray {
 public:
  static Result<FixedArray> open(const Source& source, std::uint64_t address) {
    const std::size_t offset = source.offset_size();
    FixedArray array(source);
    SPIKELOOM_TRY(const Bytes head, source.fetch(address, 12 + source.length_size() + offset));
    Cursor cursor(head);
    if (!cursor.signature("FAHD") || cursor.u8() != 0) {
      return hdf5_damaged("a fixed array is missing");
    }
    array.filtered = cursor.u8() == 1;
    array.entry_ = cursor.u8();
    const unsigned bits = cursor.u8();
    array.count_ = cursor.uint(source.length_size());
    array.block_ = cursor.address(offset);
    if (!cursor.ok() || array.entry_ < offset || bits > 32) {
      return hdf5_damaged("a fixed array is wrong");
    }
    array.page_ = std::uint64_t{1} << bits;
    if (array.block_ == kUndefined) return array;
    SPIKELOOM_TRY(const Bytes block, source.fetch(array.block_, 4));
    Cursor check(block);
    if (!check.signature("FADB")) return hdf5_damaged("a fixed array's block is missing");
    return array;
  }

  Result<Bytes> entry(std::uint64_t index) const {
    if (index >= count_ || block_ == kUndefined) return Bytes();
    std::uint64_t at = 6 + source_->offset_size();
    if (count_ <= page_) {
      return source_->fetch(block_ + at + index * entry_, entry_);
    }
    // Pages: a bitmap says which exist; bitmap and pages each end in a checksum.
    const std::uint64_t pages = (count_ + page_ - 1) / page_;
    const std::uint64_t page = index / page_;
    SPIKELOOM_TRY(const Bytes bits, source_->fetch(block_ + at + page / 8, 1));
    if ((std::to_integer<unsigned>(bits[0]) >> (7 - page % 8) & 1) == 0) return Bytes();
    at += (pages + 7) / 8 + 4 + page * (page_ * entry_ + 4) + index % page_ * entry_;
    return source_->fetch(block_ + at, entry_);
  }

  bool filtered = false;

 private:
  explicit FixedArray(const Source& source) : source_(&source) {}
  const Source* source_;
  std::uint64_t entry_ = 0, count_ = 0, page_ = 1, block_ = kUndefined;
};

/// Blocks double in size: a few entries and small blocks hang off the index block, the rest off
/// super blocks. Super block u has 2^(u/2) data blocks of 2^((u+1)/2) x smallest entries.
class ExtensibleArray {
 public:
  static Result<ExtensibleArray> open(const Source& source, std::uint64_t address) {
    const std::size_t offset = source.offset_size();
    ExtensibleArray array(source);
    SPIKELOOM_TRY(const Bytes head, source.fetch(address, 16 + 6 * source.length_size() + offset));
    Cursor cursor(head);
    if (!cursor.signature("EAHD") || cursor.u8() != 0) {
      return hdf5_damaged("an extensible array is missing");
    }
    array.filtered = cursor.u8() == 1;
    array.entry_ = cursor.u8();
    const unsigned bits = cursor.u8();
    array.inline_ = cursor.u8();
    array.smallest_ = cursor.u8();
    array.pointers_ = cursor.u8();
    const unsigned page_bits = cursor.u8();
    cursor.skip(6 * source.length_size());
    array.index_ = cursor.address(offset);
    if (!cursor.ok() || array.entry_ < offset || bits > 64 || page_bits > 32 ||
        !std::has_single_bit(array.smallest_) || !std::has_single_bit(array.pointers_)) {
      return hdf5_damaged("an extensible array is wrong");
    }
    array.offset_bytes_ = (bits + 7) / 8;
    array.page_ = std::uint64_t{1} << page_bits;
    if (array.index_ == kUndefined) return array;
    SPIKELOOM_TRY(const Bytes block, source.fetch(array.index_, 4));
    Cursor check(block);
    if (!check.signature("EAIB")) return hdf5_damaged("an array's index block is missing");
    return array;
  }

  Result<Bytes> entry(std::uint64_t index) const {
    if (index_ == kUndefined) return Bytes();
    const std::uint64_t offset = source_->offset_size();
    const std::uint64_t start = index_ + 6 + offset;
    if (index < inline_) return source_->fetch(start + index * entry_, entry_);
    index -= inline_;
    unsigned super = 0;
    std::uint64_t blocks_before = 0;
    while (super < 100 && index / blocks(super) >= block_entries(super)) {
      index -= blocks(super) * block_entries(super);
      blocks_before += blocks(super);
      ++super;
    }
    const std::uint64_t size = block_entries(super);
    const std::uint64_t block = index / size;
    const std::uint64_t direct_supers = 2 * (std::bit_width(pointers_) - 1);
    std::uint64_t pointer = start + inline_ * entry_;
    bool is_paged_out = false;
    if (super < direct_supers) {
      pointer += (blocks_before + block) * offset;
    } else {
      pointer += 2 * (pointers_ - 1) * offset + (super - direct_supers) * offset;
      SPIKELOOM_TRY(const std::uint64_t super_block, address_at(pointer));
      if (super_block == kUndefined) return Bytes();
      pointer = super_block + 6 + offset + offset_bytes_;
      if (size > page_) {
        // One bit a page says which exist; each block's share is rounded up to bytes, but the bits
        // are counted without gaps.
        const std::uint64_t pages = size / page_;
        const std::uint64_t bit = block * pages + index % size / page_;
        SPIKELOOM_TRY(const Bytes bits, source_->fetch(pointer + bit / 8, 1));
        is_paged_out = (std::to_integer<unsigned>(bits[0]) >> (7 - bit % 8) & 1) == 0;
        pointer += blocks(super) * ((pages + 7) / 8);
      }
      pointer += block * offset;
    }
    SPIKELOOM_TRY(const std::uint64_t data, address_at(pointer));
    if (data == kUndefined || is_paged_out) return Bytes();
    std::uint64_t at = data + 6 + offset + offset_bytes_;
    const std::uint64_t inside = index % size;
    if (size > page_) at += 4 + inside / page_ * 4;  // checksums before each page
    return source_->fetch(at + inside * entry_, entry_);
  }

  bool filtered = false;

 private:
  explicit ExtensibleArray(const Source& source) : source_(&source) {}
  static std::uint64_t blocks(unsigned super) { return std::uint64_t{1} << (super / 2); }
  std::uint64_t block_entries(unsigned super) const { return smallest_ << ((super + 1) / 2); }
  Result<std::uint64_t> address_at(std::uint64_t position) const {
    SPIKELOOM_TRY(const Bytes bytes, source_->fetch(position, source_->offset_size()));
    return Cursor(bytes).address(bytes.size());
  }

  const Source* source_;
  std::uint64_t entry_ = 0, inline_ = 0, smallest_ = 1, pointers_ = 1, page_ = 1;
  std::uint64_t offset_bytes_ = 0, index_ = kUndefined;
};

/// Calls `f(place, linear index)` for every place of the grid. The linear index counts over the
/// largest grid; the axis without a limit, if there is one, comes first.
template <typename F>
Status for_each_place(const Source& source, const Hdf5Grid& grid, F f) {
  if (grid.count > source.size()) {  // an entry of an array takes bytes
    return Error{.code = ErrorCode::kResource,
                 .what = "the dataset claims more chunks than this file can hold"};
  }
  const std::size_t rank = grid.now.size();
  std::vector<std::size_t> order(rank);
  std::size_t next = 0;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (grid.most[axis] == kUndefined) order[next++] = axis;
  }
  if (next > 1) return hdf5_damaged("a chunk index does not fit the dataspace");
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (grid.most[axis] != kUndefined) order[next++] = axis;
  }
  Places place(rank, 0);
  for (std::uint64_t i = 0; i < grid.count; ++i) {
    std::uint64_t linear = 0;
    for (const std::size_t axis : order) {
      if (grid.most[axis] != kUndefined &&
          (place[axis] >= grid.most[axis] ||
           __builtin_mul_overflow(linear, grid.most[axis], &linear))) {
        return hdf5_damaged("a chunk index does not fit the dataspace");
      }
      if (__builtin_add_overflow(linear, place[axis], &linear)) {
        return hdf5_damaged("a chunk index does not fit the dataspace");
      }
    }
    SPIKELOOM_CHECK(f(place, linear));
    for (std::size_t axis = rank; axis-- > 0;) {
      if (++place[axis] < grid.now[axis]) break;
      place[axis] = 0;
    }
  }
  return {};
}

template <typename Array>
Result<std::vector<Hdf5Chunk>> read_array(const Source& source, const Hdf5Storage& storage,
                                          const Hdf5Grid& grid, std::uint64_t chunk_bytes) {
  SPIKELOOM_TRY(const Array array, Array::open(source, storage.address));
  std::vector<Hdf5Chunk> chunks;
  SPIKELOOM_CHECK(
      for_each_place(source, grid, [&](const Places& place, std::uint64_t index) -> Status {
        SPIKELOOM_TRY(const Bytes entry, array.entry(index));
        if (entry.empty()) return {};
        Hdf5Chunk chunk = parse_entry(source, entry, array.filtered, chunk_bytes);
        chunk.place = place;
        if (chunk.address != kUndefined) chunks.push_back(std::move(chunk));
        return {};
      }));
  return chunks;
}

Result<std::vector<Hdf5Chunk>> read_tree2_chunks(const Source& source, const Hdf5Storage& storage,
                                                 std::uint64_t chunk_bytes) {
  const bool filtered = !storage.filters.empty();
  const std::size_t rank = storage.chunk.size();
  SPIKELOOM_TRY(const auto records, read_tree2(source, storage.address, filtered ? 11 : 10));
  std::vector<Hdf5Chunk> chunks;
  for (const Bytes& record : records) {
    if (record.size() < source.offset_size() + 8 * rank) {
      return hdf5_damaged("a chunk's record is too short");
    }
    Hdf5Chunk chunk = parse_entry(source, std::span(record).first(record.size() - 8 * rank),
                                  filtered, chunk_bytes);
    Cursor cursor{std::span<const std::byte>(record).last(8 * rank)};
    for (std::size_t axis = 0; axis < rank; ++axis) chunk.place.push_back(cursor.u64());
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

Result<std::vector<Hdf5Chunk>> read_index(const Source& source, const Hdf5Storage& storage,
                                          const Hdf5Grid& grid, std::uint64_t chunk_bytes) {
  std::vector<Hdf5Chunk> chunks;
  switch (storage.index) {
    case Hdf5Storage::Index::kTree1:
      return Tree1(source, storage).read();
    case Hdf5Storage::Index::kTree2:
      return read_tree2_chunks(source, storage, chunk_bytes);
    case Hdf5Storage::Index::kFixedArray:
      return read_array<FixedArray>(source, storage, grid, chunk_bytes);
    case Hdf5Storage::Index::kExtensibleArray:
      return read_array<ExtensibleArray>(source, storage, grid, chunk_bytes);
    case Hdf5Storage::Index::kSingle:
      chunks.push_back({Places(storage.chunk.size(), 0), storage.address,
                        storage.bytes == kUndefined ? chunk_bytes : storage.bytes,
                        storage.single_mask});
      return chunks;
    case Hdf5Storage::Index::kImplicit:
      break;
  }
  SPIKELOOM_CHECK(
      for_each_place(source, grid, [&](const Places& place, std::uint64_t index) -> Status {
        std::uint64_t at = 0;
        if (__builtin_mul_overflow(index, chunk_bytes, &at) ||
            __builtin_add_overflow(at, storage.address, &at)) {
          return hdf5_damaged("a chunk lies beyond the end");
        }
        chunks.push_back({place, at, chunk_bytes, 0});
        return {};
      }));
  return chunks;
}

}  // namespace

Result<std::vector<Hdf5Chunk>> read_chunk_index(const Source& source, const Hdf5Storage& storage,
                                                const Hdf5Grid& grid, std::uint64_t chunk_bytes) {
  SPIKELOOM_TRY(auto chunks, read_index(source, storage, grid, chunk_bytes));
  // Chunks may lie outside after a dataset was made smaller; two in one place are a lie.
  std::erase_if(chunks, [&](const Hdf5Chunk& chunk) {
    for (std::size_t axis = 0; axis < grid.now.size(); ++axis) {
      if (chunk.place[axis] >= grid.now[axis]) return true;
    }
    return false;
  });
  std::set<Places> places;
  for (const Hdf5Chunk& chunk : chunks) {
    if (!places.insert(chunk.place).second) return hdf5_damaged("two chunks have one place");
  }
  return chunks;
}

}  // namespace spikeloom::io::detail
