#pragma once
/// Writing networks as NIR files, in the layout of the Python package `nir` 1.0.7 (h5py).
///
/// A file read by read_nir and written again is equal for Python's `nir`: nesting, names, edge
/// order, metadata, element types, absent parameters and `/version`. A network built in memory,
/// which has no version, is written as "1.0.7", the layout this writer follows. A convolution
/// without bias gets one of zeros, because NIR requires it.

#include <string>

#include "base/result.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct NirWriteOptions {
  bool compress = true;     ///< arrays as one DEFLATE chunk, as nir.write does; else contiguous
  bool dequantise = false;  ///< dequantise() first, for what NIR does not have
  /// Write language layers as nodes of our own (docs/formats/nir.md). Python's `nir` refuses files
  /// with them; read_nir() reads them back.
  bool extensions = false;
};

/// The file is written under a temporary name and renamed: it is whole or not there.
///
/// kUnsupported, naming the node and the option: SparseLinear and weight_scale without
/// `dequantise`; language layers without `extensions`; MaxPool2d always. kInvalidArgument: a
/// parameter that a NIR reader would refuse.
Status write_nir(const Network& network, const std::string& path,
                 const NirWriteOptions& options = {});

}  // namespace spikeloom
