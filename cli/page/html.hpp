#pragma once
/// Pieces of HTML for the report page.

#include <string>
#include <string_view>
#include <vector>

namespace spikeloom::cli {

/// Text for element content and quoted attributes.
std::string escaped(std::string_view text);

/// Collects what the page's figures rest on; a source is cited by number, once listed.
class Footnotes {
 public:
  /// The number of a source, from 1; the same text has the same number.
  std::size_t cite(const std::string& text);
  /// `<sup><a href="#source-N">N</a></sup>`.
  std::string mark(const std::string& text);
  /// The ordered list of all sources cited so far.
  std::string list() const;

 private:
  std::vector<std::string> texts_;
};

/// A section with a heading; `id` makes it a link's target.
std::string section(const std::string& id, const std::string& title, const std::string& body);

/// A table that scrolls on narrow screens. Cells are HTML; the first `text_columns` are text, the
/// others numbers.
std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows,
                       std::size_t text_columns = 1);

}  // namespace spikeloom::cli
