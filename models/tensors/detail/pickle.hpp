#pragma once
/// A pickle machine that can only build data. Not installed.
///
/// It follows the opcodes of Python's Lib/pickletools.py, protocols 2 to 5. Values live in one
/// vector and refer to each other by index, so neither cycles nor deep nesting in a hostile file
/// can leak memory or overflow the stack.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::detail {

using PickleIndex = std::uint32_t;

enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInteger,
  kReal,
  kText,
  kBytes,
  kTuple,
  kList,
  kDict,     ///< items alternate key, value
  kGlobal,   ///< text is "module.name"
  kStorage,  ///< items: type, key, element count
  kTensor,   ///< items: storage, offset, size tuple, stride tuple
  kDataset,  ///< a TensorDataset; items: its state
};

struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;  ///< also a bool
  double real = 0.0;
  std::string text = {};
  std::vector<PickleIndex> items = {};
};

struct Pickle {
  std::vector<PickleNode> nodes;
  PickleIndex root = 0;

  const PickleNode& operator[](PickleIndex index) const { return nodes[index]; }
};

/// kFormat with the byte of the first bad opcode; kUnsupported for names outside the list of
/// models/tensors/torch.hpp.
Result<Pickle> parse_pickle(std::span<const std::byte> bytes, const std::string& name);

}  // namespace spikeloom::detail
