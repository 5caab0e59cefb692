/// Language layers in a machine's memory.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "backends/cuda/executable.hpp"
#include "snn/integer_tables.hpp"

namespace spikeloom::cuda {
namespace {

/// What a block's shared memory holds beside the sums.
constexpr std::int64_t kMostSources = 32'768;

bool fits_8_bits(float w) { return w == std::nearbyint(w) && std::abs(w) <= 127.0F; }

template <typename T>
Status keep(const std::vector<T>& values, Machine& machine, Buffer<T>& out) {
  SPIKELOOM_TRY(out, Buffer<T>::of(machine, values));
  return {};
}

/// 8 bits where they do.
template <typename V>
Status keep_weights(const std::vector<float>& weight, Machine& machine, Buffer<std::int8_t>& narrow,
                    Buffer<float>& real) {
  if (std::is_integral_v<V> || std::all_of(weight.begin(), weight.end(), fits_8_bits)) {
    return keep(std::vector<std::int8_t>(weight.begin(), weight.end()), machine, narrow);
  }
  return keep(weight, machine, real);
}

struct Synapse {
  std::uint32_t source = 0;
  float weight = 0;
};

/// The gates [first, last) of a matrix: synapses of each target, sources ascending; the target of
/// gate g and unit i is ((i / kUnitTile) gates + g) kUnitTile + i % kUnitTile.
std::vector<std::vector<Synapse>> by_target(const op::SourceMatrix& matrix, std::int64_t units,
                                            std::uint32_t first, std::uint32_t last) {
  const auto size = static_cast<std::uint32_t>(units);
  const std::uint32_t gates = last - first;
  std::vector<std::vector<Synapse>> lists(std::size_t{tiles(size, kUnitTile)} * gates * kUnitTile);
  for (std::size_t source = 0; source + 1 < matrix.row_start.size(); ++source) {
    for (auto k = static_cast<std::size_t>(matrix.row_start[source]);
         k < static_cast<std::size_t>(matrix.row_start[source + 1]); ++k) {
      const std::uint32_t gate = matrix.target[k] / size, unit = matrix.target[k] % size;
      if (gate < first || gate >= last) continue;
      const std::size_t target =
          (std::size_t{unit / kUnitTile} * gates + gate - first) * kUnitTile + unit % kUnitTile;
      lists[target].push_back({static_cast<std::uint32_t>(source), matrix.value[k]});
    }
  }
  return lists;
}

/// Slices of targets of like length, so that few places stay empty.
Status make_slices(const std::vector<std::vector<Synapse>>& lists, Machine& machine,
                   GateImage<float>& image) {
  const std::size_t tile = std::size_t{image.gates} * kUnitTile;
  std::vector<std::uint64_t> start{0};
  std::vector<std::uint16_t> source, place;
  std::vector<float> weight;
  std::vector<std::uint16_t> order(tile);
  for (std::size_t first = 0; first < lists.size(); first += tile) {
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::uint16_t a, std::uint16_t b) {
      return lists[first + a].size() > lists[first + b].size();
    });
    place.insert(place.end(), order.begin(), order.end());
    for (std::size_t slice = 0; slice < tile; slice += kSlice) {
      const std::size_t length = lists[first + order[slice]].size();
      for (std::size_t k = 0; k < length; ++k) {
        for (std::size_t lane = 0; lane < kSlice; ++lane) {
          const auto& list = lists[first + order[slice + lane]];
          source.push_back(static_cast<std::uint16_t>(k < list.size() ? list[k].source : 0));
          weight.push_back(k < list.size() ? list[k].weight : 0.0F);
        }
      }
      start.push_back(start.back() + length);
    }
  }
  image.entries = weight.size();
  SPIKELOOM_CHECK(keep(start, machine, image.start));
  SPIKELOOM_CHECK(keep(source, machine, image.source));
  SPIKELOOM_CHECK(keep(place, machine, image.place));
  return keep_weights<float>(weight, machine, image.narrow, image.real);
}

/// Rows of each source, cut into tiles.
Status make_rows(const std::vector<std::vector<Synapse>>& lists, Machine& machine,
                 GateImage<std::int32_t>& image) {
  const std::size_t tile = std::size_t{image.gates} * kUnitTile;
  const std::size_t sources = image.sources;
  std::vector<std::uint32_t> pivot(lists.size() / tile * (sources + 1), 0);
  std::uint32_t at = 0;
  for (std::size_t t = 0; t < lists.size() / tile; ++t) {
    std::uint32_t* const own = pivot.data() + t * (sources + 1);
    for (std::size_t p = 0; p < tile; ++p) {
      for (const Synapse& synapse : lists[t * tile + p]) ++own[synapse.source + 1];
    }
    own[0] = at;
    for (std::size_t i = 0; i < sources; ++i) own[i + 1] += own[i];
    at = own[sources];
  }
  image.entries = at;
  std::vector<std::uint16_t> place(at);
  std::vector<std::int8_t> weight(at);
  for (std::size_t t = 0; t < lists.size() / tile; ++t) {
    const auto own = pivot.begin() + static_cast<std::ptrdiff_t>(t * (sources + 1));
    std::vector<std::uint32_t> next(own, own + static_cast<std::ptrdiff_t>(sources));
    for (std::size_t p = 0; p < tile; ++p) {
      for (const Synapse& synapse : lists[t * tile + p]) {
        const std::uint32_t k = next[synapse.source]++;
        place[k] = static_cast<std::uint16_t>(p);
        weight[k] = static_cast<std::int8_t>(synapse.weight);
      }
    }
  }
  SPIKELOOM_CHECK(keep(pivot, machine, image.pivot));
  SPIKELOOM_CHECK(keep(place, machine, image.place));
  return keep(weight, machine, image.narrow);
}

template <typename V>
Status make_gates(const op::SourceMatrix& matrix, std::int64_t units, std::uint32_t first,
                  std::uint32_t last, Machine& machine, GateImage<V>& image) {
  if (matrix.inputs > kMostSources) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a recurrent layer has too many sources for cuda",
                 .expected = fmt::format("up to {} inputs and units", kMostSources),
                 .got = std::to_string(matrix.inputs),
                 .next = "give --backend cpu"};
  }
  image.sources = static_cast<std::uint32_t>(matrix.inputs);
  image.gates = last - first;
  image.adds = matrix.weight_class != WeightClass::kGeneral;
  std::vector<std::uint32_t> fan_out;
  for (std::size_t i = 0; i + 1 < matrix.row_start.size(); ++i) {
    fan_out.push_back(static_cast<std::uint32_t>(matrix.row_start[i + 1] - matrix.row_start[i]));
    image.synapses += fan_out.back();
  }
  // Of all gates, those of other parts included: a layer's pairs are counted once.
  SPIKELOOM_CHECK(keep(fan_out, machine, image.fan_out));
  const auto lists = by_target(matrix, units, first, last);
  if constexpr (std::is_integral_v<V>) {
    return make_rows(lists, machine, image);
  } else {
    return make_slices(lists, machine, image);
  }
}

}  // namespace

std::vector<float> as_floats(const Tensor& tensor) {
  const auto size = static_cast<std::size_t>(tensor.size());
  std::vector<float> values(size);
  if (tensor.dtype() == DType::kFloat32) {
    std::memcpy(values.data(), tensor.bytes().data(), size * sizeof(float));
  } else if (tensor.dtype() == DType::kInt8) {
    const auto* const bytes = reinterpret_cast<const std::int8_t*>(tensor.bytes().data());
    std::copy(bytes, bytes + size, values.begin());
  } else {
    for (std::size_t i = 0; i < size; ++i) {
      values[i] = static_cast<float>(tensor.at(static_cast<std::int64_t>(i)));
    }
  }
  return values;
}

template <typename V>
Result<EmbeddingImage<V>> make_embedding(const op::Embedding& embedding, const IntegerNode* integer,
                                         Machine& machine) {
  EmbeddingImage<V> image;
  SPIKELOOM_CHECK(keep_weights<V>(as_floats(embedding.weight), machine, image.narrow, image.real));
  if constexpr (std::is_integral_v<V>) {
    image.shift = integer->scale.shift;
    SPIKELOOM_CHECK(keep(integer->scale.multiplier, machine, image.scale));
  } else {
    static_cast<void>(integer);
    SPIKELOOM_CHECK(keep(embedding.scale, machine, image.scale));
  }
  return image;
}

template <typename V>
Result<RecurrentImage<V>> make_recurrent(const op::Recurrent& layer, const IntegerNode* integer,
                                         double sharpen, Machine& machine) {
  RecurrentImage<V> image;
  const auto gates = static_cast<std::uint32_t>(op::gate_count(layer.cell));
  const bool paper = layer.cell == op::Cell::kEgruPaper;
  SPIKELOOM_CHECK(make_gates(layer.kernel, layer.units, 0, gates, machine, image.kernel));
  SPIKELOOM_CHECK(
      make_gates(layer.recurrent, layer.units, 0, paper ? 2 : gates, machine, image.recurrent));
  if (paper) {
    SPIKELOOM_CHECK(make_gates(layer.recurrent, layer.units, 2, 3, machine, image.candidate));
  }
  if constexpr (std::is_integral_v<V>) {
    SPIKELOOM_CHECK(keep(integer->scale.multiplier, machine, image.kernel_scale));
    SPIKELOOM_CHECK(keep(integer->recurrent_scale.multiplier, machine, image.recurrent_scale));
    SPIKELOOM_CHECK(keep(integer->bias, machine, image.bias));
    SPIKELOOM_CHECK(keep(integer->recurrent_bias, machine, image.recurrent_bias));
    SPIKELOOM_CHECK(keep(sharpened(*integer, sharpen), machine, image.threshold));
    image.kernel_shift = integer->scale.shift;
    image.recurrent_shift = integer->recurrent_scale.shift;
    std::vector<std::int32_t> tables;
    for (const IntegerTable* table : {&sigmoid_table(), &tanh_table()}) {
      tables.insert(tables.end(), table->entries().begin(), table->entries().end());
    }
    SPIKELOOM_CHECK(keep(tables, machine, image.tables));
  } else {
    static_cast<void>(integer);
    SPIKELOOM_CHECK(keep(layer.kernel.scale, machine, image.kernel_scale));
    SPIKELOOM_CHECK(keep(layer.recurrent.scale, machine, image.recurrent_scale));
    SPIKELOOM_CHECK(keep(layer.bias, machine, image.bias));
    SPIKELOOM_CHECK(keep(layer.recurrent_bias, machine, image.recurrent_bias));
    std::vector<float> threshold = layer.threshold;
    for (float& theta : threshold) theta += static_cast<float>(sharpen);
    SPIKELOOM_CHECK(keep(threshold, machine, image.threshold));
  }
  return image;
}

template <typename V>
Result<WeightImage<V>> make_decoder(const op::Decoder& decoder, const RunOptions& options,
                                    const IntegerNode* integer, Machine& machine) {
  WeightImage<V> image;
  const auto words = static_cast<std::size_t>(decoder.words);
  const auto size = static_cast<std::size_t>(decoder.size);
  const std::vector<float> rows = as_floats(decoder.weight);
  std::vector<float> columns(rows.size());
  for (std::size_t word = 0; word < words; ++word) {
    for (std::size_t i = 0; i < size; ++i) columns[i * words + word] = rows[word * size + i];
  }
  SPIKELOOM_CHECK(keep_weights<V>(columns, machine, image.narrow, image.real));
  if (options.schedule != Schedule::kRows) {
    SPIKELOOM_CHECK(make_factors<V>(decoder, rows, machine, image));
  }
  if constexpr (std::is_integral_v<V>) {
    image.shift = integer->scale.shift;
    SPIKELOOM_CHECK(keep(integer->scale.multiplier, machine, image.scale));
    SPIKELOOM_CHECK(keep(integer->bias, machine, image.bias));
  } else {
    static_cast<void>(integer);
    SPIKELOOM_CHECK(keep(decoder.scale, machine, image.scale));
    SPIKELOOM_CHECK(keep(decoder.bias, machine, image.bias));
  }
  return image;
}

#define SPIKELOOM_INSTANTIATE(V)                                                              \
  template Result<WeightImage<V>> make_decoder(const op::Decoder&, const RunOptions&,         \
                                               const IntegerNode*, Machine&);                 \
  template Result<EmbeddingImage<V>> make_embedding(const op::Embedding&, const IntegerNode*, \
                                                    Machine&);                                \
  template Result<RecurrentImage<V>> make_recurrent(const op::Recurrent&, const IntegerNode*, \
                                                    double, Machine&)
SPIKELOOM_INSTANTIATE(float);
SPIKELOOM_INSTANTIATE(std::int32_t);
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
