#include "mapping/keys.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace spikeloom::mapping {
namespace {

int bits_for(std::uint32_t count) { return count <= 1 ? 0 : std::bit_width(count - 1); }

/// What a population needs.
struct Field {
  std::uint32_t population = 0;
  int neuron_bits = 0, slice_bits = 0, run_bits = 0;
  int bits() const { return neuron_bits + slice_bits + run_bits; }
};

struct Run {
  std::uint32_t first = 0, slices = 0;
};

std::vector<Run> runs_of(const Slicing::OfPopulation& of, std::span<const Place> places) {
  std::vector<Run> runs;
  for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
    if (runs.empty() || places[s].chip != places[s - 1].chip) runs.push_back({s, 0});
    ++runs.back().slices;
  }
  return runs;
}

int neuron_bits(const Slicing& slicing, const Slicing::OfPopulation& of) {
  std::uint32_t largest = 1;
  for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
    largest = std::max(largest, slicing.slices[s].count);
  }
  return bits_for(largest);
}

std::uint32_t mask_of(int bits) {
  return bits >= 32 ? 0 : static_cast<std::uint32_t>(~((std::uint64_t{1} << bits) - 1));
}

/// `wanted` and `all`: those within the block of `bits` free bits at `key`.
void cover(std::span<const SliceKey> wanted, std::span<const SliceKey> all, std::uint32_t key,
           int bits, std::vector<SliceKey>& entries) {
  if (wanted.empty()) return;
  if (wanted.size() == all.size()) {
    entries.push_back({key, mask_of(bits)});
    return;
  }
  const std::uint32_t half = key | (std::uint32_t{1} << (bits - 1));
  const auto split = [half](std::span<const SliceKey> keys) {
    const auto at = std::partition_point(keys.begin(), keys.end(),
                                         [half](const SliceKey& k) { return k.key < half; });
    return static_cast<std::size_t>(at - keys.begin());
  };
  const std::size_t w = split(wanted), a = split(all);
  cover(wanted.first(w), all.first(a), key, bits - 1, entries);
  cover(wanted.subspan(w), all.subspan(a), half, bits - 1, entries);
}

}  // namespace

Result<std::vector<SliceKey>> allocate_keys(const Slicing& slicing, std::span<const Place> places,
                                            int key_bits) {
  std::vector<SliceKey> keys(slicing.slices.size());
  std::vector<Field> fields;
  std::uint64_t total = 0;
  for (std::uint32_t p = 0; p < slicing.populations.size(); ++p) {
    const auto& of = slicing.populations[p];
    std::uint32_t longest = 1;
    const std::vector<Run> runs = runs_of(of, places);
    for (const Run& run : runs) longest = std::max(longest, run.slices);
    fields.push_back({p, neuron_bits(slicing, of), bits_for(longest),
                      bits_for(static_cast<std::uint32_t>(runs.size()))});
    total += std::uint64_t{1} << fields.back().bits();
  }
  // Large blocks first: then each is aligned without gaps.
  std::stable_sort(fields.begin(), fields.end(),
                   [](const Field& a, const Field& b) { return a.bits() > b.bits(); });
  const std::uint64_t space = std::uint64_t{1} << key_bits;
  if (total <= space) {
    std::uint64_t base = 0;
    for (const Field& field : fields) {
      const std::vector<Run> runs = runs_of(slicing.populations[field.population], places);
      for (std::size_t r = 0; r < runs.size(); ++r) {
        for (std::uint32_t i = 0; i < runs[r].slices; ++i) {
          const std::uint64_t key = base + (((r << field.slice_bits) + i) << field.neuron_bits);
          keys[runs[r].first + i] = {static_cast<std::uint32_t>(key), mask_of(field.neuron_bits)};
        }
      }
      base += std::uint64_t{1} << field.bits();
    }
    return keys;
  }
  std::stable_sort(fields.begin(), fields.end(),
                   [](const Field& a, const Field& b) { return a.neuron_bits > b.neuron_bits; });
  std::uint64_t at = 0;
  for (const Field& field : fields) {
    const auto& of = slicing.populations[field.population];
    for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
      keys[s] = {static_cast<std::uint32_t>(at), mask_of(field.neuron_bits)};
      at += std::uint64_t{1} << field.neuron_bits;
    }
  }
  if (at > space) {
    return Error{.code = ErrorCode::kResource,
                 .what = "there are not enough keys for every neuron",
                 .expected = fmt::format("at most {} ({} bits)", space, key_bits),
                 .got = fmt::format("{}", at)};
  }
  return keys;
}

std::vector<SliceKey> cover_keys(std::vector<SliceKey> wanted, std::span<const SliceKey> all) {
  if (wanted.empty()) return {};
  const auto by_key = [](const SliceKey& a, const SliceKey& b) { return a.key < b.key; };
  std::sort(wanted.begin(), wanted.end(), by_key);
  // Start at the smallest block that holds all that is wanted.
  const std::uint32_t last = wanted.back().key | ~wanted.back().mask;
  const int bits = std::bit_width(wanted.front().key ^ last);
  const SliceKey block{wanted.front().key & mask_of(bits), mask_of(bits)};
  const SliceKey end{block.key | ~block.mask, 0};
  const auto from = std::lower_bound(all.begin(), all.end(), block, by_key);
  const auto to = std::upper_bound(from, all.end(), end, by_key);
  std::vector<SliceKey> entries;
  cover(wanted, std::span(from, to), block.key, bits, entries);
  return entries;
}

}  // namespace spikeloom::mapping
