#pragma once
/// Rules that every format shares: time does not run backwards, pixels lie on the sensor.

#include <cstdint>
#include <limits>
#include <string>

#include "base/time.hpp"
#include "sensors/codec.hpp"
#include "sensors/detail/event_block.hpp"

namespace spikeloom::detail {

class EventRules {
 public:
  explicit EventRules(const ReadOptions& options)
      : width_(options.width), height_(options.height), sorted_(!options.unsorted) {}

  /// Takes the size a file declares; kInvalidArgument when the caller gave another.
  Status declare_size(std::uint32_t width, std::uint32_t height, const std::string& where);
  /// Where nobody knows the size: what the format's coordinates can be.
  void limit(std::uint32_t width, std::uint32_t height) {
    if (width_ != 0) return;
    width_ = width;
    height_ = height;
  }
  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }

  /// True when the event obeys; `explain` then says what is wrong otherwise.
  bool allows(Time time, std::uint32_t x, std::uint32_t y) const {
    return (!sorted_ || time >= last_) && (width_ == 0 || (x < width_ && y < height_));
  }
  void accept(Time time) { last_ = time; }
  /// How many events of the block obey, from its first on; the last of them becomes the one that
  /// no later time may lie before.
  std::size_t accept(const EventBlock& block);
  Error explain(Time time, std::uint32_t x, std::uint32_t y, const std::string& where) const;

 private:
  std::uint32_t width_;
  std::uint32_t height_;
  bool sorted_;
  Time last_ = std::numeric_limits<Time>::min();
};

/// kInvalidArgument when only one of width and height is given, or one exceeds 65,536.
Status check_size(std::uint32_t width, std::uint32_t height);

}  // namespace spikeloom::detail
