#pragma once
/// What the terminal can show.

namespace spikeloom::cli {

/// By LC_ALL, LC_CTYPE and LANG, the first that is set; true when none is, as most terminals
/// and every log of a build server take UTF-8 today.
bool terminal_speaks_utf8();

/// Columns of the terminal on stdout; 80 when it is none.
int terminal_width();

}  // namespace spikeloom::cli
