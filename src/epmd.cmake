# erlgate-epmd: a name server of its own, at the root of the build, where people look for it.
add_executable(erlgate-epmd
    ${CMAKE_CURRENT_LIST_DIR}/epmd_main.c ${CMAKE_CURRENT_LIST_DIR}/epmd_ask.c ${CMAKE_CURRENT_LIST_DIR}/epmd_daemon.c
    ${CMAKE_CURRENT_LIST_DIR}/epmd_options.c ${CMAKE_CURRENT_LIST_DIR}/epmd_serve.c ${CMAKE_CURRENT_LIST_DIR}/standard.c)
target_link_libraries(erlgate-epmd PRIVATE epmd erlgate_flags)
set_target_properties(erlgate-epmd PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
install(TARGETS erlgate-epmd RUNTIME COMPONENT erlgate)
