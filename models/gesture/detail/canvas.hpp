#pragma once
/// A picture of luminance on which shapes with soft edges are painted, one over the other.

#include <cstdint>
#include <span>
#include <vector>

namespace spikeloom::detail {

/// A rod between two points, thicker at one end, in pixels; y down.
struct Rod {
  double x0 = 0, y0 = 0, r0 = 1;
  double x1 = 0, y1 = 0, r1 = 1;
};

/// Luminance of a surface, in DN.
struct Paint {
  double luminance = 100;
  double shade = 0;    ///< relative change from its middle to its right and lower edge
  double stripes = 0;  ///< relative contrast of stripes across the rod
  double period = 4;   ///< of them, px
};

class Canvas {
 public:
  Canvas(std::uint32_t width, std::uint32_t height, std::span<float> pixels)
      : width_(static_cast<int>(width)), height_(static_cast<int>(height)), pixels_(pixels) {}

  /// Edges are `edge` px wide.
  void rod(const Rod& rod, const Paint& paint, double edge);
  /// One row of a shape around `middle`, half as wide as `half`.
  void row(int y, double middle, double half, const Paint& paint, double edge, double alpha);
  int height() const { return height_; }

 private:
  void blend(int x, int y, double alpha, double luminance);

  int width_, height_;
  std::span<float> pixels_;
};

/// A picture that is larger than the canvas by `kMargin` on every side.
class Backdrop {
 public:
  static constexpr int kMargin = 4;
  Backdrop() = default;
  Backdrop(std::uint32_t width, std::uint32_t height);
  std::uint32_t width() const { return width_; }    ///< with margins
  std::uint32_t height() const { return height_; }  ///< with margins
  std::span<float> pixels() { return pixels_; }
  /// The part of the canvas, moved by (dx, dy), less than the margin; straight between pixels.
  void copy(double dx, double dy, std::span<float> out) const;

 private:
  std::uint32_t width_ = 0, height_ = 0;
  std::vector<float> pixels_;
};

}  // namespace spikeloom::detail
