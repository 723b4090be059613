# What goes with the programs (manual pages, completions, units, an example of the configuration), and Debian packages of it
# all: `cpack --config build/release/CPackConfig.cmake`.
set(pages ${CMAKE_BINARY_DIR}/pages)
set(package ${CMAKE_SOURCE_DIR}/package)

# Made of what the programs say to --help, and so never another thing.
add_custom_command(OUTPUT ${pages}/erlgate.yaml
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${pages}
    COMMAND ${package}/pages.sh ${CMAKE_BINARY_DIR} ${pages}
    DEPENDS erlgate erlgate-epmd ${package}/pages.sh ${package}/page.awk ${package}/options.awk ${package}/liberlnode.3 VERBATIM)
add_custom_target(pages ALL DEPENDS ${pages}/erlgate.yaml)

include(GNUInstallDirs)
install(DIRECTORY ${pages}/man1 ${pages}/man5 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT erlgate)
install(FILES ${package}/completions/erlgate.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME erlgate COMPONENT erlgate)
install(FILES ${package}/completions/_erlgate DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT erlgate)
install(FILES ${package}/completions/erlgate.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT erlgate)

# What a system has in one place only, wherever the rest is: in packages, and not in `cmake --install`.
install(FILES ${pages}/erlgate.yaml DESTINATION /etc/erlgate COMPONENT erlgate EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_SOURCE_DIR}/docker/erlgate.service ${CMAKE_SOURCE_DIR}/docker/erlgate-epmd.service
    DESTINATION /lib/systemd/system COMPONENT erlgate EXCLUDE_FROM_ALL)

# ---- Debian's

set(PACKAGE_RELEASE 1)
file(GLOB documents ${CMAKE_SOURCE_DIR}/docs/*.md ${CMAKE_SOURCE_DIR}/docs/*.svg)
file(GLOB decisions ${CMAKE_SOURCE_DIR}/docs/decisions/*.md)
set(debian ${CMAKE_BINARY_DIR}/debian)
foreach(deb erlgate liberlnode-dev)
    set(PACKAGE_NAME ${deb})
    configure_file(${package}/debian/changelog.in ${debian}/${deb}/changelog.Debian @ONLY)
    execute_process(COMMAND gzip -9nf ${debian}/${deb}/changelog.Debian)
endforeach()
set(doc share/doc)
install(FILES ${debian}/erlgate/changelog.Debian.gz ${package}/debian/copyright ${CMAKE_SOURCE_DIR}/README.md
    ${CMAKE_SOURCE_DIR}/CONTRIBUTING.md
    DESTINATION ${doc}/erlgate COMPONENT erlgate EXCLUDE_FROM_ALL)
install(FILES ${documents} DESTINATION ${doc}/erlgate/docs COMPONENT erlgate EXCLUDE_FROM_ALL)
install(FILES ${decisions} DESTINATION ${doc}/erlgate/docs/decisions COMPONENT erlgate EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_SOURCE_DIR}/examples/kv/kv.erl ${CMAKE_SOURCE_DIR}/examples/kv/kv_sup.erl
    DESTINATION ${doc}/erlgate/examples/kv COMPONENT erlgate EXCLUDE_FROM_ALL)
set(CPACK_COMPONENTS_ALL erlgate)

if(TARGET erlnode)
    install(DIRECTORY ${pages}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT erlnode)
    install(FILES ${debian}/liberlnode-dev/changelog.Debian.gz ${package}/debian/copyright
        DESTINATION ${doc}/liberlnode-dev COMPONENT erlnode EXCLUDE_FROM_ALL)
    file(GLOB examples ${CMAKE_SOURCE_DIR}/examples/*.c ${CMAKE_SOURCE_DIR}/examples/*.h)
    install(FILES ${examples} DESTINATION ${doc}/liberlnode-dev/examples COMPONENT erlnode EXCLUDE_FROM_ALL)
    list(APPEND CPACK_COMPONENTS_ALL erlnode)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_OUTPUT_FILE_PREFIX ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGE_CONTACT "The authors of erlgate <authors@erlgate.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # it would be one for all: each package has its own above its description
set(CPACK_PACKAGE_VENDOR "erlgate")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${PACKAGE_RELEASE})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_ERLGATE_PACKAGE_NAME erlgate)
set(CPACK_DEBIAN_ERLGATE_PACKAGE_SECTION net)
set(CPACK_DEBIAN_ERLGATE_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_ERLGATE_PACKAGE_CONTROL_EXTRA
    "${package}/debian/postinst;${package}/debian/prerm;${package}/debian/postrm;${package}/debian/conffiles")
set(CPACK_DEBIAN_ERLGATE_DESCRIPTION "door into an Erlang cluster
erlgate is a node of an Erlang cluster that speaks REST and JSON on its other
side: whatever can send an HTTP request calls gen_servers, watches processes
and takes part in the cluster. It needs no Erlang on its machine.
.
The package also has erlgate-epmd, a name server in the place of epmd.")

set(CPACK_DEBIAN_ERLNODE_PACKAGE_NAME liberlnode-dev)
set(CPACK_DEBIAN_ERLNODE_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_ERLNODE_PACKAGE_DEPENDS "libuv1-dev, libssl-dev, zlib1g-dev")
# (Without a postinst in the list CPack would write one that calls ldconfig, which is a trigger's.)
set(CPACK_DEBIAN_ERLNODE_PACKAGE_CONTROL_EXTRA
    "${package}/debian/library/shlibs;${package}/debian/library/triggers;${package}/debian/library/postinst;${package}/debian/library/postrm")
set(CPACK_DEBIAN_ERLNODE_DESCRIPTION "node of an Erlang cluster, as a C library (development files)
With liberlnode a C program is a node of an Erlang cluster: it has processes
with pids and names, calls and is called.
.
The package has the library, shared and static, its headers, and examples.")

include(CPack)
