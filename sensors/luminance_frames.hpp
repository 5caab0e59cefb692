#pragma once
/// Frames of luminance one by one: a scene that is rendered, or a sequence of image files.

#include <memory>
#include <string>
#include <vector>

#include "base/io/image.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "sensors/luminance_scene.hpp"

namespace spikeloom {

/// Luminance of an image in DN, 0 to 255: grey as it is, colours as 0.299 R + 0.587 G + 0.114 B
/// (ITU-R BT.601), both scaled by 255 / white.
std::vector<float> luminance(const io::Image& image);

struct LuminanceFrame {
  Time time = 0;
  std::vector<float> pixels = {};  ///< row-major, DN
};

class LuminanceFrames {
 public:
  virtual ~LuminanceFrames() = default;
  virtual std::uint32_t width() const = 0;
  virtual std::uint32_t height() const = 0;
  virtual std::uint64_t count() const = 0;
  /// Replaces `frame` by the next; false at the end. An error is final.
  virtual Result<bool> next(LuminanceFrame& frame) = 0;
};

/// kInvalidArgument as check(scene).
Result<std::unique_ptr<LuminanceFrames>> scene_frames(const LuminanceScene& scene);

/// Image k is the frame at k / frame_rate. The first is read at once. kInvalidArgument: no images,
/// a rate that is not positive; kShape: an image of another size than the first; and the errors of
/// io::read_image.
Result<std::unique_ptr<LuminanceFrames>> image_frames(std::vector<std::string> paths,
                                                      double frame_rate);

/// The .pgm, .ppm and .png files of a folder, by name. kNotFound: there are none; kIo.
Result<std::vector<std::string>> images_of_folder(const std::string& path);

/// Files as they are, and the images of folders in their place.
Result<std::vector<std::string>> image_paths(const std::vector<std::string>& inputs);

/// io::read_image; kShape when the image is not of this size.
Result<io::Image> read_image_of_size(const std::string& path, std::uint32_t width,
                                     std::uint32_t height);

}  // namespace spikeloom
