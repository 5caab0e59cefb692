#include <algorithm>
#include <cstring>

#include "backends/cuda/resident.hpp"

/// What of a batch element lies where.
namespace spikeloom::cuda {

namespace {

/// A block has 227 KB of shared memory on the GPUs that this is for; a second block beside it wants
/// half of what there is.
constexpr std::uint32_t kMostShared = 227 * 1024, kHalfShared = 113 * 1024;
/// Blocks that such a GPU runs at once where each has a multiprocessor for itself.
constexpr std::uint32_t kBlocksAtOnce = 132;

template <typename T>
void append(std::vector<char>& bytes, std::uint64_t at, const std::vector<T>& values) {
  if (values.empty()) return;  // whose data() may be null, which memcpy does not take
  std::memcpy(bytes.data() + at, values.data(), values.size() * sizeof(T));
}

}  // namespace

/// Bits and flags first, then sums, which are touched here and there, then state and values, while
/// they fit the front, of each the smallest first; what inputs keep for the rare steps whose values
/// have to be looked at comes last.
template <typename V>
void Resident<V>::lay_out() {
  struct Part {
    std::uint32_t* place;
    std::uint64_t bytes;
    int order;
  };
  std::vector<Part> parts = {{&layout_.cursor, 32, 0}};
  // A convolution's three operations: the list, the sums, and what takes them.
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    ResidentOp<V>& op = ops_[i];
    if (op.head != Head::kSums) continue;
    parts.push_back({&op.list_size, 16, 0});
    parts.push_back({&op.list, kListed * sizeof(ResidentPixel), 1});
    parts.push_back({&op.values, kListed * sizeof(V), 1});
    parts.push_back({&op.sums, std::uint64_t{op.size} * sizeof(V), 1});
  }
  for (ResidentSignal& s : signals_) {
    const bool input = s.graded != kNowhere;
    parts.push_back({&s.bits, std::uint64_t{s.slots} * s.words * 4, 0});
    if (input) parts.push_back({&s.graded, std::uint64_t{s.slots} * 8, 0});
    if (s.value != kNowhere) {
      parts.push_back({&s.value, std::uint64_t{s.slots} * s.size * sizeof(V), input ? 3 : 2});
    }
  }
  for (std::size_t n = 0; n < places_.size(); ++n) {
    const auto size = static_cast<std::uint64_t>(program_.nodes[n].out_size);
    Place& p = places_[n];
    if (p.membrane != kNowhere) parts.push_back({&p.membrane, size * sizeof(V), 2});
    if (p.current != kNowhere) parts.push_back({&p.current, size * sizeof(V), 2});
    if (p.countdown != kNowhere) parts.push_back({&p.countdown, size * 4, 2});
    if (p.awake != kNowhere) parts.push_back({&p.awake, (size + 31) / 32 * 4, 0});
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.order != b.order ? a.order < b.order : a.bytes < b.bytes;
  });
  layout_.ops = static_cast<std::uint32_t>(ops_.size());
  layout_.signals = static_cast<std::uint32_t>(signals_.size());
  layout_.links = static_cast<std::uint32_t>(links_.size());
  layout_.inputs = static_cast<std::uint32_t>(inputs_.size());
  layout_.interval = schedule_.interval;
  layout_.depth = schedule_.depth();
  const Tuning& wanted = tuning();
  const auto bytes_below = [&](int order) {
    std::uint64_t bytes = 0;
    for (const Part& part : parts) bytes += part.order < order ? (part.bytes + 15) / 16 * 16 : 0;
    return bytes;
  };
  team_ = std::max<std::uint32_t>(wanted.team, 1);
  if (!layers_) chunk_steps_ = most_steps_ = wanted.steps != 0 ? wanted.steps : 128;
  const auto divide = [&](std::uint32_t threads) {
    threads_ = wanted.threads != 0 ? wanted.threads : threads;
    divide_work();
    count_up();
    layout_.place_shared<V>();
  };
  // Two blocks beside each other hide more waiting than one that holds all its state, but sums
  // belong into shared memory: measured.
  if (!layers_) divide(512);
  const bool halves = batch_ > kBlocksAtOnce && wanted.front_bytes == 0 &&
                      bytes_below(2) + layout_.front_at <= kHalfShared;
  if (!halves && !layers_) divide(1024);
  std::uint64_t room = halves ? kHalfShared : kMostShared;
  room -= std::min<std::uint64_t>(room, layout_.front_at);
  if (wanted.front_bytes != 0) room = std::min<std::uint64_t>(room, wanted.front_bytes);
  if (team_ > 1 || layers_) room = 0;
  std::uint64_t at = 0, front = 0;
  for (const Part& part : parts) {
    *part.place = static_cast<std::uint32_t>(at);
    at += (part.bytes + 15) / 16 * 16;
    if (at <= room && part.order < 3) front = at;
  }
  layout_.front_bytes = static_cast<std::uint32_t>(front);
  layout_.image_bytes = at;
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    ResidentOp<V>& op = ops_[i];
    if (op.head == Head::kSums) {
      // Parts lie in the front as a whole, or not at all.
      op.in_front = std::max({op.list_size, op.list, op.values, op.sums}) < front &&
                    signals_[op.out].bits < front;
      if (op.has_neurons) {
        const Place& p = places_[op.node];
        op.in_front = op.in_front && p.membrane < front && (p.awake == kNowhere || p.awake < front);
      }
    }
    for (std::size_t k = 1; op.head == Head::kSums && k <= 2; ++k) {
      ResidentOp<V>& part = ops_[i - k];
      part.list_size = op.list_size, part.list = op.list;
      part.values = op.values, part.sums = op.sums;
      part.in_front = op.in_front;
    }
    if (!op.has_neurons && op.head != Head::kPublish) continue;
    const Place& p = places_[op.node];
    op.plain = op.plain && p.awake != kNowhere;
    op.membrane = p.membrane, op.current = p.current;
    op.countdown = p.countdown, op.awake = p.awake;
  }
  fresh_.assign(layout_.image_bytes, 0);
  for (std::uint32_t n = 0; n < places_.size(); ++n) {
    const Place& p = places_[n];
    if (p.membrane == kNowhere) continue;
    const auto& initial = std::get<op::Neuron>(program_.nodes[n].operation).coefficients.initial;
    append(fresh_, p.membrane, std::vector<V>(initial.begin(), initial.end()));
    if (p.awake == kNowhere) continue;
    const auto words = static_cast<std::size_t>(program_.nodes[n].out_size + 31) / 32;
    append(fresh_, p.awake, std::vector<std::uint32_t>(words, ~0U));
  }
}

template void Resident<float>::lay_out();
template void Resident<std::int32_t>::lay_out();

}  // namespace spikeloom::cuda
