/*
 * server: a name server (EPMD) on the loop: epmd/core with sockets and a clock.
 *
 * What it holds is bounded: connections by max_connections, and answers that their readers do not take by 256
 * of them and 32 MiB; past that the one is given up whose reader has taken nothing for longest.
 *
 * epmd_server_start makes it and listens; epmd_server_stop ends it and drops every connection. On the loop's
 * thread.
 */
#ifndef ERLGATE_EPMD_SERVER_H
#define ERLGATE_EPMD_SERVER_H

#include "epmd/core.h"
#include "loop/loop.h"

struct epmd_server;

struct epmd_server_config {
    const char *const *addresses; /* to listen on besides the loopback ones; NULL-terminated; NULL: loopback
                                     alone. A first "" is all addresses */
    uint16_t port;                /* 0: any free one, the same for all addresses */
    bool is_relaxed;              /* KILL with live nodes and STOP are obeyed; KILL without nodes always is */
    uint64_t packet_timeout_ms;   /* from opening to the end of the request, and for the answer to be read; 0:
                                     60,000 */
    size_t max_connections; /* 0: a quarter of the descriptors, at most 4096. See epmd/core.h for what happens
                               then */
    size_t max_old;         /* ended names that are remembered; 0: 1000 */
    /* A local peer has sent KILL and has been told OK: stop the server, from here or later. NULL: KILL is
     * always answered NO. */
    void (*on_kill)(void *ctx);
    epmd_note_fn *on_note; /* for logs; may be NULL. Must not call the server */
    void *ctx;             /* for both */
    /* Descriptors that listen already (socket activation), used instead of addresses and port: taken, but for
     * ERR_NOMEM. The array is borrowed for the call. */
    const int *listen_fds;
    size_t listen_fd_count;
    /* To act as a busy server the thread sleeps so many seconds: for epmd's options of these names. */
    unsigned delay_accept_s, delay_write_s;
};

/*
 * ERR_INVALID: an address is none; ERR_ADDRESS_IN_USE: the port is in use; ERR_IO (errno): another address
 * cannot be listened on; ERR_NOMEM. A loopback address that the machine does not have (no IPv6) is passed
 * over, unless none is left. *ret_address (may be NULL) then is the address that failed, borrowed from
 * config.
 */
MUST_USE enum err epmd_server_start(struct loop *l, const struct epmd_server_config *config,
                                    struct epmd_server **ret, const char **ret_address);
void epmd_server_stop(struct epmd_server *s); /* takes NULL */
uint16_t epmd_server_port(const struct epmd_server *s);

/* ---- what it holds ---- */

/* A name of our own process, without a connection. Copied. ERR_NAME_TAKEN, ERR_INVALID (name), ERR_NOMEM. */
MUST_USE enum err epmd_server_register(struct epmd_server *s, const struct epmd_entry *entry,
                                       uint32_t *ret_creation);
/* One of those; another name is left alone. */
void epmd_server_unregister(struct epmd_server *s, struct slice name);

size_t epmd_server_count(const struct epmd_server *s);
/* Iterates, newest first: *cursor starts at NULL; false at the end. Borrowed until the next turn of the loop.
 */
bool epmd_server_next(const struct epmd_server *s, const struct epmd_reg **cursor, struct epmd_listing *ret);
bool epmd_server_find(const struct epmd_server *s, struct slice name, struct epmd_listing *ret);

#endif
