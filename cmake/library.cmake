# The shared library libtandem: the objects that implement include/tandem, and what they need. The
# program does not use it; both contain the same archives.
add_library(libtandem SHARED $<TARGET_OBJECTS:tandem_engine> $<TARGET_OBJECTS:tandem_core>)
set(exports ${PROJECT_SOURCE_DIR}/cmake/libtandem.map)
set_target_properties(libtandem PROPERTIES
  OUTPUT_NAME tandem
  EXPORT_NAME tandem
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINKER_LANGUAGE CXX
  LINK_DEPENDS ${exports}
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_compile_features(libtandem INTERFACE cxx_std_20)
target_link_options(libtandem PRIVATE LINKER:--version-script=${exports} LINKER:--no-undefined)
target_include_directories(libtandem INTERFACE $<INSTALL_INTERFACE:include>)
target_link_libraries(libtandem PRIVATE tandem_flags tandem_engine tandem_core)
