/*
 * streams: what ten thousand open event streams cost, and how long it takes to tell all of them something.
 *
 *   bench_streams [--check] [STREAMS]
 *
 * The server and its clients are one process, on one thread: what the clients have, a descriptor each, is the
 * system's and not resident here. Each stream is opened on a connection of its own and rests; then one event
 * goes to all, and then the gateway stops. What a request costs beside them is printed too. --check fails
 * when a stream costs more than 40 KiB resident, or the event takes more than 2 s, or not all are told that
 * it stops.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/events.h"

enum { STREAMS = 9500, SPARE_FDS = 64, MAX_KIB = 40, MAX_MS = 2000, BATCH = 64, CALLS = 2000 };

static struct http_server *server;
static uint64_t *streams;
static size_t stream_count;

static void handle(void *ctx, struct http_request *req)
{
    struct http_reading reading;

    (void)ctx;
    CHECK(http_reading_of(server, req, &reading));
    streams[stream_count] = http_stream_new(server, &(struct http_stream_config){.key = SLICE("bench")});
    CHECK(streams[stream_count] != 0);
    (void)http_stream_emit(server, streams[stream_count], "monitor",
                           SLICE("{\"target\":\"/v1/nodes/kv@host/processes/kv\"}"));
    CHECK(http_stream_attach(server, http_request_id(req), streams[stream_count], &reading));
    stream_count++;
}

static uint64_t held;

/* Answered later, as a call to a process is. */
static void hold(void *ctx, struct http_request *req)
{
    (void)ctx;
    held = http_request_id(req);
}

static const char *const query[] = {HTTP_READING_QUERY, NULL};
static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/monitor", .query = query, .handle = handle},
    {.method = "GET", .pattern = "/hold", .handle = hold},
};

static size_t resident_kib(void)
{
    size_t all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f && fscanf(f, "%zu %zu", &all, &resident) == 2);
    fclose(f);
    return resident * (size_t)(sysconf(_SC_PAGESIZE) / 1024);
}

static int dial(void)
{
    static const char request[] = "GET /monitor HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1.0\r\n"
                                  "Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
    return fd;
}

/* Time of this thread alone: whatever else the machine does is left out. */
static uint64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Has this client been told? What it was told is read and forgotten. */
static bool has_heard(int fd, const char *what)
{
    char text[4096];
    ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);

    return n > 0 && memmem(text, (size_t)n, what, strlen(what));
}

/* How much of the processor a request costs that is suspended and answered in the next turn, one after
 * another: libmicrohttpd goes through all that are suspended whenever one is resumed. */
static double call_us(struct loop *l)
{
    static const char request[] = "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t began = cpu_us();

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    for (int i = 0; i < CALLS; i++) {
        CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
        for (held = 0; !held;)
            loop_turn(l, 1);
        http_answer(server, held, &(struct http_response){.status = 204});
        while (!has_heard(fd, "204"))
            loop_turn(l, 1);
    }
    close(fd);
    return (double)(cpu_us() - began) / CALLS;
}

int main(int argc, char **argv)
{
    bool is_check = argc > 1 && strcmp(argv[1], "--check") == 0;
    size_t wanted = argc > 1 + is_check ? strtoul(argv[1 + is_check], NULL, 10) : STREAMS;
    struct rlimit fds;
    struct loop *l;
    struct http_config c = {.routes = routes, .route_count = ARRAY_LEN(routes)};
    size_t before, after, heard = 0, byes = 0;
    uint64_t began, turn, worst = 0, emitted, took, took_bye;
    double alone_us;
    int *clients;

    log_setup(LOG_OFF, LOG_TEXT);
    CHECK(getrlimit(RLIMIT_NOFILE, &fds) == 0);
    fds.rlim_cur = fds.rlim_max;
    setrlimit(RLIMIT_NOFILE, &fds);
    if (wanted > (fds.rlim_cur - SPARE_FDS) / 2)
        wanted = (fds.rlim_cur - SPARE_FDS) / 2;
    clients = mem_realloc_array(NULL, wanted, sizeof *clients);
    streams = mem_realloc_array(NULL, wanted, sizeof *streams);
    CHECK(clients && streams);
    memset(streams, 0, wanted * sizeof *streams);
    l = loop_new();
    CHECK(l && http_server_start(l, &c, &server) == ERR_NONE);
    loop_turn(l, 0);

    alone_us = call_us(l);
    before = resident_kib();
    for (size_t i = 0; i < wanted; i++) {
        clients[i] = dial();
        if (i % BATCH == 0 || i + 1 == wanted) {
            while (stream_count <= i)
                loop_turn(l, 1);
        }
    }
    for (size_t i = 0; i < wanted; i++) {
        while (!has_heard(clients[i], "event: monitor"))
            loop_turn(l, 1);
    }
    after = resident_kib();
    printf("%zu streams: %zu KiB resident, %.1f KiB each\n", wanted, after - before,
           (double)(after - before) / (double)wanted);
    printf("a request beside them: %.1f us of CPU; alone: %.1f us\n", call_us(l), alone_us);

    began = loop_now_us();
    for (size_t i = 0; i < wanted; i++) {
        CHECK(http_stream_emit(server, streams[i], "down", SLICE("{\"reason\":{\"$atom\":\"killed\"}}")) ==
              ERR_NONE);
    }
    emitted = loop_now_us() - began;
    while (heard < wanted) {
        turn = cpu_us();
        loop_turn(l, 0);
        turn = cpu_us() - turn;
        worst = turn > worst ? turn : worst;
        while (heard < wanted && has_heard(clients[heard], "event: down"))
            heard++;
    }
    took = (loop_now_us() - began) / 1000;
    printf("one event to all: %llu ms, of which %llu ms to emit; the longest turn %.1f ms of CPU; %zu KiB "
           "resident, "
           "%.1f KiB each\n",
           (unsigned long long)took, (unsigned long long)emitted / 1000, (double)worst / 1000,
           resident_kib() - before, (double)(resident_kib() - before) / (double)wanted);
    began = loop_now_us();
    http_server_stop(server);
    took_bye = (loop_now_us() - began) / 1000;
    for (size_t i = 0; i < wanted; i++) {
        byes += has_heard(clients[i], "event: bye");
        close(clients[i]);
    }
    printf("bye: %zu of %zu, within %llu ms\n", byes, wanted, (unsigned long long)took_bye);
    loop_free(l);
    mem_free(clients);
    mem_free(streams);
    return is_check && ((after - before) / wanted > MAX_KIB || took > MAX_MS || byes < wanted);
}
