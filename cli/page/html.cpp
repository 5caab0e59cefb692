#include "cli/page/html.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace spikeloom::cli {

std::string escaped(std::string_view text) {
  std::string made;
  for (const char c : text) {
    switch (c) {
      case '&':
        made += "&amp;";
        break;
      case '<':
        made += "&lt;";
        break;
      case '>':
        made += "&gt;";
        break;
      case '"':
        made += "&quot;";
        break;
      default:
        // HTML forbids other control characters, which a layer's name may hold.
        made += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return made;
}

std::size_t Footnotes::cite(const std::string& text) {
  const auto found = std::find(texts_.begin(), texts_.end(), text);
  if (found != texts_.end()) return static_cast<std::size_t>(found - texts_.begin()) + 1;
  texts_.push_back(text);
  return texts_.size();
}

std::string Footnotes::mark(const std::string& text) {
  const std::size_t number = cite(text);
  return fmt::format("<sup><a href=\"#source-{0}\" title=\"{1}\">{0}</a></sup>", number,
                     escaped(text));
}

std::string Footnotes::list() const {
  std::string made = "<ol class=\"sources\">\n";
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    made += fmt::format("<li id=\"source-{}\">{}</li>\n", i + 1, escaped(texts_[i]));
  }
  return made + "</ol>\n";
}

std::string section(const std::string& id, const std::string& title, const std::string& body) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, escaped(title), body);
}

std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows,
                       std::size_t text_columns) {
  const auto text = [&](std::size_t c) { return c < text_columns ? " class=\"text\"" : ""; };
  std::string made = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (std::size_t c = 0; c < header.size(); ++c) {
    made += fmt::format("<th scope=\"col\"{}>{}</th>", text(c), header[c]);
  }
  made += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    made += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      made += c == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", text(c), row[c])
                     : fmt::format("<td{}>{}</td>", text(c), row[c]);
    }
    made += "</tr>\n";
  }
  return made + "</tbody></table></div>\n";
}

}  // namespace spikeloom::cli
