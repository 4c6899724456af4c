# tandem_write_copyright(<output>): packages/copyright.in with the licences of what ends up inside the
# program and the library, as the packages that we build with state them. Those packages are found
# by the files that we use of them. Where there is no dpkg, the names of the projects must do; a
# build that is to be packaged fails instead.
function(tandem_write_copyright output)
  foreach(header IN ITEMS fmt/format.h spdlog/spdlog.h nlohmann/json.hpp CLI/CLI.hpp xxhash.h)
    unset(path)
    find_file(path ${header} NO_CACHE)
    list(APPEND used ${path})
  endforeach()
  if(TANDEM_HAS_VULKAN)
    list(APPEND used ${TANDEM_VOLK_INCLUDE}/volk.h)
  endif()
  foreach(archive IN ITEMS edit bsd md tinfo)
    list(APPEND used ${TANDEM_${archive}_ARCHIVE})
  endforeach()
  set(TANDEM_OTHER_COPYRIGHTS "")
  foreach(path IN LISTS used)
    execute_process(COMMAND dpkg-query --search ${path}
      OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE failed)
    string(REGEX REPLACE "[:,].*" "" owner "${owner}")
    set(file /usr/share/doc/${owner}/copyright)
    get_filename_component(name ${path} NAME)
    if(NOT failed AND EXISTS ${file})
      file(READ ${file} text)
    elseif(TANDEM_STATIC_DEPENDENCIES)
      message(FATAL_ERROR "the licence of ${path} was not found: no ${file}")
    else()
      set(text "See the project that ${name} belongs to.\n")
    endif()
    string(APPEND TANDEM_OTHER_COPYRIGHTS
      "\n--------------------------------------------------------------------------------\n"
      "${name} (${owner})\n\n${text}")
  endforeach()
  configure_file(${PROJECT_SOURCE_DIR}/packages/copyright.in ${output} @ONLY)
endfunction()
