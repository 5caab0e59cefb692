# spikeloom_module(NAME <module> [PUBLIC_DEPS spikeloom::x...] [PRIVATE_DEPS target...]
#                  [EXCLUDE file...] [PRECOMPILED header...] [NO_INSTALL])
#
# Makes the static library spikeloom_<module> (alias spikeloom::<module>) of every *.cpp under the
# calling directory, installs its public headers under include/spikeloom/<module> and exports it.
# A header is private, and not installed, if it lies under detail/ or is named *_private.hpp.
#
# PRIVATE_DEPS are used by the sources alone. Those that have a library to link (HDF5, ZLIB, fmt)
# stay in the export as link-only dependencies; header-only ones should come wrapped in
# $<BUILD_INTERFACE:...>, so that a user of the installed tree never needs them.
#
# Common headers are compiled once for all modules; one with PRECOMPILED headers has its own.

include(GNUInstallDirs)

function(spikeloom_module)
  cmake_parse_arguments(ARG "NO_INSTALL" "NAME" "PUBLIC_DEPS;PRIVATE_DEPS;EXCLUDE;PRECOMPILED" ${ARGN})
  set(target spikeloom_${ARG_NAME})

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(ARG_EXCLUDE)
    list(TRANSFORM ARG_EXCLUDE PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    list(REMOVE_ITEM sources ${ARG_EXCLUDE})
  endif()

  if(sources)
    set(scope PUBLIC)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PRIVATE
      $<BUILD_INTERFACE:spikeloom_flags> ${ARG_PRIVATE_DEPS})
    if(SPIKELOOM_FUZZ)  # only the library is worth the fuzzer's while, not the tests of it
      target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
    if(ARG_PRECOMPILED)
      spikeloom_precompile(${target} <fmt/format.h> ${ARG_PRECOMPILED})
    else()
      spikeloom_precompile(${target} REUSE spikeloom_precompiled)
    endif()
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
  endif()
  add_library(spikeloom::${ARG_NAME} ALIAS ${target})

  target_compile_features(${target} ${scope} cxx_std_20)
  target_link_libraries(${target} ${scope} ${ARG_PUBLIC_DEPS})
  # Sources say "base/result.hpp"; an outside project may say that or "spikeloom/base/result.hpp".
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/spikeloom>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${ARG_NAME})

  if(ARG_NO_INSTALL)
    return()
  endif()
  install(TARGETS ${target} EXPORT spikeloomTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spikeloom/${ARG_NAME}
    FILES_MATCHING PATTERN "*.hpp"
    PATTERN "detail" EXCLUDE
    PATTERN "*_private.hpp" EXCLUDE)
endfunction()
