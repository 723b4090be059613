/*
 * embed NAME@HOST OTHER@HOST SERVER: a node in a program that has an epoll loop of its own, and threads.
 *
 * A thread works, and tells the node's thread what it has found, for functions of the node are for that
 * thread alone: there it becomes gen_server:call({SERVER, OTHER}, {echo, N}). Ends with the third reply.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <threads.h>
#include <unistd.h>

#include "example.h"

enum { FINDS = 3 };

static struct node_dest to;
static struct node_self self;
static atomic_int found; /* by the thread */
static int wake;         /* eventfd: there is more of it */
static int asked, answered;

static void *work(void *arg)
{
    for (int i = 0; i < FINDS; i++) {
        thrd_sleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* the work */
        atomic_fetch_add(&found, 1);
        eventfd_write(wake, 1);
    }
    return arg;
}

static void ask(void)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    for (; node_is_alive(self) && asked < atomic_load(&found); asked++) {
        wr_reset(&w);
        etf_write_tuple(&w, 2);
        etf_write_atom_str(&w, "echo");
        etf_write_int64(&w, asked + 1);
        must(node_call(self, &to, wr_written(&w), 5000, 0, NULL), "call");
    }
    wr_fini(&w);
}

static void on_result(struct node_self from, void *state, uint32_t tag, const struct node_result *r)
{
    (void)from;
    (void)state;
    (void)tag;
    must(r->err, r->text ? r->text : "result");
    answered++;
}

static const struct node_process_ops ops = {.kind = "embed", .result = on_result};

static void started(void *ctx, enum err e, const char *text)
{
    (void)ctx;
    must(e, text ? text : "start");
    must(node_spawn(node, &ops, NULL, &self), "spawn");
    ask(); /* what was found before */
}

static void watch(int epoll, int fd)
{
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    pthread_t thread;
    eventfd_t count;

    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!begin("embed NAME@HOST OTHER@HOST SERVER", argc > 3 ? argv[1] : NULL, started) ||
        pthread_create(&thread, NULL, work, NULL) != 0)
        return 2;
    to = node_to_name(argv[3], argv[2]);
    watch(epoll, wake);
    watch(epoll, loop_fd(loop));
    while (answered < FINDS)
        /* loop_step has done all there was to do; what comes next shows at loop_fd, or is due after that
         * time. */
        if (epoll_wait(epoll, &event, 1, loop_step(loop)) == 1 && event.data.fd == wake &&
            eventfd_read(wake, &count) == 0)
            ask();
    pthread_join(thread, NULL);
    printf("%d replies\n", answered);
    return finish();
}
