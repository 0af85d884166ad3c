/* The secrets of the access keys, as the auth worker holds them.

   File:      one "AccessKeyID: secret" a line (a flat YAML mapping of plain scalars), '#' starts a comment, blank lines are fine. Parsed here and not by a
              YAML library, so that no copy of a secret is left in memory we cannot wipe.
   Owner:     one thread of wcx-auth.
   Memory:    one mapping of its own: mlocked, left out of core dumps, wiped by wcx_secrets_free. The buffer the file is read into is treated the same.
   Result:    NULL and err ("FILE:LINE: what: what to do") when the file is refused.
   Bounds:    WCX_SECRETS_MAX keys, secrets of 8..64 bytes, AccessKeyIDs of 1..20 characters.
   Mode:      a file that holds anything but development secrets ("demo-...") must not be readable for group or others.
              In production development secrets are refused.
   Pinned by: tests/unit/test_auth.c. */
#ifndef WCX_CONTROL_SECRETS_H
#define WCX_CONTROL_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_SECRETS_MAX 2048u
#define WCX_SECRET_SZ_MAX 64u

typedef struct wcx_secret
{
  char access_key_id[20]; /* padded with spaces */
  uint32_t sz;
  uint8_t bytes[WCX_SECRET_SZ_MAX];
} wcx_secret_t;

typedef struct wcx_secrets
{
  uint32_t cnt;
  wcx_secret_t secrets[WCX_SECRETS_MAX];
} wcx_secrets_t;

wcx_secrets_t *wcx_secrets_load(const char *path, bool production, char *err, size_t err_sz);
void wcx_secrets_free(wcx_secrets_t *secrets);

/* By padded AccessKeyID; NULL when there is none. */
const wcx_secret_t *wcx_secrets_find(const wcx_secrets_t *secrets, const char access_key_id[20]);

#endif
