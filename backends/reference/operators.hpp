#pragma once
/// The reference's stateless operations: plain loops over one vector, driven by non-zero inputs.
///
/// Each weight operation returns the number of (non-zero input, in-bounds weight) pairs: the
/// synaptic operations of docs/counting.md.

#include <cstdint>
#include <vector>

#include "snn/program.hpp"

namespace spikeloom::reference {

/// Weights of a weight operation in the arithmetic of the run.
template <typename Real>
struct Weights {
  std::vector<Real> weight, row_scale, bias;
};

/// The synapses of each source: those of source i are [row_start[i], row_start[i + 1]).
template <typename Real>
struct SourceRows {
  std::vector<std::int64_t> row_start;
  std::vector<std::uint32_t> target;  ///< ascending within a row
  std::vector<Real> weight;
};
template <typename Real>
SourceRows<Real> expand(const op::RandomSparse& rule);

/// Pairs of non-zero source value and weight, split by what the pair costs.
struct PairCount {
  std::uint64_t unit = 0;    ///< the value is 1 or -1
  std::uint64_t graded = 0;  ///< any other value
};

template <typename Real>
PairCount apply(const op::Dense& dense, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out);
template <typename Real>
PairCount apply(const op::Sparse& sparse, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out);
template <typename Real>
PairCount apply(const SourceRows<Real>& rows, const std::vector<Real>& in, std::vector<Real>& out);
template <typename Real>
PairCount apply(const op::Convolution& conv, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out);
template <typename Real>
void apply(const op::Pool& pool, const std::vector<Real>& in, std::vector<Real>& out);

}  // namespace spikeloom::reference
