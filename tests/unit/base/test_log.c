#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static int was, file;

static int set_up(void **state)
{
    (void)state;
    fflush(stderr);
    was = dup(STDERR_FILENO);
    file = memfd_create("log", 0);
    assert_true(was >= 0 && file >= 0);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    log_setup(LOG_INFO, LOG_TEXT);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(dup2(was, STDERR_FILENO) >= 0);
    close(was);
    close(file);
    return 0;
}

/* What has been logged so far, zero-terminated; freed by the caller. */
static char *said(void)
{
    size_t size = (size_t)lseek(file, 0, SEEK_END);
    char *text = malloc(size + 1);

    assert_non_null(text);
    assert_int_equal(pread(file, text, size, 0), size);
    text[size] = '\0';
    return text;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void a_flood_of_one_event_is_bounded_and_counted(void **state)
{
    static const char event[] = "flood";
    unsigned total = 0, lines, left_out = 0;
    char *text = NULL, *at;

    (void)state;
    do { /* until a second is over after which lines were missing */
        for (int i = 0; i < 1000; i++, total++)
            log_write(LOG_INFO, event, NULL, 0);
        free(text);
        text = said();
    } while (!strstr(text, "log-left-out"));
    at = strstr(text, "log-left-out");
    assert_int_equal(sscanf(at, "log-left-out what=flood lines=%u", &left_out), 1);
    lines = count(text, " info flood\n");
    assert_true(left_out > 0 && lines <= 600 && lines + left_out <= total);
    free(text);
    LOG(LOG_INFO, "calm");
    text = said();
    assert_int_equal(count(text, " info calm\n"), 1);
    free(text);
}

static void what_was_asked_for_is_not_left_out(void **state)
{
    char *text;

    (void)state;
    log_setup(LOG_DEBUG, LOG_TEXT);
    for (int i = 0; i < 1000; i++)
        LOG(LOG_DEBUG, "chatter");
    text = said();
    assert_int_equal(count(text, " debug chatter\n"), 1000);
    free(text);
}

/* Gives up rather than wait: a write that blocks would never end here. */
static void a_pipe_that_nobody_empties_holds_nothing_up(void **state)
{
    enum { LINES = 2000 };
    static char text[1 << 18];
    int ends[2];
    ssize_t n;
    (void)state;

    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_setup(LOG_DEBUG, LOG_TEXT);
    alarm(20);
    for (int i = 0; i < LINES; i++)
        LOG(LOG_DEBUG, "line", LOG_STR("filling", "0123456789012345678901234567890123456789"));
    n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_true(count(text, "debug line") < LINES);
    LOG(LOG_DEBUG, "again", LOG_INT("n", 1));
    n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    alarm(0);
    assert_int_equal(count(text, "warn log-left-out what=\"nobody reads the log\" lines="), 1);
    assert_int_equal(count(text, "debug again"), 1);
    close(ends[0]);
    close(ends[1]);
}

static void keep_line(void *ctx, enum log_level level, struct slice line)
{
    char *to = ctx;

    snprintf(to, 256, "%d %.*s", (int)level, SLICE_FMT(line));
}

static void a_program_takes_the_log_s_place(void **state)
{
    char line[256] = "";
    char *text;

    (void)state;
    log_take(keep_line, line);
    LOG(LOG_WARN, "it-is", LOG_STR("what", "so and so"), LOG_INT("n", -1));
    assert_string_equal(line, "2 it-is what=\"so and so\" n=-1");
    LOG(LOG_DEBUG, "unwanted");
    log_setup(LOG_INFO, LOG_JSON);
    LOG(LOG_INFO, "it-is", LOG_STR("what", "so"));
    assert_string_equal(line, "1 {\"event\":\"it-is\",\"what\":\"so\"}");
    log_take(NULL, NULL);
    log_setup(LOG_INFO, LOG_TEXT);
    LOG(LOG_INFO, "back");
    text = said();
    assert_int_equal(count(text, "it-is"), 0);
    assert_int_equal(count(text, " info back\n"), 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flood_of_one_event_is_bounded_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_asked_for_is_not_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_takes_the_log_s_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_that_nobody_empties_holds_nothing_up, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
