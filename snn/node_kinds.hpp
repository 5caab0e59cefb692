#pragma once
/// Node kinds: what a layer is and the parameters it holds, exactly as its file has them.
///
/// Kinds and parameter meanings are NIR's (Pedersen et al., Nat. Commun. 15:8122, 2024) unless
/// marked "ours". A parameter keeps its element type and shape; an optional one that a file does
/// not hold stays absent, so that writing a network back gives an equal file. Time constants are
/// in the file's time unit. The discrete equations are in neuron_coefficients.hpp.
///
/// Every kind has `kName` (NIR's class name) and `fields()`, a tuple of Field that readers and
/// writers walk; adding a kind is adding one struct here (docs/extending.md).

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "base/tensor.hpp"

namespace spikeloom {

class Network;

/// One named parameter of a node kind. `nir` is false for parameters NIR does not have.
template <typename Kind, typename Member>
struct Field {
  std::string_view name;
  Member Kind::*member;
  bool nir = true;
};
template <typename Kind, typename Member>
Field(std::string_view, Member Kind::*) -> Field<Kind, Member>;
template <typename Kind, typename Member>
Field(std::string_view, Member Kind::*, bool) -> Field<Kind, Member>;

/// Convolution padding: sizes per axis (integer scalar or one per axis), or "same" / "valid".
struct Padding {
  std::variant<Tensor, std::string> value = Tensor::scalar<std::int64_t>(0);
  friend bool operator==(const Padding&, const Padding&) = default;
};

namespace node {

using OptionalTensor = std::optional<Tensor>;

/// Where events or values enter. `shape`: int64 vector without batch and time.
struct Input {
  static constexpr std::string_view kName = "Input";
  Tensor shape;
  static constexpr auto fields() { return std::make_tuple(Field{"shape", &Input::shape}); }
};

/// Where results leave; `shape` as for Input.
struct Output {
  static constexpr std::string_view kName = "Output";
  Tensor shape;
  static constexpr auto fields() { return std::make_tuple(Field{"shape", &Output::shape}); }
};

/// y = W x + b over the last axis; weight (out, in), bias (out). The bias acts at every step.
/// `weight_scale` (ours): real weight = stored weight x scale, one scale or one per output.
struct Affine {
  static constexpr std::string_view kName = "Affine";
  Tensor weight, bias;
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Affine::weight}, Field{"bias", &Affine::bias},
                           Field{"weight_scale", &Affine::weight_scale, false});
  }
};

/// y = W x over the last axis; weight (out, in).
struct Linear {
  static constexpr std::string_view kName = "Linear";
  Tensor weight;
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Linear::weight},
                           Field{"weight_scale", &Linear::weight_scale, false});
  }
};

/// Ours: y = W x + b with W in compressed rows. `shape` (out, in); the entries of output i are
/// column[row_start[i] .. row_start[i + 1]) with values of the same range. Absent entries are
/// pruned synapses: they cost nothing and do not count.
struct SparseLinear {
  static constexpr std::string_view kName = "SparseLinear";
  Tensor shape, row_start, column, value;
  OptionalTensor weight_scale, bias;
  static constexpr auto fields() {
    return std::make_tuple(Field{"shape", &SparseLinear::shape, false},
                           Field{"row_start", &SparseLinear::row_start, false},
                           Field{"column", &SparseLinear::column, false},
                           Field{"value", &SparseLinear::value, false},
                           Field{"weight_scale", &SparseLinear::weight_scale, false},
                           Field{"bias", &SparseLinear::bias, false});
  }
};

/// Ours: random connections as a rule; the synapses themselves are never stored. Each of the `out`
/// outputs draws, in every group g, `degree[g]` sources from source_start[g] .. source_start[g] +
/// source_count[g] and weighs them with weight[g]. `shape` is (out, in); the groups' parameters are
/// vectors of one length. `repeats` (one, or one per group): 1 draws with replacement, so that a
/// source may come twice, 0 without. An output may draw the source of its own number. `seed` and
/// the rule determine every synapse (random_connectivity.hpp).
struct RandomSparse {
  static constexpr std::string_view kName = "RandomSparse";
  Tensor shape, source_start, source_count, degree, weight;
  Tensor repeats = Tensor::scalar<std::int64_t>(1);
  Tensor seed = Tensor::scalar<std::int64_t>(0);
  static constexpr auto fields() {
    return std::make_tuple(Field{"shape", &RandomSparse::shape, false},
                           Field{"source_start", &RandomSparse::source_start, false},
                           Field{"source_count", &RandomSparse::source_count, false},
                           Field{"degree", &RandomSparse::degree, false},
                           Field{"weight", &RandomSparse::weight, false},
                           Field{"repeats", &RandomSparse::repeats, false},
                           Field{"seed", &RandomSparse::seed, false});
  }
};

/// Elementwise product with `scale`.
struct Scale {
  static constexpr std::string_view kName = "Scale";
  Tensor scale;
  static constexpr auto fields() { return std::make_tuple(Field{"scale", &Scale::scale}); }
};

/// Cross-correlation over (C, N); weight (Cout, Cin / groups, K), as PyTorch's Conv1d.
struct Conv1d {
  static constexpr std::string_view kName = "Conv1d";
  Tensor weight;
  OptionalTensor bias, input_shape;
  Tensor stride = Tensor::scalar<std::int64_t>(1);
  Padding padding;
  Tensor dilation = Tensor::scalar<std::int64_t>(1);
  Tensor groups = Tensor::scalar<std::int64_t>(1);
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Conv1d::weight}, Field{"bias", &Conv1d::bias},
                           Field{"input_shape", &Conv1d::input_shape},
                           Field{"stride", &Conv1d::stride}, Field{"padding", &Conv1d::padding},
                           Field{"dilation", &Conv1d::dilation}, Field{"groups", &Conv1d::groups},
                           Field{"weight_scale", &Conv1d::weight_scale, false});
  }
};

/// Cross-correlation over (C, H, W); weight (Cout, Cin / groups, KH, KW), sizes in (row, column)
/// order as PyTorch's Conv2d. `input_shape` is (H, W).
struct Conv2d {
  static constexpr std::string_view kName = "Conv2d";
  Tensor weight;
  OptionalTensor bias, input_shape;
  Tensor stride = Tensor::scalar<std::int64_t>(1);
  Padding padding;
  Tensor dilation = Tensor::scalar<std::int64_t>(1);
  Tensor groups = Tensor::scalar<std::int64_t>(1);
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Conv2d::weight}, Field{"bias", &Conv2d::bias},
                           Field{"input_shape", &Conv2d::input_shape},
                           Field{"stride", &Conv2d::stride}, Field{"padding", &Conv2d::padding},
                           Field{"dilation", &Conv2d::dilation}, Field{"groups", &Conv2d::groups},
                           Field{"weight_scale", &Conv2d::weight_scale, false});
  }
};

/// Sum over each window of (C, H, W).
struct SumPool2d {
  static constexpr std::string_view kName = "SumPool2d";
  Tensor kernel_size, stride, padding;
  static constexpr auto fields() {
    return std::make_tuple(Field{"kernel_size", &SumPool2d::kernel_size},
                           Field{"stride", &SumPool2d::stride},
                           Field{"padding", &SumPool2d::padding});
  }
};

/// Mean over the full kernel area (padding counts as zeros, PyTorch's default).
struct AvgPool2d {
  static constexpr std::string_view kName = "AvgPool2d";
  Tensor kernel_size, stride, padding;
  static constexpr auto fields() {
    return std::make_tuple(Field{"kernel_size", &AvgPool2d::kernel_size},
                           Field{"stride", &AvgPool2d::stride},
                           Field{"padding", &AvgPool2d::padding});
  }
};

/// Ours: the largest value of each window, padding ignored; an OR for spikes.
struct MaxPool2d {
  static constexpr std::string_view kName = "MaxPool2d";
  Tensor kernel_size, stride, padding;
  static constexpr auto fields() {
    return std::make_tuple(Field{"kernel_size", &MaxPool2d::kernel_size, false},
                           Field{"stride", &MaxPool2d::stride, false},
                           Field{"padding", &MaxPool2d::padding, false});
  }
};

/// Merges the axes start_dim .. end_dim (inclusive, negative counts from the end; no batch axis).
struct Flatten {
  static constexpr std::string_view kName = "Flatten";
  Tensor start_dim = Tensor::scalar<std::int64_t>(1);
  Tensor end_dim = Tensor::scalar<std::int64_t>(-1);
  OptionalTensor input_type;
  static constexpr auto fields() {
    return std::make_tuple(Field{"start_dim", &Flatten::start_dim},
                           Field{"end_dim", &Flatten::end_dim},
                           Field{"input_type", &Flatten::input_type});
  }
};

/// y(t) = x(t - delay), one delay per element or one for all.
struct Delay {
  static constexpr std::string_view kName = "Delay";
  Tensor delay;
  static constexpr auto fields() { return std::make_tuple(Field{"delay", &Delay::delay}); }
};

/// 1 where x > threshold, else 0; no state.
struct Threshold {
  static constexpr std::string_view kName = "Threshold";
  Tensor threshold;
  static constexpr auto fields() {
    return std::make_tuple(Field{"threshold", &Threshold::threshold});
  }
};

/// Integrator: dv/dt = r x; output v.
struct I {
  static constexpr std::string_view kName = "I";
  Tensor r;
  static constexpr auto fields() { return std::make_tuple(Field{"r", &I::r}); }
};

/// Integrate and fire: dv/dt = r x; spike at v > v_threshold, then v = v_reset (0).
struct If {
  static constexpr std::string_view kName = "IF";
  Tensor r, v_threshold;
  OptionalTensor v_reset;
  static constexpr auto fields() {
    return std::make_tuple(Field{"r", &If::r}, Field{"v_threshold", &If::v_threshold},
                           Field{"v_reset", &If::v_reset});
  }
};

/// Leaky integrator: tau dv/dt = (v_leak - v) + r x; output v.
struct Li {
  static constexpr std::string_view kName = "LI";
  Tensor tau, r, v_leak;
  static constexpr auto fields() {
    return std::make_tuple(Field{"tau", &Li::tau}, Field{"r", &Li::r},
                           Field{"v_leak", &Li::v_leak});
  }
};

/// LI with spikes: at v > v_threshold, then v = v_reset (0). Ours: for `t_ref` after a spike the
/// membrane stays where the reset put it and input is lost; `v_initial` is v at the start (0).
struct Lif {
  static constexpr std::string_view kName = "LIF";
  Tensor tau, r, v_leak, v_threshold;
  OptionalTensor v_reset;
  OptionalTensor t_ref = {}, v_initial = {};
  static constexpr auto fields() {
    return std::make_tuple(Field{"tau", &Lif::tau}, Field{"r", &Lif::r},
                           Field{"v_leak", &Lif::v_leak}, Field{"v_threshold", &Lif::v_threshold},
                           Field{"v_reset", &Lif::v_reset}, Field{"t_ref", &Lif::t_ref, false},
                           Field{"v_initial", &Lif::v_initial, false});
  }
};

/// tau_syn di/dt = -i + w_in x; tau_mem dv/dt = (v_leak - v) + r i; output v. w_in is 1 if absent.
struct CubaLi {
  static constexpr std::string_view kName = "CubaLI";
  Tensor tau_syn, tau_mem, r, v_leak;
  OptionalTensor w_in;
  static constexpr auto fields() {
    return std::make_tuple(Field{"tau_syn", &CubaLi::tau_syn}, Field{"tau_mem", &CubaLi::tau_mem},
                           Field{"r", &CubaLi::r}, Field{"v_leak", &CubaLi::v_leak},
                           Field{"w_in", &CubaLi::w_in});
  }
};

/// CubaLI with spikes; the reset leaves the synaptic current i.
struct CubaLif {
  static constexpr std::string_view kName = "CubaLIF";
  Tensor tau_syn, tau_mem, r, v_leak, v_threshold;
  OptionalTensor v_reset, w_in;
  static constexpr auto fields() {
    return std::make_tuple(Field{"tau_syn", &CubaLif::tau_syn}, Field{"tau_mem", &CubaLif::tau_mem},
                           Field{"r", &CubaLif::r}, Field{"v_leak", &CubaLif::v_leak},
                           Field{"v_threshold", &CubaLif::v_threshold},
                           Field{"v_reset", &CubaLif::v_reset}, Field{"w_in", &CubaLif::w_in});
  }
};

/// Ours: a sigma-delta neuron; it sends changes of its activation as graded events. Per step, with
/// x the summed input, sigma and the value r that its events so far add up to:
///
///     sigma <- integrate sigma + gain x;  a = sigma + bias, at least 0 if `rectify`
///     s = a - r where abs(a - r) >= v_threshold, else 0;  r <- r + s;  emitted: s / 2^shift
///
/// `integrate` 0 encodes x itself (a delta encoder), 1 the sum of all x. Integer arithmetic emits
/// floor(s / 2^shift), at most 32767 in magnitude a step; the rest follows. (Lava: SigmaDelta,
/// Delta; O'Connor and Welling, 2016.) Recorded as v: r; as u: sigma.
struct SigmaDelta {
  static constexpr std::string_view kName = "SigmaDelta";
  Tensor v_threshold;
  OptionalTensor bias, gain;
  Tensor integrate = Tensor::scalar<std::int64_t>(1);
  Tensor rectify = Tensor::scalar<std::int64_t>(1);
  Tensor shift = Tensor::scalar<std::int64_t>(0);
  static constexpr auto fields() {
    return std::make_tuple(
        Field{"v_threshold", &SigmaDelta::v_threshold, false},
        Field{"bias", &SigmaDelta::bias, false}, Field{"gain", &SigmaDelta::gain, false},
        Field{"integrate", &SigmaDelta::integrate, false},
        Field{"rectify", &SigmaDelta::rectify, false}, Field{"shift", &SigmaDelta::shift, false});
  }
};

/// Ours: one vector per word; an event at index w with value v gives v times row w of `weight`
/// (words, size). `weight_scale`: one scale, or one per word.
struct Embedding {
  static constexpr std::string_view kName = "Embedding";
  Tensor weight;
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Embedding::weight, false},
                           Field{"weight_scale", &Embedding::weight_scale, false});
  }
};

/// Ours: one score per word, y = W x + b; `weight` (words, size), tied to an Embedding where both
/// hold one tensor. The input comes as events. `weight_scale`: one scale, or one per word.
struct Decoder {
  static constexpr std::string_view kName = "Decoder";
  Tensor weight, bias;
  OptionalTensor weight_scale;
  static constexpr auto fields() {
    return std::make_tuple(Field{"weight", &Decoder::weight, false},
                           Field{"bias", &Decoder::bias, false},
                           Field{"weight_scale", &Decoder::weight_scale, false});
  }
};

/// Ours: a layer of h event-based gated recurrent units (Subramoney et al., arXiv 2206.06178),
/// equations in recurrent_equations.hpp. `kernel` (3 h, inputs) and `recurrent` (3 h, h) hold the
/// gates z, r, g below each other; zeros are pruned synapses: they cost nothing and do not count.
/// `form` 0: the code released with the papers; 1: the papers' equations. Scales: one per row.
struct Egru {
  static constexpr std::string_view kName = "EGRU";
  Tensor kernel, recurrent, bias, recurrent_bias, threshold;
  OptionalTensor kernel_scale, recurrent_scale;
  Tensor form = Tensor::scalar<std::int64_t>(0);
  static constexpr auto fields() {
    return std::make_tuple(
        Field{"kernel", &Egru::kernel, false}, Field{"recurrent", &Egru::recurrent, false},
        Field{"bias", &Egru::bias, false}, Field{"recurrent_bias", &Egru::recurrent_bias, false},
        Field{"threshold", &Egru::threshold, false},
        Field{"kernel_scale", &Egru::kernel_scale, false},
        Field{"recurrent_scale", &Egru::recurrent_scale, false}, Field{"form", &Egru::form, false});
  }
};

/// Ours, a dense baseline: gated recurrent units as cuDNN and PyTorch have them, gates z, r, g.
struct Gru {
  static constexpr std::string_view kName = "GRU";
  Tensor kernel, recurrent, bias, recurrent_bias;
  OptionalTensor kernel_scale, recurrent_scale;
  static constexpr auto fields() {
    return std::make_tuple(
        Field{"kernel", &Gru::kernel, false}, Field{"recurrent", &Gru::recurrent, false},
        Field{"bias", &Gru::bias, false}, Field{"recurrent_bias", &Gru::recurrent_bias, false},
        Field{"kernel_scale", &Gru::kernel_scale, false},
        Field{"recurrent_scale", &Gru::recurrent_scale, false});
  }
};

/// Ours, a dense baseline: long short-term memory, gates i, f, g, o as PyTorch has them.
struct Lstm {
  static constexpr std::string_view kName = "LSTM";
  Tensor kernel, recurrent, bias, recurrent_bias;
  OptionalTensor kernel_scale, recurrent_scale;
  static constexpr auto fields() {
    return std::make_tuple(
        Field{"kernel", &Lstm::kernel, false}, Field{"recurrent", &Lstm::recurrent, false},
        Field{"bias", &Lstm::bias, false}, Field{"recurrent_bias", &Lstm::recurrent_bias, false},
        Field{"kernel_scale", &Lstm::kernel_scale, false},
        Field{"recurrent_scale", &Lstm::recurrent_scale, false});
  }
};

/// Ours: max(0, x), what a dense network has in the place of neurons.
struct Relu {
  static constexpr std::string_view kName = "ReLU";
  static constexpr auto fields() { return std::make_tuple(); }
};

/// A nested graph. Its Input and Output nodes are its ports; outer edges name only this node.
struct Subgraph {
  static constexpr std::string_view kName = "NIRGraph";
  std::shared_ptr<const Network> network;
  static constexpr auto fields() { return std::make_tuple(); }
};

}  // namespace node

using NodeKind =
    std::variant<node::Input, node::Output, node::Affine, node::Linear, node::SparseLinear,
                 node::RandomSparse, node::Scale, node::Conv1d, node::Conv2d, node::SumPool2d,
                 node::AvgPool2d, node::MaxPool2d, node::Flatten, node::Delay, node::Threshold,
                 node::I, node::If, node::Li, node::Lif, node::CubaLi, node::CubaLif,
                 node::SigmaDelta, node::Embedding, node::Decoder, node::Egru, node::Gru,
                 node::Lstm, node::Relu, node::Subgraph>;

/// NIR's class name of a kind, e.g. "CubaLIF".
inline std::string_view kind_name(const NodeKind& kind) {
  return std::visit([](const auto& k) { return k.kName; }, kind);
}

/// Calls `f(name, member, in_nir)` for every parameter; members are Tensor,
/// std::optional<Tensor> or Padding.
template <typename Kind, typename F>
void for_each_field(Kind& kind, F f) {
  std::apply([&](const auto&... field) { (f(field.name, kind.*(field.member), field.nir), ...); },
             std::remove_const_t<Kind>::fields());
}

}  // namespace spikeloom
