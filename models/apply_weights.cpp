#include "models/apply_weights.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

#include "models/detail/node_checks.hpp"
#include "models/detail/rebuild.hpp"

namespace spikeloom {
namespace {

using node::OptionalTensor;

/// A parameter that a tensor can take the place of.
struct Slot {
  std::string path;  ///< of the node
  std::string field;
  std::vector<std::pair<const Network*, NodeId>> chain;  ///< outermost graph first
  std::optional<Shape> shape;                            ///< of the present value
  bool is_weight = false;  ///< weight of Affine, Linear, Conv1d, Conv2d
  bool is_bias = false;

  std::string name() const { return path + "." + field; }
};

void collect(const Network& network, const std::string& prefix,
             std::vector<std::pair<const Network*, NodeId>> chain, std::vector<Slot>& slots) {
  for (std::uint32_t i = 0; i < network.nodes().size(); ++i) {
    const Node& node = network.nodes()[i];
    chain.emplace_back(&network, NodeId{i});
    const std::string path = prefix + node.name;
    std::visit(
        [&]<typename Kind>(const Kind& kind) {
          if constexpr (std::is_same_v<Kind, node::Subgraph>) {
            collect(*kind.network, path + "/", chain, slots);
            return;
          }
          for_each_field(kind, [&](std::string_view field, const auto& member, bool) {
            Slot slot{path,         std::string(field), chain,
                      std::nullopt, field == "weight",  field == "bias"};
            using Member = std::decay_t<decltype(member)>;
            if constexpr (std::is_same_v<Member, Tensor>) {
              slot.shape = member.shape();
            } else if constexpr (std::is_same_v<Member, OptionalTensor>) {
              if (member) slot.shape = member->shape();
            } else {
              return;
            }
            slots.push_back(std::move(slot));
          });
          if constexpr (std::is_same_v<Kind, node::Linear>) {
            slots.push_back({path, "bias", chain, std::nullopt, false, true});
          }
        },
        node.kind);
    chain.pop_back();
  }
}

bool reaches(const Network& network, NodeId from, NodeId to) {
  std::vector<bool> seen(network.nodes().size());
  std::vector<NodeId> open = {from};
  while (!open.empty()) {
    const NodeId at = open.back();
    open.pop_back();
    for (const EdgeId edge : network.out_edges(at)) {
      const NodeId next = network[edge].target;
      if (next == to) return true;
      if (seen[next.value]) continue;
      seen[next.value] = true;
      open.push_back(next);
    }
  }
  return false;
}

/// True when values always pass `a` before `b`: a path leads there and none back.
bool comes_before(const Slot& a, const Slot& b) {
  const std::size_t depth = std::min(a.chain.size(), b.chain.size());
  for (std::size_t i = 0; i < depth; ++i) {
    const auto& [network, from] = a.chain[i];
    const NodeId to = b.chain[i].second;
    if (from == to) continue;
    return reaches(*network, from, to) && !reaches(*network, to, from);
  }
  return false;
}

/// Order of names in which "fc10" follows "fc2".
bool natural_less(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  while (!a.empty() && !b.empty()) {
    if (!is_digit(a[0]) || !is_digit(b[0])) {
      if (a[0] != b[0]) return a[0] < b[0];
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    const auto number = [&](std::string_view& text) {
      while (text.size() > 1 && text[0] == '0' && is_digit(text[1])) text.remove_prefix(1);
      std::size_t length = 0;
      while (length < text.size() && is_digit(text[length])) ++length;
      const std::string_view digits = text.substr(0, length);
      text.remove_prefix(length);
      return digits;
    };
    const std::string_view left = number(a);
    const std::string_view right = number(b);
    if (left.size() != right.size()) return left.size() < right.size();
    if (left != right) return left < right;
  }
  return a.size() < b.size();
}

/// "fc1.weight (38, 12), ..."
template <typename List, typename Text>
std::string listed(const List& list, Text text) {
  std::string out;
  for (const auto& entry : list) out += (out.empty() ? "" : ", ") + text(entry);
  return out.empty() ? "none" : out;
}

class Matcher {
 public:
  Matcher(const Network& network, std::vector<NamedTensor> tensors)
      : tensors_(std::move(tensors)), target_(tensors_.size(), kOpen) {
    collect(network, "", {}, slots_);
    taken_.assign(slots_.size(), false);
  }

  Status match(const WeightMapping& mapping) {
    for (const auto& [tensor, target] : mapping.entries) SPIKELOOM_CHECK(by_entry(tensor, target));
    if (mapping.automatic) {
      by_name();
      SPIKELOOM_CHECK(by_shape([](const Slot& slot) { return slot.is_weight; }, true));
      beside_weights();
      SPIKELOOM_CHECK(by_shape([](const Slot& slot) { return slot.is_bias && slot.shape; }, false));
    }
    return check_complete(mapping);
  }

  /// Tensors by node path and field.
  std::map<std::string, std::vector<std::pair<std::string, Tensor>>> result() const {
    std::map<std::string, std::vector<std::pair<std::string, Tensor>>> by_path;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (target_[i] == kOpen || target_[i] == kLeftOut) continue;
      const Slot& slot = slots_[target_[i]];
      by_path[slot.path].emplace_back(slot.field, tensors_[i].tensor);
    }
    return by_path;
  }

 private:
  static constexpr std::size_t kOpen = SIZE_MAX;
  static constexpr std::size_t kLeftOut = SIZE_MAX - 1;

  static std::string dotted(std::string text) {
    std::replace(text.begin(), text.end(), '/', '.');
    return text;
  }

  void assign(std::size_t tensor, std::size_t slot) {
    target_[tensor] = slot;
    taken_[slot] = true;
  }

  Status by_entry(const std::string& tensor, const std::string& target) {
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const NamedTensor& entry) { return entry.name == tensor; });
    if (found == tensors_.end()) {
      return Error{
          .code = ErrorCode::kNotFound,
          .what = fmt::format("the mapping names a tensor that is not there: \"{}\"", tensor),
          .expected = "one of " + listed(tensors_, [](const auto& t) { return t.name; })};
    }
    const auto index = static_cast<std::size_t>(found - tensors_.begin());
    if (target.empty()) {
      target_[index] = kLeftOut;
      return {};
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].name() != target) continue;
      if (taken_[i]) {
        return Error{.what = fmt::format("the mapping names \"{}\" twice", target)};
      }
      assign(index, i);
      return {};
    }
    return Error{
        .code = ErrorCode::kNotFound,
        .what = fmt::format("the mapping names a parameter that is not there: \"{}\"", target),
        .expected = "one of " + listed(slots_, [](const Slot& s) { return s.name(); })};
  }

  void by_name() {
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (target_[t] != kOpen) continue;
      for (std::size_t s = 0; s < slots_.size(); ++s) {
        if (taken_[s] || dotted(slots_[s].name()) != dotted(tensors_[t].name)) continue;
        assign(t, s);
        break;
      }
    }
  }

  /// "P.bias" goes beside "P.weight".
  void beside_weights() {
    constexpr std::string_view kWeight = ".weight";
    for (std::size_t w = 0; w < tensors_.size(); ++w) {
      const std::string& name = tensors_[w].name;
      if (target_[w] >= kLeftOut || !slots_[target_[w]].is_weight || !name.ends_with(kWeight)) {
        continue;
      }
      const std::string bias = name.substr(0, name.size() - kWeight.size()) + ".bias";
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        if (target_[t] != kOpen || tensors_[t].name != bias) continue;
        for (std::size_t s = 0; s < slots_.size(); ++s) {
          if (!taken_[s] && slots_[s].is_bias && slots_[s].path == slots_[target_[w]].path) {
            assign(t, s);
            break;
          }
        }
      }
    }
  }

  template <typename Wanted>
  Status by_shape(Wanted wanted, bool matrices) {
    std::map<Shape, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> groups;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      const Tensor& tensor = tensors_[t].tensor;
      const bool fits =
          matrices ? tensor.rank() >= 2 : tensor.rank() == 1 && tensors_[t].name.ends_with("bias");
      if (target_[t] == kOpen && fits) groups[tensor.shape()].first.push_back(t);
    }
    for (std::size_t s = 0; s < slots_.size(); ++s) {
      if (!taken_[s] && wanted(slots_[s])) groups[*slots_[s].shape].second.push_back(s);
    }
    for (auto& [shape, group] : groups) {
      auto& [tensors, slots] = group;
      if (tensors.empty() || slots.empty()) continue;
      if (tensors.size() != slots.size() || !put_in_order(slots) || !is_in_order(tensors)) {
        return ambiguous(shape, tensors, slots);
      }
      for (std::size_t i = 0; i < tensors.size(); ++i) assign(tensors[i], slots[i]);
    }
    return {};
  }

  /// Sorts slots along the network; false when that leaves a doubt.
  bool put_in_order(std::vector<std::size_t>& slots) const {
    // "Comes before" is only a partial order, which sorting algorithms do not take.
    constexpr std::size_t kMost = 256;
    if (slots.size() > kMost) return false;
    for (auto at = slots.begin(); at != slots.end(); ++at) {
      const auto first = std::find_if(at, slots.end(), [&](std::size_t candidate) {
        return std::all_of(at, slots.end(), [&](std::size_t other) {
          return other == candidate || comes_before(slots_[candidate], slots_[other]);
        });
      });
      if (first == slots.end()) return false;
      std::iter_swap(at, first);
    }
    return true;
  }

  bool is_in_order(const std::vector<std::size_t>& tensors) const {
    return std::is_sorted(tensors.begin(), tensors.end(), [&](std::size_t a, std::size_t b) {
      return natural_less(tensors_[a].name, tensors_[b].name);
    });
  }

  Error ambiguous(const Shape& shape, const std::vector<std::size_t>& tensors,
                  const std::vector<std::size_t>& slots) const {
    return Error{
        .code = ErrorCode::kAmbiguous,
        .what = fmt::format("which tensor of shape {} belongs to which parameter is not certain",
                            to_string(shape)),
        .expected = listed(slots, [&](std::size_t s) { return slots_[s].name(); }),
        .got = listed(tensors, [&](std::size_t t) { return tensors_[t].name; }),
        .next = "map these tensors by name (--map TENSOR=NODE.FIELD)"};
  }

  Status check_complete(const WeightMapping& mapping) const {
    std::vector<std::size_t> unused;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (target_[t] == kOpen) unused.push_back(t);
    }
    if (!unused.empty() && !mapping.ignore_unused_tensors) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "tensors have no place in the network",
                   .got = listed(unused,
                                 [&](std::size_t t) {
                                   return tensors_[t].name + " " +
                                          to_string(tensors_[t].tensor.shape());
                                 }),
                   .next =
                       "map them to parameters (--map TENSOR=NODE.FIELD), or leave them out "
                       "(--ignore-unused)"};
    }
    std::vector<std::size_t> unmatched;
    for (std::size_t s = 0; s < slots_.size(); ++s) {
      const bool wanted = (slots_[s].is_weight || slots_[s].is_bias) && slots_[s].shape;
      if (wanted && !taken_[s]) unmatched.push_back(s);
    }
    if (!unmatched.empty() && !mapping.keep_unmatched_parameters) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "parameters have no tensor in the file",
                   .got = listed(unmatched,
                                 [&](std::size_t s) {
                                   return slots_[s].name() + " " + to_string(*slots_[s].shape);
                                 }),
                   .next =
                       "map tensors to them (--map TENSOR=NODE.FIELD), or keep the network's "
                       "own values (--keep-unmatched)"};
    }
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (target_[t] >= kLeftOut) continue;
      const Slot& slot = slots_[target_[t]];
      const bool exact = slot.is_weight || slot.is_bias;
      if (!exact || !slot.shape || *slot.shape == tensors_[t].tensor.shape()) continue;
      return Error{.code = ErrorCode::kShape,
                   .what = fmt::format("tensor \"{}\" does not fit", tensors_[t].name),
                   .where = slot.name(),
                   .expected = to_string(*slot.shape),
                   .got = to_string(tensors_[t].tensor.shape()),
                   .next = "check that the weights belong to this network"};
    }
    return {};
  }

  std::vector<NamedTensor> tensors_;
  std::vector<std::size_t> target_;  ///< slot of each tensor, kOpen or kLeftOut
  std::vector<Slot> slots_;
  std::vector<bool> taken_;
};

bool is_float(const Tensor& tensor) {
  return tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64;
}

/// `kind` with one field replaced.
NodeKind with_field(NodeKind kind, const std::string& field, const Tensor& tensor) {
  if (const auto* linear = std::get_if<node::Linear>(&kind); linear != nullptr && field == "bias") {
    return node::Affine{linear->weight, tensor, linear->weight_scale};
  }
  std::visit(
      [&](auto& known) {
        for_each_field(known, [&](std::string_view name, auto& member, bool) {
          using Member = std::decay_t<decltype(member)>;
          if constexpr (!std::is_same_v<Member, Padding>) {
            if (name == field) member = tensor;
          }
          if constexpr (std::is_same_v<Member, OptionalTensor>) {
            if (name == "weight_scale" && field == "weight" && is_float(tensor)) member.reset();
          }
        });
      },
      kind);
  return kind;
}

}  // namespace

Result<Network> apply_weights(const Network& network, std::span<const NamedTensor> tensors,
                              const WeightMapping& mapping) {
  SPIKELOOM_TRY(auto folded,
                fold_batch_norms({tensors.begin(), tensors.end()}, mapping.batch_norms));
  Matcher matcher(network, std::move(folded));
  SPIKELOOM_CHECK(matcher.match(mapping));
  const auto replaced = matcher.result();
  const auto change = [&](const std::string& path, const Node& node) -> Result<NodeKind> {
    const auto found = replaced.find(path);
    if (found == replaced.end()) return node.kind;
    NodeKind kind = node.kind;
    // A new weight may drop the old scale, so that it comes before a new scale.
    for (const bool weights : {true, false}) {
      for (const auto& [field, tensor] : found->second) {
        if ((field == "weight") == weights) kind = with_field(std::move(kind), field, tensor);
      }
    }
    std::vector<std::string> ignored;
    if (auto status = detail::check_node(kind, ignored); !status.ok()) {
      return std::move(status).error().in(fmt::format("node \"{}\"", path));
    }
    return kind;
  };
  return detail::rebuild(network, change);
}

}  // namespace spikeloom
