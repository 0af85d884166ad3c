/* The configuration file (control/config.h): what is loaded, what is refused, and the sets of the command line above it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOOD "configs/wcx.yaml"

static char *read_good(void)
{
  FILE *file = fopen(GOOD, "r");
  if (file == NULL)
    fail_msg("%s cannot be read: run the test from the root of the project", GOOD);
  char *text = calloc(1, 64 << 10);
  assert_non_null(text);
  assert_true(fread(text, 1, (64 << 10) - 1, file) > 0);
  fclose(file);
  return text;
}

/* A text with the first `from` replaced by `to`. */
static char *replace_first(const char *text, const char *from, const char *to)
{
  const char *at = strstr(text, from);
  if (at == NULL)
    fail_msg("'%s' is not in " GOOD, from);
  char *changed = NULL;
  assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
  return changed;
}

/* The good file with the first `from` replaced by `to`; *line and *column (from 1) tell where. */
static char *change(const char *from, const char *to, unsigned *line, unsigned *column)
{
  char *good = read_good();
  const char *at = strstr(good, from);
  if (at == NULL)
    fail_msg("'%s' is not in " GOOD, from);
  *line = 1;
  *column = 1;
  for (const char *before = good; before < at; before++)
  {
    *column = *before == '\n' ? 1 : *column + 1;
    *line += *before == '\n';
  }
  char *text = replace_first(good, from, to);
  free(good);
  return text;
}

static bool load_text(wcx_config_t *config, const char *text, const wcx_config_sets_t *sets, char *err, size_t err_sz)
{
  char path[] = "/tmp/wcx-test-config-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  bool fine = wcx_config_load(config, path, sets, err, err_sz);
  unlink(path);
  return fine;
}

static void loads_the_development_defaults(void **state)
{
  (void)state;
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  if (!wcx_config_load(config, GOOD, NULL, err, sizeof(err)))
    fail_msg("%s", err);
  const wcx_params_t *params = &config->params;
  assert_int_equal(params->magic, WCX_PARAMS_MAGIC);
  assert_int_equal(params->sz, sizeof(wcx_params_t));
  wcx_digest_t digest = wcx_params_digest(params);
  assert_true(digest.lo == params->digest.lo && digest.hi == params->digest.hi);
  assert_int_equal(params->port_kind, WCX_PORT_AF_XDP);
  assert_string_equal(params->port_device, "wcx-dp0");
  assert_int_equal(params->ip, 0x0a4d0002);
  assert_int_equal(params->order_tcp_port, 7001);
  assert_int_equal(params->tcp_connections_max, 1024);
  assert_int_equal(params->order_udp_port, 7002);
  assert_int_equal(params->rerequest_udp_port, 7003);
  assert_int_equal(params->purge_tcp_port, 7004);
  assert_int_equal(params->drop_copy_tcp_port, 7005);
  assert_int_equal(params->replay_tcp_port, 7006);
  assert_int_equal(params->cod_timeout_keepalives, 3);
  assert_int_equal(params->durability, WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH);
  assert_int_equal(params->journal_segment_sz, 16 << 20);
  assert_int_equal(params->production, 0);
  assert_int_equal(params->shard_cnt, 1);
  assert_int_equal(params->shards[0].shard, 1);
  assert_int_equal(params->shards[0].orders_max, 131072);
  assert_int_equal(params->shards[0].group_a_ip, 0xef4d0001);
  assert_int_equal(params->shards[0].group_a_port, 7101);
  assert_int_equal(params->shards[0].group_b_ip, 0xef4d0002);
  assert_int_equal(params->shards[0].group_b_port, 7102);
  assert_int_equal(params->snapshot_cycle_ms, 1000);
  assert_int_equal(params->snapshot_packets_per_s, 10000);
  assert_int_equal(params->shards[0].snapshot_orders_max, 131072);
  assert_int_equal(params->shards[0].snapshot_group_a_ip, 0xef4d0003);
  assert_int_equal(params->shards[0].snapshot_group_a_port, 7103);
  assert_int_equal(params->shards[0].snapshot_group_b_ip, 0xef4d0004);
  assert_int_equal(params->shards[0].snapshot_group_b_port, 7104);
  assert_int_equal(params->instrument_cnt, 3);
  static const char *symbols[] = {"BTC-USDT                ", "ETH-USDT                ", "SOL-USDT                "};
  for (uint32_t i = 0; i < 3; i++)
  {
    const wcx_security_definition_t *instrument = &params->instruments[i];
    assert_int_equal(instrument->security_id, i + 1);
    assert_memory_equal(instrument->symbol, symbols[i], 24);
    assert_int_equal(instrument->price_exponent, -2);
    assert_int_equal(instrument->qty_exponent, -6);
    assert_int_equal(instrument->amt_exponent, -8);
    assert_int_equal(instrument->min_price_increment, 1);
    assert_int_equal(instrument->round_lot, 1);
    assert_true(instrument->low_limit_price == WCX_I64_NULL && instrument->high_limit_price == WCX_I64_NULL);
    assert_int_equal(instrument->security_trading_status, WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE);
    assert_int_equal(instrument->market_segment_id, 1);
  }
  assert_int_equal(params->account_cnt, 8);
  assert_int_equal(params->session_cnt, 8);
  for (uint32_t i = 0; i < 8; i++)
  {
    char key[21];
    snprintf(key, sizeof(key), "DEMO-MM-%u           ", i + 1);
    assert_int_equal(params->accounts[i].account, i + 1);
    assert_int_equal(params->accounts[i].credit, WCX_CREDIT_UNLIMITED);
    assert_int_equal(params->sessions[i].session_id, i + 1);
    assert_int_equal(params->sessions[i].account, i + 1);
    assert_int_equal(params->sessions[i].key_cnt, 1);
    assert_memory_equal(params->sessions[i].access_key_id[0], key, 20);
    assert_int_equal(params->sessions[i].throttle_per_s, 100000);
    assert_int_equal(params->sessions[i].throttle_burst, 10000);
    assert_int_equal(params->sessions[i].cancel_per_s, 100000);
    assert_int_equal(params->sessions[i].cancel_burst, 10000);
  }
  assert_string_equal(config->http_ip, "127.0.0.1");
  assert_int_equal(config->http_tcp_port, 8080);
  assert_true(config->state_dir[0] == '/' && config->region[0] == '/' && config->secrets_file[0] == '/');
  assert_string_equal(params->state_dir, config->state_dir);
  wcx_config_free(config);
}

/* Each row changes the good file in one place; the message must name the place when at_place is set, and hold `says` always. */
static void refuses_what_is_wrong(void **state)
{
  (void)state;
  static const struct
  {
    const char *from, *to, *says;
    bool at_place;
  } rows[] = {
      {"levels_max:", "levls_max:", "unknown key 'levls_max'", true},
      {"production:", "prod:", "unknown key 'prod'", true},
      {"cod_timeout_keepalives: 3", "cod_timeout_keepalives: 3\n  cod_timeout: 1", "unknown key 'cod_timeout'", false},
      {"production: false", "production: false\nproduction: false", ":8:1: key 'production' stands there twice", false},
      {"orders_max: 131072", "orders_max: 0", "shards[0].orders_max is 0: set it to a value in 1..16777215", false},
      {"orders_max: 131072", "orders_max: many", "'many'", false},
      {"journal_ring_slots: 65536", "journal_ring_slots: 65537", "is 65537: set it to a power of two in 64..1048576", false},
      {"order_udp_port: 7002", "order_udp_port: 70020", "network.order_udp_port is 70020", false},
      {"rerequest_udp_port: 7003", "rerequest_udp_port: 7002", "they must differ", false},
      {"purge_tcp_port: 7004", "purge_tcp_port: 7001", "network.order_tcp_port and network.purge_tcp_port are both 7001: they must differ", false},
      {"replay_tcp_port: 7006", "replay_tcp_port: 7005", "network.drop_copy_tcp_port and network.replay_tcp_port are both 7005", false},
      {"run_dir: build/run", "run_dir: 'a\"b'", "paths.run_dir holds a quotation mark, a backslash or a control character", false},
      {"control_dir: control", "control_dir: \"a\\tb\"", "paths.control_dir holds a quotation mark", false},
      {"level: D1", "level: D7", "D7", false},
      {"level: D1", "level: D2", "not built yet", false},
      {"ip: 10.77.0.2", "ip: 10.77.0.256", "'10.77.0.256'", false},
      {"group_a: 239.77.0.1:7101", "group_a: 10.77.0.1:7101", "multicast", false},
      {"snapshot_group_b: 239.77.0.4:7104", "snapshot_group_b: 239.77.0.4", "shards[0].snapshot_group_b is '239.77.0.4'", false},
      {"snapshot_group_b: 239.77.0.4:7104", "snapshot_group_b: 239.77.0.1:7101", "shards[0].snapshot_group_b and shards[0].group_a are both 239.77.0.1:7101", false},
      {"snapshot_cycle_ms: 1000", "snapshot_cycle_ms: 60001", "network.snapshot_cycle_ms is 60001: set it to a value in 0..60000", false},
      {"snapshot_packets_per_s: 10000", "snapshot_packets_per_s: 0", "network.snapshot_packets_per_s is 0: set it to a value in 100..1000000", false},
      {"snapshot_orders_max: 131072", "snapshot_orders_max: 0", "shards[0].snapshot_orders_max is 0", false},
      {"security_id: 2", "security_id: 1", "instruments[1].security_id 1 stands there twice", false},
      {"price_exponent: -2", "price_exponent: -19", "is -19", false},
      {"{account: 2,", "{account: 1,", "accounts[1].account 1 stands there twice", false},
      {"{session: 2,", "{session: 1,", "sessions[1].session 1 stands there twice", false},
      {"{session: 2, account: 2", "{session: 2, account: 99", "sessions[1].account 99 is not among the accounts", false},
      {"cancel_per_s: 100000", "cancel_per_s: 0", "sessions[0].cancel_per_s is 0: set it to a value in 1..10000000", false},
      {"cancel_burst: 10000", "cancel_burst: 1000001", "sessions[0].cancel_burst is 1000001", false},
      {", cancel_burst: 10000", "", "cancel_burst", false},
      {"[DEMO-MM-2]", "[DEMO-MM-1]", "'DEMO-MM-1' is in use already", false},
      {"[DEMO-MM-2]", "[KEY-A, KEY-A]", "'KEY-A' is in use already", false},
      {"sessions_max: 256", "sessions_max: 7", "sessions_max is 7 but the shard has 8 sessions", false},
      {"production: false", "production: true", "'DEMO-MM-1' is a development key", false},
      {"group: 0 ", "group: 64 ", "instruments[0].group is 64: set it to a value in 0..63", false},
      {"instrument_groups: []", "instrument_groups: [0, 64]", "sessions[0].instrument_groups holds 64: groups are 0..63", false},
      {"ord_types: []", "ord_types: [Limit, Marked]", "Invalid ENUM value: Marked at 2: configs/wcx.yaml shows the form", false},
      {"ord_types: []", "ord_types: [Limit, Market, Stop, StopLimit, MarketToLimit, Pegged, Limit]", "Excessive entries (6 max) in sequence", false},
      {"\n  command: \"\"", "\n  command: \"true\"", "archive.command and archive.fetch_command belong together", false},
      {"scrub_mib_per_s: 8", "scrub_mib_per_s: 4097", "archive.scrub_mib_per_s is 4097: set it to a value in 0..4096", false},
      {"http:", "http: [", "", false},
  };
  wcx_config_t *config = wcx_config_new();
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
  {
    unsigned line, column;
    char err[1024] = "";
    char place[32];
    char *text = change(rows[i].from, rows[i].to, &line, &column);
    bool fine = load_text(config, text, NULL, err, sizeof(err));
    free(text);
    if (fine)
      fail_msg("'%s' was accepted", rows[i].to);
    snprintf(place, sizeof(place), ":%u:%u: ", line, column);
    if (strstr(err, rows[i].says) == NULL || err[0] == '\0' || (rows[i].at_place && strstr(err, place) == NULL))
      fail_msg("'%s' at %s: the message is '%s'", rows[i].to, place, err);
  }
  wcx_config_free(config);
}

static void one_way_to_archive(void **state)
{
  (void)state;
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  wcx_config_sets_t sets = {.sets = {"archive.dir=attic", "archive.command=true", "archive.fetch_command=true"}, .set_cnt = 3};
  assert_false(wcx_config_load(config, GOOD, &sets, err, sizeof(err)));
  assert_non_null(strstr(err, "archive.dir and archive.command exclude each other"));
  sets.set_cnt = 1;
  if (!wcx_config_load(config, GOOD, &sets, err, sizeof(err)))
    fail_msg("%s", err);
  assert_non_null(strstr(config->archive_dir, "build/run/attic"));
  assert_string_equal(config->archive_command, "");
  wcx_config_free(config);
}

static void production_takes_real_keys(void **state)
{
  (void)state;
  char *text = read_good();
  for (char *at = strstr(text, "[DEMO-MM-"); at != NULL; at = strstr(at, "[DEMO-MM-"))
    memcpy(at, "[REAL-MM-", 9);
  char err[1024] = "";
  wcx_config_sets_t sets = {.sets = {"production=true"}, .set_cnt = 1};
  wcx_config_t *config = wcx_config_new();
  if (!load_text(config, text, &sets, err, sizeof(err)))
    fail_msg("%s", err);
  assert_int_equal(config->params.production, 1);
  sets = (wcx_config_sets_t){.sets = {"production=true", "durability.level=D0"}, .set_cnt = 2};
  assert_false(load_text(config, text, &sets, err, sizeof(err)));
  assert_non_null(strstr(err, "D0"));
  free(text);
  wcx_config_free(config);
}

static void sets_override_the_file(void **state)
{
  (void)state;
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  wcx_config_sets_t sets = {.sets = {"network.device=eth9", "network.port_kind=af_packet", "paths.run_dir=/tmp/wcx-x", "http.listen_tcp_port=9", "memory.hugepages=false"},
                            .set_cnt = 5};
  if (!wcx_config_load(config, GOOD, &sets, err, sizeof(err)))
    fail_msg("%s", err);
  assert_string_equal(config->params.port_device, "eth9");
  assert_int_equal(config->params.port_kind, WCX_PORT_AF_PACKET);
  assert_string_equal(config->state_dir, "/tmp/wcx-x/state");
  assert_int_equal(config->http_tcp_port, 9);
  assert_int_equal(config->params.hugepages, 0);
  static const char *const bad[] = {"network.device",
                                    "nothing=1",
                                    "http.listen_tcp_port=x",
                                    "http.listen_tcp_port=0",
                                    "durability.level=D9",
                                    "memory.hugepages=maybe",
                                    "network.device=0123456789012345678901234567890123456789012345678901234567890123456789"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
  {
    sets = (wcx_config_sets_t){.sets = {bad[i]}, .set_cnt = 1};
    err[0] = '\0';
    if (wcx_config_load(config, GOOD, &sets, err, sizeof(err)) || err[0] == '\0')
      fail_msg("--set %s was accepted", bad[i]);
  }
  wcx_config_free(config);
}

/* The same lengths on the command line as in the file, where libcyaml holds them. */
static void sets_are_as_long_as_a_field(void **state)
{
  (void)state;
  static const char *const texts[] = {"archive.command=", "archive.dir=/", "paths.run_dir=/", "network.ip=", "http.listen_ip=", "sinks.redis_connection_file=/"};
  wcx_config_t *config = wcx_config_new();
  char err[1024] = "";
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
  {
    char set[6000];
    memset(set, 'x', sizeof(set));
    memcpy(set, texts[i], strlen(texts[i]));
    set[sizeof(set) - 1] = '\0';
    const wcx_config_sets_t sets = {.sets = {set, "archive.fetch_command=true"}, .set_cnt = i == 0 ? 2 : 1};
    assert_false(wcx_config_load(config, GOOD, &sets, err, sizeof(err)));
    assert_non_null(strstr(err, "is no value of this key: configs/wcx.yaml shows its form"));
  }
  char set[WCX_CONFIG_PATH_MAX + 16];
  memset(set, 'x', sizeof(set));
  memcpy(set, "archive.command=", 16);
  set[16 + WCX_CONFIG_PATH_MAX - 1] = '\0';
  wcx_config_sets_t sets = {.sets = {set, "archive.fetch_command=true"}, .set_cnt = 2};
  if (!wcx_config_load(config, GOOD, &sets, err, sizeof(err)))
    fail_msg("%s", err);
  assert_string_equal(config->archive_command, set + 16);
  sets = (wcx_config_sets_t){.sets = {"archive.dir=attic", "archive.dir="}, .set_cnt = 2};
  if (!wcx_config_load(config, GOOD, &sets, err, sizeof(err)))
    fail_msg("%s", err);
  assert_string_equal(config->archive_dir, "");
  sets = (wcx_config_sets_t){.sets = {"paths.run_dir="}, .set_cnt = 1};
  assert_false(wcx_config_load(config, GOOD, &sets, err, sizeof(err)));
  wcx_config_free(config);
}

/* What a session may do beside its account, and the group of an instrument. */
static void reads_entitlements(void **state)
{
  (void)state;
  static const char *const changes[][2] = {
      {"ord_types: [], instrument_groups: []", "ord_types: [Limit, Market], instrument_groups: [0, 63]"},
      {"ord_types: [], instrument_groups: []", "ord_types: [Market, Limit, Stop, StopLimit, MarketToLimit, Pegged], instrument_groups: [1]"},
      {"group: 0 ", "group: 63 "},
  };
  char *text = read_good();
  for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
  {
    char *changed = replace_first(text, changes[i][0], changes[i][1]);
    free(text);
    text = changed;
  }
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  if (!load_text(config, text, NULL, err, sizeof(err)))
    fail_msg("%s", err);
  free(text);
  const wcx_params_t *params = &config->params;
  assert_int_equal(params->sessions[0].ord_types, 1u << WCX_ORD_TYPE_LIMIT | 1u << WCX_ORD_TYPE_MARKET);
  assert_int_equal(params->sessions[0].instrument_groups, UINT64_C(1) << 63 | 1);
  assert_int_equal(params->sessions[1].ord_types, 0x7e);
  assert_int_equal(params->sessions[1].instrument_groups, 2);
  assert_int_equal(params->sessions[2].ord_types, 0);
  assert_int_equal(params->sessions[2].instrument_groups, 0);
  assert_int_equal(params->instrument_group[0], 63);
  assert_int_equal(params->instrument_group[1], 0);
  wcx_config_free(config);
}

static void names_an_empty_file(void **state)
{
  (void)state;
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  assert_false(wcx_config_load(config, "/dev/null", NULL, err, sizeof(err)));
  assert_non_null(strstr(err, "/dev/null: there is nothing in it"));
  wcx_config_free(config);
}

static void names_a_missing_file(void **state)
{
  (void)state;
  char err[1024] = "";
  wcx_config_t *config = wcx_config_new();
  assert_false(wcx_config_load(config, "/nonexistent/wcx.yaml", NULL, err, sizeof(err)));
  assert_non_null(strstr(err, "/nonexistent/wcx.yaml: cannot be read: No such file"));
  wcx_config_free(config);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loads_the_development_defaults), cmocka_unit_test(refuses_what_is_wrong),       cmocka_unit_test(production_takes_real_keys),
      cmocka_unit_test(sets_override_the_file),         cmocka_unit_test(sets_are_as_long_as_a_field), cmocka_unit_test(one_way_to_archive),
      cmocka_unit_test(names_a_missing_file),           cmocka_unit_test(names_an_empty_file),         cmocka_unit_test(reads_entitlements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
