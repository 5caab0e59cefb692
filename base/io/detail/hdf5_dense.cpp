#include <algorithm>
#include <bit>
#include <unordered_set>

#include "base/io/detail/hdf5_object.hpp"

namespace spikeloom::io::detail {
namespace {

/// Bytes to hold numbers up to `limit`, as the library counts them.
std::size_t bytes_for(std::uint64_t limit) {
  return limit == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(limit)) - 1) / 8 + 1;
}

Status check_sum(std::span<const std::byte> bytes) {
  Cursor sum(bytes.last(std::min<std::size_t>(4, bytes.size())));
  if (bytes.size() < 4 || sum.u32() != hdf5_checksum(bytes.first(bytes.size() - 4))) {
    return hdf5_damaged("a checksum does not match");
  }
  return {};
}

class Tree2 {
 public:
  explicit Tree2(const Source& source) : source_(source) {}

  Result<std::vector<Bytes>> read(std::uint64_t address, unsigned type) {
    const std::size_t offset = source_.offset_size();
    const std::size_t length = source_.length_size();
    SPIKELOOM_TRY(const Bytes head, source_.fetch(address, 22 + offset + length));
    SPIKELOOM_CHECK(check_sum(head));
    Cursor cursor(head);
    if (!cursor.signature("BTHD") || cursor.u8() != 0 || cursor.u8() != type) {
      return hdf5_damaged("a B-tree is missing");
    }
    type_ = type;
    node_size_ = cursor.u32();
    record_size_ = cursor.u16();
    const unsigned depth = cursor.u16();
    cursor.skip(2);
    const std::uint64_t root = cursor.address(offset);
    const std::size_t count = cursor.u16();
    if (record_size_ == 0 || node_size_ < 10 + record_size_ || depth > 16) {
      return hdf5_damaged("a B-tree has impossible sizes");
    }
    const std::uint64_t leaf_most = (node_size_ - 10) / record_size_;
    count_bytes_ = bytes_for(leaf_most);
    totals_ = {0};
    std::uint64_t cumulative = leaf_most;
    for (unsigned level = 1; level <= depth; ++level) {
      const std::size_t pointer = offset + count_bytes_ + totals_.back();
      if (node_size_ < 10 + pointer + record_size_) {
        return hdf5_damaged("a B-tree has impossible sizes");
      }
      const std::uint64_t most = (node_size_ - 10 - pointer) / (record_size_ + pointer);
      if (__builtin_mul_overflow(most + 1, cumulative, &cumulative) ||
          __builtin_add_overflow(most, cumulative, &cumulative)) {
        return hdf5_damaged("a B-tree has impossible sizes");
      }
      totals_.push_back(bytes_for(cumulative));
    }
    if (root != kUndefined) SPIKELOOM_CHECK(read_node(root, count, depth));
    return std::move(records_);
  }

 private:
  Status read_node(std::uint64_t address, std::size_t count, unsigned level) {
    const std::size_t offset = source_.offset_size();
    const std::size_t pointer = level == 0 ? 0 : offset + count_bytes_ + totals_[level - 1];
    const std::uint64_t size = 10 + count * record_size_ + (level == 0 ? 0 : (count + 1) * pointer);
    spent_ += size;
    if (!seen_.insert(address).second || size > node_size_ || spent_ > source_.size()) {
      return hdf5_damaged("a B-tree contains itself");
    }
    SPIKELOOM_TRY(const Bytes node, source_.fetch(address, size));
    SPIKELOOM_CHECK(check_sum(node));
    Cursor cursor(node);
    if (!cursor.signature(level == 0 ? "BTLF" : "BTIN") || cursor.u8() != 0 ||
        cursor.u8() != type_) {
      return hdf5_damaged("a B-tree node is missing");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto record = cursor.take(record_size_);
      records_.emplace_back(record.begin(), record.end());
    }
    for (std::size_t i = 0; level > 0 && i <= count; ++i) {
      const std::uint64_t child = cursor.address(offset);
      const std::size_t child_count = cursor.uint(count_bytes_);
      cursor.skip(totals_[level - 1]);
      SPIKELOOM_CHECK(read_node(child, child_count, level - 1));
    }
    return {};
  }

  const Source& source_;
  unsigned type_ = 0;
  std::size_t node_size_ = 0;
  std::size_t record_size_ = 0;
  std::size_t count_bytes_ = 0;
  std::vector<std::size_t> totals_;  ///< bytes of a child's total count, by the child's level
  std::vector<Bytes> records_;
  std::unordered_set<std::uint64_t> seen_;
  std::uint64_t spent_ = 0;
};

}  // namespace

Result<std::vector<Bytes>> read_tree2(const Source& source, std::uint64_t address, unsigned type) {
  return Tree2(source).read(address, type);
}

Result<FractalHeap> FractalHeap::open(const Source& source, std::uint64_t address) {
  const std::size_t offset = source.offset_size();
  const std::size_t length = source.length_size();
  SPIKELOOM_TRY(const Bytes head, source.fetch(address, 26 + 12 * length + 3 * offset));
  Cursor cursor(head);
  if (!cursor.signature("FRHP") || cursor.u8() != 0) return hdf5_damaged("a heap is missing");
  FractalHeap heap(source);
  heap.id_size_ = cursor.u16();
  const std::size_t filter_bytes = cursor.u16();
  if (filter_bytes != 0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "groups or attributes in a compressed heap are not read",
                 .next = "rewrite the file with h5repack"};
  }
  SPIKELOOM_CHECK(check_sum(head));
  cursor.skip(1);  // flags
  const std::uint64_t most_managed = cursor.u32();
  // Huge objects, free space, iterators and counts: what finds an object by id needs none.
  cursor.skip(length + offset + length + offset + 8 * length);
  heap.width_ = cursor.u16();
  heap.start_size_ = cursor.uint(length);
  const std::uint64_t most_direct = cursor.uint(length);
  const unsigned heap_bits = cursor.u16();
  cursor.skip(2);
  heap.root_ = cursor.address(offset);
  heap.root_rows_ = cursor.u16();
  if (!cursor.ok() || heap.width_ == 0 || !std::has_single_bit(heap.start_size_) ||
      !std::has_single_bit(most_direct) || most_direct < heap.start_size_ || heap_bits > 64 ||
      heap.root_rows_ > 64) {
    return hdf5_damaged("a heap has impossible sizes");
  }
  heap.offset_bytes_ = (heap_bits + 7) / 8;
  const auto direct_bits = static_cast<std::size_t>(std::bit_width(most_direct) - 1);
  heap.length_bytes_ = std::min((direct_bits + 7) / 8, bytes_for(most_managed));
  heap.direct_rows_ =
      static_cast<unsigned>(std::bit_width(most_direct) - std::bit_width(heap.start_size_) + 2);
  return heap;
}

std::uint64_t FractalHeap::row_size(unsigned row) const {
  return row == 0 ? start_size_ : row > 63 ? 0 : start_size_ << (row - 1);
}

Result<Bytes> FractalHeap::object(std::span<const std::byte> id) const {
  Cursor cursor(id);
  const unsigned first = cursor.u8();
  const unsigned type = first >> 4 & 3;
  if (type == 2) {  // tiny: the object itself, its length less one in the first byte
    const std::size_t size = (first & 0xf) + 1;
    const auto body = cursor.take(size);
    if (!cursor.ok()) return hdf5_damaged("a heap object is cut off");
    return Bytes(body.begin(), body.end());
  }
  if (type != 0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a link or attribute larger than its heap's blocks is not read",
                 .next = "rewrite the file with h5repack"};
  }
  const std::uint64_t offset = cursor.uint(offset_bytes_);
  const std::uint64_t length = cursor.uint(length_bytes_);
  if (!cursor.ok()) return hdf5_damaged("a heap object's id is cut off");
  return managed(offset, length);
}

Result<Bytes> FractalHeap::managed(std::uint64_t offset, std::uint64_t length) const {
  std::uint64_t block = root_;
  unsigned rows = root_rows_;
  std::uint64_t size = start_size_;
  // Each turn goes one indirect block down, to blocks of fewer rows.
  while (rows > 0) {
    const std::size_t width = source_->offset_size();
    const std::uint64_t head = 5 + width + offset_bytes_;
    SPIKELOOM_TRY(const Bytes start, source_->fetch(block, 5));
    Cursor check(start);
    if (!check.signature("FHIB")) return hdf5_damaged("a heap's block is missing");
    unsigned row = 0;
    while (row < rows && offset / width_ >= row_size(row) && row_size(row) != 0) {
      offset -= row_size(row) * width_;
      ++row;
    }
    size = row_size(row);
    if (row >= rows || size == 0) return hdf5_damaged("a heap object lies outside its heap");
    const std::uint64_t entry = std::uint64_t{row} * width_ + offset / size;
    offset %= size;
    SPIKELOOM_TRY(const Bytes child, source_->fetch(block + head + entry * width, width));
    block = Cursor(child).address(width);
    if (row < direct_rows_) break;
    const auto child_rows = std::bit_width(size) - std::bit_width(start_size_ * width_) + 1;
    if (child_rows <= 0 || static_cast<unsigned>(child_rows) >= rows) {
      return hdf5_damaged("a heap's block has impossible sizes");
    }
    rows = static_cast<unsigned>(child_rows);
  }
  if (offset > size || length > size - offset) {
    return hdf5_damaged("a heap object lies outside its block");
  }
  SPIKELOOM_TRY(const Bytes start, source_->fetch(block, 5));
  Cursor check(start);
  if (!check.signature("FHDB")) return hdf5_damaged("a heap's block is missing");
  return source_->fetch(block + offset, length);
}

}  // namespace spikeloom::io::detail
