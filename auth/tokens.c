#include "auth/tokens.h"

#include <stdio.h>

#include "auth/base64url.h"
#include "auth/doc.h"
#include "auth/file.h"
#include "auth/when.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { FILE_MAX = 32 << 20, SHOWN_MAX = 40 };

#define ITEM_HINT "write an item as: - {principal: NAME, sha256: HASH}, as erlgate token prints it"

/* ---- the file ---- */

struct reading {
    struct auth_doc doc;
    struct auth_tokens *into;
    struct auth_faults *faults;
};

/* The places of one item's members. */
struct item {
    const yaml_node_t *principal, *sha256, *expires, *comment;
};

static const yaml_node_t **member_of(struct item *item, struct slice key)
{
    if (slice_eq_str(key, "principal"))
        return &item->principal;
    if (slice_eq_str(key, "sha256"))
        return &item->sha256;
    if (slice_eq_str(key, "expires"))
        return &item->expires;
    return slice_eq_str(key, "comment") ? &item->comment : NULL;
}

static bool gather(struct reading *r, const yaml_node_t *map, struct item *ret)
{
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc.yaml, p->key);
        const yaml_node_t *value = yaml_document_get_node(&r->doc.yaml, p->value);
        const yaml_node_t **member = member_of(ret, auth_doc_scalar(key));
        struct slice shown = auth_doc_scalar(key);

        if (!member)
            return auth_doc_refuse(&r->doc, key, "there are principal, sha256, expires and comment",
                                   "an item has no member %.*s",
                                   (int)(shown.len < SHOWN_MAX ? shown.len : SHOWN_MAX),
                                   (const char *)shown.ptr);
        if (*member)
            return auth_doc_refuse(&r->doc, key, NULL, "the member stands here for the second time");
        if (value->type != YAML_SCALAR_NODE)
            return auth_doc_refuse(&r->doc, value, ITEM_HINT, "the value is to be a text");
        *member = value;
    }
    return true;
}

static bool read_item(struct reading *r, const yaml_node_t *node, struct auth_token *ret)
{
    struct item item = {0};

    if (node->type != YAML_MAPPING_NODE)
        return auth_doc_refuse(&r->doc, node, ITEM_HINT, "this is no token");
    if (!gather(r, node, &item))
        return false;
    if (!item.principal || !item.sha256)
        return auth_doc_refuse(&r->doc, node, ITEM_HINT, "the item lacks its %s",
                               item.principal ? "sha256" : "principal");
    if (!auth_principal_set(&ret->principal, auth_doc_scalar(item.principal)))
        return auth_doc_refuse(&r->doc, item.principal, NULL,
                               "a principal is 1 to %d bytes of UTF-8 without control characters",
                               AUTH_PRINCIPAL_MAX);
    /* Never shown: it may be the token itself, put here by mistake. */
    if (!auth_digest_read(auth_doc_scalar(item.sha256), &ret->digest))
        return auth_doc_refuse(&r->doc, item.sha256, "erlgate token --hash makes it of a token",
                               "the sha256 is to be 64 hexadecimal digits, the hash of a token");
    ret->expires_s = INT64_MAX;
    if (item.expires && !auth_when_read(auth_doc_scalar(item.expires), &ret->expires_s))
        return auth_doc_refuse(&r->doc, item.expires, "write 2027-01-31 or 2027-01-31T18:00:00Z",
                               "this is no date of the calendar, and no moment in UTC");
    return true;
}

static bool add(struct reading *r, const yaml_node_t *node)
{
    struct auth_tokens *t = r->into;
    struct auth_token *token = &t->list[t->count];

    if (!read_item(r, node, token))
        return false;
    if (map_get(&t->by_digest, auth_digest_slice(&token->digest)))
        return auth_doc_refuse(&r->doc, node, "a token is one principal's: remove one of the two",
                               "the hash stands here twice");
    token->credential = auth_credential_of("token", auth_digest_slice(&token->digest),
                                           auth_principal_name(&token->principal), token->expires_s);
    if (!token->credential || map_put(&t->by_digest, auth_digest_slice(&token->digest), token) != ERR_NONE ||
        map_put(&t->by_credential, slice_of(&token->credential, sizeof token->credential), token) != ERR_NONE)
        return auth_doc_refuse(&r->doc, node, NULL, "out of memory");
    t->count++;
    return true;
}

static bool read_list(struct reading *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->doc.yaml);
    bool is_good = true;
    size_t count;

    if (!root)
        return true; /* an empty file: nobody has a token */
    if (root->type != YAML_SEQUENCE_NODE)
        return auth_doc_refuse(&r->doc, root, ITEM_HINT, "the file is to be a list of tokens");
    count = (size_t)(root->data.sequence.items.top - root->data.sequence.items.start);
    if (count > AUTH_TOKENS_MAX)
        return auth_doc_refuse(&r->doc, root, NULL, "there are more than %d tokens", AUTH_TOKENS_MAX);
    r->into->list = mem_realloc_array(NULL, count ? count : 1, sizeof *r->into->list);
    if (!r->into->list)
        return auth_doc_refuse(&r->doc, root, NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->doc.yaml, root->data.sequence.items.start[i]);

        is_good &= auth_doc_keep(&r->doc, r->faults, add(r, item));
    }
    return is_good;
}

struct auth_tokens *auth_tokens_read(const char *name, struct slice text, uint64_t seed,
                                     struct auth_faults *faults)
{
    struct reading r = {.into = mem_zalloc(sizeof *r.into), .faults = faults};
    bool is_read = false;

    faults->count = 0;
    if (!r.into) {
        auth_fault_set(&faults->at[faults->count++], name, 0, 0, NULL, "out of memory");
        return NULL;
    }
    map_init(&r.into->by_digest, seed);
    map_init(&r.into->by_credential, seed);
    if (auth_doc_open(&r.doc, name, text, &faults->at[0])) {
        is_read =
            read_list(&r) && auth_doc_keep(&r.doc, faults, auth_doc_is_last(&r.doc, "the file is one list"));
        auth_doc_close(&r.doc);
    }
    if (is_read)
        return r.into;
    if (faults->count == 0)
        faults->count = 1; /* with the file as a whole */
    auth_tokens_free(r.into);
    return NULL;
}

struct auth_tokens *auth_tokens_load(const char *path, uint64_t seed, struct auth_faults *faults)
{
    struct auth_tokens *t;
    struct auth_file f;

    faults->count = 1;
    if (!auth_file_read(path, "token file", "`erlgate token NAME --append FILE` makes it, with a token in it",
                        FILE_MAX, &f, &faults->at[0]))
        return NULL;
    t = auth_tokens_read(path, slice_of(f.text, f.len), seed, faults);
    if (t)
        t->is_exposed = f.is_exposed;
    auth_file_free(&f);
    return t;
}

void auth_tokens_free(struct auth_tokens *t)
{
    if (!t)
        return;
    map_fini(&t->by_digest);
    map_fini(&t->by_credential);
    mem_free(t->list);
    mem_free(t);
}

/* The map is keyed, and its keys are hashes: how long a miss takes tells nothing of the tokens there are. */
const struct auth_token *auth_tokens_find(const struct auth_tokens *t, const struct auth_digest *shown)
{
    const struct auth_token *found = map_get(&t->by_digest, auth_digest_slice(shown));

    return found && mem_equal_secret(found->digest.bytes, shown->bytes, AUTH_DIGEST_LEN) ? found : NULL;
}

bool auth_tokens_have(const struct auth_tokens *t, uint64_t credential)
{
    return map_get(&t->by_credential, slice_of(&credential, sizeof credential)) != NULL;
}

/* ---- a new one ---- */

bool auth_token_is_one(struct slice text)
{
    const size_t n = sizeof AUTH_TOKEN_PREFIX - 1;

    return text.len > n && memcmp(text.ptr, AUTH_TOKEN_PREFIX, n) == 0;
}

void auth_token_make(const uint8_t random[AUTH_TOKEN_RANDOM], char out[AUTH_TOKEN_LEN + 1])
{
    memcpy(out, AUTH_TOKEN_PREFIX, sizeof AUTH_TOKEN_PREFIX - 1);
    auth_base64url_print(random, AUTH_TOKEN_RANDOM, out + sizeof AUTH_TOKEN_PREFIX - 1);
}

/* A text between double quotes, as YAML has it. */
/* What YAML does not take as it is, or takes for the end of a line. */
static bool wants_escape(int32_t cp)
{
    return cp == '"' || cp == '\\' || (cp >= 0x80 && cp < 0xA0) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0xFEFF || cp == 0xFFFE || cp == 0xFFFF;
}

/* Within double quotes (YAML, 5.7). */
static bool quote(struct slice text, char *out, size_t cap)
{
    const uint8_t *at = text.ptr, *end = text.ptr + text.len;
    size_t n = 0;

    while (at < end) {
        const uint8_t *from = at;
        int32_t cp = utf8_next(&at, end);

        if (cp < 0x20 || cp == 0x7F || n + 8 > cap)
            return false;
        if (wants_escape(cp) && cp >= 0x80) {
            n += (size_t)snprintf(out + n, cap - n, "\\u%04X", (unsigned)cp);
            continue;
        }
        if (wants_escape(cp))
            out[n++] = '\\';
        memcpy(out + n, from, (size_t)(at - from));
        n += (size_t)(at - from);
    }
    out[n] = '\0';
    return true;
}

bool auth_token_print(const struct auth_digest *d, struct slice principal, int64_t expires_s,
                      struct slice comment, char out[AUTH_LINE_MAX])
{
    char hex[AUTH_DIGEST_HEX + 1], name[3 * AUTH_PRINCIPAL_MAX + 8], note[600], when[AUTH_WHEN_MAX] = "";
    int n;

    if (!auth_principal_is_valid(principal) || !quote(principal, name, sizeof name) ||
        !quote(comment, note, sizeof note))
        return false;
    auth_digest_print(d, hex);
    if (expires_s != INT64_MAX)
        auth_when_print(expires_s, when);
    n = snprintf(out, AUTH_LINE_MAX, "- {principal: \"%s\", sha256: %s%s%s%s%s%s}\n", name, hex,
                 when[0] ? ", expires: " : "", when, note[0] ? ", comment: \"" : "", note,
                 note[0] ? "\"" : "");
    return n > 0 && n < AUTH_LINE_MAX;
}
