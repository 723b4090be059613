/* HTTPS: what a server with certificates does with its clients: http/handshake.c. */
#define HARNESS_ROUTES {.method = "GET", .pattern = "/who", .handle = handle_who},
#include "certs.h"

#include "http/server.h"

static void handle_who(void *ctx, struct http_request *req);

#include "harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define TLS_1_2   "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS_1_3   "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static struct pair ca, other_ca, leaf, alice;

/* Who it is by certificate, and by uid. */
static char who[300];

static bool admit(void *ctx, struct http_request *req, const struct http_caller *caller,
                  struct http_admission *ret, struct http_problem *ret_problem)
{
    (void)ctx;
    (void)req;
    (void)ret;
    (void)ret_problem;
    assert_true(caller->is_secure);
    assert_string_equal(caller->address, "127.0.0.1");
    snprintf(who, sizeof who, "%s|%lld", caller->cert_subject ? caller->cert_subject : "nobody",
             (long long)caller->uid);
    return true;
}

static void handle_who(void *ctx, struct http_request *req)
{
    (void)ctx;
    answer_text(http_request_id(req), 200, who, strlen(who));
}

/* ---- clients ---- */

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t cred;
    gnutls_datum_t sni;
    int error; /* of the handshake, or of the first read or write that failed; 0 */
    bool is_eof;
    char in[70000];
    size_t in_len;
};

static void wait_for(struct tls_client *c, int rc)
{
    if (rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED) {
        c->error = rc;
        c->is_eof = true;
    }
    loop_turn(h.loop, 5);
}

static struct tls_client tls_dial(const char *priorities, const struct pair *cert,
                                  const gnutls_datum_t *resume)
{
    struct client plain = dial();
    struct tls_client c = {.fd = plain.fd};
    uint64_t until = now_ms() + PATIENCE_MS;
    int rc;

    wr_fini(&plain.in);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c.cred), 0);
    assert_int_equal(gnutls_certificate_set_x509_trust(c.cred, &ca.cert, 1), 1);
    if (cert)
        assert_int_equal(gnutls_certificate_set_x509_key_file(c.cred, cert->cert_file, cert->key_file,
                                                              GNUTLS_X509_FMT_PEM),
                         0);
    /* To show a certificate of a CA that the server did not ask for is what an attacker does. */
    assert_int_equal(gnutls_init(&c.session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
                                                 GNUTLS_FORCE_CLIENT_CERT),
                     0);
    assert_int_equal(gnutls_priority_set_direct(c.session, priorities, NULL), 0);
    assert_int_equal(gnutls_credentials_set(c.session, GNUTLS_CRD_CERTIFICATE, c.cred), 0);
    gnutls_session_set_verify_cert(c.session, NULL, 0);
    gnutls_transport_set_int(c.session, c.fd);
    if (resume)
        assert_int_equal(gnutls_session_set_data(c.session, resume->data, resume->size), 0);
    while (!c.is_eof && (rc = gnutls_handshake(c.session)) != GNUTLS_E_SUCCESS) {
        if (rc == GNUTLS_E_WARNING_ALERT_RECEIVED)
            continue;
        wait_for(&c, rc);
        assert_true(now_ms() < until);
    }
    return c;
}

static void tls_hang_up(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->cred);
    close(c->fd);
}

static void tls_say_bytes(struct tls_client *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    uint64_t until = now_ms() + PATIENCE_MS;

    while (len > 0 && !c->is_eof) {
        ssize_t n = gnutls_record_send(c->session, p, len);

        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else {
            wait_for(c, (int)n);
        }
        assert_true(now_ms() < until);
    }
}

static void tls_say(struct tls_client *c, const char *text)
{
    tls_say_bytes(c, text, strlen(text));
}

/* Reads until this text is there; false: the end came first. */
static bool tls_hear(struct tls_client *c, const char *text)
{
    uint64_t until = now_ms() + PATIENCE_MS;

    while (!memmem(c->in, c->in_len, text, strlen(text))) {
        ssize_t n;

        if (c->is_eof)
            return false;
        n = gnutls_record_recv(c->session, c->in + c->in_len, sizeof c->in - c->in_len);
        if (n > 0)
            c->in_len += (size_t)n;
        else if (n == 0)
            c->is_eof = true;
        else
            wait_for(c, (int)n);
        assert_true(now_ms() < until);
    }
    return true;
}

static bool tls_ask(struct tls_client *c, const char *request, const char *expected)
{
    c->in_len = 0;
    tls_say(c, request);
    return tls_hear(c, expected);
}

/* ---- the server ---- */

static struct http_tls *load(const struct pair *p, enum http_client_cert client_cert)
{
    struct http_tls *tls;
    struct http_tls_fault f;

    assert_int_equal(http_tls_load(&(struct http_tls_config){.cert_file = p->cert_file,
                                                             .key_file = p->key_file,
                                                             .ca_file = ca.cert_file,
                                                             .client_cert = client_cert},
                                   &tls, &f),
                     ERR_NONE);
    return tls;
}

static void start_https(struct http_config c, enum http_client_cert client_cert)
{
    c.tls = load(&leaf, client_cert);
    c.admit = admit;
    stop();
    start(&c);
    http_tls_unref(c.tls); /* the server has its own reference */
}

static const struct http_server_stats *stats(void)
{
    return http_server_stats(h.server);
}

static int make_certs(void **state)
{
    warm_up(state);
    certs_begin();
    ca = issue_ca("CN=ca");
    other_ca = issue_ca("CN=ca"); /* of the same name: only its key is another */
    leaf = issue((struct cert_wish){.subject = "CN=gate", .from = &ca, .dns = "localhost"});
    alice = issue((struct cert_wish){
        .subject = "CN=alice,O=Example", .from = &ca, .purpose = GNUTLS_KP_TLS_WWW_CLIENT});
    return 0;
}

static int remove_certs(void **state)
{
    (void)state;
    pair_free(&ca);
    pair_free(&other_ca);
    pair_free(&leaf);
    pair_free(&alice);
    certs_end();
    return 0;
}

/* ---- what works ---- */

static void requests_are_answered_in_both_versions(void **state)
{
    static const char *const versions[] = {TLS_1_2, TLS_1_3};
    static char body[50001];

    (void)state;
    memset(body, 'b', sizeof body - 1);
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_NONE);
    for (size_t i = 0; i < 2; i++) {
        struct tls_client c = tls_dial(versions[i], NULL, NULL);
        size_t held = h.held_count;

        assert_int_equal(c.error, 0);
        assert_true(tls_ask(&c, GET("/echo/x"), "GET|x|"));
        assert_true(tls_ask(&c, GET("/who"), "nobody|-1"));
        c.in_len = 0;
        tls_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\n");
        tls_say(&c, body);
        assert_true(tls_hear(&c, body));
        tls_say(&c, GET("/hold"));
        TURN_UNTIL(h.held_count == held + 1);
        answer_text(h.held[held], 200, "at last", 7);
        assert_true(tls_hear(&c, "at last"));
        assert_true(tls_ask(&c, GET("/monitor"), ":ok"));
        assert_int_equal(http_stream_emit(h.server, h.stream, "x", SLICE("{}")), ERR_NONE);
        assert_true(tls_hear(&c, "event: x"));
        tls_hang_up(&c);
        TURN_UNTIL(http_server_connections(h.server) == 0);
    }
    assert_int_equal(stats()->tls_handshakes, 2);
    assert_int_equal(stats()->tls_failures, 0);
}

static void many_requests_come_in_one_record(void **state)
{
    struct tls_client c;

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_NONE);
    c = tls_dial(TLS_1_3, NULL, NULL);
    tls_say(&c, GET("/echo/a") GET("/echo/b") GET("/echo/c"));
    assert_true(tls_hear(&c, "GET|c|"));
    assert_int_equal(h.done_count, 3);
    tls_hang_up(&c);
}

static void a_body_without_end_is_answered_inside_tls(void **state)
{
    static char chunk[64 * 1024];
    struct tls_client c;

    (void)state;
    start_https((struct http_config){.limits.max_body = 10}, HTTP_CLIENT_CERT_NONE);
    c = tls_dial(TLS_1_3, NULL, NULL);
    tls_say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffff\r\n");
    for (size_t i = 0; i < 4 && !c.is_eof; i++)
        tls_say_bytes(&c, chunk, sizeof chunk);
    assert_true(tls_hear(&c, "body-too-large"));
    tls_hang_up(&c);
}

static void the_names_of_the_certificate_are_ours(void **state)
{
    struct pair named = issue((struct cert_wish){.subject = "CN=gate", .from = &ca, .dns = "*.gate.example"});
    struct http_config config = {.tls = load(&named, HTTP_CLIENT_CERT_NONE)};
    struct tls_client c;

    (void)state;
    stop();
    start(&config);
    http_tls_unref(config.tls);
    c = tls_dial(TLS_1_3, NULL, NULL);
    assert_true(tls_ask(&c, "GET /echo/x HTTP/1.1\r\nHost: a.gate.example:1\r\n\r\n", "GET|x|"));
    assert_true(tls_ask(&c, "GET /echo/x HTTP/1.1\r\nHost: gate.example\r\n\r\n", "misdirected-host"));
    tls_hang_up(&c);
    pair_free(&named);
}

/* ---- clients' certificates ---- */

static void each_kind_of_certificate_is_judged(void **state)
{
    struct pair stranger = issue((struct cert_wish){.subject = "CN=alice,O=Example", .from = &other_ca});
    struct pair old = issue(
        (struct cert_wish){.subject = "CN=alice,O=Example", .from = &ca, .from_days = -9, .to_days = -2});
    struct pair early =
        issue((struct cert_wish){.subject = "CN=alice,O=Example", .from = &ca, .from_days = 2, .to_days = 9});
    struct pair server = issue((struct cert_wish){
        .subject = "CN=alice,O=Example", .from = &ca, .purpose = GNUTLS_KP_TLS_WWW_SERVER});
    struct pair own = issue((struct cert_wish){.subject = "CN=alice,O=Example"});
    struct pair below = issue((struct cert_wish){.subject = "CN=mallory", .from = &alice});
    const struct {
        const struct pair *cert;
        bool is_good;
    } cases[] = {{NULL, false},   {&alice, true},   {&stranger, false}, {&old, false},
                 {&early, false}, {&server, false}, {&own, false},      {&below, false}};
    static const char *const versions[] = {TLS_1_2, TLS_1_3};

    (void)state;
    for (int mode = HTTP_CLIENT_CERT_NONE; mode <= (int)HTTP_CLIENT_CERT_REQUIRED; mode++) {
        start_https((struct http_config){0}, (enum http_client_cert)mode);
        for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
            const struct pair *cert = cases[i / 2].cert;
            bool comes_in = mode == HTTP_CLIENT_CERT_NONE || cases[i / 2].is_good ||
                            (!cert && mode == HTTP_CLIENT_CERT_OPTIONAL);
            bool is_known = mode != HTTP_CLIENT_CERT_NONE && cases[i / 2].is_good;
            struct tls_client c = tls_dial(versions[i % 2], cert, NULL);
            uint64_t failures = stats()->tls_failures;

            /* With TLS 1.3 the client is through before the server has seen its certificate. */
            assert_int_equal(tls_ask(&c, GET("/who"), is_known ? "CN=alice,O=Example|-1" : "nobody|-1"),
                             comes_in);
            assert_int_equal(c.error != 0, !comes_in);
            if (!comes_in)
                assert_int_equal(c.error, GNUTLS_E_FATAL_ALERT_RECEIVED);
            tls_hang_up(&c);
            TURN_UNTIL(http_server_connections(h.server) == 0);
            if (comes_in)
                assert_int_equal(stats()->tls_failures, failures);
        }
        assert_int_equal(h.done_count, mode == HTTP_CLIENT_CERT_NONE       ? 16
                                       : mode == HTTP_CLIENT_CERT_OPTIONAL ? 4
                                                                           : 2);
        assert_int_equal(stats()->tls_failures, 16 - h.done_count);
    }
    pair_free(&stranger);
    pair_free(&old);
    pair_free(&early);
    pair_free(&server);
    pair_free(&own);
    pair_free(&below);
}

/* A session that is resumed would bring its certificate along unseen. */
static void nothing_is_resumed(void **state)
{
    static const char *const versions[] = {TLS_1_2, TLS_1_3};

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_REQUIRED);
    for (size_t i = 0; i < 2; i++) {
        struct tls_client c = tls_dial(versions[i], &alice, NULL);
        gnutls_datum_t data;

        assert_true(tls_ask(&c, GET("/who"), "CN=alice"));
        assert_int_equal(gnutls_session_get_data2(c.session, &data), 0);
        tls_hang_up(&c);
        c = tls_dial(versions[i], NULL, &data);
        assert_false(tls_ask(&c, GET("/who"), "HTTP/1.1"));
        assert_false(gnutls_session_is_resumed(c.session));
        tls_hang_up(&c);
        c = tls_dial(versions[i], &alice, &data);
        assert_true(tls_ask(&c, GET("/who"), "CN=alice"));
        assert_false(gnutls_session_is_resumed(c.session));
        tls_hang_up(&c);
        gnutls_free(data.data);
    }
}

/* ---- reload ---- */

static void shown_subject(struct tls_client *c, char *ret, size_t cap)
{
    unsigned count;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(c->session, &count);
    gnutls_x509_crt_t cert;

    assert_non_null(certs);
    assert_int_equal(gnutls_x509_crt_init(&cert), 0);
    assert_int_equal(gnutls_x509_crt_import(cert, &certs[0], GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_dn(cert, ret, &cap), 0);
    gnutls_x509_crt_deinit(cert);
}

static void new_certificates_are_for_new_connections(void **state)
{
    struct pair next = issue((struct cert_wish){.subject = "CN=next", .from = &ca, .dns = "localhost"});
    struct tls_client before, after;
    struct http_tls *tls;
    char subject[100];

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_NONE);
    before = tls_dial(TLS_1_3, NULL, NULL);
    assert_true(tls_ask(&before, GET("/echo/x"), "GET|x|"));
    tls = load(&next, HTTP_CLIENT_CERT_REQUIRED);
    http_server_set_tls(h.server, tls);
    assert_ptr_equal(http_server_tls(h.server), tls);
    http_tls_unref(tls);
    assert_true(tls_ask(&before, GET("/who"), "nobody"));
    shown_subject(&before, subject, sizeof subject);
    assert_string_equal(subject, "CN=gate");
    after = tls_dial(TLS_1_3, &alice, NULL);
    assert_true(tls_ask(&after, GET("/who"), "CN=alice"));
    shown_subject(&after, subject, sizeof subject);
    assert_string_equal(subject, "CN=next");
    tls_hang_up(&after);
    after = tls_dial(TLS_1_3, NULL, NULL);
    assert_false(tls_ask(&after, GET("/who"), "nobody"));
    tls_hang_up(&after);
    tls_hang_up(&before);
    pair_free(&next);
}

/* ---- what is no TLS ---- */

static void plain_http_is_told(void **state)
{
    struct reply *r;

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_REQUIRED);
    r = ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nsecret");
    assert_int_equal(r->status, 400);
    assert_non_null(strstr(r->body, "HTTPS"));
    TURN_UNTIL(http_server_connections(h.server) == 0);
    assert_int_equal(h.handled_count, 0);
    assert_int_equal(stats()->tls_failures, 1);
}

static void noise_ends(void **state)
{
    static const char *const noise[] = {
        "\x16\x03\x01\xff\xff\xff",             /* a record that is too long */
        "\x16\x03\x01\x01\x00\x01\xff\xff\xff", /* a ClientHello of 16 MiB, of which there are 256 bytes */
        "\x15\x03\x01\x01\x02\x02\x28",         /* an alert */
        "\x17\x03\x03\x01\x05hello",            /* data without a handshake */
        "\x80\x2e\x01\x03\x01",                 /* SSL 2 */
        "\xff\xff\xff\xff\xff",
    };
    static const char zeroes[300];

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_NONE);
    for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++) {
        struct client c = dial();

        say(&c, noise[i]);
        say_bytes(&c, zeroes, sizeof zeroes);
        TURN_UNTIL((poll_client(&c), c.is_eof));
        hang_up(&c);
    }
    TURN_UNTIL(http_server_connections(h.server) == 0);
    assert_int_equal(h.handled_count, 0);
    assert_int_equal(stats()->tls_failures, sizeof noise / sizeof noise[0]);
}

static void tls_to_plain_http_ends(void **state)
{
    struct tls_client c = tls_dial(TLS_1_3, NULL, NULL);

    (void)state;
    assert_int_not_equal(c.error, 0);
    tls_hang_up(&c);
    assert_int_equal(ask(GET("/echo/x"))->status, 200);
}

static void old_versions_and_ciphers_are_refused(void **state)
{
    static const char *const weak[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.0",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA"};

    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_NONE);
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        struct tls_client c = tls_dial(weak[i], NULL, NULL);

        assert_int_equal(c.error, GNUTLS_E_FATAL_ALERT_RECEIVED);
        tls_hang_up(&c);
    }
}

static void what_is_for_1_3_alone_refuses_1_2(void **state)
{
    struct http_tls_fault f;
    struct http_config c = {0};
    struct tls_client old, new;

    (void)state;
    assert_int_equal(http_tls_load(&(struct http_tls_config){.cert_file = leaf.cert_file,
                                                             .key_file = leaf.key_file,
                                                             .is_1_3_only = true},
                                   &c.tls, &f),
                     ERR_NONE);
    stop();
    start(&c);
    http_tls_unref(c.tls);
    old = tls_dial(TLS_1_2, NULL, NULL);
    assert_int_not_equal(old.error, 0);
    new = tls_dial(TLS_1_3, NULL, NULL);
    assert_true(tls_ask(&new, GET("/echo/x"), "GET|x|"));
    tls_hang_up(&old);
    tls_hang_up(&new);
}

/* ---- who does not get on with it ---- */

static void a_handshake_that_is_never_finished_ends(void **state)
{
    struct client silent, half;
    struct tls_client good;

    (void)state;
    start_https((struct http_config){.limits.idle_ms = 50}, HTTP_CLIENT_CERT_NONE);
    silent = dial();
    half = dial();
    say_bytes(&half, "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 11);
    TURN_UNTIL((poll_client(&silent), silent.is_eof));
    TURN_UNTIL((poll_client(&half), half.is_eof));
    TURN_UNTIL(http_server_connections(h.server) == 0);
    good = tls_dial(TLS_1_3, NULL, NULL);
    assert_true(tls_ask(&good, GET("/echo/x"), "GET|x|"));
    tls_hang_up(&good);
    hang_up(&silent);
    hang_up(&half);
}

/* A byte now and then does not make it longer. */
static void a_handshake_of_single_bytes_ends(void **state)
{
    struct client c;
    uint64_t begun;
    size_t sent = 0;
    char hello[205] = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03";

    (void)state;
    start_https((struct http_config){.limits.idle_ms = 100}, HTTP_CLIENT_CERT_NONE);
    c = dial();
    for (begun = now_ms(); !c.is_eof; sent++) {
        if (sent < sizeof hello - 1)
            say_bytes(&c, hello + sent, 1);
        turn_for(20);
        poll_client(&c);
        assert_true(now_ms() - begun < PATIENCE_MS);
    }
    assert_true(sent < sizeof hello - 1);
    hang_up(&c);
}

static void want_of_memory_costs_the_connection_alone(void **state)
{
    (void)state;
    start_https((struct http_config){0}, HTTP_CLIENT_CERT_OPTIONAL);
    for (size_t n = 1; n < 8; n++) {
        struct tls_client c;

        mem_fail_from(n);
        c = tls_dial(TLS_1_2, &alice, NULL);
        tls_ask(&c, GET("/who"), "\r\n\r\n");
        mem_fail_from(0);
        tls_hang_up(&c);
        TURN_UNTIL(http_server_connections(h.server) == 0);
    }
    {
        struct tls_client c = tls_dial(TLS_1_2, &alice, NULL);

        assert_true(tls_ask(&c, GET("/who"), "CN=alice"));
        tls_hang_up(&c);
    }
}

static void https_wants_certificates(void **state)
{
    struct http_server *s;

    (void)state;
    assert_int_equal(
        http_server_start(h.loop,
                          &(struct http_config){.listens = (const struct http_listen[]){{.is_tls = true}},
                                                .listen_count = 1},
                          &s),
        ERR_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_in_both_versions),
        TEST(many_requests_come_in_one_record),
        TEST(the_names_of_the_certificate_are_ours),
        TEST(a_body_without_end_is_answered_inside_tls),
        TEST(each_kind_of_certificate_is_judged),
        TEST(nothing_is_resumed),
        TEST(new_certificates_are_for_new_connections),
        TEST(plain_http_is_told),
        TEST(noise_ends),
        TEST(tls_to_plain_http_ends),
        TEST(old_versions_and_ciphers_are_refused),
        TEST(what_is_for_1_3_alone_refuses_1_2),
        TEST(a_handshake_that_is_never_finished_ends),
        TEST(a_handshake_of_single_bytes_ends),
        TEST(want_of_memory_costs_the_connection_alone),
        TEST(https_wants_certificates),
    };

    return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
