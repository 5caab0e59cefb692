#pragma once
/// Hypergraphs in hMetis' text format (hMetis manual 1.5.3, section 3.1): a line `nets vertices
/// [fmt]`, a line of vertex numbers (from 1) for each net, after its weight when fmt is 1 or 11;
/// when fmt is 10 or 11 a line of one weight for each vertex. Lines that start with % are comments.
/// The first vertex of a net is taken for its source.
///
/// Memory grows with the file, not with what its first line claims: more than 1,000,000 vertices
/// are read only if the file has as many bytes, which it does when fmt gives each its weight or
/// each is in a net.
///
/// Errors: kFormat naming the line; kResource (counts that the file is too short for).

#include <string>
#include <string_view>

#include "mapping/partition/hypergraph.hpp"

namespace spikeloom::mapping {

Result<Hypergraph> read_hgr(const std::string& path);
/// `name` is what errors call the text.
Result<Hypergraph> parse_hgr(std::string_view text, const std::string& name);

}  // namespace spikeloom::mapping
