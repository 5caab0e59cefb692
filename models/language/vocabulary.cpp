#include "models/language/vocabulary.hpp"

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

Error bad_word(std::size_t id, std::string what, std::string_view got) {
  return Error{
      .what = std::move(what),
      .where = fmt::format("vocabulary, word {}", id),
      .expected = "every word once, without blanks",
      .got = fmt::format("'{}'", got.substr(0, 60)),
      .next = "export the vocabulary again: one word a line, in the order of their numbers"};
}

/// A piece of text for a message: no control characters, not too long.
std::string shown(std::string_view text) {
  std::string copy;
  for (const char c : text.substr(0, 40)) copy += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return copy;
}

}  // namespace

Result<Vocabulary> Vocabulary::make(std::vector<std::string> words) {
  Vocabulary made;
  made.words_ = std::move(words);
  if (made.words_.empty()) return bad_word(0, "the vocabulary is empty", "");
  if (made.words_.size() > INT32_MAX) return bad_word(0, "there are more than 2^31 words", "");
  made.index_.reserve(made.words_.size());
  for (std::size_t id = 0; id < made.words_.size(); ++id) {
    const std::string& word = made.words_[id];
    if (word.empty()) return bad_word(id, "a word is empty", word);
    if (word.find_first_of(" \t\r\n\f\v") != std::string::npos) {
      return bad_word(id, "a word holds a blank", word);
    }
    if (!made.index_.emplace(word, static_cast<std::uint32_t>(id)).second) {
      return bad_word(id, "a word occurs twice", word);
    }
  }
  return made;
}

Result<Vocabulary> Vocabulary::parse(std::string_view text, const std::string& name) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    words.emplace_back(line);
  }
  auto made = make(std::move(words));
  if (!made.ok()) return std::move(made).error().in(name);
  return made;
}

std::optional<std::uint32_t> Vocabulary::find(std::string_view word) const {
  const auto found = index_.find(word);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

Status Vocabulary::encode_line(std::string_view line, EncodedText& text) const {
  const auto unk = unknown();
  std::size_t at = line.find_first_not_of(kBlanks);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    const std::string_view word = line.substr(at, end - at);
    auto id = find(word);
    if (!id) {
      if (!unk) {
        return Error{.what = "a word is not in the vocabulary, which has no <unk>",
                     .got = fmt::format("'{}'", shown(word)),
                     .next = "write the text with the words the model was trained on"};
      }
      if (text.unknown++ == 0) text.first_unknown = shown(word);
      id = unk;
    }
    text.tokens.push_back(*id);
    at = line.find_first_not_of(kBlanks, end);
  }
  return {};
}

Result<EncodedText> Vocabulary::encode(std::string_view text, const std::string& name) const {
  EncodedText encoded;
  const auto eos = end_of_line();
  std::uint64_t words = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++encoded.lines;
    const std::string where = fmt::format("{}, line {}", name, encoded.lines);
    if (line.size() > kMostLineBytes) {
      return Error{.code = ErrorCode::kResource,
                   .what = "a line is too long",
                   .where = where,
                   .expected = fmt::format("at most {} bytes", kMostLineBytes),
                   .got = fmt::format("{} bytes", line.size()),
                   .next = "give a text with line ends: a sentence or a paragraph a line"};
    }
    const std::size_t before = encoded.tokens.size();
    if (auto status = encode_line(line, encoded); !status.ok()) {
      return Error(status.error()).in(where);
    }
    words += encoded.tokens.size() - before;
    if (eos) encoded.tokens.push_back(*eos);
  }
  if (words == 0) {
    return Error{.what = "the text holds no word",
                 .where = name,
                 .expected = "lines of words between blanks",
                 .next = "give another file"};
  }
  return encoded;
}

}  // namespace spikeloom
