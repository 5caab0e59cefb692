#pragma once
/// Lists of synapses from files, for simulation::ExplicitList.
///
///     .csv    source,target[,weight[,delay]]   one synapse a line, after a heading with
///                                              these names in any order; '#' begins a comment
///     .npz    arrays source, target and, where they are, weight, delay
///     .h5     SONATA edges: /edges/<population>/source_node_id, target_node_id and, in group 0,
///             syn_weight, delay; <population> has to be named where the file has several
///
/// Neurons count from 0 within their population. Weights in pA (mV for delta synapses), delays in
/// ms. Files nobody vouches for: sizes are checked before anything is allocated; at most
/// kMostListedSynapses. Errors: kNotFound, kIo, kFormat (with the line, or the array), kShape,
/// kResource.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

inline constexpr std::int64_t kMostListedSynapses = std::int64_t{1} << 31;

/// By the ending of `path`. `population`: of a SONATA file.
Result<simulation::ExplicitList> read_edge_list(const std::string& path,
                                                const std::string& population = {});

/// The same from memory; `name` is what errors call it, and its ending the format.
Result<simulation::ExplicitList> parse_edge_list(std::span<const std::byte> bytes,
                                                 const std::string& name,
                                                 const std::string& population = {});
Result<simulation::ExplicitList> parse_edges_csv(std::string_view text, const std::string& name);

}  // namespace spikeloom
