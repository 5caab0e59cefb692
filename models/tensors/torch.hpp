#pragma once
/// PyTorch .pt and .pth files: what `torch.save` has written since PyTorch 1.6, a ZIP archive with
/// a pickle (data.pkl) that describes the object and one entry per storage (data/<key>).
///
/// The pickle is interpreted by a small machine that knows containers, numbers, text and exactly
/// these names, and runs nothing: collections.OrderedDict, torch._utils._rebuild_tensor,
/// _rebuild_tensor_v2, _rebuild_parameter, torch.<dtype>Storage, torch.<dtype>, torch.Size and
/// torch.utils.data.dataset.TensorDataset. Any other name is kUnsupported and quoted.
///
/// Tensors are named by their path: dictionary keys and list indices joined by '.'. So a state_dict
/// gives "fc1.weight", a tuple of tensors or a TensorDataset "0", "1", ..., a lone tensor "tensor".
/// Views (strides, offsets, storages shared by several tensors) are copied out in C order. Plain
/// values go to the metadata under the same kind of name.
///
/// Files of the older, non-ZIP format, TorchScript archives, and complex or quantised storages are
/// kUnsupported. Other errors as in tensor_file.hpp.

#include <cstddef>
#include <span>
#include <string>

#include "models/tensors/tensor_file.hpp"

namespace spikeloom {

Result<TensorFile> parse_torch(std::span<const std::byte> bytes, const std::string& name,
                               TensorFileOptions options = {});

}  // namespace spikeloom
