# Precompiled headers: the parts of the C++ library and of fmt that most sources include. With g++
# and clang they save 0.6 to 1 s of processor time a source, a fifth of a build. On in continuous
# integration alone: code that g++ 12 makes with them was seen to be slower (neurons of the
# simulation engine in closed form 18 times; the cause is not known).
if(PROJECT_IS_TOP_LEVEL AND DEFINED ENV{CI} AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(precompiled ON)
else()
  set(precompiled OFF)
endif()
option(SPIKELOOM_PRECOMPILED "Compile common headers once a library" ${precompiled})

set(SPIKELOOM_COMMON_HEADERS
  <algorithm> <array> <chrono> <cmath> <cstdint> <cstring> <filesystem> <fstream> <functional>
  <limits> <map> <memory> <numeric> <optional> <set> <span> <sstream> <string> <string_view>
  <unordered_map> <utility> <variant> <vector>)

# spikeloom_precompile(<target> [REUSE <other>] [header...]): the common headers and those named, or
# what another target with the same language options has compiled.
function(spikeloom_precompile target)
  cmake_parse_arguments(ARG "" "REUSE" "" ${ARGN})
  if(NOT SPIKELOOM_PRECOMPILED)
    return()
  endif()
  if(ARG_REUSE)
    target_precompile_headers(${target} REUSE_FROM ${ARG_REUSE})
  else()
    target_precompile_headers(${target} PRIVATE ${SPIKELOOM_COMMON_HEADERS} ${ARG_UNPARSED_ARGUMENTS})
  endif()
endfunction()

# What the modules share. g++ wants every macro of the command line again where it is used, so this
# has only those that all of them have.
if(SPIKELOOM_PRECOMPILED)
  set(source ${PROJECT_BINARY_DIR}/generated/precompiled.cpp)
  file(GENERATE OUTPUT ${source} CONTENT "// A target with precompiled headers has a source.\n")
  add_library(spikeloom_precompiled OBJECT ${source})
  target_link_libraries(spikeloom_precompiled PRIVATE spikeloom_flags fmt::fmt)
  if(SPIKELOOM_FUZZ)
    target_compile_options(spikeloom_precompiled PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  spikeloom_precompile(spikeloom_precompiled <fmt/format.h>)
endif()
