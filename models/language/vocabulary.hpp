#pragma once
/// The words of a language model, and text as their numbers.
///
/// A text file is lines of words between blanks, as WikiText has them; every line, an empty one
/// too, ends in <eos>. What is no word of the vocabulary becomes <unk>; without an <unk> it is
/// refused.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace spikeloom {

/// Longest line of a text, in bytes: a file of one line is not the text it should be.
inline constexpr std::size_t kMostLineBytes = std::size_t{1} << 24;

struct EncodedText {
  std::vector<std::uint32_t> tokens;
  std::uint64_t lines = 0;
  std::uint64_t unknown = 0;  ///< words that became <unk>
  std::string first_unknown;  ///< the first of them
};

class Vocabulary {
 public:
  /// kInvalidArgument: no words, a word twice, an empty one, or one that holds a blank.
  static Result<Vocabulary> make(std::vector<std::string> words);
  /// One word a line, in the order of their numbers.
  static Result<Vocabulary> parse(std::string_view text, const std::string& name);

  Vocabulary(Vocabulary&&) noexcept = default;
  Vocabulary& operator=(Vocabulary&&) noexcept = default;
  Vocabulary(const Vocabulary&) = delete;  // the index points into the words
  Vocabulary& operator=(const Vocabulary&) = delete;

  std::size_t size() const { return words_.size(); }
  const std::vector<std::string>& words() const { return words_; }
  const std::string& word(std::uint32_t id) const { return words_[id]; }
  std::optional<std::uint32_t> find(std::string_view word) const;
  std::optional<std::uint32_t> unknown() const { return find("<unk>"); }
  std::optional<std::uint32_t> end_of_line() const { return find("<eos>"); }

  /// A whole text. kInvalidArgument: no word in it, a word without <unk>; kResource: a line longer
  /// than kMostLineBytes.
  Result<EncodedText> encode(std::string_view text, const std::string& name) const;
  /// One line without its <eos>.
  Status encode_line(std::string_view line, EncodedText& text) const;

 private:
  Vocabulary() = default;
  std::vector<std::string> words_;
  std::unordered_map<std::string_view, std::uint32_t> index_;
};

}  // namespace spikeloom
