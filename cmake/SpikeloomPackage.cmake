# The installed package: find_package(spikeloom REQUIRED), targets spikeloom::<module>.

include(CMakePackageConfigHelpers)

set(SPIKELOOM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/spikeloom)
install(EXPORT spikeloomTargets NAMESPACE spikeloom:: DESTINATION ${SPIKELOOM_CMAKE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/generated/base/build_info.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spikeloom/base)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/spikeloom)

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/spikeloom-config.cmake.in
  ${PROJECT_BINARY_DIR}/spikeloom-config.cmake
  INSTALL_DESTINATION ${SPIKELOOM_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/spikeloom-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/spikeloom-config.cmake
  ${PROJECT_BINARY_DIR}/spikeloom-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindHighway.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindYaml.cmake
  DESTINATION ${SPIKELOOM_CMAKE_DIR})
