#include "models/slayer/slayer_weights.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "base/io/file.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;
constexpr int kMaxNumber = 256;

struct Prefix {
  std::string_view text;
  SlayerKind kind;
};
constexpr std::array<Prefix, 4> kPrefixes = {{{"pool", SlayerKind::kPool},
                                              {"conv", SlayerKind::kConvolution},
                                              {"fc", SlayerKind::kDense},
                                              {"dense", SlayerKind::kDense}}};

/// "conv12" as kind and number.
std::optional<SlayerWeights> identify(const std::string& stem) {
  for (const Prefix& prefix : kPrefixes) {
    if (!stem.starts_with(prefix.text)) continue;
    const std::string_view digits = std::string_view(stem).substr(prefix.text.size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) continue;
    if (number < 1 || number > kMaxNumber || digits.starts_with('0')) continue;
    return SlayerWeights{stem, prefix.kind, number, {}, {}};
  }
  return std::nullopt;
}

/// Files of a kind are numbered 1, 2, ... without a gap.
Status check_numbers(const std::vector<SlayerWeights>& files, const std::string& folder) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool first = i == 0 || files[i - 1].kind != files[i].kind;
    const int expected = first ? 1 : files[i - 1].number + 1;
    if (files[i].number == expected) continue;
    const std::string kind = files[i].name.substr(0, files[i].name.find_first_of("0123456789"));
    return Error{.code = files[i].number < expected ? ErrorCode::kFormat : ErrorCode::kNotFound,
                 .what = "the weight files of a kind are not numbered 1, 2, ...",
                 .where = folder,
                 .expected = fmt::format("{}{}.txt", kind, expected),
                 .got = files[i].name + ".txt",
                 .next = "put the file of every layer into the folder"};
  }
  return {};
}

}  // namespace

Result<std::vector<double>> parse_slayer_weights(std::string_view text, const std::string& name) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  std::size_t line = 0;
  while (!text.empty()) {
    ++line;
    const std::size_t end = text.find('\n');
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t start = word.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) continue;
    word = word.substr(start, word.find_last_not_of(" \t\r") - start + 1);
    double value = 0.0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || !std::isfinite(value)) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "this is no weight",
                   .where = fmt::format("{}: line {}", name, line),
                   .expected = "one number",
                   .got = fmt::format("'{}'", word.substr(0, 40))};
    }
    values.push_back(value);
  }
  return values;
}

Result<std::vector<SlayerWeights>> read_slayer_weights(const std::string& folder,
                                                       std::vector<std::string>& others) {
  std::error_code failure;
  std::filesystem::directory_iterator entries(folder, failure);
  if (failure) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "this is no folder that can be read",
                 .where = folder,
                 .expected = "a folder with pool1.txt, conv1.txt, fc1.txt, ...",
                 .got = failure.message()};
  }
  std::vector<SlayerWeights> files;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    if (failure) break;
    const std::filesystem::path& path = entries->path();
    if (path.extension() != ".txt") continue;
    if (path.stem().string().starts_with("delay")) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "learnt delays are not read",
                   .where = path.string(),
                   .next = "a network without delay layers can be run"};
    }
    if (auto file = identify(path.stem().string())) {
      file->path = path.string();
      files.push_back(*std::move(file));
    } else {
      others.push_back(path.filename().string());
    }
  }
  if (failure) {
    return Error{.code = ErrorCode::kIo, .what = failure.message(), .where = folder};
  }
  if (files.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there are no weights in this folder",
                 .where = folder,
                 .expected = "pool1.txt, conv1.txt, fc1.txt, ..."};
  }
  std::sort(others.begin(), others.end());
  std::sort(files.begin(), files.end(), [](const SlayerWeights& a, const SlayerWeights& b) {
    return std::tuple(a.kind, a.number, a.name) < std::tuple(b.kind, b.number, b.name);
  });
  SPIKELOOM_CHECK(check_numbers(files, folder));
  for (SlayerWeights& file : files) {
    SPIKELOOM_TRY(const std::string text, io::read_text_file(file.path, kMaxFileBytes));
    SPIKELOOM_TRY(file.values, parse_slayer_weights(text, file.path));
  }
  return files;
}

}  // namespace spikeloom
