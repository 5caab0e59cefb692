#include "cli/quantize_command.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

namespace spikeloom::cli {
namespace {

/// A file's name as a shell takes it.
std::string shell_word(const std::string& name) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 128 || std::strchr("_./-+,:=@%", c) != nullptr;
  };
  if (std::all_of(name.begin(), name.end(), plain)) return name;
  std::string word = "'";
  for (const char c : name) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace

std::string model_settings(const RunFlags& flags) {
  std::string text;
  const auto add = [&text](std::string_view name, const auto& value) {
    text += fmt::format("{}--{} {}", text.empty() ? "" : " ", name, value);
  };
  if (flags.preset) add("preset", *flags.preset);
  for (const auto& [name, value] : flags.discretisation) add(name, value);
  if (flags.coding) add("coding", *flags.coding);
  if (flags.bin_origin) add("bin-origin", *flags.bin_origin);
  if (flags.bin_rounding) add("bin-rounding", *flags.bin_rounding);
  if (flags.ignore_steps) add("ignore-steps", *flags.ignore_steps);
  if (flags.clip) add("clip", *flags.clip);
  if (flags.read_out) add("read-out", *flags.read_out);
  if (flags.keep_last_bin) text += text.empty() ? "--keep-last-bin" : " --keep-last-bin";
  return text;
}

std::string quantize_command(const std::string& file, const RunFlags& flags) {
  const std::string out = std::filesystem::path(file).replace_extension(".int8.sloom").string();
  const std::string settings = model_settings(flags);
  return fmt::format("spikeloom quantize {} -o {}{}{}", shell_word(file), shell_word(out),
                     settings.empty() ? "" : " ", settings);
}

}  // namespace spikeloom::cli
