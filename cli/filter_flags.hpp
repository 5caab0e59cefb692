#pragma once
/// The flags that filter a recording, for every command that reads one.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sensors/filters.hpp"

namespace CLI {
class App;
}

namespace spikeloom::cli {

struct FilterFlags {
  std::optional<double> from_ms, length_ms;
  std::string region;    ///< X,Y,WIDTH,HEIGHT
  std::string polarity;  ///< on, off
  std::optional<double> hot_pixels;
  std::optional<double> refractory_ms, background_ms;
  std::uint32_t downsample = 1;
  std::string mirror;  ///< x, y, xy

  /// Whether any filter is asked for.
  bool any() const;
};

/// --from, --length, --region, --polarity, --hot-pixels, --refractory, --background, --downsample,
/// --mirror.
void add_filter_flags(CLI::App& command, FilterFlags& flags);
/// Their names, for what they exclude.
std::vector<std::string> filter_flag_names();

/// The filters that were asked for, in this order: hot pixels, time, polarity, region, refractory,
/// background activity, downsampling, mirror.
class RecordingFilters {
 public:
  /// `width` and `height` of the sensor, 0 where unknown; `first`: time of the first event;
  /// `counts`: of the whole recording, needed with --hot-pixels alone. kInvalidArgument: a value
  /// that is none, a region beyond the sensor, or a filter that needs the size and does not have
  /// it.
  static Result<RecordingFilters> make(const FilterFlags& flags, std::uint32_t width,
                                       std::uint32_t height, Time first,
                                       const PixelCounts* counts = nullptr);
  void apply(EventPacket& events) { chain_.apply(events); }
  /// The size behind the filters; 0 where unknown.
  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }

 private:
  FilterChain chain_;
  std::uint32_t width_ = 0, height_ = 0;
};

/// Filters a whole recording; its size becomes that behind the filters.
Status filter_recording(const FilterFlags& flags, Recording& recording);

}  // namespace spikeloom::cli
