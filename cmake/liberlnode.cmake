# liberlnode: the layers base to node as a library for other programs, static and shared, with headers, pkg-config and CMake
# packages. Installed by `cmake --install BUILD --component erlnode`.
#
# The layers are compiled once more, for what they export is decided by one list (liberlnode.symbols) and not by each
# header: the shared library's version script and the static library's one object are made of it.
set(ERLNODE_ABI 0)
set(ERLNODE_HEADERS
    base/be.h base/err.h base/log.h base/mem.h base/rd.h base/slice.h base/wr.h
    epmd/client.h epmd/msg.h
    etf/integer.h etf/syntax.h etf/tag.h etf/term.h etf/validate.h etf/write.h
    loop/loop.h loop/tls.h
    node/global.h node/node.h node/pg.h node/rpc.h node/server.h node/spawn.h)

file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/liberlnode.symbols symbols REGEX "^[a-z]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/liberlnode.symbols)
list(JOIN symbols ";\n        " exported)
set(version_script ${CMAKE_CURRENT_BINARY_DIR}/liberlnode.map)
file(CONFIGURE OUTPUT ${version_script} CONTENT "ERLNODE_${ERLNODE_ABI} {\n    global:\n        ${exported};\n    local: *;\n};\n")
list(JOIN symbols "\n" kept)
set(keep_list ${CMAKE_CURRENT_BINARY_DIR}/liberlnode.keep)
file(CONFIGURE OUTPUT ${keep_list} CONTENT "${kept}\n")

foreach(layer base loop etf epmd dist node)
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${layer}/*.c)
    list(APPEND erlnode_sources ${found})
endforeach()
list(FILTER erlnode_sources EXCLUDE REGEX "_main\\.c$")

add_library(erlnode_objects OBJECT ${erlnode_sources})
# Not for link time: the static library is one object joined by the linker, which other compilers' programs link.
set_target_properties(erlnode_objects PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
target_include_directories(erlnode_objects PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(erlnode_objects PRIVATE deps::uv ZLIB::ZLIB OpenSSL::SSL)
# As every layer, but for the visibility, which is the version script's to decide.
target_compile_definitions(erlnode_objects PRIVATE $<TARGET_PROPERTY:erlgate_flags,INTERFACE_COMPILE_DEFINITIONS>)
target_compile_options(erlnode_objects PRIVATE
    $<FILTER:$<TARGET_PROPERTY:erlgate_flags,INTERFACE_COMPILE_OPTIONS>,EXCLUDE,visibility>)

add_library(erlnode SHARED $<TARGET_OBJECTS:erlnode_objects>)
target_link_libraries(erlnode PRIVATE erlgate_flags deps::uv ZLIB::ZLIB OpenSSL::SSL OpenSSL::Crypto m)
target_link_options(erlnode PRIVATE -Wl,--version-script=${version_script} -Wl,-z,defs)
set_target_properties(erlnode PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${ERLNODE_ABI} LINK_DEPENDS ${version_script})

# One object in which only the exported names are global: a program's own `map_get` is no clash.
set(whole ${CMAKE_CURRENT_BINARY_DIR}/erlnode.o)
add_custom_command(OUTPUT ${whole}
    COMMAND ${CMAKE_C_COMPILER} -nostdlib -r -o ${whole} $<TARGET_OBJECTS:erlnode_objects>
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${keep_list} ${whole}
    DEPENDS erlnode_objects $<TARGET_OBJECTS:erlnode_objects> ${keep_list} COMMAND_EXPAND_LISTS VERBATIM)
add_library(erlnode_static STATIC ${whole})
set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
set_target_properties(erlnode_static PROPERTIES OUTPUT_NAME erlnode LINKER_LANGUAGE C)

# ---- installing

include(GNUInstallDirs)
set(erlnode_include ${CMAKE_INSTALL_INCLUDEDIR}/erlnode)
install(TARGETS erlnode erlnode_static
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT erlnode NAMELINK_COMPONENT erlnode
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT erlnode)
foreach(header ${ERLNODE_HEADERS})
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${CMAKE_SOURCE_DIR}/${header} DESTINATION ${erlnode_include}/${folder} COMPONENT erlnode)
endforeach()
# As installed they include each other by where they are: a program may have a base/err.h of its own, and #include <erlnode/node/node.h>
# for whose path ends at the prefix's include. To C++ they are a system's headers: it warns of initializers that are C's own.
install(CODE "set(headers ${erlnode_include})" COMPONENT erlnode)
install(CODE [[
    file(GLOB_RECURSE headers "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${headers}/*.h")
    foreach(header ${headers})
        file(READ "${header}" text)
        string(REGEX REPLACE "#include \"([a-z]+/)" "#include \"../\\1" text "${text}")
        if(NOT text MATCHES "system_header")
            string(REGEX REPLACE "(\n#define ERLGATE_[A-Z_]+_H\n)"
                "\\1\n#ifdef __cplusplus\n#pragma GCC system_header\n#endif\n" text "${text}")
        endif()
        file(WRITE "${header}" "${text}")
    endforeach()
]] COMPONENT erlnode)
file(RELATIVE_PATH up /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p) # from the .pc file to the prefix, wherever that is put
configure_file(${CMAKE_CURRENT_LIST_DIR}/liberlnode.pc.in ${CMAKE_CURRENT_BINARY_DIR}/liberlnode.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/liberlnode.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT erlnode)

include(CMakePackageConfigHelpers)
set(erlnode_package ${CMAKE_INSTALL_LIBDIR}/cmake/erlnode)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/erlnode-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/erlnode-config.cmake INSTALL_DESTINATION ${erlnode_package}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/erlnode-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/erlnode-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/erlnode-config-version.cmake
    DESTINATION ${erlnode_package} COMPONENT erlnode)
