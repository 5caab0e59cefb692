#pragma once
/// Operations of language networks from their node kinds; private to snn.

#include "base/result.hpp"
#include "snn/node_kinds.hpp"
#include "snn/recurrent_operations.hpp"

namespace spikeloom::detail {

/// Sizes that fit each other, finite weights; errors say which parameter is wrong.
Result<op::Recurrent> make_recurrent(const node::Egru& kind);
Result<op::Recurrent> make_recurrent(const node::Gru& kind);
Result<op::Recurrent> make_recurrent(const node::Lstm& kind);
Result<op::Embedding> make_embedding(const node::Embedding& kind);
Result<op::Decoder> make_decoder(const node::Decoder& kind);

/// (rows, columns) of a matrix parameter; kShape for other ranks.
Result<std::pair<std::int64_t, std::int64_t>> matrix_size(std::string_view name,
                                                          const Tensor& matrix);

}  // namespace spikeloom::detail
