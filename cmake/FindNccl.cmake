# NCCL's header, for what is called of the library, which is looked for at run time. NCCL_ROOT, as a
# variable or in the environment, is a folder with include/nccl.h: an installation, or PyPI's
# nvidia-nccl-cu13 unpacked. Sets NCCL_INCLUDE_DIR and NCCL_VERSION.

find_path(NCCL_INCLUDE_DIR nccl.h
  HINTS ${NCCL_ROOT} ENV NCCL_ROOT ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include)
mark_as_advanced(NCCL_INCLUDE_DIR)
if(NCCL_INCLUDE_DIR)
  file(STRINGS ${NCCL_INCLUDE_DIR}/nccl.h nccl_version_lines REGEX "define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" nccl_version_lines "${nccl_version_lines}")
  string(REPLACE ";" "." NCCL_VERSION "${nccl_version_lines}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Nccl REQUIRED_VARS NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)
