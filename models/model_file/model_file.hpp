#pragma once
/// The project's own model file (.sloom, HDF5): every node kind with integer, ternary and sparse
/// weights, how the model is meant to be run, and its card. Layout: docs/formats.md, exact enough
/// to write it with h5py.
///
/// Reading gives back the same network: node and edge order, names, nesting, element types,
/// shapes, absent parameters, metadata. Equal tensors share their storage, in the file (hard
/// links) and in memory.
///
/// Errors of reading name file, path inside it and the next step: kFormat (not such a file, a
/// missing or damaged part), kUnsupported (a newer format version, an unknown node kind or
/// encoding), kShape and kInvalidArgument (parameters that do not fit), kResource (limits).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// The version this build writes; it reads this one and every earlier one.
inline constexpr std::int64_t kModelFileVersion = 1;
inline constexpr const char* kModelFileFormat = "spikeloom-model";

struct ModelFileWriteOptions {
  Value run_settings = {};      ///< a map, or null for none (LoadedModel::run_settings)
  std::string model_card = {};  ///< Markdown; empty for none
  bool compress = true;         ///< DEFLATE; off for files that are read often
  bool pack_ternary = true;     ///< int8 tensors of -1, 0, 1 take 2 bits an element
};

/// Atomic: the file is written under a temporary name and renamed.
Status write_model_file(const Network& network, const std::string& path,
                        const ModelFileWriteOptions& options = {});

struct ModelFileReadOptions {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  ///< decoded size of all parameters together
  int max_nesting = 32;                              ///< graphs within graphs
};

Result<LoadedModel> read_model_file(const std::string& path,
                                    const ModelFileReadOptions& options = {});

/// The same for a file image in memory; `name` stands for the path in messages.
Result<LoadedModel> read_model_file_bytes(std::span<const std::byte> bytes, const std::string& name,
                                          const ModelFileReadOptions& options = {});

}  // namespace spikeloom
