/*
 * example: what every program here begins with: a node from the command line and the environment.
 *
 * argv[1] is its name (c@localhost), ERLANG_COOKIE the cookie, ERL_EPMD_PORT the port of EPMD if it is not
 * 4369. In a cluster that speaks TLS: ERLANG_TLS_CERT, a PEM file with the certificate and its key, and
 * ERLANG_TLS_CA, one with the CAs that the others' certificates are of.
 */
#ifndef ERLNODE_EXAMPLE_H
#define ERLNODE_EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>

#include "etf/write.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "node/rpc.h"
#include "node/server.h"

static struct loop *loop;
static struct node *node;
static struct loop_tls *tls;
static int status;

/* Ends the program with this status, from any callback. */
static inline void end(int with_status)
{
    status = with_status;
    node_stop(node);
    loop_stop(loop);
}

static inline void must(enum err e, const char *what)
{
    if (e == ERR_NONE)
        return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

/* The node, on its way to `started`, which is called when other nodes can reach it. usage: the program and
 * its arguments, for who has not given a name or a cookie. */
static inline bool begin(const char *usage, const char *name, node_started_fn *started)
{
    const char *cookie = getenv("ERLANG_COOKIE"), *epmd = getenv("ERL_EPMD_PORT");
    struct loop_tls_config files = {
        .cert_file = getenv("ERLANG_TLS_CERT"), .ca_file = getenv("ERLANG_TLS_CA"), .is_verified = true};
    struct loop_tls_fault fault;
    struct node_config config = {
        .name = slice_of_str(name ? name : ""),
        .cookie = slice_of_str(cookie),
        .dist_host = "",
        .epmd_port = epmd ? (uint16_t)atoi(epmd) : 0,
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (files.cert_file && loop_tls_new(&files, &tls, &fault) != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", fault.file ? fault.file : "TLS", fault.text);
        return false;
    }
    config.tls = tls;
    loop = loop_new();
    node = loop && cookie ? node_new(loop, &config) : NULL;
    if (node && node_start(node, started, NULL) == ERR_NONE)
        return true;
    fprintf(stderr, "usage: ERLANG_COOKIE=secret %s\n", usage);
    return false;
}

/* After the loop. In this order: the node is on the loop, and its links are TLS. */
static inline int finish(void)
{
    node_stop(node);
    node_free(node);
    loop_free(loop);
    loop_tls_free(tls);
    return status;
}

/* Runs the node until end(). */
static inline int run(const char *usage, const char *name, node_started_fn *started)
{
    if (!begin(usage, name, started))
        return 2;
    loop_run(loop);
    return finish();
}

#endif
