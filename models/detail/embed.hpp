#pragma once
/// Files that lie in the binary: the assembler copies them; CMakeLists.txt says where they are.

/// Makes the symbols `name` and `name_end` (declare both extern "C" const char[]); a zero byte
/// follows the file.
#define SPIKELOOM_EMBED(name, file)                                                \
  asm(".section .rodata\n.balign 64\n.global " name "\n.hidden " name "\n" name    \
      ":\n.incbin \"" file "\"\n.global " name "_end\n.hidden " name "_end\n" name \
      "_end:\n.byte 0\n.previous\n")
