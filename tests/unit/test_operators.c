/* Who may sign, and what counts as two signatures (control/operators.h). */
#include "control/operators.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static wcx_operators_t operators;
static EVP_PKEY *keys[2];
static char lines[2][120];

static bool load(const char *text, bool production, char *err, size_t err_sz)
{
  char path[] = "/tmp/wcx-test-operators-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  bool fine = wcx_operators_load(&operators, path, production, err, err_sz);
  unlink(path);
  return fine;
}

static int make_keys(void **state)
{
  (void)state;
  static const char *const names[] = {"anna", "demo-berta"};
  for (uint32_t i = 0; i < 2; i++)
  {
    uint8_t raw[32];
    size_t sz = sizeof(raw);
    keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (keys[i] == NULL || EVP_PKEY_get_raw_public_key(keys[i], raw, &sz) != 1)
      return -1;
    int len = snprintf(lines[i], sizeof(lines[i]), "%s: ", names[i]);
    for (uint32_t k = 0; k < 32; k++)
      len += snprintf(lines[i] + len, sizeof(lines[i]) - (size_t)len, "%02x", raw[k]);
    snprintf(lines[i] + len, sizeof(lines[i]) - (size_t)len, "  # one of two\n");
  }
  return 0;
}

static int free_keys(void **state)
{
  (void)state;
  EVP_PKEY_free(keys[0]);
  EVP_PKEY_free(keys[1]);
  return 0;
}

static void sign(EVP_PKEY *key, const wcx_journal_override_t *override, uint8_t signature[64])
{
  char text[WCX_JOURNAL_OVERRIDE_TEXT_SZ];
  size_t len = wcx_journal_override_text(text, override);
  size_t sz = 64;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
  assert_int_equal(EVP_DigestSign(ctx, signature, &sz, (const uint8_t *)text, len), 1);
  EVP_MD_CTX_free(ctx);
}

static void load_both(void)
{
  char text[300], err[300];
  snprintf(text, sizeof(text), "# who may sign\n\n%s%s", lines[0], lines[1]);
  if (!load(text, false, err, sizeof(err)))
    fail_msg("%s", err);
  assert_int_equal(operators.cnt, 2);
}

static wcx_journal_override_t approved(void)
{
  wcx_journal_override_t override = {.shard = 1, .seq = 20, .hash = {.lo = 1, .hi = 2}, .reason = "why", .approvals = {{.operator_name = "anna"}, {.operator_name = "demo-berta"}}};
  for (uint32_t i = 0; i < 2; i++)
    sign(keys[i], &override, override.approvals[i].signature);
  return override;
}

static void two_persons(void **state)
{
  (void)state;
  char err[300];
  load_both();
  wcx_journal_override_t override = approved();
  assert_true(wcx_operators_approved(&operators, &override, err, sizeof(err)));
  wcx_journal_override_t twice = override;
  twice.approvals[1] = twice.approvals[0];
  assert_false(wcx_operators_approved(&operators, &twice, err, sizeof(err)));
  assert_non_null(strstr(err, "two persons"));
  wcx_journal_override_t crossed = override;
  memcpy(crossed.approvals[1].signature, override.approvals[0].signature, 64);
  assert_false(wcx_operators_approved(&operators, &crossed, err, sizeof(err)));
}

static void what_is_signed_cannot_change(void **state)
{
  (void)state;
  char err[300];
  load_both();
  for (uint32_t i = 0; i < 5; i++)
  {
    wcx_journal_override_t override = approved();
    override.seq += i == 0;
    override.hash.hi += i == 1;
    override.reason[1] ^= i == 2;
    override.journal_id[0] ^= i == 3;
    override.approvals[1].signature[63] ^= i == 4;
    assert_false(wcx_operators_approved(&operators, &override, err, sizeof(err)));
  }
}

static void strangers_count_for_nothing(void **state)
{
  (void)state;
  char err[300];
  wcx_journal_override_t override = approved();
  assert_true(load(lines[0], false, err, sizeof(err)));
  assert_false(wcx_operators_approved(&operators, &override, err, sizeof(err)));
  assert_non_null(strstr(err, "'demo-berta'"));
  assert_true(load("# nobody\n", true, err, sizeof(err)));
  assert_false(wcx_operators_approved(&operators, &override, err, sizeof(err)));
}

static void refuses_what_is_wrong(void **state)
{
  (void)state;
  char err[300], text[400];
  assert_false(load(lines[1], true, err, sizeof(err)));
  assert_non_null(strstr(err, "production"));
  snprintf(text, sizeof(text), "%s%s", lines[0], lines[0]);
  assert_false(load(text, false, err, sizeof(err)));
  assert_non_null(strstr(err, ":2: this name stands there twice"));
  snprintf(text, sizeof(text), "%sx%s", lines[0], lines[0]);
  assert_false(load(text, false, err, sizeof(err)));
  assert_non_null(strstr(err, "one person would be two"));
  static const char *const bad[] = {"anna", "anna:", "anna: 12", "Anna: 00", "anna: zz", "a b: 00"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    assert_false(load(bad[i], false, err, sizeof(err)));
  static const char *const unreadable[] = {"/nonexistent", "/tmp"}; /* a directory can be opened, not read */
  for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
  {
    assert_false(wcx_operators_load(&operators, unreadable[i], false, err, sizeof(err)));
    assert_non_null(strstr(err, "paths.operators_file"));
  }
}

/* However long a line is, what is behind its # is no operator. */
static void takes_a_long_comment(void **state)
{
  (void)state;
  char comment[700], text[1000], err[300];
  memset(comment, 'x', sizeof(comment));
  comment[sizeof(comment) - 1] = '\0';
  snprintf(text, sizeof(text), "#%s\n%s", comment, lines[0]);
  if (!load(text, false, err, sizeof(err)))
    fail_msg("%s", err);
  assert_int_equal(operators.cnt, 1);
  snprintf(text, sizeof(text), "#%s\nanna", comment);
  assert_false(load(text, false, err, sizeof(err)));
  assert_non_null(strstr(err, ":2: "));
}

/* A private key that others may read may have been used by them. */
static void a_key_that_others_may_read_signs_nothing(void **state)
{
  (void)state;
  char path[] = "/tmp/wcx-test-operators-XXXXXX";
  char err[300];
  uint8_t signature[64];
  int fd = mkstemp(path);
  FILE *file = fdopen(fd, "w");
  assert_non_null(file);
  assert_int_equal(PEM_write_PrivateKey(file, keys[0], NULL, NULL, 0, NULL, NULL), 1);
  assert_int_equal(fclose(file), 0);
  static const mode_t readable[] = {0640, 0604, 0620, 0666};
  for (uint32_t i = 0; i < 4; i++)
  {
    assert_int_equal(chmod(path, readable[i]), 0);
    assert_false(wcx_operators_sign(path, "text", 4, signature, err, sizeof(err)));
    assert_non_null(strstr(err, "others may read"));
  }
  assert_int_equal(chmod(path, 0600), 0);
  load_both();
  assert_true(wcx_operators_sign(path, "text", 4, signature, err, sizeof(err)));
  assert_true(wcx_operators_signed(&operators, "anna", "text", 4, signature));
  assert_false(wcx_operators_signed(&operators, "anna", "test", 4, signature));
  assert_false(wcx_operators_signed(&operators, "demo-berta", "text", 4, signature));
  unlink(path);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_persons),           cmocka_unit_test(what_is_signed_cannot_change), cmocka_unit_test(strangers_count_for_nothing),
      cmocka_unit_test(refuses_what_is_wrong), cmocka_unit_test(takes_a_long_comment),         cmocka_unit_test(a_key_that_others_may_read_signs_nothing)};
  return cmocka_run_group_tests(tests, make_keys, free_keys);
}
