# libyaml (Debian: libyaml-dev), the YAML 1.1 parser in C. Makes the imported target Yaml::yaml.
# Installed beside the package config, because the library comes without CMake files of its own.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_YAML QUIET yaml-0.1)
endif()
find_path(YAML_INCLUDE_DIR yaml.h HINTS ${PC_YAML_INCLUDE_DIRS})
find_library(YAML_LIBRARY yaml HINTS ${PC_YAML_LIBRARY_DIRS})
mark_as_advanced(YAML_INCLUDE_DIR YAML_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Yaml
  REQUIRED_VARS YAML_LIBRARY YAML_INCLUDE_DIR
  VERSION_VAR PC_YAML_VERSION
  REASON_FAILURE_MESSAGE "Debian: libyaml-dev")

if(Yaml_FOUND AND NOT TARGET Yaml::yaml)
  add_library(Yaml::yaml UNKNOWN IMPORTED)
  set_target_properties(Yaml::yaml PROPERTIES
    IMPORTED_LOCATION ${YAML_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${YAML_INCLUDE_DIR})
endif()
