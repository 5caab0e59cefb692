#include "models/vision/shipped_models.hpp"

#include <cstddef>
#include <span>

#include "models/detail/embed.hpp"
#include "models/model_file/model_file.hpp"

SPIKELOOM_EMBED("spikeloom_fashion", SPIKELOOM_FASHION);
SPIKELOOM_EMBED("spikeloom_fashion_dense", SPIKELOOM_FASHION_DENSE);

extern "C" {
extern const char spikeloom_fashion[], spikeloom_fashion_end[];
extern const char spikeloom_fashion_dense[], spikeloom_fashion_dense_end[];
}

namespace spikeloom {
namespace {

Result<LoadedModel> read(const char* begin, const char* end, const char* name) {
  const std::span<const char> bytes(begin, static_cast<std::size_t>(end - begin));
  return read_model_file_bytes(std::as_bytes(bytes), name);
}

}  // namespace

Result<LoadedModel> fashion_model() {
  return read(spikeloom_fashion, spikeloom_fashion_end, "the vision model 'fashion'");
}

Result<LoadedModel> fashion_dense_model() {
  return read(spikeloom_fashion_dense, spikeloom_fashion_dense_end,
              "the vision model 'fashion-dense'");
}

}  // namespace spikeloom
