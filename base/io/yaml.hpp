#pragma once
/// YAML 1.1 (one document) to Value, by libyaml: block and flow mappings, sequences, scalars.
///
/// Plain scalars become null, bool, integer or real by YAML's core rules; quoted ones stay text.
/// With YamlScalars::kText every scalar stays as it is written, for files whose words look like
/// numbers (an address 1.10 is not 1.1); an empty one is null.
/// Anchors, aliases, tags and merge keys are refused: the files read here need none, and aliases
/// can grow a small file without bound. Nesting is limited to 100 levels, a key may appear once per
/// mapping. Errors are kFormat and name the line and column.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::io {

enum class YamlScalars { kTyped, kText };

/// `name` is what errors call the text: a path.
Result<Value> parse_yaml(std::string_view text, const std::string& name,
                         YamlScalars scalars = YamlScalars::kTyped);

}  // namespace spikeloom::io
