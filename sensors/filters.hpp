#pragma once
/// Filters of events: small objects that change a packet in place and compose.
///
///     FilterChain chain;
///     chain.add(TimeWindowFilter(0, 500 * kMillisecond));
///     chain.add(RegionFilter({.x = 16, .y = 16, .width = 64, .height = 64}));
///     SPIKELOOM_TRY(auto noise, BackgroundActivityFilter::make(64, 64, 5 * kMillisecond));
///     chain.add(std::move(noise));
///     while (stream.next(packet)) chain.apply(packet);
///
/// What a filter knows of earlier events it keeps from packet to packet, so a stream may be cut
/// anywhere. Events come in order of time where a filter compares times. Filters with a map of the
/// sensor remove what lies outside of it; their make() gives kInvalidArgument for a size of 0 or
/// over 65536, and kResource for more than 2^26 pixels.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom {

class EventFilter {
 public:
  virtual ~EventFilter() = default;
  virtual void apply(EventPacket& events) = 0;
};

/// One filter after the other.
class FilterChain final : public EventFilter {
 public:
  template <typename Filter>
  void add(Filter filter) {
    static_assert(std::is_base_of_v<EventFilter, Filter>);
    filters_.push_back(std::make_unique<Filter>(std::move(filter)));
  }
  void apply(EventPacket& events) override {
    for (const auto& filter : filters_) filter->apply(events);
  }

 private:
  std::vector<std::unique_ptr<EventFilter>> filters_;
};

struct Region {
  std::uint32_t x = 0;  ///< of the upper left corner
  std::uint32_t y = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// Keeps the events of a rectangle; its upper left corner becomes (0, 0) if `move`.
class RegionFilter final : public EventFilter {
 public:
  explicit RegionFilter(const Region& region, bool move = true) : region_(region), move_(move) {}
  void apply(EventPacket& events) override;

 private:
  Region region_;
  bool move_;
};

/// Keeps ON (1) or OFF (0) events.
class PolarityFilter final : public EventFilter {
 public:
  explicit PolarityFilter(std::uint8_t kept) : kept_(kept) {}
  void apply(EventPacket& events) override;

 private:
  std::uint8_t kept_;
};

/// Keeps times from `begin` up to, not including, `end`.
class TimeWindowFilter final : public EventFilter {
 public:
  TimeWindowFilter(Time begin, Time end) : begin_(begin), end_(end) {}
  void apply(EventPacket& events) override;

 private:
  Time begin_, end_;
};

/// Removes an event that comes less than `period` after the last one kept of its pixel, whatever
/// their polarities.
class RefractoryFilter final : public EventFilter {
 public:
  static Result<RefractoryFilter> make(std::uint32_t width, std::uint32_t height, Time period);
  void apply(EventPacket& events) override;

 private:
  std::uint32_t width_ = 0, height_ = 0;
  Time period_ = 0;
  std::vector<Time> last_;  ///< kept, row-major
};

/// Keeps an event if one of the eight pixels around its own had an event, kept or not, up to
/// `window` before it: what nothing nearby supports is noise (T. Delbruck, "Frame-free dynamic
/// digital vision", Intl. Symp. on Secure-Life Electronics, 2008).
class BackgroundActivityFilter final : public EventFilter {
 public:
  static Result<BackgroundActivityFilter> make(std::uint32_t width, std::uint32_t height,
                                               Time window);
  void apply(EventPacket& events) override;

 private:
  std::uint32_t width_ = 0, height_ = 0;
  Time window_ = 0;
  std::vector<Time> supported_;  ///< the last event beside each pixel; a border of one around
};

/// Divides coordinates by `factor` > 0, rounding down; every event stays.
class DownsampleFilter final : public EventFilter {
 public:
  explicit DownsampleFilter(std::uint32_t factor) : factor_(factor) {}
  void apply(EventPacket& events) override;

 private:
  std::uint32_t factor_;
};

/// Mirrors left and right (x becomes width - 1 - x), up and down, or both, on a sensor of this
/// size; what lies outside is removed.
class MirrorFilter final : public EventFilter {
 public:
  MirrorFilter(std::uint32_t width, std::uint32_t height, bool left_right, bool up_down)
      : width_(width), height_(height), left_right_(left_right), up_down_(up_down) {}
  void apply(EventPacket& events) override;

 private:
  std::uint32_t width_, height_;
  bool left_right_, up_down_;
};

struct Pixel {
  std::uint16_t x = 0;
  std::uint16_t y = 0;
  friend bool operator==(const Pixel&, const Pixel&) = default;
};

/// Removes the events of these pixels.
class HotPixelFilter final : public EventFilter {
 public:
  static Result<HotPixelFilter> make(std::uint32_t width, std::uint32_t height,
                                     const std::vector<Pixel>& hot);
  void apply(EventPacket& events) override;

 private:
  std::uint32_t width_ = 0, height_ = 0;
  std::vector<bool> is_hot_;  ///< row-major
};

/// Events of every pixel, counted packet by packet, to find those that fire without reason.
class PixelCounts {
 public:
  static Result<PixelCounts> make(std::uint32_t width, std::uint32_t height);
  /// Events outside of the map count nowhere.
  void add(const EventPacket& events);
  /// The pixels with more than `factor` times as many events as the median of the pixels that have
  /// any, row by row.
  std::vector<Pixel> hot(double factor = 10.0) const;

 private:
  std::uint32_t width_ = 0, height_ = 0;
  std::vector<std::uint64_t> counts_;  ///< row-major
};

/// Puts events in order of time; those of one time stay as they are. Returns how many moved.
std::size_t sort_by_time(EventPacket& events);

}  // namespace spikeloom
