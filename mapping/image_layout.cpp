/// Bytes of one block, and back.

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "mapping/detail/image_bytes.hpp"
#include "mapping/images.hpp"

namespace spikeloom::mapping {
namespace {

using detail::ImageReader;
using detail::ImageWriter;

/// Fields of a word of `rows`.
constexpr std::uint32_t kWordTargets = 256, kWordDelays = 16, kWordGates = 16;
/// What a Plan can have of gates, and of neurons of a population.
constexpr std::uint32_t kMostGates = 1U << 16U, kMostNeurons = 1U << 31U;

std::uint32_t constant(double value) { return static_cast<std::uint32_t>(value); }
std::uint32_t unit(const BlockLayout& layout) {
  return std::max(1U, constant(layout.constants.row_align));
}
std::uint64_t aligned(const BlockLayout& layout, std::uint64_t bytes) {
  return (bytes + unit(layout) - 1) / unit(layout) * unit(layout);
}

Error not_a_block(std::string_view what) {
  return Error{.code = ErrorCode::kShape,
               .what = fmt::format("{} of a block that lead out of it", what)};
}

std::vector<ImageSynapse> sorted(std::span<const ImageSynapse> synapses) {
  std::vector<ImageSynapse> all(synapses.begin(), synapses.end());
  std::sort(all.begin(), all.end(), [](const ImageSynapse& a, const ImageSynapse& b) {
    return std::tie(a.row, a.gate, a.target) < std::tie(b.row, b.gate, b.target);
  });
  return all;
}

std::vector<std::byte> dense(const BlockLayout& layout, std::span<const ImageSynapse> synapses) {
  const std::size_t width = std::size_t{layout.gates} * layout.targets;
  std::vector<double> weights(layout.rows * width, 0.0);
  for (const ImageSynapse& s : synapses) {
    weights[s.row * width + std::size_t{s.gate} * layout.targets + s.target] = s.weight;
  }
  ImageWriter out;
  for (std::size_t row = 0; row < layout.rows; ++row) {
    for (std::size_t i = 0; i < width; ++i) {
      out.weight(weights[row * width + i], layout.weight_bytes);
    }
    out.align(unit(layout));
  }
  return out.take();
}

std::uint32_t pointer_bytes(std::uint64_t synapses) { return synapses <= 65535 ? 2 : 4; }

std::vector<std::byte> sparse(const BlockLayout& layout, std::span<const ImageSynapse> synapses) {
  const std::vector<ImageSynapse> all = sorted(synapses);
  ImageWriter out;
  std::size_t next = 0;
  for (std::uint32_t row = 0; row <= layout.rows; ++row) {
    for (std::uint32_t gate = 0; gate < layout.gates; ++gate) {
      while (next < all.size() && std::tie(all[next].row, all[next].gate) < std::tie(row, gate)) {
        ++next;
      }
      out.number(next, pointer_bytes(all.size()));
    }
  }
  out.align(unit(layout));
  for (const ImageSynapse& s : all) out.number(s.target, constant(layout.constants.index_bytes));
  out.align(unit(layout));
  for (const ImageSynapse& s : all) out.weight(s.weight, layout.weight_bytes);
  out.align(unit(layout));
  return out.take();
}

Status check_inside(const BlockLayout& layout, std::span<const ImageSynapse> synapses) {
  for (const ImageSynapse& s : synapses) {
    if (s.row < layout.rows && s.gate < layout.gates && s.target < layout.targets && s.delay > 0) {
      continue;
    }
    return Error{.code = ErrorCode::kShape,
                 .what = "a synapse outside its block",
                 .expected = fmt::format("below row {}, gate {}, target {}; a delay of at least 1",
                                         layout.rows, layout.gates, layout.targets),
                 .got = fmt::format("row {}, gate {}, target {}, delay {}", s.row, s.gate, s.target,
                                    s.delay)};
  }
  return {};
}

Result<std::vector<std::byte>> rows(const BlockLayout& layout,
                                    std::span<const ImageSynapse> synapses) {
  const std::vector<ImageSynapse> all = sorted(synapses);
  std::vector<std::uint32_t> length(layout.rows, 0);
  for (const ImageSynapse& s : all) {
    const bool whole = s.weight == std::floor(s.weight) && std::abs(s.weight) <= 32767.0;
    if (!whole || s.target >= kWordTargets || s.delay > kWordDelays || s.gate >= kWordGates) {
      return Error{
          .code = ErrorCode::kUnsupported,
          .what = "a synapse that no word of a row holds",
          .expected = "a weight of 16 bits, one of 256 targets, at most 16 ticks",
          .got = fmt::format("weight {}, target {}, {} ticks", s.weight, s.target, s.delay),
          .next = "spikeloom quantize makes weights integers"};
    }
  }
  SPIKELOOM_CHECK(check_inside(layout, all));
  for (const ImageSynapse& s : all) ++length[s.row];
  const std::uint32_t word = constant(layout.constants.word_bytes);
  const std::uint32_t header = constant(layout.constants.row_bytes);
  if (word != 4 || header < 12) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "rows of another build than sPyNNaker's",
                 .expected = "layout.word 4, layout.row 12 or more",
                 .got = fmt::format("{} and {}", word, header)};
  }
  std::uint32_t longest = layout.row_words;
  for (const std::uint32_t words : length) longest = std::max(longest, words);
  ImageWriter out;
  std::size_t next = 0;
  for (std::uint32_t row = 0; row < layout.rows; ++row) {
    const std::size_t start = out.size();
    out.number(0, 4);
    out.number(length[row], 4);
    out.fill(start + header);
    for (; next < all.size() && all[next].row == row; ++next) {
      const ImageSynapse& s = all[next];
      const auto weight = static_cast<std::uint16_t>(static_cast<std::int16_t>(s.weight));
      out.number(std::uint32_t{weight} << 16 | (s.delay - 1) << 12 | s.gate << 8 | s.target, word);
    }
    out.fill(start + header + aligned(layout, std::uint64_t{longest} * word));
  }
  return out.take();
}

Result<std::vector<ImageSynapse>> read_sparse(const BlockLayout& layout,
                                              std::span<const std::byte> bytes) {
  const ImageReader in(bytes);
  const std::uint64_t pointers = (std::uint64_t{layout.rows} + 1) * layout.gates;
  const std::uint32_t index = constant(layout.constants.index_bytes);
  for (const std::uint32_t wide : {2U, 4U}) {
    if (!in.has(0, pointers * wide)) break;
    const std::uint64_t count = in.number((pointers - 1) * wide, wide);
    const std::uint64_t targets = aligned(layout, pointers * wide);
    const std::uint64_t weights = targets + aligned(layout, count * index);
    if (pointer_bytes(count) != wide ||
        weights + aligned(layout, count * layout.weight_bytes) != bytes.size()) {
      continue;
    }
    if (index == 0 && count > 0) return not_a_block("targets");  // nothing bounds their number
    std::vector<ImageSynapse> all;
    for (std::uint64_t p = 0; p + 1 < pointers; ++p) {
      const std::uint64_t begin = in.number(p * wide, wide);
      const std::uint64_t end = in.number((p + 1) * wide, wide);
      // Pointers that fall would give synapses twice, up to rows times their number.
      if (begin > end || end > count || (p == 0 && begin != 0)) return not_a_block("pointers");
      for (std::uint64_t i = begin; i < end; ++i) {
        all.push_back({static_cast<std::uint32_t>(p / layout.gates),
                       static_cast<std::uint32_t>(p % layout.gates),
                       static_cast<std::uint32_t>(in.number(targets + i * index, index)),
                       layout.weight_bytes == 0
                           ? 1.0
                           : in.weight(weights + i * layout.weight_bytes, layout.weight_bytes),
                       layout.delay});
      }
    }
    return all;
  }
  return not_a_block("pointers");
}

Result<std::vector<ImageSynapse>> read_rows(const BlockLayout& layout,
                                            std::span<const std::byte> bytes) {
  const ImageReader in(bytes);
  const std::uint64_t word = constant(layout.constants.word_bytes);
  const std::uint64_t header = constant(layout.constants.row_bytes);
  std::vector<ImageSynapse> all;
  if (layout.rows == 0) return all;
  const std::uint64_t stride = bytes.size() / layout.rows;
  for (std::uint32_t row = 0; row < layout.rows; ++row) {
    const std::uint64_t start = row * stride;
    if (word != 4 || header < 12 || header > stride) return not_a_block("headers");
    const std::uint64_t count = in.number(start + 4, 4);
    if (count * word > stride - header) return not_a_block("counts");
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto w = static_cast<std::uint32_t>(in.number(start + header + i * word, 4));
      all.push_back({row, w >> 8 & 0xF, w & 0xFF,
                     static_cast<double>(static_cast<std::int16_t>(w >> 16)), (w >> 12 & 0xF) + 1});
    }
  }
  return all;
}

}  // namespace

Result<std::vector<std::byte>> encode(const BlockLayout& layout,
                                      std::span<const ImageSynapse> synapses) {
  // rows() first names what no word holds.
  if (layout.kind != BlockKind::kRows) SPIKELOOM_CHECK(check_inside(layout, synapses));
  switch (layout.kind) {
    case BlockKind::kDense:
      return dense(layout, synapses);
    case BlockKind::kSparse:
      return sparse(layout, synapses);
    case BlockKind::kRows:
      return rows(layout, synapses);
    case BlockKind::kOneToOne: {
      ImageWriter out;
      for (const ImageSynapse& s : sorted(synapses)) out.weight(s.weight, layout.weight_bytes);
      out.align(unit(layout));
      return out.take();
    }
    case BlockKind::kKernel:
      break;
  }
  return Error{.code = ErrorCode::kUnsupported, .what = "kernels are not lists of synapses"};
}

Result<std::vector<ImageSynapse>> decode(const BlockLayout& layout,
                                         std::span<const std::byte> bytes) {
  // So that no product below is beyond 64 bits.
  if (layout.gates == 0 || layout.gates > kMostGates || layout.rows > kMostNeurons ||
      layout.targets > kMostNeurons) {
    return not_a_block("sizes");
  }
  if (layout.kind == BlockKind::kSparse) return read_sparse(layout, bytes);
  if (layout.kind == BlockKind::kRows) return read_rows(layout, bytes);
  const ImageReader in(bytes);
  std::vector<ImageSynapse> all;
  if (layout.kind == BlockKind::kOneToOne) {
    if (!in.has(0, std::uint64_t{layout.targets} * layout.weight_bytes)) {
      return not_a_block("weights");
    }
    for (std::uint32_t i = 0; i < layout.targets; ++i) {
      const double weight =
          layout.weight_bytes == 0
              ? 1.0
              : in.weight(std::size_t{i} * layout.weight_bytes, layout.weight_bytes);
      all.push_back({i, 0, i, weight, layout.delay});
    }
    return all;
  }
  const std::uint64_t width = std::uint64_t{layout.gates} * layout.targets;
  const std::uint64_t stride = aligned(layout, width * layout.weight_bytes);
  if (layout.kind != BlockKind::kDense || layout.weight_bytes == 0 || layout.weight_bytes > 4 ||
      (stride > 0 && layout.rows > bytes.size() / stride)) {
    return not_a_block("rows");
  }
  if (width == 0) return all;
  for (std::uint32_t row = 0; row < layout.rows; ++row) {
    for (std::uint64_t i = 0; i < width; ++i) {
      const double weight = in.weight(row * stride + i * layout.weight_bytes, layout.weight_bytes);
      if (weight == 0.0) continue;
      all.push_back({row, static_cast<std::uint32_t>(i / layout.targets),
                     static_cast<std::uint32_t>(i % layout.targets), weight, layout.delay});
    }
  }
  return all;
}

}  // namespace spikeloom::mapping
