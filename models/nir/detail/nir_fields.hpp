#pragma once
/// A NIR node's datasets as the fields of a node kind.

#include <functional>
#include <string>

#include "base/io/hdf5.hpp"
#include "models/detail/metadata_io.hpp"
#include "models/import_report.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom::detail {

using Note = std::function<void(ImportStatus, const std::string&)>;

/// Fills the fields of `kind` (not of a nested graph) from the datasets of `group`. Absent
/// optional ones stay absent and, like datasets NIR does not know, are reported through `note`.
Status read_nir_fields(const std::string& file, const io::Hdf5Group& group, NodeKind& kind,
                       ReadBudget& budget, const Note& note);

}  // namespace spikeloom::detail
