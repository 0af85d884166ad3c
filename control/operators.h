/* Operators: who may sign, by name and Ed25519 public key; and whether two of them have signed an override.

   The file has one operator a line, `name: 64 hex digits`, comments behind `#`. Names are up to 31 of a-z 0-9 . - _ ; names that begin with demo- are of development, their
   secret keys are public, and production refuses them.

   Owner:     the caller's thread.
   Memory:    the caller's.
   Result:    true, or false and err: what is wrong, where, what to do.
   Bounds:    WCX_OPERATORS_MAX operators.
   Pinned by: tests/unit/test_operators.c, tests/e2e/test_quarantine.py. */
#ifndef WCX_CONTROL_OPERATORS_H
#define WCX_CONTROL_OPERATORS_H

#include "engine/shm/journal_decision.h"
#include "engine/shm/journal_walk.h"

#include <stdbool.h>

#define WCX_OPERATORS_MAX 64u

typedef struct wcx_operators
{
  uint32_t cnt;
  char names[WCX_OPERATORS_MAX][32];
  uint8_t keys[WCX_OPERATORS_MAX][32];
} wcx_operators_t;

bool wcx_operators_load(wcx_operators_t *operators, const char *path, bool production, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* False: not exactly 2 * sz lower-case hex digits. */
bool wcx_operators_read_hex(const char *text, uint8_t *bytes, size_t sz);

/* Whether that operator has signed these bytes. */
bool wcx_operators_signed(const wcx_operators_t *operators, const char *name, const void *bytes, size_t sz, const uint8_t signature[64]);

/* Whether two different operators have signed the override. */
bool wcx_operators_approved(const wcx_operators_t *operators, const wcx_journal_override_t *override, char *err, size_t err_sz);

/* The same of a decision where a journal ends. */
bool wcx_operators_decided(const wcx_operators_t *operators, const wcx_journal_decision_t *decision, char *err, size_t err_sz);

/* All overrides of the journal in `dir`. *digest: of the file, zero when it holds none. */
bool wcx_operators_check_journal(const wcx_operators_t *operators, const char *dir, wcx_digest_t *digest, char *err, size_t err_sz);

/* The newest decision about the journal in `dir`. *digest: of its page, zero when there is none. */
bool wcx_operators_check_decision(const wcx_operators_t *operators, const char *dir, wcx_digest_t *digest, char *err, size_t err_sz);

/* Sign with the private key in a PEM file, which must be of mode 0600 or less. */
bool wcx_operators_sign(const char *key_path, const void *bytes, size_t sz, uint8_t signature[64], char *err, size_t err_sz);

#endif
