/*
 * settings: options taken apart: what `serve` needs, checked, as numbers and addresses.
 *
 * Made by settings_read from options that outlive it, ended by settings_fini, which wipes the cookie.
 */
#ifndef ERLGATE_SRC_SETTINGS_H
#define ERLGATE_SRC_SETTINGS_H

#include "base/log.h"
#include "bridge/gateway.h"
#include "loop/tls.h"
#include "node/node.h"
#include "src/options.h"

enum { SETTINGS_ADDRESSES_MAX = 16 };

struct settings {
    char name[1024]; /* of the node */
    char *cookie;    /* owned, wiped */
    char http_host[256], admin_host[256], dist_host[256], epmd_host[256], epmd_listen[1024];
    const char *epmd_addresses[SETTINGS_ADDRESSES_MAX + 1]; /* into epmd_listen */
    struct node_config node;
    struct node_place peers[OPTION_VALUES_MAX];
    char peer_hosts[OPTION_VALUES_MAX][256];
    struct loop_tls_config tls;    /* cert_file NULL: none */
    struct http_tls_config https;  /* cert_file NULL: none */
    struct http_listen listens[3]; /* of gateway.listens */
    struct gateway_config gateway;
    uint64_t stop_timeout_ms;
    enum log_level log_level;
    enum log_format log_format;
};

/* False: said on standard error what was wrong, and what to do. */
bool settings_read(struct settings *s, const struct options *o);
void settings_fini(struct settings *s);

#endif
