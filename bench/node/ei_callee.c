/*
 * ei_callee: the echo server of callee.c as one writes it with Erlang's own C library: one connection, read
 * and answered one message after another.
 *
 *   bench_ei_callee NAME
 *
 * NAME without a host; the cookie is in ERLGATE_COOKIE, EPMD's port in ERL_EPMD_PORT. Says "up" when it is
 * registered; ends with its connection.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ei.h>

static int fail(const char *what)
{
    fprintf(stderr, "ei_callee: %s\n", what);
    return 1;
}

static int listen_on(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 5) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        return -1;
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* {'$gen_call', {Pid, Tag}, Request} is answered by {Tag, Request}. */
static int answer(int fd, const ei_x_buff *in, ei_x_buff *out)
{
    char word[MAXATOMLEN];
    erlang_pid pid;
    int at = 0, version, arity, tag, tag_end, end;

    if (ei_decode_version(in->buff, &at, &version) || ei_decode_tuple_header(in->buff, &at, &arity) ||
        arity != 3 || ei_decode_atom(in->buff, &at, word) || strcmp(word, "$gen_call") != 0 ||
        ei_decode_tuple_header(in->buff, &at, &arity) || arity != 2 || ei_decode_pid(in->buff, &at, &pid))
        return 0;
    tag = tag_end = at;
    if (ei_skip_term(in->buff, &tag_end))
        return 0;
    end = tag_end;
    if (ei_skip_term(in->buff, &end))
        return 0;
    out->index = 0;
    ei_x_encode_version(out);
    ei_x_encode_tuple_header(out, 2);
    ei_x_append_buf(out, in->buff + tag, tag_end - tag);
    ei_x_append_buf(out, in->buff + tag_end, end - tag_end);
    return ei_send(fd, &pid, out->buff, out->index);
}

int main(int argc, char **argv)
{
    const char *cookie = getenv("ERLGATE_COOKIE");
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    char full[MAXNODELEN];
    ei_cnode node;
    ErlConnect who;
    ei_x_buff in, out;
    int listening, port, fd;

    if (argc != 2 || !cookie)
        return fail("usage: ERLGATE_COOKIE=secret bench_ei_callee NAME");
    (void)snprintf(full, sizeof full, "%s@localhost", argv[1]);
    if (ei_init() != 0 || ei_connect_xinit(&node, "localhost", argv[1], full, &loopback, cookie, 1) != 0)
        return fail("init");
    listening = listen_on(&port);
    if (listening < 0 || ei_publish(&node, port) < 0)
        return fail("cannot be registered");
    puts("up");
    fflush(stdout);
    fd = ei_accept(&node, listening, &who);
    if (fd < 0)
        return fail("accept");
    ei_x_new(&in);
    ei_x_new(&out);
    for (;;) {
        erlang_msg message;
        int got;

        in.index = 0;
        got = ei_xreceive_msg(fd, &message, &in);
        if (got == ERL_ERROR)
            break;
        if (got == ERL_MSG && answer(fd, &in, &out) != 0)
            break;
    }
    ei_x_free(&in);
    ei_x_free(&out);
    return 0;
}
