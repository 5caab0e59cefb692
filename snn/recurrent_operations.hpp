#pragma once
/// Operations of language networks: Embedding, recurrent layers, Decoder, ReLU (program.hpp).
///
/// A recurrent layer keeps its recurrent link inside: one operation, one step of every unit. Its
/// equations are in recurrent_equations.hpp.

#include <cstdint>
#include <vector>

#include "base/tensor.hpp"

namespace spikeloom {

/// What the stored weights allow an accumulate to be (docs/counting.md).
enum class WeightClass {
  kGeneral,     ///< a graded event needs a multiply-accumulate
  kPowerOfTwo,  ///< every stored weight is 0 or +-2^k: shift and add
  kTernary,     ///< every stored weight is -1, 0 or 1: add
};

namespace op {

/// Weights by source, zeros left out: those of source i are [row_start[i], row_start[i + 1]) with
/// ascending targets. Real weight = value x scale[target].
struct SourceMatrix {
  std::int64_t outputs = 0, inputs = 0;
  std::vector<std::int64_t> row_start;
  std::vector<std::uint32_t> target;
  std::vector<float> value;  ///< as stored
  std::vector<float> scale;  ///< one per output, or empty for 1
  WeightClass weight_class = WeightClass::kGeneral;
};

enum class Cell { kEgru, kEgruPaper, kGru, kLstm };

/// Rows of the gates of a cell lie below each other: z, r, g, or i, f, g, o for kLstm.
constexpr std::int64_t gate_count(Cell cell) { return cell == Cell::kLstm ? 4 : 3; }
constexpr bool emits_events(Cell cell) { return cell == Cell::kEgru || cell == Cell::kEgruPaper; }

struct Recurrent {
  Cell cell = Cell::kEgru;
  std::int64_t units = 0, inputs = 0;
  SourceMatrix kernel, recurrent;  ///< (gates x units, inputs), (gates x units, units)
  std::vector<float> bias, recurrent_bias;
  std::vector<float> threshold;  ///< EGRU: one per unit
  /// The input comes from an Embedding: a dense vector, whose zeros count as well.
  bool dense_input = false;
};

/// y = sum over events (w, v) of v scale[w] weight[w].
struct Embedding {
  std::int64_t words = 0, size = 0;
  Tensor weight;             ///< (words, size)
  std::vector<float> scale;  ///< one per word, or empty for 1
};

/// y[w] = scale[w] sum_i weight[w, i] x[i] + bias[w].
struct Decoder {
  std::int64_t words = 0, size = 0;
  Tensor weight;  ///< (words, size)
  std::vector<float> scale, bias;
  WeightClass weight_class = WeightClass::kGeneral;
};

struct Relu {};

}  // namespace op
}  // namespace spikeloom
