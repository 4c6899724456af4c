# What `cmake --install` puts where. Three components, each a Debian package (cmake/package.cmake):
# program, runtime (the shared library) and development (what building with it takes).
#
# The folders do not depend on the prefix or the distribution, so that one build serves /usr,
# /usr/local and an archive: libraries go to lib, which every loader and pkg-config searches below
# /usr; there is one architecture.
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

install(TARGETS tandem RUNTIME DESTINATION bin COMPONENT program)

install(TARGETS libtandem EXPORT tandem
  LIBRARY DESTINATION lib COMPONENT runtime NAMELINK_COMPONENT development)
install(DIRECTORY include/tandem DESTINATION include COMPONENT development FILES_MATCHING PATTERN *.h)
install(EXPORT tandem NAMESPACE tandem:: FILE tandemTargets.cmake DESTINATION lib/cmake/tandem
  COMPONENT development)
include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/tandemConfig.cmake.in ${PROJECT_BINARY_DIR}/tandemConfig.cmake
  INSTALL_DESTINATION lib/cmake/tandem)
# Below 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tandemConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tandemConfig.cmake ${PROJECT_BINARY_DIR}/tandemConfigVersion.cmake
  DESTINATION lib/cmake/tandem COMPONENT development)
configure_file(cmake/tandem.pc.in ${PROJECT_BINARY_DIR}/tandem.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tandem.pc DESTINATION lib/pkgconfig COMPONENT development)
install(DIRECTORY examples DESTINATION share/doc/tandem COMPONENT development)
install(FILES docs/library.md DESTINATION share/doc/tandem COMPONENT development)

# The plug-in for XRT of the system, not for one that lies in somebody's cache.
if(TANDEM_HAS_XRT AND NOT TANDEM_XRT_LIBRARY MATCHES "/tandem-xrt/")
  install(TARGETS tandem_npu_xrt LIBRARY DESTINATION lib/tandem COMPONENT xrt)
endif()

# The manual page and the completions are what the program says about itself.
set(share ${PROJECT_BINARY_DIR}/share)
file(MAKE_DIRECTORY ${share})
find_program(TANDEM_GZIP gzip REQUIRED)
mark_as_advanced(TANDEM_GZIP)
add_custom_command(
  OUTPUT ${share}/tandem.1.gz ${share}/tandem.bash ${share}/_tandem ${share}/tandem.fish
  COMMAND $<TARGET_FILE:tandem> manual > ${share}/tandem.1
  COMMAND ${TANDEM_GZIP} -9nf ${share}/tandem.1
  COMMAND $<TARGET_FILE:tandem> completion bash > ${share}/tandem.bash
  COMMAND $<TARGET_FILE:tandem> completion zsh > ${share}/_tandem
  COMMAND $<TARGET_FILE:tandem> completion fish > ${share}/tandem.fish
  DEPENDS tandem
  COMMENT "Manual page and completions")
add_custom_target(self-description ALL DEPENDS
  ${share}/tandem.1.gz ${share}/tandem.bash ${share}/_tandem ${share}/tandem.fish)
add_custom_target(product DEPENDS tandem libtandem self-description)
if(TANDEM_HAS_XRT)
  add_dependencies(product tandem_npu_xrt)
endif()
install(FILES ${share}/tandem.1.gz DESTINATION share/man/man1 COMPONENT program)
install(FILES ${share}/tandem.bash DESTINATION share/bash-completion/completions RENAME tandem
  COMPONENT program)
install(FILES ${share}/tandem.fish DESTINATION share/fish/vendor_completions.d COMPONENT program)
# Debian's own packages put theirs elsewhere (cmake/package.cmake).
install(FILES ${share}/_tandem DESTINATION share/zsh/site-functions COMPONENT zsh)

install(FILES README.md CHANGELOG.md docs/cli.md DESTINATION share/doc/tandem COMPONENT program)

include(cmake/copyright.cmake)
tandem_write_copyright(${share}/copyright)
install(FILES ${share}/copyright DESTINATION share/doc/tandem COMPONENT program)
