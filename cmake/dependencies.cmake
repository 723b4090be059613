# The libraries of the system, each as a target.
find_package(PkgConfig REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)

function(erlgate_dependency target module)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${module})
    add_library(deps::${target} ALIAS PkgConfig::${target})
endfunction()

erlgate_dependency(uv libuv)
erlgate_dependency(jansson jansson)
erlgate_dependency(microhttpd libmicrohttpd)
erlgate_dependency(gnutls gnutls)
erlgate_dependency(yaml yaml-0.1)
erlgate_dependency(curl libcurl)
erlgate_dependency(rhonabwy librhonabwy)
