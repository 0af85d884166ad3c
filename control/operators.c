#include "control/operators.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static_assert(WCX_OPERATORS_MAX == 64, "take_line says the number");

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789.-_"

bool wcx_operators_read_hex(const char *text, uint8_t *bytes, size_t sz)
{
  if (strspn(text, "0123456789abcdef") != 2 * sz || text[2 * sz] != '\0')
    return false;
  for (size_t i = 0; i < sz; i++)
  {
    unsigned byte;
    sscanf(text + 2 * i, "%2x", &byte);
    bytes[i] = (uint8_t)byte;
  }
  return true;
}

static uint32_t find(const wcx_operators_t *operators, const char *name)
{
  for (uint32_t i = 0; i < operators->cnt; i++)
    if (strcmp(operators->names[i], name) == 0)
      return i;
  return UINT32_MAX;
}

/* NULL, or what is wrong with the line. */
static const char *take_line(wcx_operators_t *operators, char *line, bool production)
{
  line[strcspn(line, "#\r\n")] = '\0';
  line += strspn(line, " \t");
  char name[64], key[80], rest[2];
  int got = sscanf(line, "%63[^: \t]: %79s %1s", name, key, rest);
  if (line[0] == '\0')
    return NULL;
  if (got != 2 || strlen(name) > 31 || strspn(name, NAME_CHARS) != strlen(name))
    return "write it as name: 64 hex digits (name of up to 31 of a-z 0-9 . - _)";
  if (find(operators, name) != UINT32_MAX)
    return "this name stands there twice: remove one";
  if (operators->cnt == WCX_OPERATORS_MAX)
    return "more than 64 operators: remove those that sign no more";
  if (production && strncmp(name, "demo-", 5) == 0)
    return "operators of development are refused when production is true";
  uint8_t *to = operators->keys[operators->cnt];
  if (!wcx_operators_read_hex(key, to, 32))
    return "the public key must be 64 hex digits";
  for (uint32_t i = 0; i < operators->cnt; i++)
    if (memcmp(operators->keys[i], to, 32) == 0)
      return "this key stands there twice: one person would be two";
  snprintf(operators->names[operators->cnt++], sizeof(operators->names[0]), "%.31s", name);
  return NULL;
}

bool wcx_operators_load(wcx_operators_t *operators, const char *path, bool production, char *err, size_t err_sz)
{
  *operators = (wcx_operators_t){0};
  FILE *file = fopen(path, "re");
  if (file == NULL)
  {
    snprintf(err, err_sz, "%s: %s: name the file in paths.operators_file", path, strerror(errno));
    return false;
  }
  char *line = NULL;
  size_t line_sz = 0;
  const char *wrong = NULL;
  unsigned number = 0;
  errno = 0;
  while (wrong == NULL && getline(&line, &line_sz, file) >= 0)
  {
    number++;
    wrong = take_line(operators, line, production);
  }
  int error = wrong == NULL && feof(file) == 0 ? errno : 0;
  free(line);
  fclose(file);
  if (wrong != NULL)
    snprintf(err, err_sz, "%s:%u: %s", path, number, wrong);
  if (error != 0)
    snprintf(err, err_sz, "%s: %s: name the file in paths.operators_file", path, strerror(error));
  return wrong == NULL && error == 0;
}

bool wcx_operators_signed(const wcx_operators_t *operators, const char *name, const void *bytes, size_t sz, const uint8_t signature[64])
{
  uint32_t i = find(operators, name);
  EVP_PKEY *key = i == UINT32_MAX ? NULL : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, operators->keys[i], 32);
  EVP_MD_CTX *ctx = key == NULL ? NULL : EVP_MD_CTX_new();
  bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 && EVP_DigestVerify(ctx, signature, 64, bytes, sz) == 1;
  EVP_MD_CTX_free(ctx);
  EVP_PKEY_free(key);
  return good;
}

static bool two_signed(const wcx_operators_t *operators, const wcx_journal_approval_t approvals[2], uint64_t seq, const char *text, size_t len, char *err, size_t err_sz)
{
  if (strcmp(approvals[0].operator_name, approvals[1].operator_name) == 0)
  {
    snprintf(err, err_sz, "seq %llu: both signatures are of '%s': two persons must sign", (unsigned long long)seq, approvals[0].operator_name);
    return false;
  }
  for (uint32_t i = 0; i < 2; i++)
    if (!wcx_operators_signed(operators, approvals[i].operator_name, text, len, approvals[i].signature))
    {
      snprintf(err, err_sz, "seq %llu: the signature of '%s' does not hold, or nobody knows this operator", (unsigned long long)seq, approvals[i].operator_name);
      return false;
    }
  return true;
}

bool wcx_operators_approved(const wcx_operators_t *operators, const wcx_journal_override_t *override, char *err, size_t err_sz)
{
  char text[WCX_JOURNAL_OVERRIDE_TEXT_SZ];
  size_t len = wcx_journal_override_text(text, override);
  return two_signed(operators, override->approvals, override->seq, text, len, err, err_sz);
}

bool wcx_operators_decided(const wcx_operators_t *operators, const wcx_journal_decision_t *decision, char *err, size_t err_sz)
{
  char text[WCX_JOURNAL_DECISION_TEXT_SZ];
  size_t len = wcx_journal_decision_text(text, decision);
  return two_signed(operators, decision->approvals, decision->finding.last_seq, text, len, err, err_sz);
}

bool wcx_operators_check_journal(const wcx_operators_t *operators, const char *dir, wcx_digest_t *digest, char *err, size_t err_sz)
{
  *digest = (wcx_digest_t){0};
  wcx_journal_walk_t walk;
  int opened = wcx_journal_walk_open(&walk, dir, err, err_sz);
  if (opened == WCX_JOURNAL_OPEN_MISSING)
    return true;
  if (opened != WCX_JOURNAL_OPEN_OK)
    return false;
  bool good = true;
  for (uint32_t i = 0; good && i < walk.overrides.cnt; i++)
  {
    wcx_journal_override_t override;
    good = walk.source.override_page(walk.source.ctx, i, walk.buf) == 1 && wcx_journal_override_read(walk.buf, &walk.super, &override);
    if (!good)
      snprintf(err, err_sz, "the file `overrides` has changed while it was read");
    good = good && wcx_operators_approved(operators, &override, err, err_sz);
  }
  if (good)
    *digest = walk.overrides.digest;
  wcx_journal_walk_close(&walk);
  return good;
}

/* 1: the first page of the newest pair; 0: there is none; -1. */
static int newest_decision(const char *dir, uint8_t page[WCX_JOURNAL_ALIGN])
{
  char path[600];
  snprintf(path, sizeof(path), "%s/" WCX_JOURNAL_DECISIONS_NAME, dir);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return errno == ENOENT ? 0 : -1;
  bool got = fseek(file, -(long)WCX_JOURNAL_DECISION_PAIR_SZ, SEEK_END) == 0 && fread(page, WCX_JOURNAL_ALIGN, 1, file) == 1;
  fclose(file);
  return got ? 1 : -1;
}

bool wcx_operators_check_decision(const wcx_operators_t *operators, const char *dir, wcx_digest_t *digest, char *err, size_t err_sz)
{
  *digest = (wcx_digest_t){0};
  static uint8_t page[WCX_JOURNAL_ALIGN];
  int there = newest_decision(dir, page);
  if (there == 0)
    return true;
  wcx_journal_walk_t walk;
  if (there < 0 || wcx_journal_walk_open(&walk, dir, err, err_sz) != WCX_JOURNAL_OPEN_OK)
  {
    snprintf(err, err_sz, "the file `" WCX_JOURNAL_DECISIONS_NAME "`, or the journal beside it, cannot be read");
    return false;
  }
  wcx_journal_decision_t decision;
  bool good = wcx_journal_decision_read(page, &walk.super, &decision);
  wcx_journal_walk_close(&walk);
  if (!good)
    snprintf(err, err_sz, "the file `" WCX_JOURNAL_DECISIONS_NAME "` is damaged or of another journal");
  good = good && wcx_operators_decided(operators, &decision, err, err_sz);
  if (good)
    *digest = wcx_journal_decision_digest(page);
  return good;
}

bool wcx_operators_sign(const char *key_path, const void *bytes, size_t sz, uint8_t signature[64], char *err, size_t err_sz)
{
  struct stat st;
  FILE *file = fopen(key_path, "re");
  if (file == NULL || fstat(fileno(file), &st) != 0 || (st.st_mode & 077) != 0)
  {
    snprintf(err, err_sz, "%s: %s", key_path, file == NULL ? strerror(errno) : "others may read this private key: chmod 600");
    if (file != NULL)
      fclose(file);
    return false;
  }
  EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  fclose(file);
  EVP_MD_CTX *ctx = key == NULL ? NULL : EVP_MD_CTX_new();
  size_t len = 64;
  bool done = ctx != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, signature, &len, bytes, sz) == 1 && len == 64;
  if (!done)
    snprintf(err, err_sz, "%s: not an Ed25519 private key in PEM (openssl genpkey -algorithm ed25519)", key_path);
  EVP_MD_CTX_free(ctx);
  EVP_PKEY_free(key);
  return done;
}
