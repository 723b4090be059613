/*
 * reader: many readers of event streams in one process, which does nothing but count.
 *
 *   bench_reader PORT COUNT
 *
 * First COUNT paths come on standard input, a line each: each is opened on a connection of its own. When all
 * have been answered it says "open". Then each line `COUNT WORD` waits until so many events of that kind have
 * come on all streams together, those included that came since the last such line, and says how many µs that
 * took and when it was so, in µs since 1970. Ends with standard input, or after two minutes.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, ROOM = 1 << 18, KEPT = 64, BATCH = 500, EVENTS = 512, LIMIT_S = 120 };

struct stream {
    int fd;
    size_t kept; /* bytes of the last piece in which a word may have begun */
    char tail[KEPT];
};

static struct stream *streams;
static size_t stream_count;
static int epoll_fd;
static char word[KEPT]; /* "event: down\n" */
static size_t word_len;
static uint64_t seen;
static size_t ended; /* streams: a monitor's ends after `down` */
static char room[KEPT + ROOM];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void dial(struct stream *s, uint16_t port, const char *path)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    char request[LINE_MAX_BYTES + 128];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: localhost:%u\r\n\r\n", path, port);

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        send(s->fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event) != 0)
        fail("a stream cannot be opened");
}

/* HTTP/1.0, so that no chunk's length comes between. */
static void greet(struct stream *s)
{
    static const char ok[] = "HTTP/1.1 200";
    char start[sizeof ok];

    if (recv(s->fd, start, sizeof start, MSG_PEEK | MSG_WAITALL) != sizeof start ||
        memcmp(start, ok, sizeof ok - 1) != 0) {
        fprintf(stderr, "reader: not answered by 200: %.12s\n", start);
        exit(1);
    }
}

/* Counts the word in what has come, a word that two pieces share included. */
static void take(struct stream *s)
{
    ssize_t n = recv(s->fd, room + KEPT, ROOM, MSG_DONTWAIT);
    char *at = room + KEPT - s->kept, *end = room + KEPT + n;

    if (n <= 0) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        ended++;
        return;
    }
    memcpy(at, s->tail, s->kept);
    for (char *found; (found = memmem(at, (size_t)(end - at), word, word_len)); at = found + word_len)
        seen++;
    s->kept = (size_t)(end - at) < word_len - 1 ? (size_t)(end - at) : word_len - 1;
    memcpy(s->tail, end - s->kept, s->kept);
}

static void await(uint64_t count)
{
    struct epoll_event events[EVENTS];
    uint64_t began = now_us(CLOCK_MONOTONIC);

    while (seen < count) {
        int n;

        if (ended == stream_count)
            fail("every stream has ended");
        n = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < n; i++)
            take(events[i].data.ptr);
    }
    printf("%llu %llu\n", (unsigned long long)(now_us(CLOCK_MONOTONIC) - began),
           (unsigned long long)now_us(CLOCK_REALTIME));
    seen -= count;
}

int main(int argc, char **argv)
{
    char line[LINE_MAX_BYTES], kind[KEPT / 2];
    unsigned long long count;

    if (argc != 3) {
        fputs("usage: bench_reader PORT COUNT\n", stderr);
        return 2;
    }
    alarm(LIMIT_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    stream_count = strtoul(argv[2], NULL, 10);
    streams = calloc(stream_count, sizeof *streams);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!streams || epoll_fd < 0)
        fail("reader");
    for (size_t i = 0, greeted = 0; i < stream_count; i++) {
        if (!fgets(line, sizeof line, stdin))
            return 2;
        line[strcspn(line, "\n")] = '\0';
        dial(&streams[i], (uint16_t)atoi(argv[1]), line);
        while ((i % BATCH == BATCH - 1 || i + 1 == stream_count) && greeted <= i)
            greet(&streams[greeted++]);
    }
    puts("open");
    while (fgets(line, sizeof line, stdin) && sscanf(line, "%llu %31s", &count, kind) == 2) {
        word_len = (size_t)snprintf(word, sizeof word, "event: %s\n", kind);
        await(count);
    }
    return 0;
}
