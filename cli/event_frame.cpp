#include "cli/event_frame.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/braille.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::array<double, 3> kOn = {31, 90, 180};
constexpr std::array<double, 3> kOff = {225, 110, 20};
constexpr double kPaper = 255;

}  // namespace

EventFrame::EventFrame(std::uint32_t width, std::uint32_t height)
    : width_(width), height_(height), on_(std::size_t{width} * height), off_(on_.size()) {}

void EventFrame::add(const EventPacket& events, Time begin, Time end) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events.time[i] < begin || events.time[i] >= end) continue;
    if (events.x[i] >= width_ || events.y[i] >= height_) continue;
    const std::size_t pixel = std::size_t{events.y[i]} * width_ + events.x[i];
    ++(events.polarity[i] != 0 ? on_ : off_)[pixel];
    ++events_;
  }
}

io::Picture EventFrame::picture(std::uint32_t scale) const {
  io::Picture picture{width_ * scale, height_ * scale, {}};
  picture.rgb.resize(std::size_t{3} * picture.width * picture.height);
  std::uint8_t* out = picture.rgb.data();
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    for (std::uint32_t x = 0; x < picture.width; ++x) {
      const std::size_t pixel = std::size_t{y / scale} * width_ + x / scale;
      const double count = on_[pixel] + off_[pixel];
      // One event is seen well; many are not much darker.
      const double ink = count == 0 ? 0.0 : 1.0 - 0.45 / count;
      const auto& colour = on_[pixel] >= off_[pixel] ? kOn : kOff;
      for (const double channel : colour) {
        *out++ = static_cast<std::uint8_t>(std::lround(kPaper + ink * (channel - kPaper)));
      }
    }
  }
  return picture;
}

std::string EventFrame::text(int columns, bool ascii) const {
  // A character is twice as high as wide: 2 x 4 dots of Braille, or 1 x 2 cells.
  const std::uint32_t across = ascii ? 1 : 2;
  const std::uint32_t down = ascii ? 1 : 4;
  const double stretch = ascii ? 0.5 : 1.0;
  const double shrink = std::min(1.0, std::max(columns, 1) * static_cast<double>(across) / width_);
  const auto side = [](double length) {
    return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::lround(length)));
  };
  const std::uint32_t dots_x = side(width_ * shrink);
  const std::uint32_t dots_y = side(height_ * shrink * stretch);
  std::vector<std::int64_t> balance(std::size_t{dots_x} * dots_y);
  std::vector<std::uint8_t> touched(balance.size());
  for (std::uint32_t y = 0; y < height_; ++y) {
    for (std::uint32_t x = 0; x < width_; ++x) {
      const std::size_t pixel = std::size_t{y} * width_ + x;
      if (on_[pixel] + off_[pixel] == 0) continue;
      const std::size_t dot =
          std::uint64_t{y} * dots_y / height_ * dots_x + std::uint64_t{x} * dots_x / width_;
      touched[dot] = 1;
      balance[dot] += std::int64_t{on_[pixel]} - off_[pixel];
    }
  }
  const auto is_touched = [&](std::uint32_t x, std::uint32_t y) {
    return x < dots_x && y < dots_y && touched[std::size_t{y} * dots_x + x] != 0;
  };
  std::string text;
  for (std::uint32_t row = 0; row < dots_y; row += down) {
    for (std::uint32_t column = 0; column < dots_x; column += across) {
      if (ascii) {
        const std::size_t dot = std::size_t{row} * dots_x + column;
        text += touched[dot] == 0 ? ' ' : balance[dot] >= 0 ? '+' : '-';
        continue;
      }
      text += braille_or_space(braille_dots(
          [&](unsigned dx, unsigned dy) { return is_touched(column + dx, row + dy); }));
    }
    text += '\n';
  }
  return text;
}

}  // namespace spikeloom::cli
