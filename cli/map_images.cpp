#include "cli/map_images.hpp"

#include <filesystem>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/table.hpp"
#include "mapping/images.hpp"

namespace spikeloom::cli {

std::string core_image_name(const mapping::Plan& plan, const mapping::PlanCore& core) {
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  return fmt::format("core-{}-{}-{}.bin", core.chip % width, core.chip / width, core.core);
}

std::string chip_image_name(const mapping::Plan& plan, std::uint32_t chip) {
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  return fmt::format("chip-{}-{}.bin", chip % width, chip / width);
}

Result<std::string> write_images(const MapInput& input, const mapping::Plan& plan,
                                 const std::string& folder) {
  if (!input.program) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "a population graph has no weights to make images of",
                 .where = "--images",
                 .next = "map a network"};
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const mapping::MemoryImages images(*input.program, input.graph, plan, input.options.resources);
  std::size_t files = 0, bytes = 0;
  const auto write = [&](const std::vector<std::byte>& image, const std::string& name) -> Status {
    if (image.empty()) return {};
    ++files;
    bytes += image.size();
    return io::write_file_atomic(folder + "/" + name, image);
  };
  std::set<std::uint32_t> chips;
  for (std::uint32_t c = 0; c < plan.cores.size(); ++c) {
    const mapping::PlanCore& core = plan.cores[c];
    chips.insert(core.chip);
    SPIKELOOM_TRY(const auto image, images.core(c));
    SPIKELOOM_CHECK(write(image, core_image_name(plan, core)));
  }
  for (const std::uint32_t chip : chips) {
    SPIKELOOM_TRY(const auto image, images.chip(chip));
    SPIKELOOM_CHECK(write(image, chip_image_name(plan, chip)));
  }
  return fmt::format("{} images, {} bytes, in {}", files, with_commas(bytes), folder);
}

}  // namespace spikeloom::cli
