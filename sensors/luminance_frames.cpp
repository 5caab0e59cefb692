#include "sensors/luminance_frames.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

namespace spikeloom {
namespace {

class SceneFrames final : public LuminanceFrames {
 public:
  explicit SceneFrames(const LuminanceScene& scene) : scene_(scene) {}
  std::uint32_t width() const override { return scene_.width; }
  std::uint32_t height() const override { return scene_.height; }
  std::uint64_t count() const override { return scene_.frames(); }
  Result<bool> next(LuminanceFrame& frame) override {
    if (at_ == scene_.frames()) return false;
    frame.time = scene_.time_of(at_++);
    frame.pixels.resize(std::size_t{scene_.width} * scene_.height);
    render(scene_, frame.time, frame.pixels);
    return true;
  }

 private:
  LuminanceScene scene_;
  std::uint64_t at_ = 0;
};

class ImageFrames final : public LuminanceFrames {
 public:
  ImageFrames(std::vector<std::string> paths, double rate, const io::Image& first)
      : paths_(std::move(paths)),
        rate_(rate),
        width_(first.width),
        height_(first.height),
        first_(luminance(first)) {}
  std::uint32_t width() const override { return width_; }
  std::uint32_t height() const override { return height_; }
  std::uint64_t count() const override { return paths_.size(); }
  Result<bool> next(LuminanceFrame& frame) override {
    if (at_ == paths_.size()) return false;
    if (at_ == 0) {
      frame.pixels = std::move(first_);
    } else {
      SPIKELOOM_TRY(const io::Image image, read_image_of_size(paths_[at_], width_, height_));
      frame.pixels = luminance(image);
    }
    frame.time = std::llround(static_cast<double>(at_++) / rate_ * 1e9);
    return true;
  }

 private:
  std::vector<std::string> paths_;
  double rate_;
  std::uint32_t width_, height_;
  std::vector<float> first_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<float> luminance(const io::Image& image) {
  const std::size_t channels = image.channels;
  const double scale = 255.0 / image.largest;
  std::vector<float> grey(image.samples.size() / channels);
  for (std::size_t i = 0; i < grey.size(); ++i) {
    const std::uint16_t* s = image.samples.data() + i * channels;
    const double light = channels == 1 ? s[0] : 0.299 * s[0] + 0.587 * s[1] + 0.114 * s[2];
    grey[i] = static_cast<float>(std::min(255.0, light * scale));
  }
  return grey;
}

Result<std::unique_ptr<LuminanceFrames>> scene_frames(const LuminanceScene& scene) {
  SPIKELOOM_CHECK(check(scene));
  return std::unique_ptr<LuminanceFrames>(std::make_unique<SceneFrames>(scene));
}

Result<std::unique_ptr<LuminanceFrames>> image_frames(std::vector<std::string> paths,
                                                      double frame_rate) {
  if (!(frame_rate > 0.0 && frame_rate <= 1e9)) {
    return Error{.what = "not a frame rate",
                 .expected = "more than 0, up to 1e9 Hz",
                 .got = fmt::format("{}", frame_rate)};
  }
  if (paths.empty()) return Error{.what = "no images"};
  SPIKELOOM_TRY(const io::Image first, io::read_image(paths.front()));
  return std::unique_ptr<LuminanceFrames>(
      std::make_unique<ImageFrames>(std::move(paths), frame_rate, first));
}

Result<std::vector<std::string>> images_of_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<std::string> paths;
  for (fs::directory_iterator entry(path, code), end; !code && entry != end;
       entry.increment(code)) {
    std::string ending = entry->path().extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (ending == ".pgm" || ending == ".ppm" || ending == ".png") {
      paths.push_back(entry->path().string());
    }
  }
  if (code) {
    return Error{.code = ErrorCode::kIo,
                 .what = "the folder is not readable: " + code.message(),
                 .where = path};
  }
  if (paths.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no .pgm, .ppm or .png files in this folder",
                 .where = path};
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<std::vector<std::string>> image_paths(const std::vector<std::string>& inputs) {
  std::vector<std::string> paths;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(input, ignored)) {
      paths.push_back(input);
      continue;
    }
    SPIKELOOM_TRY(const auto images, images_of_folder(input));
    paths.insert(paths.end(), images.begin(), images.end());
  }
  return paths;
}

Result<io::Image> read_image_of_size(const std::string& path, std::uint32_t width,
                                     std::uint32_t height) {
  SPIKELOOM_TRY(io::Image image, io::read_image(path));
  if (image.width == width && image.height == height) return image;
  return Error{.code = ErrorCode::kShape,
               .what = "an image of another size than the first",
               .where = path,
               .expected = fmt::format("{}x{}", width, height),
               .got = fmt::format("{}x{}", image.width, image.height)};
}

}  // namespace spikeloom
