/* Several listeners, unix-domain sockets, the listener for health and metrics: http/listener.c, http/bind.c.
 */
#define HARNESS_ROUTES                                                                    \
    {.method = "GET", .pattern = "/alive", .handle = handle_echo, .where = HTTP_ON_BOTH}, \
        {.method = "GET", .pattern = "/measures", .handle = handle_echo, .where = HTTP_ON_ADMIN},
#include "harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static char folder[64], path[80];

static int set_up_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/erlgate-unit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    return set_up(state);
}

static int tear_down_folder(void **state)
{
    int result = tear_down(state);

    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    return result;
}

static void start_on(const struct http_listen *listens, size_t count)
{
    stop();
    start(&(struct http_config){.listens = listens, .listen_count = count});
}

static void a_server_listens_on_many_things(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}, {.host = "", .port = 0}};

    (void)state;
    start_on(listens, 3);
    assert_int_equal(ask(GET("/echo/x"))->status, 200);
    assert_int_equal(ask_on(dial_path(path), GET("/echo/x"))->status, 200);
    assert_int_equal(ask_on(dial_port(http_server_port_of(h.server, 2)), GET("/echo/x"))->status, 200);
    assert_int_equal(http_server_port_of(h.server, 0), http_server_port(h.server));
    assert_int_equal(http_server_port_of(h.server, 1), 0);
    assert_int_equal(http_server_port_of(h.server, 3), 0);
    assert_int_equal(h.done_count, 3);
}

/* What one listener's requests wait for may be answered in a turn of another's. */
static void requests_wait_and_are_answered_on_each(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};
    struct client tcp, local;

    (void)state;
    start_on(listens, 2);
    tcp = dial();
    local = dial_path(path);
    say(&tcp, GET("/hold"));
    TURN_UNTIL(h.held_count == 1);
    say(&local, GET("/hold"));
    TURN_UNTIL(h.held_count == 2);
    answer_text(h.held[1], 200, "local", 5);
    assert_string_equal(hear(&local)->body, "local");
    answer_text(h.held[0], 200, "tcp", 3);
    assert_string_equal(hear(&tcp)->body, "tcp");
    say(&local, GET("/monitor"));
    TURN_UNTIL(h.attached_count == 1);
    assert_int_equal(http_stream_emit(h.server, h.stream, "x", SLICE("{}")), ERR_NONE);
    TURN_UNTIL((poll_client(&local), find_bytes(&local, "event: x")));
    hang_up(&tcp);
    hang_up(&local);
}

static void a_client_of_a_socket_that_leaves_is_noticed(void **state)
{
    const struct http_listen listens[] = {{.path = path}};
    struct client c;

    (void)state;
    stop();
    h = (struct harness){.loop = loop_new()};
    assert_int_equal(http_server_start(h.loop,
                                       &(struct http_config){.listens = listens,
                                                             .listen_count = 1,
                                                             .routes = routes,
                                                             .route_count = sizeof routes / sizeof routes[0],
                                                             .ctx = &h,
                                                             .gone = note_gone,
                                                             .gone_ms = 20},
                                       &h.server),
                     ERR_NONE);
    c = dial_path(path);
    say(&c, GET("/hold"));
    TURN_UNTIL(h.held_count == 1);
    hang_up(&c);
    TURN_UNTIL(h.gone_count == 1);
}

static bool admit_by_uid(void *ctx, struct http_request *req, const struct http_caller *caller,
                         struct http_admission *ret, struct http_problem *ret_problem)
{
    (void)ctx;
    (void)req;
    assert_null(caller->cert_subject);
    assert_false(caller->is_secure);
    assert_int_equal(caller->address == NULL, caller->uid >= 0);
    ret->principal_len =
        (size_t)snprintf(ret->principal, sizeof ret->principal, "%lld", (long long)caller->uid);
    *ret_problem = (struct http_problem){.code = "unauthenticated"};
    return caller->uid == (int64_t)getuid();
}

static void who_comes_by_a_socket_is_known_by_uid(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}, {.port = 0, .is_admin = true}};

    (void)state;
    stop();
    start(&(struct http_config){.listens = listens, .listen_count = 3, .admit = admit_by_uid});
    assert_int_equal(ask_on(dial_path(path), GET("/echo/x"))->status, 200);
    assert_problem(ask(GET("/echo/x")), 401, "unauthenticated");
    assert_problem(ask(GET("/alive")), 401, "unauthenticated");
    /* Nobody is asked there. */
    assert_int_equal(ask_on(dial_port(http_server_port_of(h.server, 2)), GET("/alive"))->status, 200);
}

/* ---- the socket's file ---- */

static mode_t mode_of(const char *file)
{
    struct stat st;

    assert_int_equal(lstat(file, &st), 0);
    return st.st_mode & 07777;
}

static void the_sockets_file_has_its_mode_and_goes_with_the_server(void **state)
{
    const struct http_listen own[] = {{.path = path}}, group[] = {{.path = path, .mode = 0660}};
    mode_t before = umask(0077);

    (void)state;
    stop();
    for (size_t i = 0; i < 2; i++) {
        struct http_server *s;
        struct loop *l = loop_new();
        const struct http_config c = {.listens = i ? group : own, .listen_count = 1};

        assert_int_equal(http_server_start(l, &c, &s), ERR_NONE);
        assert_int_equal(mode_of(path), i ? 0660 : 0600);
        http_server_stop(s);
        assert_int_equal(access(path, F_OK), -1);
        loop_free(l);
    }
    umask(before);
}

static int socket_at(const char *at)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", at);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void a_socket_on_which_nobody_listens_is_replaced(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};

    (void)state;
    close(socket_at(path));
    start_on(listens, 2);
    assert_int_equal(ask_on(dial_path(path), GET("/echo/x"))->status, 200);
}

static void what_is_anothers_is_left(void **state)
{
    const struct http_listen listens[] = {{.path = path}};
    const struct http_config c = {.listens = listens, .listen_count = 1};
    struct http_server *s;
    FILE *f;
    int fd;

    (void)state;
    fd = socket_at(path);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_ADDRESS_IN_USE);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    unlink(path);

    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_ADDRESS_IN_USE);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);

    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_ADDRESS_IN_USE);
    unlink(path);
}

/* Somebody may have put another one there meanwhile. */
static void only_our_own_file_is_removed_at_the_end(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};
    int fd;

    (void)state;
    start_on(listens, 2);
    unlink(path);
    fd = socket_at(path);
    stop();
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void a_path_that_is_none_is_told(void **state)
{
    char too_long[200];
    struct http_listen listens[] = {{.path = too_long}};
    const struct http_config c = {.listens = listens, .listen_count = 1};
    struct http_server *s;

    (void)state;
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_INVALID);
    listens[0].path = "";
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_INVALID);
    listens[0].path = "/nowhere/at/all/socket";
    assert_int_equal(http_server_start(h.loop, &c, &s), ERR_INVALID);
}

/* ---- health and metrics ---- */

static void health_and_metrics_have_a_listener_of_their_own(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.port = 0, .is_admin = true}};
    uint16_t admin;

    (void)state;
    start_on(listens, 2);
    admin = http_server_port_of(h.server, 1);
    assert_int_equal(ask(GET("/alive"))->status, 200);
    assert_int_equal(ask(GET("/echo/x"))->status, 200);
    assert_problem(ask(GET("/measures")), 404, "not-found");
    assert_int_equal(ask_on(dial_port(admin), GET("/alive"))->status, 200);
    assert_int_equal(ask_on(dial_port(admin), GET("/measures"))->status, 200);
    assert_problem(ask_on(dial_port(admin), GET("/echo/x")), 404, "not-found");
    assert_problem(ask_on(dial_port(admin), "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n1"), 404,
                   "not-found");
    assert_problem(ask_on(dial_port(admin), "GET /alive HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421,
                   "misdirected-host");
}

static void without_one_the_others_serve_them(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};

    (void)state;
    start_on(listens, 2);
    assert_int_equal(ask(GET("/measures"))->status, 200);
    assert_int_equal(ask_on(dial_path(path), GET("/measures"))->status, 200);
}

static void it_answers_while_the_others_have_stopped(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}, {.port = 0, .is_admin = true}};
    uint16_t admin;

    (void)state;
    start_on(listens, 3);
    admin = http_server_port_of(h.server, 2);
    http_server_quiesce(h.server);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ask_on(dial_port(admin), GET("/alive"))->status, 200);
    assert_int_equal(ask_on(dial_port(admin), GET("/measures"))->status, 200);
}

static void want_of_memory_at_the_start_is_told(void **state)
{
    const struct http_listen listens[] = {{.port = 0}, {.path = path}, {.port = 0, .is_admin = true}};
    const struct http_config c = {.routes = routes, .route_count = 2, .listens = listens, .listen_count = 3};
    struct http_server *s;
    enum err e;
    size_t n = 0;

    (void)state;
    do {
        mem_fail_from(++n);
        e = http_server_start(h.loop, &c, &s);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
    } while (e != ERR_NONE);
    http_server_stop(s);
    assert_int_equal(access(path, F_OK), -1);
}

static void too_many_are_refused(void **state)
{
    struct http_listen listens[HTTP_LISTENERS_MAX + 1] = {0};
    struct http_server *s;

    (void)state;
    assert_int_equal(
        http_server_start(
            h.loop, &(struct http_config){.listens = listens, .listen_count = HTTP_LISTENERS_MAX + 1}, &s),
        ERR_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_folder, tear_down_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_server_listens_on_many_things),
        TEST(requests_wait_and_are_answered_on_each),
        TEST(a_client_of_a_socket_that_leaves_is_noticed),
        TEST(who_comes_by_a_socket_is_known_by_uid),
        TEST(the_sockets_file_has_its_mode_and_goes_with_the_server),
        TEST(a_socket_on_which_nobody_listens_is_replaced),
        TEST(what_is_anothers_is_left),
        TEST(only_our_own_file_is_removed_at_the_end),
        TEST(a_path_that_is_none_is_told),
        TEST(health_and_metrics_have_a_listener_of_their_own),
        TEST(without_one_the_others_serve_them),
        TEST(it_answers_while_the_others_have_stopped),
        TEST(want_of_memory_at_the_start_is_told),
        TEST(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
