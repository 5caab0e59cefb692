#pragma once
/// Node kinds by name, and their fields as one interface for every file format.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "snn/node_kinds.hpp"

namespace spikeloom::detail {

/// True for kinds NIR has: a nested graph, or any with a parameter of NIR's.
template <typename Kind>
constexpr bool is_nir_kind() {
  if constexpr (std::is_same_v<Kind, node::Subgraph>) {
    return true;
  } else {
    return std::apply([](const auto&... field) { return (field.nir || ...); }, Kind::fields());
  }
}

/// True for our kinds that a NIR file may hold as extensions (docs/formats/nir.md): with all their
/// parameters, under their own names.
template <typename Kind>
constexpr bool is_nir_extension() {
  return std::is_same_v<Kind, node::Embedding> || std::is_same_v<Kind, node::Decoder> ||
         std::is_same_v<Kind, node::Egru> || std::is_same_v<Kind, node::Gru> ||
         std::is_same_v<Kind, node::Lstm> || std::is_same_v<Kind, node::Relu>;
}

/// Calls `f(std::type_identity<Kind>)` for every kind, in the order of NodeKind.
template <typename F>
void for_each_kind(F f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::type_identity<std::variant_alternative_t<I, NodeKind>>{}), ...);
  }
  (std::make_index_sequence<std::variant_size_v<NodeKind>>{});
}

/// A node of that kind with nothing but defaults; nothing when there is no such kind. `nir_only`:
/// NIR's kinds and its extensions.
inline std::optional<NodeKind> make_kind(std::string_view name, bool nir_only) {
  std::optional<NodeKind> made;
  for_each_kind([&]<typename Kind>(std::type_identity<Kind>) {
    const bool known = is_nir_kind<Kind>() || is_nir_extension<Kind>() || !nir_only;
    if (Kind::kName == name && known) made = Kind{};
  });
  return made;
}

/// "Input, Output, Affine, ..."
inline std::string kind_list(bool nir_only) {
  std::string names;
  for_each_kind([&]<typename Kind>(std::type_identity<Kind>) {
    if (nir_only && !is_nir_kind<Kind>()) return;
    names += (names.empty() ? "" : ", ") + std::string(Kind::kName);
  });
  return names;
}

/// True when a kind's default-constructed parameter is already a value (Conv2d's stride).
inline bool has_default(const Tensor& fresh) { return fresh.size() > 0; }

}  // namespace spikeloom::detail
