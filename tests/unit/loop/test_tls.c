#include "loop/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/stream.h"
#include "test.h"

/* ---- certificates, made here ---- */

enum { PATH_ROOM = 300 };

static char dir[200];

struct issuer {
    EVP_PKEY *key;
    X509 *cert;
};

static struct issuer ca, other_ca;

static char *path_of(char *buf, const char *file)
{
    snprintf(buf, PATH_ROOM, "%s/%s", dir, file);
    return buf;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

/* issuer NULL: a CA of its own. */
static struct issuer issue(const struct issuer *by, const char *name, const char *alt_names, long days)
{
    static long serial = 1;
    struct issuer made = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *subject = X509_get_subject_name(made.cert);

    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -2 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), days * 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.cert, by ? X509_get_subject_name(by->cert) : subject);
    X509_set_pubkey(made.cert, made.key);
    add_extension(made.cert, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
    if (alt_names)
        add_extension(made.cert, NID_subject_alt_name, alt_names);
    assert_true(X509_sign(made.cert, by ? by->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void drop(struct issuer *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->cert);
    *i = (struct issuer){0};
}

static void write_cert(const char *file, const struct issuer *i, bool with_key, const char *passphrase)
{
    char path[PATH_ROOM];
    FILE *f = fopen(path_of(path, file), "wb");

    assert_non_null(f);
    PEM_write_X509(f, i->cert);
    if (with_key)
        PEM_write_PrivateKey(f, i->key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                             (void *)(uintptr_t)passphrase);
    fclose(f);
}

static void write_text(const char *file, const char *text)
{
    char path[PATH_ROOM];
    FILE *f = fopen(path_of(path, file), "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void write_leaf(const char *file, const struct issuer *by, const char *alt_names, long days)
{
    struct issuer leaf = issue(by, file, alt_names, days);

    write_cert(file, &leaf, true, NULL);
    drop(&leaf);
}

static int make_certificates(void **state)
{
    struct issuer locked;
    char path[PATH_ROOM];

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/erlgate-test-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    ca = issue(NULL, "CA", NULL, 30);
    other_ca = issue(NULL, "another CA", NULL, 30);
    write_cert("ca", &ca, false, NULL);
    write_cert("other-ca", &other_ca, false, NULL);
    write_leaf("leaf", &ca, "DNS:localhost,IP:127.0.0.1", 30);
    write_leaf("leaf2", &ca, "DNS:localhost,IP:127.0.0.1", 30);
    write_leaf("elsewhere", &ca, "DNS:elsewhere.example", 30);
    write_leaf("expired", &ca, "DNS:localhost,IP:127.0.0.1", -1);
    write_leaf("stranger", &other_ca, "DNS:localhost,IP:127.0.0.1", 30);
    locked = issue(&ca, "locked", "DNS:localhost", 30);
    write_cert("locked", &locked, true, "secret");
    write_cert("no-key", &locked, false, NULL);
    drop(&locked);
    write_text("text", "this is no PEM\n");
    return mkfifo(path_of(path, "fifo"), 0600);
}

static int remove_certificates(void **state)
{
    static const char *const files[] = {"ca",       "other-ca", "leaf",   "leaf2", "elsewhere", "expired",
                                        "stranger", "locked",   "no-key", "text",  "changing",  "fifo"};
    char path[PATH_ROOM];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(path, files[i]));
    rmdir(dir);
    drop(&ca);
    drop(&other_ca);
    return 0;
}

static enum err try_tls(const char *cert, const char *key, const char *ca_file, bool is_verified,
                        struct loop_tls **ret, struct loop_tls_fault *f)
{
    static char cert_path[PATH_ROOM], key_path[PATH_ROOM], ca_path[PATH_ROOM];
    struct loop_tls_config config = {
        .cert_file = path_of(cert_path, cert),
        .key_file = key ? path_of(key_path, key) : NULL,
        .ca_file = ca_file ? path_of(ca_path, ca_file) : NULL,
        .is_verified = is_verified,
    };

    return loop_tls_new(&config, ret, f);
}

static struct loop_tls *tls_of(const char *cert, const char *ca_file)
{
    struct loop_tls *tls = NULL;
    struct loop_tls_fault f;

    assert_int_equal(try_tls(cert, NULL, ca_file, ca_file != NULL, &tls, &f), ERR_NONE);
    return tls;
}

/* ---- two ends of a connection on one loop; each keeps what it received ---- */

struct end {
    struct loop_stream *s;
    uint8_t buf[1 << 16];
    size_t room; /* at once, at most */
    size_t got;
    uint64_t sum; /* of what was received: position times byte */
    unsigned writable;
    bool has_ended;
    enum err ended;
    const char *why;
};

struct fixture {
    struct loop *l;
    struct loop_listener *ls;
    struct loop_tls *server_tls, *client_tls; /* NULL: that end is plain */
    const char *host;
    struct end server, client;
};

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct end *e = ctx;

    *ret_len = e->room ? e->room : sizeof e->buf;
    return e->buf;
}

static uint64_t weigh(uint64_t sum, size_t at, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += (at + i + 1) * (p[i] + 1u);
    return sum;
}

static void received(void *ctx, size_t n)
{
    struct end *e = ctx;

    e->sum = weigh(e->sum, e->got, e->buf, n);
    e->got += n;
}

static void writable(void *ctx)
{
    ((struct end *)ctx)->writable++;
}

static void ended(void *ctx, enum err e)
{
    struct end *end = ctx;

    end->has_ended = true;
    end->ended = e;
    end->why = loop_stream_why(end->s);
    loop_stream_close(end->s);
    end->s = NULL;
}

static const struct loop_stream_ops ops = {room, received, writable, ended};

static void accepted(void *ctx, struct loop_stream *s)
{
    struct fixture *f = ctx;

    f->server.s = s;
    if (f->server_tls)
        assert_int_equal(loop_stream_secure(s, f->server_tls, NULL), ERR_NONE);
    loop_stream_start(s, &ops, &f->server);
}

static void dialled(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    struct fixture *f = ctx;

    assert_int_equal(id, 7);
    assert_int_equal(e, ERR_NONE);
    f->client.s = s;
    if (f->client_tls)
        assert_int_equal(loop_stream_secure(s, f->client_tls, f->host), ERR_NONE);
    loop_stream_start(s, &ops, &f->client);
}

/* Takes both. */
static void setup(struct fixture *f, struct loop_tls *server, struct loop_tls *client, const char *host)
{
    memset(f, 0, sizeof *f);
    f->l = loop_new();
    f->server_tls = server;
    f->client_tls = client;
    f->host = host;
    assert_int_equal(loop_listen(f->l, "127.0.0.1", 0, accepted, f, &f->ls), ERR_NONE);
    assert_int_not_equal(loop_dial(f->l, "127.0.0.1", loop_listener_port(f->ls), 5000, dialled, f, 7), 0);
    while (!f->server.s || !f->client.s)
        loop_turn(f->l, 1000);
}

static void teardown(struct fixture *f)
{
    loop_stream_close(f->server.s);
    loop_stream_close(f->client.s);
    loop_listener_close(f->ls);
    loop_free(f->l);
    loop_tls_free(f->server_tls);
    loop_tls_free(f->client_tls);
}

/* All of it, however often that takes. */
static void write_all(struct fixture *f, struct end *from, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t taken = 0;

        assert_int_equal(loop_stream_write(from->s, bytes, &taken), ERR_NONE);
        bytes = slice_of(bytes.ptr + taken, bytes.len - taken);
        if (bytes.len > 0) {
            unsigned before = from->writable;

            while (from->writable == before)
                loop_turn(f->l, 1000);
        }
    }
}

static void turn_until_got(struct fixture *f, const struct end *e, size_t n)
{
    while (e->got < n && !e->has_ended)
        loop_turn(f->l, 1000);
    assert_int_equal(e->got, n);
}

static uint8_t block[16 << 20];

static void fill_block(void)
{
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + (i >> 9));
}

/* ---- tests ---- */

static void bytes_go_both_ways_and_a_close_is_noticed(void **state)
{
    static struct fixture f;

    (void)state;
    setup(&f, tls_of("leaf", "ca"), tls_of("leaf2", "ca"), "localhost");
    assert_null(loop_stream_tls_version(f.client.s));
    write_all(&f, &f.client, SLICE("hello"));
    turn_until_got(&f, &f.server, 5);
    assert_memory_equal(f.server.buf, "hello", 5);
    write_all(&f, &f.server, SLICE("and back"));
    turn_until_got(&f, &f.client, 8);
    assert_string_equal(loop_stream_tls_version(f.client.s), "TLSv1.3");
    loop_stream_close(f.client.s);
    f.client.s = NULL;
    while (!f.server.has_ended)
        loop_turn(f.l, 1000);
    assert_int_equal(f.server.ended, ERR_CLOSED);
    teardown(&f);
}

static void a_server_may_speak_first(void **state)
{
    static struct fixture f;

    (void)state;
    setup(&f, tls_of("leaf", "ca"), tls_of("leaf", "ca"), "127.0.0.1");
    write_all(&f, &f.server, SLICE("hello"));
    turn_until_got(&f, &f.client, 5);
    teardown(&f);
}

static void what_tls_holds_is_read_though_the_socket_is_empty(void **state)
{
    static struct fixture f;
    static const size_t rooms[] = {1, 100, 5000, 0};

    (void)state;
    fill_block();
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        size_t len = rooms[i] == 1 ? 40000 : 400000;

        setup(&f, tls_of("leaf", "ca"), tls_of("leaf", "ca"), "localhost");
        f.server.room = rooms[i];
        write_all(&f, &f.client, slice_of(block, len));
        turn_until_got(&f, &f.server, len);
        assert_int_equal(f.server.sum, weigh(0, 0, block, len));
        teardown(&f);
    }
}

static void a_full_socket_takes_less_and_what_a_paused_reader_missed_comes_later(void **state)
{
    static struct fixture f;
    size_t taken = 0, sent = 0;

    (void)state;
    fill_block();
    setup(&f, tls_of("leaf", "ca"), tls_of("leaf", "ca"), "localhost");
    write_all(&f, &f.client, slice_of(block, 1000));
    turn_until_got(&f, &f.server, 1000);
    loop_stream_pause(f.server.s, true);
    /* As much as the kernel takes; what it does not is offered again, from a longer buffer elsewhere. */
    for (sent = 1000; sent < sizeof block; sent += taken) {
        assert_int_equal(
            loop_stream_write(f.client.s, slice_of(block + sent, (sizeof block - sent + 1) / 2), &taken),
            ERR_NONE);
        if (taken == 0)
            break;
        for (int i = 0; i < 3; i++)
            loop_turn(f.l, 1);
    }
    assert_int_equal(f.server.got, 1000);
    assert_true(sent < sizeof block);
    loop_stream_pause(f.server.s, false);
    write_all(&f, &f.client, slice_of(block + sent, sizeof block - sent));
    turn_until_got(&f, &f.server, sizeof block);
    assert_int_equal(f.server.sum, weigh(0, 0, block, sizeof block));
    teardown(&f);
}

/* Turns until an end has failed, and gives it; the other may be closed or wait still. */
static const struct end *first_to_fail(struct fixture *f)
{
    size_t taken;

    if (f->client.s)
        (void)!loop_stream_write(f->client.s, SLICE("hello"), &taken);
    for (int i = 0; i < 1000 && !(f->client.has_ended && f->server.has_ended); i++) {
        if (f->client.has_ended && f->client.ended == ERR_NOT_ALLOWED)
            break;
        loop_turn(f->l, 10);
    }
    return f->server.has_ended && f->server.ended == ERR_NOT_ALLOWED && f->server.why &&
                   strncmp(f->server.why, "its", 3) == 0
               ? &f->server
               : &f->client;
}

static void refused_with(struct loop_tls *server, struct loop_tls *client, const char *host, const char *why)
{
    static struct fixture f;
    const struct end *e;

    setup(&f, server, client, host);
    e = first_to_fail(&f);
    assert_true(e->has_ended);
    assert_int_equal(e->ended, ERR_NOT_ALLOWED);
    assert_non_null(e->why);
    if (!strstr(e->why, why))
        fail_msg("got: %s; wanted: %s", e->why, why);
    assert_true(f.server.got == 0);
    teardown(&f);
}

static void certificates_that_do_not_fit_are_refused_with_the_reason(void **state)
{
    (void)state;
    refused_with(tls_of("stranger", "ca"), tls_of("leaf", "ca"), "localhost", "a CA that we do not trust");
    refused_with(tls_of("leaf", "ca"), tls_of("stranger", "ca"), "localhost", "a CA that we do not trust");
    refused_with(tls_of("elsewhere", "ca"), tls_of("leaf", "ca"), "localhost", "for another host");
    refused_with(tls_of("elsewhere", "ca"), tls_of("leaf", "ca"), "127.0.0.1", "for another address");
    refused_with(tls_of("expired", "ca"), tls_of("leaf", "ca"), "localhost", "expired");
    refused_with(tls_of("leaf", "ca"), tls_of("leaf", "other-ca"), "localhost", "a CA that we do not trust");
}

static void without_verification_any_certificate_will_do(void **state)
{
    static struct fixture f;

    (void)state;
    setup(&f, tls_of("stranger", NULL), tls_of("expired", NULL), "elsewhere.example");
    write_all(&f, &f.client, SLICE("hello"));
    turn_until_got(&f, &f.server, 5);
    teardown(&f);
}

static void who_dials_need_not_bear_a_host_name(void **state)
{
    static struct fixture f;

    (void)state;
    setup(&f, tls_of("leaf", "ca"), tls_of("elsewhere", "ca"), "localhost");
    write_all(&f, &f.client, SLICE("hello"));
    turn_until_got(&f, &f.server, 5);
    teardown(&f);
}

static void what_is_no_tls_is_malformed(void **state)
{
    static const char *const sayings[] = {"GET / HTTP/1.1\r\n\r\n", "\1\2\3\4\5\6\7\10",
                                          "\x16\x03\x01\xff\xff_________"};
    static struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        setup(&f, tls_of("leaf", "ca"), NULL, NULL);
        write_all(&f, &f.client, slice_of_str(sayings[i]));
        while (!f.server.has_ended)
            loop_turn(f.l, 1000);
        assert_int_equal(f.server.ended, ERR_MALFORMED);
        assert_non_null(f.server.why);
        teardown(&f);
    }
}

static void an_end_in_the_handshake_is_a_close_that_says_so(void **state)
{
    static struct fixture f;

    (void)state;
    setup(&f, NULL, tls_of("leaf", "ca"), "localhost");
    loop_stream_close(f.server.s);
    f.server.s = NULL;
    while (!f.client.has_ended)
        loop_turn(f.l, 1000);
    assert_int_equal(f.client.ended, ERR_CLOSED);
    assert_non_null(strstr(f.client.why, "during the TLS handshake"));
    teardown(&f);
}

static void a_handshake_that_stands_still_holds_nothing_up(void **state)
{
    static struct fixture f;
    size_t taken = 1;

    (void)state;
    setup(&f, NULL, tls_of("leaf", "ca"), "localhost");
    for (int i = 0; i < 20; i++)
        loop_turn(f.l, 1);
    assert_int_equal(loop_stream_write(f.client.s, SLICE("hello"), &taken), ERR_NONE);
    assert_int_equal(taken, 0);
    assert_false(f.client.has_ended);
    assert_int_equal(f.client.writable, 0);
    assert_true(f.server.got > 0);
    teardown(&f);
}

static void files_that_will_not_do_are_named(void **state)
{
    static const struct {
        const char *cert, *key, *ca, *file, *why;
    } cases[] = {
        {"nowhere", NULL, "ca", "nowhere", "there is no such file"},
        {"fifo", NULL, "ca", "fifo", "is no file of certificates or keys"},
        {"leaf", NULL, "fifo", "fifo", "is no file of certificates or keys"},
        {"text", NULL, "ca", "text", "no certificate"},
        {"no-key", NULL, "ca", "no-key", "no key"},
        {"leaf", "leaf2", "ca", "leaf2", "another certificate"},
        {"leaf", "nowhere", "ca", "nowhere", "there is no such file"},
        {"locked", NULL, "ca", "locked", "passphrase"},
        {"leaf", NULL, "nowhere", "nowhere", "there is no such file"},
        {"leaf", NULL, "text", "text", "no certificate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loop_tls *tls = NULL;
        struct loop_tls_fault f;

        assert_int_equal(try_tls(cases[i].cert, cases[i].key, cases[i].ca, true, &tls, &f), ERR_INVALID);
        assert_null(tls);
        assert_non_null(strstr(f.file, cases[i].file));
        if (!strstr(f.text, cases[i].why))
            fail_msg("got: %s; wanted: %s", f.text, cases[i].why);
    }
}

static void reading_again_is_for_new_connections_and_a_failure_changes_nothing(void **state)
{
    static struct fixture f;
    struct loop_tls_fault fault;
    struct loop_tls_info first, second;

    (void)state;
    write_leaf("changing", &ca, "DNS:localhost", 30);
    setup(&f, tls_of("changing", "ca"), tls_of("leaf", "ca"), "localhost");
    write_all(&f, &f.client, SLICE("hello"));
    turn_until_got(&f, &f.server, 5);
    loop_tls_describe(f.server_tls, &first);
    assert_string_equal(first.subject, "/CN=changing");
    assert_false(first.is_expired);
    assert_int_equal(strlen(first.sha256), 64);
    assert_int_equal(strlen(first.expires), 20);
    write_text("changing", "garbage");
    assert_int_equal(loop_tls_reload(f.server_tls, &fault), ERR_INVALID);
    loop_tls_describe(f.server_tls, &second);
    assert_string_equal(first.sha256, second.sha256);
    write_leaf("changing", &ca, "DNS:localhost", 30);
    assert_int_equal(loop_tls_reload(f.server_tls, &fault), ERR_NONE);
    loop_tls_describe(f.server_tls, &second);
    assert_string_not_equal(first.sha256, second.sha256);
    write_all(&f, &f.client, SLICE(" again"));
    turn_until_got(&f, &f.server, 11);
    teardown(&f);
}

static void no_memory_is_said(void **state)
{
    struct loop_tls *tls = NULL;
    struct loop_tls_fault fault;

    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        mem_fail_from(n);
        assert_int_equal(try_tls("leaf", NULL, "ca", true, &tls, &fault), ERR_NOMEM);
        assert_null(tls);
    }
    mem_fail_from(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_and_a_close_is_noticed),
        cmocka_unit_test(a_server_may_speak_first),
        cmocka_unit_test(what_tls_holds_is_read_though_the_socket_is_empty),
        cmocka_unit_test(a_full_socket_takes_less_and_what_a_paused_reader_missed_comes_later),
        cmocka_unit_test(certificates_that_do_not_fit_are_refused_with_the_reason),
        cmocka_unit_test(without_verification_any_certificate_will_do),
        cmocka_unit_test(who_dials_need_not_bear_a_host_name),
        cmocka_unit_test(what_is_no_tls_is_malformed),
        cmocka_unit_test(an_end_in_the_handshake_is_a_close_that_says_so),
        cmocka_unit_test(a_handshake_that_stands_still_holds_nothing_up),
        cmocka_unit_test(files_that_will_not_do_are_named),
        cmocka_unit_test(reading_again_is_for_new_connections_and_a_failure_changes_nothing),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
