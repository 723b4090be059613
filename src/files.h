/*
 * files: what the files that the settings name hold: certificates, keys, tokens.
 *
 * Loaded whole by files_load, or not at all, with every fault told at the file's path; ended by files_free.
 * So a bad file is found before anything is changed, at the start, by SIGHUP and by check-config alike.
 */
#ifndef ERLGATE_SRC_FILES_H
#define ERLGATE_SRC_FILES_H

#include "src/settings.h"

enum { FILES_DAYS_TO_WARN = 14 }; /* that a certificate is still good for */

struct files {
    struct loop_tls *tls;   /* between nodes; owned; NULL: none */
    struct http_tls *https; /* owned; NULL: none */
    struct auth *auth;      /* who is let in; owned */
    struct policy *policy;  /* what they may do; owned; NULL: everything */
};

/* False: some could not be loaded, and has been told. */
MUST_USE bool files_load(struct files *f, const struct settings *s, struct options *o);
void files_free(struct files *f);
/* Logs what they hold, a line each; before: what there was, NULL at the start. */
void files_log(const struct files *f, const struct settings *s, const struct files *before);

#endif
