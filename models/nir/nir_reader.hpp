#pragma once
/// Reading networks in the Neuromorphic Intermediate Representation (NIR; Pedersen et al.,
/// Nat. Commun. 15:8122, 2024), the HDF5 layout of the Python package `nir` 0.1 to 1.0.8.
///
/// Kept as the file has it: node names, nesting, element types, shapes, which parameters are
/// absent, metadata, edge order, duplicate edges, `/version`. Nodes come in the file's order,
/// which is alphabetical. Tolerated with a message in the report: no `/version`, no `edges`, an
/// empty edge list of any type, single values for a whole population, absent v_reset (0), w_in
/// (1), bias, input_shape, convolution and flatten settings, unknown extra datasets, negative time
/// constants, a graph without Input or Output.
///
/// A root that is a bare node (`/node/type` = "LIF") becomes the only node of a network, with the
/// name kBareNodeName; writing it back gives a bare node again.
///
/// Refused, naming file, node and next step: an unknown node kind, a missing or misshaped
/// parameter, an edge to a node that does not exist, recorded data (NIRGraphData files of nir
/// 1.0.7), a compression filter this build lacks (lzf), nesting over `max_nesting`, more nodes,
/// edges or data than a file of that size can hold, and files that are not NIR, by what they are.
/// Shapes across nodes are not looked at here; lowering does that.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// The one name that no node of a NIR graph can have: in HDF5 it means the group itself.
inline constexpr const char* kBareNodeName = ".";

struct NirReadOptions {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  ///< decoded size of all parameters together
  int max_nesting = 32;                              ///< graphs within graphs
  /// Filled also when the file is refused, so that every refused node can be shown, not only the
  /// first, which the Error names.
  ImportReport* report = nullptr;
};

Result<LoadedModel> read_nir(const std::string& path, const NirReadOptions& options = {});

/// The same for a file image in memory; `name` stands for the path in messages.
Result<LoadedModel> read_nir_bytes(std::span<const std::byte> bytes, const std::string& name,
                                   const NirReadOptions& options = {});

}  // namespace spikeloom
