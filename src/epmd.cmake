# erlgate-epmd: the name server as a program of its own.
add_executable(erlgate-epmd ${CMAKE_CURRENT_SOURCE_DIR}/epmd_main.c)
target_link_libraries(erlgate-epmd PRIVATE epmd erlgate_flags)
install(TARGETS erlgate-epmd RUNTIME)
