#pragma once
/// Free-form metadata in HDF5 groups, as NIR and the model file both hold it, and the budget that
/// keeps a small file from asking for a large network.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/hdf5.hpp"
#include "snn/network.hpp"

namespace spikeloom::detail {

/// What a file of `file_size` bytes may still be read into. Hard links can make one object appear
/// in many places, so sizes of single objects do not bound the whole.
class ReadBudget {
 public:
  ReadBudget(std::uint64_t file_size, std::uint64_t max_bytes);

  Status take_node();                     ///< a node or a metadata entry
  Status take_edges(std::int64_t count);  ///< rows of an edge list
  /// The decoded bytes of a dataset, before it is read.
  Status take_bytes(const io::Hdf5DatasetInfo& info);

 private:
  std::uint64_t nodes_;
  std::uint64_t edges_;
  std::uint64_t bytes_;
};

/// A numeric dataset within the budget.
Result<Tensor> read_tensor(const io::Hdf5Group& group, std::string_view name, ReadBudget& budget);

/// The entries of a metadata group. Entries of a type that cannot be kept are named in `dropped`;
/// an error is only a budget that is used up or a file that is damaged.
Result<Metadata> read_metadata(const io::Hdf5Group& group, ReadBudget& budget,
                               std::vector<std::string>& dropped);

Status write_metadata(io::Hdf5OutGroup& group, const Metadata& metadata,
                      io::Hdf5Compression compression);

/// "/node/nodes/a" within its file: "model.nir: /node/nodes/a", as the HDF5 wrapper says it.
std::string place(const std::string& file, const io::Hdf5Group& group, std::string_view name = {});

}  // namespace spikeloom::detail
