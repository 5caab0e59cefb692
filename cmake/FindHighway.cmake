# Highway (Debian: libhwy-dev), the portable SIMD library: header files and one library with the
# run-time choice of instruction set. Makes the imported target Highway::hwy. Installed beside the
# package config, because the package of Debian 12 has no CMake files of its own.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_HWY QUIET libhwy)
endif()
find_path(HWY_INCLUDE_DIR hwy/highway.h HINTS ${PC_HWY_INCLUDE_DIRS})
find_library(HWY_LIBRARY hwy HINTS ${PC_HWY_LIBRARY_DIRS})
mark_as_advanced(HWY_INCLUDE_DIR HWY_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Highway
  REQUIRED_VARS HWY_LIBRARY HWY_INCLUDE_DIR
  VERSION_VAR PC_HWY_VERSION
  REASON_FAILURE_MESSAGE "Debian: libhwy-dev")

if(Highway_FOUND AND NOT TARGET Highway::hwy)
  add_library(Highway::hwy UNKNOWN IMPORTED)
  set_target_properties(Highway::hwy PROPERTIES
    IMPORTED_LOCATION ${HWY_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${HWY_INCLUDE_DIR}
    INTERFACE_COMPILE_DEFINITIONS HWY_SHARED_DEFINE)
endif()
