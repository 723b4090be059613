#include "src/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "src/files.h"
#include "src/words.h"

static void print_check_help(void)
{
    printf("Usage: erlgate check-config [--strict] [FILE] [OPTION]...\n\n"
           "Reads what `erlgate serve` would read with the same options: flags, environment, the file that "
           "--config\n"
           "names, and the files that these name (cookie, certificates, keys). Nothing is started. All that "
           "is wrong is\n"
           "told, each with its place.\n\n"
           "  erlgate check-config /etc/erlgate/erlgate.yaml && systemctl reload erlgate\n\n"
           "Options:\n"
           "  --strict   warnings count as faults\n"
           "  --help     print this; the others are those of `erlgate serve --help`\n\n"
           "Exit status: 0 good; 1 there are warnings, and --strict was given; 2 there are faults.\n");
}

static void print_dump_help(void)
{
    printf("Usage: erlgate dump-config [FILE] [OPTION]...\n\n"
           "Prints each option of `erlgate serve` with the value that it would have with the same flags, "
           "environment and\n"
           "file, and where that comes from, as a file that --config reads. Secrets are no options, and are "
           "not printed.\n\n"
           "  erlgate dump-config /etc/erlgate/erlgate.yaml\n\n"
           "Options:\n"
           "  --help   print this; the others are those of `erlgate serve --help`\n\n"
           "Exit status: 0; 2 something is wrong, and told.\n");
}

/* The file may stand by itself, in front. */
static void read_options(struct options *o, int argc, char **argv)
{
    if (argc > 0 && strncmp(argv[0], "--", 2) != 0) {
        setenv("ERLGATE_CONFIG", argv[0], true);
        argc--;
        argv++;
    }
    options_read(o, argc, argv);
}

int check_config_command(int argc, char **argv)
{
    struct settings *s = mem_zalloc(sizeof *s);
    struct options o;
    struct files f;
    bool is_strict = words_take(&argc, argv, "--strict"), is_good;
    char hint[512];
    int status;

    if (words_ask_for_help(argc, argv) || !s) {
        mem_free(s);
        print_check_help();
        return 0;
    }
    options_init(&o);
    read_options(&o, argc, argv);
    options_warn_environment(&o);
    settings_read(s, &o);
    settings_warn(s, &o);
    if (settings_has_cookie(&o, hint, sizeof hint))
        settings_read_cookie(s, &o);
    else
        options_warn_at(&o, "cookie", hint); /* it may be there when it is needed: of systemd, say */
    is_good = files_load(&f, s, &o) && options_is_good(&o);
    files_free(&f);
    status = !is_good ? 2 : is_strict && o.warnings ? 1 : 0;
    if (status == 0)
        printf("The configuration is good%s.\n", o.warnings ? ", with warnings" : "");
    else
        fprintf(stderr, "erlgate: %u %s%s\n", is_good ? o.warnings : o.faults, is_good ? "warning" : "fault",
                (is_good ? o.warnings : o.faults) == 1 ? "" : "s");
    settings_fini(s);
    options_fini(&o);
    mem_free(s);
    return status;
}

static void print_origin_of_cookie(const struct options *o)
{
    const char *variable = getenv("ERLGATE_COOKIE");

    if (!options_get(o, OPT_COOKIE_FILE) && variable && *variable)
        printf("# The cookie is in ERLGATE_COOKIE.\n");
}

int dump_config_command(int argc, char **argv)
{
    struct settings *s = mem_zalloc(sizeof *s);
    struct options o;
    bool is_good;

    if (words_ask_for_help(argc, argv) || !s) {
        mem_free(s);
        print_dump_help();
        return 0;
    }
    options_init(&o);
    read_options(&o, argc, argv);
    options_warn_environment(&o);
    settings_read(s, &o);
    is_good = options_is_good(&o);
    if (is_good) {
        print_origin_of_cookie(&o);
        options_dump(&o);
    }
    settings_fini(s);
    options_fini(&o);
    mem_free(s);
    return is_good ? 0 : 2;
}
