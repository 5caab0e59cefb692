#pragma once
/// Where and how a dataset's elements are stored, and getting them. Not installed.

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/detail/hdf5_object.hpp"
#include "base/io/detail/hdf5_type.hpp"
#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom::io::detail {

struct Hdf5Filter {
  int id = 0;
  std::vector<std::uint32_t> values;
};

/// "deflate", "lzf", "filter 32099".
std::string filter_name(int id);

struct Hdf5Storage {
  enum class Layout { kCompact, kContiguous, kChunked };
  enum class Index { kTree1, kSingle, kImplicit, kFixedArray, kExtensibleArray, kTree2 };

  Layout layout = Layout::kContiguous;
  std::uint64_t address = kUndefined;  ///< of the data, or of the chunk index
  std::uint64_t bytes = 0;             ///< of contiguous data; of a filtered single chunk
  Bytes compact;
  Index index = Index::kTree1;
  std::uint32_t single_mask = 0;     ///< filters a single chunk skips
  bool plain_edges = false;          ///< chunks that reach over the edge are not filtered
  std::vector<std::uint64_t> chunk;  ///< in elements, without the element's own size
  std::vector<Hdf5Filter> filters;
  std::uint8_t array_bits = 0;  ///< page bits of a fixed array
  Bytes fill;                   ///< one element, or empty for zeros
};

/// From a dataset's header; kUnsupported for external and virtual storage.
Result<Hdf5Storage> parse_storage(const Source& source, const ObjectHeader& header,
                                  std::size_t rank, std::size_t element_size);

/// Every element, raw, in C order. `limit` bounds the bytes, decoded chunks included.
Result<Bytes> read_elements(const Source& source, const Hdf5Storage& storage,
                            const Hdf5Space& space, std::size_t element_size, std::uint64_t limit);

/// One chunk of an index: where it is, and which of the filters it skipped.
struct Hdf5Chunk {
  std::vector<std::uint64_t> place;  ///< in the grid of chunks
  std::uint64_t address = kUndefined;
  std::uint64_t bytes = 0;
  std::uint32_t mask = 0;
};

/// How many chunks there are along each axis, now and at most (kUndefined: no limit).
struct Hdf5Grid {
  std::vector<std::uint64_t> now;
  std::vector<std::uint64_t> most;
  std::uint64_t count = 1;  ///< the product of `now`
};

/// The chunks that exist, at most one for each place of the grid.
Result<std::vector<Hdf5Chunk>> read_chunk_index(const Source& source, const Hdf5Storage& storage,
                                                const Hdf5Grid& grid, std::uint64_t chunk_bytes);

/// Undoes the filters of one chunk; the result has exactly `size` bytes.
Result<Bytes> undo_filters(const std::vector<Hdf5Filter>& filters, std::uint32_t mask, Bytes data,
                           std::size_t size);

}  // namespace spikeloom::io::detail
