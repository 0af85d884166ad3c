/* The judge of signatures (control/auth.h): which Establish is accepted, whose keys, what becomes of secrets, and that no key is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/auth.h"
#include "dataplane/client/sign.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The golden signatures are Python's, not ours:
     block = struct.pack('<32s20sIQQQQIIHHH2xQ', bytes(32), key.ljust(20).encode(), session, uuid, timestamp, 0, 1, 1000, 3000, 1, 1, 0, 0)
     hmac.new(secret, block + bytes([transport]) + struct.pack('<H', port), hashlib.sha256).hexdigest() */
#define GOLDEN_1 "3295aef87610e040e6bc4e1090bcc386789d6069c72994e2ddd778bcc10168a3" /* DEMO-MM-1, session 1, UDP 7002, uuid 1700000000000000001 */
#define GOLDEN_2 "ed75c75e444bdc96390743cc7a906eb98feed0a6afb8d8331e19e88b18b31a2b" /* NEW-KEY-OF-2, session 2, TCP 7001, uuid 1700000000000000003 */

/* The first with HMACVersion 2, which there is not. */
#define GOLDEN_1_VERSION_2 "a9ec062760517840d9e63b9a7ad849f1ae9ae637fb8aa4f39e2987ae05980f8c"

/* The first with Flags 9, and hmac.new(secret, b'wcx-tag' + struct.pack('<Q', uuid), hashlib.sha256).hexdigest()[:32]. */
#define GOLDEN_3 "8b572af16e20e241bb19800219a585fc2a74d0ed2a025a0776d60497f56f3d39"
#define GOLDEN_TAG_KEY "fe755b03aab758587da0f9c6a1db6bdd"

typedef struct fixture
{
  wcx_region_t *region;
  wcx_secrets_t *secrets;
  wcx_auth_t *auth;
} fixture_t;

/* Mappings that are given back with a secret in them. */
static const char *wanted;
static uint32_t leaks;
static uint32_t unmapped;

int __real_munmap(void *at, size_t sz);
int __wrap_munmap(void *at, size_t sz);

int __wrap_munmap(void *at, size_t sz)
{
  if (wanted != NULL)
  {
    unmapped++;
    leaks += memmem(at, sz, wanted, strlen(wanted)) != NULL;
  }
  return __real_munmap(at, sz);
}

static const uint8_t *drawn; /* what is random, in turn, sixteen bytes a call; NULL: the real thing */

void __real_wcx_env_random(void *to, size_t sz);
void __wrap_wcx_env_random(void *to, size_t sz);

void __wrap_wcx_env_random(void *to, size_t sz)
{
  if (drawn == NULL)
  {
    __real_wcx_env_random(to, sz);
    return;
  }
  assert_int_equal(sz, 16);
  memcpy(to, drawn, sz);
  drawn += sz;
}

static char temp_path[] = "/tmp/wcx-test-auth-XXXXXX";

static wcx_secrets_t *load_text(const char *text, bool production, mode_t mode, char *err, size_t err_sz)
{
  char path[sizeof(temp_path)];
  strcpy(path, temp_path);
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  assert_int_equal(fchmod(fd, mode), 0);
  close(fd);
  wcx_secrets_t *secrets = wcx_secrets_load(path, production, err, err_sz);
  unlink(path);
  return secrets;
}

static void set_key(wcx_params_session_t *session, uint32_t slot, const char *key)
{
  memset(session->access_key_id[slot], ' ', 20);
  memcpy(session->access_key_id[slot], key, strlen(key));
  session->key_cnt = (uint8_t)(slot + 1);
}

static int set_up(void **state)
{
  static fixture_t fixture;
  size_t header = (sizeof(wcx_region_t) + WCX_REGION_ALIGN - 1) & ~(size_t)(WCX_REGION_ALIGN - 1);
  size_t sz = header + 2 * wcx_region_shard_footprint(64);
  fixture.region = aligned_alloc(WCX_REGION_ALIGN, sz);
  assert_non_null(fixture.region);
  memset(fixture.region, 0, sz);
  fixture.region->shard_cnt = 2;
  fixture.region->shard_off[0] = header;
  fixture.region->shard_off[1] = header + wcx_region_shard_footprint(64);
  wcx_params_t *params = &fixture.region->params;
  params->session_cnt = 2;
  params->sessions[0].session_id = 1;
  set_key(&params->sessions[0], 0, "DEMO-MM-1");
  params->sessions[1].session_id = 2;
  set_key(&params->sessions[1], 0, "DEMO-MM-2");
  set_key(&params->sessions[1], 1, "NEW-KEY-OF-2");
  char err[256];
  fixture.secrets = load_text("# comment\n\nDEMO-MM-1: demo-secret-1\nDEMO-MM-2:  demo-secret-2 # old\nNEW-KEY-OF-2: 0123456789abcdef\n", false, 0600, err, sizeof(err));
  assert_non_null(fixture.secrets);
  fixture.auth = wcx_auth_new(fixture.region, fixture.secrets, err, sizeof(err));
  assert_non_null(fixture.auth);
  *state = &fixture;
  return 0;
}

static int tear_down(void **state)
{
  fixture_t *fixture = *state;
  wcx_auth_free(fixture->auth);
  wcx_secrets_free(fixture->secrets);
  free(fixture->region);
  return 0;
}

static void from_hex(uint8_t *to, const char *hex)
{
  for (size_t i = 0; i < strlen(hex) / 2; i++)
  {
    unsigned byte;
    assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
    to[i] = (uint8_t)byte;
  }
}

static wcx_auth_slot_t request(const char *key, uint32_t session, uint64_t uuid, uint64_t timestamp, uint8_t transport, uint16_t port, const char *signature)
{
  wcx_auth_slot_t slot = {.nonce = 77, .peer = 5, .asked_ns = 1000, .transport = transport, .server_port = port};
  wcx_establish_t *establish = &slot.establish;
  memset(establish->access_key_id, ' ', sizeof(establish->access_key_id));
  memcpy(establish->access_key_id, key, strlen(key));
  establish->session_id = session;
  establish->uuid = uuid;
  establish->request_timestamp = timestamp;
  establish->next_client_seq_no = 1;
  establish->keep_alive_interval = 1000;
  establish->cod_timeout_window = 3000;
  establish->flags = 1;
  establish->hmac_version = 1;
  from_hex(establish->hmac_signature, signature);
  return slot;
}

static wcx_auth_slot_t good_1(void)
{
  return request("DEMO-MM-1", 1, 1700000000000000001u, 1700000000000000002u, 2, 7002, GOLDEN_1);
}

static wcx_auth_slot_t good_2(void)
{
  return request("NEW-KEY-OF-2", 2, 1700000000000000003u, 1700000000000000004u, 1, 7001, GOLDEN_2);
}

static void accepts_golden_signatures(void **state)
{
  fixture_t *fixture = *state;
  wcx_auth_slot_t slot = good_1();
  wcx_auth_judge(fixture->auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_VALID);
  assert_int_equal(slot.key_slot, 0);
  for (int i = 0; i < 10; i++)
    assert_true(isalnum((unsigned char)slot.mold_session[i]));
  wcx_auth_slot_t again = good_1();
  wcx_auth_judge(fixture->auth, &again);
  assert_memory_not_equal(slot.mold_session, again.mold_session, 10);

  slot = good_2();
  wcx_auth_judge(fixture->auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_VALID);
  assert_int_equal(slot.key_slot, 1);
}

static void refuses(fixture_t *fixture, wcx_auth_slot_t slot)
{
  static const char none[10];
  memset(slot.mold_session, 'x', sizeof(slot.mold_session));
  wcx_auth_judge(fixture->auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_BAD_CREDENTIALS);
  assert_memory_equal(slot.mold_session, none, 10);
}

static void refuses_what_was_not_signed(void **state)
{
  fixture_t *fixture = *state;
  for (size_t byte = 0; byte < sizeof(wcx_establish_t); byte++)
  {
    wcx_auth_slot_t slot = good_1();
    ((uint8_t *)&slot.establish)[byte] ^= 1;
    refuses(fixture, slot);
  }
  wcx_auth_slot_t slot = good_1();
  slot.server_port = 7001;
  refuses(fixture, slot);
  slot = good_1();
  slot.server_port = (uint16_t)(7002 << 8 | 7002 >> 8);
  refuses(fixture, slot);
  slot = good_1();
  slot.transport = 1;
  refuses(fixture, slot);
  slot = good_1();
  slot.establish.hmac_version = 2;
  from_hex(slot.establish.hmac_signature, GOLDEN_1_VERSION_2); /* nobody knows what it would promise */
  refuses(fixture, slot);
}

static void refuses_keys_of_others(void **state)
{
  fixture_t *fixture = *state;
  wcx_params_t *params = &fixture->region->params;
  /* the signature of good_2 is right; the key is taken from its session, so only the ownership is wrong */
  params->sessions[1].key_cnt = 1;
  char err[256];
  wcx_auth_t *auth = wcx_auth_new(fixture->region, fixture->secrets, err, sizeof(err));
  params->sessions[1].key_cnt = 2;
  assert_non_null(auth);
  wcx_auth_slot_t slot = good_2();
  wcx_auth_judge(auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_BAD_CREDENTIALS);
  wcx_auth_free(auth);
  refuses(fixture, request("NO-SUCH-KEY", 1, 1, 1, 2, 7002, GOLDEN_1));
}

static void serves_every_shard(void **state)
{
  fixture_t *fixture = *state;
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_auth_ring_t *ring = &wcx_region_shard(fixture->region, i)->auth;
    wcx_auth_slot_t good = good_1();
    wcx_auth_slot_t bad = good_1();
    bad.nonce = 78;
    bad.establish.uuid++;
    assert_true(wcx_auth_push(&ring->dataplane_auth, &good));
    assert_true(wcx_auth_push(&ring->dataplane_auth, &bad));
  }
  assert_int_equal(wcx_auth_step(fixture->auth, 2000), 4);
  assert_int_equal(wcx_auth_step(fixture->auth, 2000), 0);
  for (uint32_t i = 0; i < 2; i++)
  {
    wcx_auth_half_t *verdicts = &wcx_region_shard(fixture->region, i)->auth.auth_dataplane;
    wcx_auth_slot_t slot;
    assert_true(wcx_auth_pop(verdicts, &slot));
    assert_int_equal(slot.verdict, WCX_AUTH_VALID);
    assert_int_equal(slot.nonce, 77);
    assert_int_equal(slot.peer, 5);
    assert_true(wcx_auth_pop(verdicts, &slot));
    assert_int_equal(slot.verdict, WCX_AUTH_BAD_CREDENTIALS);
    assert_int_equal(slot.nonce, 78);
    assert_false(wcx_auth_pop(verdicts, &slot));
  }
}

static wcx_auth_slot_t good_3(void)
{
  wcx_auth_slot_t slot = request("DEMO-MM-1", 1, 1700000000000000001u, 1700000000000000002u, 2, 7002, GOLDEN_3);
  slot.establish.flags = 9;
  return slot;
}

/* Only who asks for tags and is who he says gets a key, and it is in the ring for as long as the verdict. */
static void derives_tag_keys(void **state)
{
  fixture_t *fixture = *state;
  static const uint8_t none[16];
  uint8_t golden[16];
  from_hex(golden, GOLDEN_TAG_KEY);
  wcx_auth_slot_t slot = good_3();
  wcx_auth_judge(fixture->auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_VALID);
  assert_memory_equal(slot.tag_key, golden, 16);
  slot = good_1();
  wcx_auth_judge(fixture->auth, &slot);
  assert_memory_equal(slot.tag_key, none, 16);
  slot = good_3();
  slot.establish.uuid++;
  memset(slot.tag_key, 0x77, sizeof(slot.tag_key));
  wcx_auth_judge(fixture->auth, &slot);
  assert_int_equal(slot.verdict, WCX_AUTH_BAD_CREDENTIALS);
  assert_memory_equal(slot.tag_key, none, 16);

  wcx_auth_ring_t *ring = &wcx_region_shard(fixture->region, 0)->auth;
  slot = good_3();
  assert_true(wcx_auth_push(&ring->dataplane_auth, &slot));
  assert_int_equal(wcx_auth_step(fixture->auth, 2000), 1);
  assert_non_null(memmem(fixture->region, (size_t)((uint8_t *)(ring + 1) - (uint8_t *)fixture->region), golden, sizeof(golden)));
  assert_true(wcx_auth_pop(&ring->auth_dataplane, &slot));
  assert_memory_equal(slot.tag_key, golden, 16);
  assert_null(memmem(fixture->region, (size_t)((uint8_t *)(ring + 1) - (uint8_t *)fixture->region), golden, sizeof(golden)));
}

/* Each character has a byte of its own; the last eight of 256 bytes, which no multiple of 62 holds, are drawn again. */
static void session_strings_are_drawn_evenly(void **state)
{
  fixture_t *fixture = *state;
  static const uint8_t bytes[32] = {255, 254, 253, 252, 251, 250, 249, 248, 0, 9, 10, 35, 36, 61, 62, 247, 248, 1, 2, 255, 3};
  wcx_auth_slot_t slot = good_1();
  drawn = bytes;
  wcx_auth_judge(fixture->auth, &slot);
  drawn = NULL;
  assert_int_equal(slot.verdict, WCX_AUTH_VALID);
  assert_memory_equal(slot.mold_session, "09AZaz0z12", 10);
}

/* Two keys that differ in their last character: each has its secret. */
static void compares_whole_access_keys(void **state)
{
  fixture_t *fixture = *state;
  wcx_params_t *params = &fixture->region->params;
  char err[256];
  set_key(&params->sessions[0], 0, "ABCDEFGHIJKLMNOPQRS1");
  set_key(&params->sessions[0], 1, "ABCDEFGHIJKLMNOPQRS2");
  wcx_secrets_t *secrets =
      load_text("ABCDEFGHIJKLMNOPQRS1: demo-secret-1\nABCDEFGHIJKLMNOPQRS2: demo-secret-2\nDEMO-MM-2: demo-secret-3\nNEW-KEY-OF-2: demo-secret-4\n", false, 0600, err, sizeof(err));
  assert_non_null(secrets);
  wcx_auth_t *auth = wcx_auth_new(fixture->region, secrets, err, sizeof(err));
  assert_non_null(auth);
  for (uint8_t k = 0; k < 2; k++)
  {
    wcx_auth_slot_t slot = request(k == 0 ? "ABCDEFGHIJKLMNOPQRS1" : "ABCDEFGHIJKLMNOPQRS2", 1, 7, 8, WCX_CLIENT_UDP, 7002, "");
    wcx_client_sign(&slot.establish, k == 0 ? "demo-secret-1" : "demo-secret-2", WCX_CLIENT_UDP, 7002);
    wcx_auth_judge(auth, &slot);
    assert_int_equal(slot.verdict, WCX_AUTH_VALID);
    assert_int_equal(slot.key_slot, k);
  }
  wcx_auth_free(auth);
  wcx_secrets_free(secrets);
}

#ifndef __SANITIZE_ADDRESS__ /* whose stacks lie elsewhere */
#define STACK_SZ 32768u

static __attribute__((noinline)) void clean_the_stack(void)
{
  volatile uint8_t here[STACK_SZ];
  for (uint32_t i = 0; i < sizeof(here); i++)
    here[i] = 0;
}

/* Whether what was called before has left these bytes behind. */
static __attribute__((noinline)) bool stack_holds(const uint8_t *bytes, uint32_t sz)
{
  uint8_t here[STACK_SZ]; /* where it had its frames */
  __asm__ volatile("" : "=m"(here));
  uint32_t run = 0;
  for (uint32_t i = 0; i < sizeof(here) && run < sz; i++)
    run = here[i] == bytes[run] ? run + 1 : here[i] == bytes[0] ? 1 : 0;
  return run == sz;
}

static __attribute__((noinline)) void leave_on_the_stack(const uint8_t *bytes, uint32_t sz)
{
  volatile uint8_t here[64];
  for (uint32_t i = 0; i < sz; i++)
    here[i] = bytes[i];
  __asm__ volatile("" : : "m"(here));
}

/* The worker's own copy of a verdict ends with its turn, and so does that of a line of the secrets file. */
static void leaves_no_key_on_the_stack(void **state)
{
  fixture_t *fixture = *state;
  uint8_t golden[16];
  from_hex(golden, GOLDEN_TAG_KEY);
  clean_the_stack();
  leave_on_the_stack(golden, sizeof(golden));
  assert_true(stack_holds(golden, sizeof(golden))); /* the search finds what is there */
  wcx_auth_ring_t *ring = &wcx_region_shard(fixture->region, 0)->auth;
  wcx_auth_slot_t slot = good_3();
  assert_true(wcx_auth_push(&ring->dataplane_auth, &slot));
  clean_the_stack();
  assert_int_equal(wcx_auth_step(fixture->auth, 2000), 1);
  assert_false(stack_holds(golden, sizeof(golden)));

  static const char secret[] = "a-secret-of-fifty-characters-that-is-nowhere-else";
  static char text[128];
  char err[256];
  snprintf(text, sizeof(text), "SOME-KEY: %s\n", secret);
  clean_the_stack();
  wcx_secrets_t *secrets = load_text(text, true, 0600, err, sizeof(err));
  assert_false(stack_holds((const uint8_t *)secret, sizeof(secret) - 1));
  assert_non_null(secrets);
  wcx_secrets_free(secrets);
}
#endif

static void drops_what_is_too_old(void **state)
{
  fixture_t *fixture = *state;
  wcx_auth_ring_t *ring = &wcx_region_shard(fixture->region, 0)->auth;
  wcx_auth_slot_t slot = good_1();
  assert_true(wcx_auth_push(&ring->dataplane_auth, &slot));
  assert_int_equal(wcx_auth_step(fixture->auth, slot.asked_ns + WCX_AUTH_VERDICT_NS_MAX + 1), 0);
  assert_false(wcx_auth_pop(&ring->auth_dataplane, &slot));
}

static void waits_for_room(void **state)
{
  fixture_t *fixture = *state;
  wcx_auth_ring_t *ring = &wcx_region_shard(fixture->region, 0)->auth;
  wcx_auth_slot_t slot = good_1();
  uint32_t given = 0;
  for (uint32_t i = 0; i < WCX_AUTH_RING_MAX + 3; i++)
  {
    assert_true(wcx_auth_push(&ring->dataplane_auth, &slot));
    given += wcx_auth_step(fixture->auth, 2000);
  }
  assert_int_equal(given, WCX_AUTH_RING_MAX);
  assert_true(wcx_auth_pop(&ring->auth_dataplane, &slot));
  assert_int_equal(wcx_auth_step(fixture->auth, 2000), 1);
}

/* Whether the mapping of `at` has this flag of VmFlags in /proc/self/smaps. */
static bool has_vm_flag(const void *at, const char *flag)
{
  FILE *smaps = fopen("/proc/self/smaps", "r");
  assert_non_null(smaps);
  char line[512];
  bool ours = false;
  bool found = false;
  while (fgets(line, sizeof(line), smaps) != NULL)
  {
    uintptr_t from, to;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
      ours = (uintptr_t)at >= from && (uintptr_t)at < to;
    else if (ours && strncmp(line, "VmFlags:", 8) == 0)
      found = strstr(line + 8, flag) != NULL;
  }
  fclose(smaps);
  return found;
}

static void keeps_secrets_in_locked_memory_that_is_not_dumped(void **state)
{
  (void)state;
  char err[256];
  wcx_secrets_t *secrets = load_text("DEMO-MM-1: demo-secret-1\n", false, 0600, err, sizeof(err));
  assert_non_null(secrets);
#ifndef __SANITIZE_ADDRESS__ /* whose mlock does nothing */
  assert_true(has_vm_flag(secrets, " lo"));
#endif
  assert_true(has_vm_flag(secrets, " dd"));
  assert_false(has_vm_flag(err, " dd")); /* the question means something */
  wcx_secrets_free(secrets);
}

/* Neither what was read from the file nor what was made of it stays behind in memory that others may get. */
static void wipes_secrets(void **state)
{
  (void)state;
  static char part[] = "to-be-wiped";
  char text[64];
  char err[256];
  wanted = part;
  leaks = unmapped = 0;
  snprintf(text, sizeof(text), "DEMO-MM-1: demo-%s-1\n", part);
  wcx_secrets_t *secrets = load_text(text, false, 0600, err, sizeof(err));
  assert_non_null(secrets);
  assert_true(unmapped > 0);
  assert_non_null(memmem(secrets, sizeof(*secrets), wanted, strlen(wanted))); /* the search finds what is there */
  unmapped = 0;
  wcx_secrets_free(secrets);
  assert_true(unmapped > 0);
  wanted = NULL;
  assert_int_equal(leaks, 0);
}

static void refuses_bad_secret_files(void **state)
{
  (void)state;
  static const struct
  {
    const char *text;
    bool production;
    mode_t mode;
    const char *says;
  } rows[] = {{"A: demo-secret-1\nB demo-secret-2\n", false, 0600, ":2: write it as"},
              {"A: short\nB: shorter\nC: tiny\n", false, 0600, ":1: a secret has"},
              {"AAAAAAAAAABBBBBBBBBBC: demo-secret\n", false, 0600, ":1: an AccessKeyID has"},
              {"A: demo-secret-1\nA: demo-secret-2\n", false, 0600, ":2: this AccessKeyID stands there twice"},
              {"A: demo-secret-1\n", true, 0600, ":1: a development secret"},
              {"A: real-secret-1\n", false, 0644, "chmod 0600"}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    char err[256] = "";
    wcx_secrets_t *secrets = load_text(rows[i].text, rows[i].production, rows[i].mode, err, sizeof(err));
    assert_null(secrets);
    if (strstr(err, rows[i].says) == NULL)
      fail_msg("row %zu says '%s'", i, err);
    assert_null(strstr(err, "secret-"));
  }
  char err[256];
  for (uint32_t bit = 0; bit < 6; bit++) /* of group and others */
    assert_null(load_text("A: real-secret-1\n", false, 0600 | 1u << bit, err, sizeof(err)));
  wcx_secrets_t *secrets = load_text("A: demo-secret-1\r\n", false, 0644, err, sizeof(err));
  assert_non_null(secrets);
  assert_int_equal(secrets->secrets[0].sz, strlen("demo-secret-1"));
  wcx_secrets_free(secrets);
}

static void needs_a_secret_for_every_key(void **state)
{
  fixture_t *fixture = *state;
  char err[256] = "";
  wcx_secrets_t *secrets = load_text("DEMO-MM-1: demo-secret-1\n", false, 0600, err, sizeof(err));
  assert_non_null(secrets);
  assert_null(wcx_auth_new(fixture->region, secrets, err, sizeof(err)));
  assert_non_null(strstr(err, "session 2: its access key 'DEMO-MM-2"));
  wcx_secrets_free(secrets);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(accepts_golden_signatures, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_what_was_not_signed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(refuses_keys_of_others, set_up, tear_down),
      cmocka_unit_test_setup_teardown(serves_every_shard, set_up, tear_down),
      cmocka_unit_test_setup_teardown(derives_tag_keys, set_up, tear_down),
      cmocka_unit_test_setup_teardown(session_strings_are_drawn_evenly, set_up, tear_down),
      cmocka_unit_test_setup_teardown(compares_whole_access_keys, set_up, tear_down),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test_setup_teardown(leaves_no_key_on_the_stack, set_up, tear_down),
#endif
      cmocka_unit_test_setup_teardown(drops_what_is_too_old, set_up, tear_down),
      cmocka_unit_test_setup_teardown(waits_for_room, set_up, tear_down),
      cmocka_unit_test(keeps_secrets_in_locked_memory_that_is_not_dumped),
      cmocka_unit_test(wipes_secrets),
      cmocka_unit_test(refuses_bad_secret_files),
      cmocka_unit_test_setup_teardown(needs_a_secret_for_every_key, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
