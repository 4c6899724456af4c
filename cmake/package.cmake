# `make package`: three Debian packages, divided as Debian divides libraries, and one archive of
# everything that unpacks anywhere.
set(CPACK_GENERATOR DEB TXZ)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGE_NAME tandem)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # or every Debian package would begin with it
set(CPACK_PACKAGE_CONTACT "The Tandem Authors <maintainers@tandem.invalid>")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})
set(CPACK_THREADS 0)

string(TOLOWER ${CMAKE_SYSTEM_NAME} system)
set(CPACK_ARCHIVE_FILE_NAME tandem-${PROJECT_VERSION}-${system}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_FILE_NAME ${CPACK_ARCHIVE_FILE_NAME})

set(CPACK_COMPONENTS_ALL program runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(what "Tandem runs Google's Gemma 3n models from GGUF files and Hugging Face folders:
chat, conversion, scoring and measuring, all on this machine.")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME tandem)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "native engine for Gemma 3n language models
${what}

A small demonstration model is inside the program.")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libtandem0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "native engine for Gemma 3n language models - shared library
${what}

This package is the library that programs made with Tandem need.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libtandem-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libtandem0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "native engine for Gemma 3n language models - development
${what}

This package is what it takes to build programs with Tandem: C++ headers,
files for CMake and pkg-config, and examples.")

# What only a Debian package has: changelog and licences in each one's own folder, completions where
# Debian's zsh looks for those of packages. Left out of a plain install and of the archive.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(packages/changelog.in ${PROJECT_BINARY_DIR}/share/changelog @ONLY)
execute_process(COMMAND ${TANDEM_GZIP} -9nf ${PROJECT_BINARY_DIR}/share/changelog
  COMMAND_ERROR_IS_FATAL ANY)
foreach(component IN ITEMS PROGRAM RUNTIME DEVELOPMENT)
  string(TOLOWER ${component} name)
  set(folder share/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME})
  install(FILES ${PROJECT_BINARY_DIR}/share/changelog.gz DESTINATION ${folder}
    COMPONENT ${name} EXCLUDE_FROM_ALL)
  if(NOT component STREQUAL PROGRAM)
    install(FILES ${PROJECT_BINARY_DIR}/share/copyright DESTINATION ${folder}
      COMPONENT ${name} EXCLUDE_FROM_ALL)
  endif()
endforeach()
install(FILES packages/lintian-overrides DESTINATION share/lintian/overrides RENAME tandem
  COMPONENT program EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_BINARY_DIR}/share/_tandem DESTINATION share/zsh/vendor-completions
  COMPONENT program EXCLUDE_FROM_ALL)

include(CPack)
