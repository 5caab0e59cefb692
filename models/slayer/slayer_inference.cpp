#include "models/slayer/slayer_inference.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include <fmt/format.h>

namespace spikeloom {
namespace {

using Files = std::vector<SlayerWeightCount>;

constexpr std::size_t kShown = 4;           ///< layouts that an error lists
constexpr std::size_t kMostVisits = 20000;  ///< layers tried before the search gives up

/// The files in the order of the network; empty when two pools would follow each other.
Files arrange(std::span<const SlayerWeightCount> files, bool pools_first) {
  Files order(files.begin(), files.end());
  const auto rank = [&](const SlayerWeightCount& file) {
    const bool dense = file.kind == SlayerKind::kDense;
    const int second = (file.kind == SlayerKind::kPool) == pools_first ? 0 : 1;
    return std::tuple(dense, file.number, second);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1].kind == SlayerKind::kPool && order[i].kind == SlayerKind::kPool) return {};
  }
  return order;
}

/// Two orders of the same files with the same kinds are the same order; with other kinds they have
/// no layout in common.
bool same_kinds(const Files& a, const Files& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.kind == y.kind; });
}

class Search {
 public:
  Search(const Files& files, const Shape& input, std::vector<SlayerTopology>& found)
      : files_(files), found_(found) {
    topology_.input = input;
  }
  /// False when it gave up before every layout was tried.
  bool run() {
    extend(topology_.input);
    return visits_ <= kMostVisits;
  }

 private:
  void extend(const Shape& shape) {
    if (++visits_ > kMostVisits) return;
    const std::size_t i = topology_.layers.size();
    if (i == files_.size()) {
      found_.push_back(topology_);  // no other path leads to it
      return;
    }
    const std::int64_t count = files_[i].count;
    if (count <= 0) return;
    if (files_[i].kind == SlayerKind::kDense) {
      std::int64_t inputs = 1;
      for (const std::int64_t side : shape) inputs *= side;
      if (count % inputs == 0) place({SlayerKind::kDense, count / inputs}, {count / inputs});
      return;
    }
    const std::int64_t side = std::min(shape[1], shape[2]);
    for (std::int64_t k = 1; k <= side && k * k <= count; ++k) {
      if (files_[i].kind == SlayerKind::kPool) {
        const bool fits = k * k == count && shape[1] % k == 0 && shape[2] % k == 0;
        if (fits) place({SlayerKind::kPool, 0, k, k}, {shape[0], shape[1] / k, shape[2] / k});
        continue;
      }
      if (k == 1 || count % (shape[0] * k * k) != 0) continue;
      const std::int64_t outputs = count / (shape[0] * k * k);
      if (k % 2 == 1) {
        place({SlayerKind::kConvolution, outputs, k, 1, k / 2}, {outputs, shape[1], shape[2]});
      }
      place({SlayerKind::kConvolution, outputs, k, 1, 0},
            {outputs, shape[1] - k + 1, shape[2] - k + 1});
    }
  }

  void place(const SlayerLayer& layer, const Shape& output) {
    topology_.layers.push_back(layer);
    extend(output);
    topology_.layers.pop_back();
  }

  const Files& files_;
  std::vector<SlayerTopology>& found_;
  SlayerTopology topology_;
  std::size_t visits_ = 0;
};

std::string counts_text(std::span<const SlayerWeightCount> files) {
  std::string text;
  for (const SlayerWeightCount& file : files) {
    const char* kind = file.kind == SlayerKind::kPool          ? "pool"
                       : file.kind == SlayerKind::kConvolution ? "conv"
                                                               : "fc";
    text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", kind, file.number, file.count);
  }
  return text;
}

}  // namespace

Result<SlayerTopology> infer_slayer_topology(std::span<const SlayerWeightCount> files,
                                             const Shape& input) {
  std::vector<SlayerTopology> found;
  bool complete = true;
  const Files pools_first = arrange(files, true), pools_last = arrange(files, false);
  for (const Files* order : {&pools_first, &pools_last}) {
    const bool again = order == &pools_last && same_kinds(pools_first, pools_last);
    if (!order->empty() && !again) complete = Search(*order, input, found).run() && complete;
  }
  if (found.size() == 1 && complete) return found[0];
  Error error{.where = fmt::format("weights of {}", counts_text(files)),
              .next = "give --layers, e.g. '2x128x128 4a 16c5z 2a 32c3z 2a 512 11'"};
  if (!complete) {
    error.code = ErrorCode::kAmbiguous;
    error.what = "there are too many layouts with these weight counts to try them all";
    return error;
  }
  if (found.empty()) {
    error.code = ErrorCode::kShape;
    error.what =
        fmt::format("no layers with these weight counts fit an input of {}", to_string(input));
    return error;
  }
  error.code = ErrorCode::kAmbiguous;
  error.what = fmt::format("{} layouts fit these weight counts", found.size());
  for (std::size_t i = 0; i < std::min(found.size(), kShown); ++i) {
    error.got += fmt::format("{}'{}'", i == 0 ? "" : ", ", to_string(found[i]));
  }
  if (found.size() > kShown) error.got += ", ...";
  error.next = "give one of them, or another, as --layers";
  return error;
}

}  // namespace spikeloom
