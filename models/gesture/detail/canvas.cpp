#include "models/gesture/detail/canvas.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::detail {

void Canvas::blend(int x, int y, double alpha, double luminance) {
  float& pixel = pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                         static_cast<std::size_t>(x)];
  pixel += static_cast<float>(alpha * (luminance - static_cast<double>(pixel)));
}

void Canvas::rod(const Rod& rod, const Paint& paint, double edge) {
  const double reach = std::max(rod.r0, rod.r1) + edge;
  const auto limit = [](double v, int end) {
    return static_cast<int>(std::clamp(v, 0.0, static_cast<double>(end)));
  };
  const int left = limit(std::floor(std::min(rod.x0, rod.x1) - reach), width_);
  const int right = limit(std::ceil(std::max(rod.x0, rod.x1) + reach) + 1, width_);
  const int top = limit(std::floor(std::min(rod.y0, rod.y1) - reach), height_);
  const int bottom = limit(std::ceil(std::max(rod.y0, rod.y1) + reach) + 1, height_);
  const double dx = rod.x1 - rod.x0, dy = rod.y1 - rod.y0;
  const double squared = std::max(dx * dx + dy * dy, 1e-9);
  const double rod_length = std::sqrt(squared);
  // The shaded side is the right or the lower one, however the rod is turned.
  const double side = dx - dy > 0 ? 1.0 : -1.0;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      const double px = x - rod.x0, py = y - rod.y0;
      const double along = std::clamp((px * dx + py * dy) / squared, 0.0, 1.0);
      const double ox = px - along * dx, oy = py - along * dy;
      const double radius = rod.r0 + along * (rod.r1 - rod.r0);
      const double distance = ox * ox + oy * oy;
      const double outer = radius + edge / 2;
      if (distance >= outer * outer) continue;
      const double alpha = std::min((outer - std::sqrt(distance)) / edge, 1.0);
      const double across = side * (dx * oy - dy * ox) / (rod_length * std::max(radius, 0.5));
      double luminance = paint.luminance * (1.0 + paint.shade * across);
      if (paint.stripes > 0) {
        const double cycles = along * rod_length / paint.period;
        luminance *= 1.0 + paint.stripes * (cycles - std::floor(cycles) < 0.5 ? 1.0 : -1.0);
      }
      blend(x, y, alpha, luminance);
    }
  }
}

void Canvas::row(int y, double middle, double half, const Paint& paint, double edge, double alpha) {
  const int left = std::max(0, static_cast<int>(std::floor(middle - half - edge)));
  const int right = std::min(width_, static_cast<int>(std::ceil(middle + half + edge)) + 1);
  for (int x = left; x < right; ++x) {
    const double off = x - middle;
    const double cover = std::clamp((half - std::abs(off)) / edge + 0.5, 0.0, 1.0);
    if (cover <= 0) continue;
    blend(x, y, alpha * cover, paint.luminance * (1.0 + paint.shade * off / std::max(half, 1.0)));
  }
}

Backdrop::Backdrop(std::uint32_t width, std::uint32_t height)
    : width_(width + 2 * kMargin),
      height_(height + 2 * kMargin),
      pixels_(std::size_t{width_} * height_) {}

void Backdrop::copy(double dx, double dy, std::span<float> out) const {
  const double x = kMargin + dx, y = kMargin + dy;
  const auto column = static_cast<std::size_t>(x), row = static_cast<std::size_t>(y);
  const auto fx = static_cast<float>(x - static_cast<double>(column));
  const auto fy = static_cast<float>(y - static_cast<double>(row));
  const std::size_t columns = width_ - 2 * kMargin, rows = height_ - 2 * kMargin;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* above = pixels_.data() + (row + r) * width_ + column;
    const float* below = above + width_;
    float* to = out.data() + r * columns;
    for (std::size_t c = 0; c < columns; ++c) {
      const float upper = above[c] + fx * (above[c + 1] - above[c]);
      const float lower = below[c] + fx * (below[c + 1] - below[c]);
      to[c] = upper + fy * (lower - upper);
    }
  }
}

}  // namespace spikeloom::detail
