/*
 * settings: options taken apart: what `serve` needs, checked, as numbers and addresses.
 *
 * Made by settings_read from options that outlive it, ended by settings_fini, which wipes the cookie.
 * Everything that is wrong is told, each at its place, by options_fault; options_is_good says whether it can
 * be used.
 */
#ifndef ERLGATE_SRC_SETTINGS_H
#define ERLGATE_SRC_SETTINGS_H

#include "auth/auth.h"
#include "base/log.h"
#include "bridge/gateway.h"
#include "http/tls.h"
#include "loop/tls.h"
#include "node/node.h"
#include "src/options.h"

enum { SETTINGS_ADDRESSES_MAX = 16, SETTINGS_PEERS_MAX = 64 };

struct settings {
    const char *policy_file, *audit_file; /* NULL: none */
    char name[1024];                      /* of the node */
    char home[256]; /* where its host part leads: a loopback address; "": elsewhere, or nowhere */
    char *cookie;   /* owned, wiped */
    char http_host[256], admin_host[256], dist_host[256], epmd_host[256], epmd_listen[1024];
    const char *epmd_addresses[SETTINGS_ADDRESSES_MAX + 1]; /* into epmd_listen */
    struct node_config node;
    struct node_place peers[SETTINGS_PEERS_MAX];
    char peer_hosts[SETTINGS_PEERS_MAX][256];
    struct loop_tls_config tls;    /* cert_file NULL: none */
    struct http_tls_config https;  /* cert_file NULL: none */
    struct http_listen listens[3]; /* of gateway.listens */
    struct auth_config auth;
    struct gateway_config gateway;
    unsigned workers; /* threads, with the first */
    uint64_t drain_delay_ms, stop_timeout_ms;
    enum log_level log_level;
    enum log_format log_format;
};

/* All but the cookie. */
void settings_read(struct settings *s, struct options *o);
/* Warns of what is no mistake by itself, but cannot do what it is there for. */
void settings_warn(const struct settings *s, struct options *o);
/* Once in a process's life: the variable that holds it is wiped. */
void settings_read_cookie(struct settings *s, struct options *o);
/* Is there anything that says where the cookie is? Says what to do if there is not. */
bool settings_has_cookie(const struct options *o, char *ret_hint, size_t cap);
/* May HTTP be served at that address? Not where others reach it and nobody is asked who they are. */
bool settings_may_be_reached(const struct settings *s, const struct options *o, const char *host);
void settings_fini(struct settings *s);

#endif
