#include "control/config_schema.h"

#include "control/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(type, key, sz_max) CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, type, key, 1, sz_max)
#define TEXT_OR_NONE(type, key, sz_max) CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, type, key, 0, sz_max)
#define NUMBER(type, key) CYAML_FIELD_UINT(#key, CYAML_FLAG_DEFAULT, type, key)
#define SIGNED(type, key) CYAML_FIELD_INT(#key, CYAML_FLAG_DEFAULT, type, key)
#define NAME(type, key, names) CYAML_FIELD_ENUM(#key, CYAML_FLAG_STRICT, type, key, names, CYAML_ARRAY_LEN(names))

static const cyaml_strval_t port_kinds[] = {{"af_xdp", WCX_PORT_AF_XDP}, {"af_packet", WCX_PORT_AF_PACKET}, {"memif", WCX_PORT_MEMIF}};
static const cyaml_strval_t levels[] = {{"D0", WCX_DURABILITY_LEVEL_D0_NONE},
                                        {"D1", WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH},
                                        {"D2", WCX_DURABILITY_LEVEL_D2_MAJORITY_MEMORY},
                                        {"D3", WCX_DURABILITY_LEVEL_D3_MAJORITY_FLUSH}};
static const cyaml_strval_t statuses[] = {{"ReadyToTrade", WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE},
                                          {"TradingHalt", WCX_SECURITY_TRADING_STATUS_TRADING_HALT},
                                          {"NotAvailableForTrading", WCX_SECURITY_TRADING_STATUS_NOT_AVAILABLE_FOR_TRADING}};
static const cyaml_strval_t credits[] = {{"Unlimited", WCX_CREDIT_UNLIMITED}, {"Checked", WCX_CREDIT_CHECKED}};
static const cyaml_strval_t ord_types[] = {{"Market", WCX_ORD_TYPE_MARKET},
                                           {"Limit", WCX_ORD_TYPE_LIMIT},
                                           {"Stop", WCX_ORD_TYPE_STOP},
                                           {"StopLimit", WCX_ORD_TYPE_STOP_LIMIT},
                                           {"MarketToLimit", WCX_ORD_TYPE_MARKET_TO_LIMIT},
                                           {"Pegged", WCX_ORD_TYPE_PEGGED}};
static const cyaml_strval_t drop_scopes[] = {{"session", WCX_DROP_SESSION}, {"account", WCX_DROP_ACCOUNT}, {"firm", WCX_DROP_FIRM}};
static const cyaml_strval_t account_statuses[] = {{"Active", WCX_ACCOUNT_STATUS_ACTIVE}, {"CloseOnly", WCX_ACCOUNT_STATUS_CLOSE_ONLY}, {"Suspended", WCX_ACCOUNT_STATUS_SUSPENDED}};

/* The sections of the file are anonymous members: the macros of libcyaml take a type, so each has a name here. */
typedef __typeof__(((wcx_raw_t *)0)->paths) raw_paths_t;
typedef __typeof__(((wcx_raw_t *)0)->http) raw_http_t;
typedef __typeof__(((wcx_raw_t *)0)->network) raw_network_t;
typedef __typeof__(((wcx_raw_t *)0)->memory) raw_memory_t;
typedef __typeof__(((wcx_raw_t *)0)->durability) raw_durability_t;
typedef __typeof__(((wcx_raw_t *)0)->archive) raw_archive_t;
typedef __typeof__(((wcx_raw_t *)0)->sinks) raw_sinks_t;

static const cyaml_schema_field_t path_fields[] = {TEXT(raw_paths_t, run_dir, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT(raw_paths_t, state_dir, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT(raw_paths_t, region, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT(raw_paths_t, control_dir, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT(raw_paths_t, secrets_file, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT(raw_paths_t, operators_file, WCX_CONFIG_PATH_MAX - 1),
                                                   CYAML_FIELD_END};
static const cyaml_schema_field_t http_fields[] = {TEXT(raw_http_t, listen_ip, 15), NUMBER(raw_http_t, listen_tcp_port), CYAML_FIELD_END};
static const cyaml_schema_field_t network_fields[] = {NAME(raw_network_t, port_kind, port_kinds),
                                                      TEXT(raw_network_t, device, 63),
                                                      TEXT(raw_network_t, ip, 15),
                                                      NUMBER(raw_network_t, order_udp_port),
                                                      NUMBER(raw_network_t, rerequest_udp_port),
                                                      NUMBER(raw_network_t, order_tcp_port),
                                                      NUMBER(raw_network_t, purge_tcp_port),
                                                      NUMBER(raw_network_t, drop_copy_tcp_port),
                                                      NUMBER(raw_network_t, replay_tcp_port),
                                                      NUMBER(raw_network_t, tcp_connections_max),
                                                      NUMBER(raw_network_t, feed_heartbeat_ms),
                                                      NUMBER(raw_network_t, snapshot_cycle_ms),
                                                      NUMBER(raw_network_t, snapshot_packets_per_s),
                                                      NUMBER(raw_network_t, establish_per_source_per_s),
                                                      NUMBER(raw_network_t, rerequest_per_source_messages_per_s),
                                                      NUMBER(raw_network_t, cod_timeout_keepalives),
                                                      CYAML_FIELD_END};
static const cyaml_schema_field_t memory_fields[] = {CYAML_FIELD_BOOL("hugepages", CYAML_FLAG_DEFAULT, raw_memory_t, hugepages), CYAML_FIELD_END};
static const cyaml_schema_field_t durability_fields[] = {NAME(raw_durability_t, level, levels),
                                                         NUMBER(raw_durability_t, journal_segment_mib),
                                                         NUMBER(raw_durability_t, journal_segments_ahead),
                                                         NUMBER(raw_durability_t, snapshot_every_s),
                                                         NUMBER(raw_durability_t, snapshot_every_inputs),
                                                         NUMBER(raw_durability_t, snapshots_kept),
                                                         NUMBER(raw_durability_t, snapshot_mib_per_s),
                                                         CYAML_FIELD_END};
static const cyaml_schema_field_t archive_fields[] = {TEXT_OR_NONE(raw_archive_t, dir, WCX_CONFIG_PATH_MAX - 1), TEXT_OR_NONE(raw_archive_t, command, WCX_CONFIG_PATH_MAX - 1),
                                                      TEXT_OR_NONE(raw_archive_t, fetch_command, WCX_CONFIG_PATH_MAX - 1), NUMBER(raw_archive_t, scrub_mib_per_s), CYAML_FIELD_END};
static const cyaml_schema_field_t sink_fields[] = {TEXT_OR_NONE(raw_sinks_t, postgresql_connection_file, WCX_CONFIG_PATH_MAX - 1),
                                                   TEXT_OR_NONE(raw_sinks_t, redis_connection_file, WCX_CONFIG_PATH_MAX - 1), NUMBER(raw_sinks_t, hold_inputs_max),
                                                   CYAML_FIELD_END};
static const cyaml_schema_field_t shard_fields[] = {NUMBER(wcx_raw_shard_t, shard),
                                                    NUMBER(wcx_raw_shard_t, lcore),
                                                    NUMBER(wcx_raw_shard_t, journal_ring_slots),
                                                    NUMBER(wcx_raw_shard_t, orders_max),
                                                    NUMBER(wcx_raw_shard_t, levels_max),
                                                    NUMBER(wcx_raw_shard_t, instruments_max),
                                                    NUMBER(wcx_raw_shard_t, accounts_max),
                                                    NUMBER(wcx_raw_shard_t, sessions_max),
                                                    NUMBER(wcx_raw_shard_t, output_log_mib),
                                                    NUMBER(wcx_raw_shard_t, retain_session_msgs),
                                                    NUMBER(wcx_raw_shard_t, retain_feed_msgs),
                                                    TEXT(wcx_raw_shard_t, group_a, 21),
                                                    TEXT(wcx_raw_shard_t, group_b, 21),
                                                    NUMBER(wcx_raw_shard_t, snapshot_orders_max),
                                                    TEXT(wcx_raw_shard_t, snapshot_group_a, 21),
                                                    TEXT(wcx_raw_shard_t, snapshot_group_b, 21),
                                                    CYAML_FIELD_END};
static const cyaml_schema_field_t instrument_fields[] = {NUMBER(wcx_raw_instrument_t, security_id),
                                                         TEXT(wcx_raw_instrument_t, symbol, 24),
                                                         TEXT(wcx_raw_instrument_t, base_asset, 8),
                                                         TEXT(wcx_raw_instrument_t, quote_asset, 8),
                                                         NUMBER(wcx_raw_instrument_t, shard),
                                                         NUMBER(wcx_raw_instrument_t, group),
                                                         NAME(wcx_raw_instrument_t, status, statuses),
                                                         SIGNED(wcx_raw_instrument_t, price_exponent),
                                                         SIGNED(wcx_raw_instrument_t, qty_exponent),
                                                         SIGNED(wcx_raw_instrument_t, amt_exponent),
                                                         NUMBER(wcx_raw_instrument_t, min_price_increment),
                                                         NUMBER(wcx_raw_instrument_t, round_lot),
                                                         CYAML_FIELD_END};
static const cyaml_schema_field_t account_fields[] = {NUMBER(wcx_raw_account_t, account),
                                                      NAME(wcx_raw_account_t, credit, credits),
                                                      NAME(wcx_raw_account_t, status, account_statuses),
                                                      NUMBER(wcx_raw_account_t, self_match_prevention_id),
                                                      NUMBER(wcx_raw_account_t, firm),
                                                      CYAML_FIELD_END};
static const cyaml_schema_value_t key_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 20)};
static const cyaml_schema_value_t ord_type_value = {CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, uint32_t, ord_types, CYAML_ARRAY_LEN(ord_types))};
static const cyaml_schema_value_t group_value = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint64_t)};
static const cyaml_schema_field_t session_fields[] = {
    NUMBER(wcx_raw_session_t, session),
    NUMBER(wcx_raw_session_t, account),
    NUMBER(wcx_raw_session_t, shard),
    CYAML_FIELD_SEQUENCE_COUNT("access_key_ids", CYAML_FLAG_POINTER, wcx_raw_session_t, access_key_ids, access_key_id_cnt, &key_value, 1, 2),
    NUMBER(wcx_raw_session_t, throttle_per_s),
    NUMBER(wcx_raw_session_t, throttle_burst),
    NUMBER(wcx_raw_session_t, cancel_per_s),
    NUMBER(wcx_raw_session_t, cancel_burst),
    NAME(wcx_raw_session_t, drop_copy, drop_scopes),
    CYAML_FIELD_SEQUENCE_COUNT("ord_types", CYAML_FLAG_POINTER, wcx_raw_session_t, ord_types, ord_type_cnt, &ord_type_value, 0, 6),
    CYAML_FIELD_SEQUENCE_COUNT("instrument_groups", CYAML_FLAG_POINTER, wcx_raw_session_t, instrument_groups, instrument_group_cnt, &group_value, 0, 64),
    CYAML_FIELD_END};
static const cyaml_schema_value_t shard_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, wcx_raw_shard_t, shard_fields)};
static const cyaml_schema_value_t instrument_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, wcx_raw_instrument_t, instrument_fields)};
static const cyaml_schema_value_t account_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, wcx_raw_account_t, account_fields)};
static const cyaml_schema_value_t session_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, wcx_raw_session_t, session_fields)};

static const cyaml_schema_field_t raw_fields[] = {
    CYAML_FIELD_BOOL("production", CYAML_FLAG_DEFAULT, wcx_raw_t, production),
    CYAML_FIELD_MAPPING("paths", CYAML_FLAG_DEFAULT, wcx_raw_t, paths, path_fields),
    CYAML_FIELD_MAPPING("http", CYAML_FLAG_DEFAULT, wcx_raw_t, http, http_fields),
    CYAML_FIELD_MAPPING("network", CYAML_FLAG_DEFAULT, wcx_raw_t, network, network_fields),
    CYAML_FIELD_MAPPING("memory", CYAML_FLAG_DEFAULT, wcx_raw_t, memory, memory_fields),
    CYAML_FIELD_MAPPING("durability", CYAML_FLAG_DEFAULT, wcx_raw_t, durability, durability_fields),
    CYAML_FIELD_MAPPING("archive", CYAML_FLAG_DEFAULT, wcx_raw_t, archive, archive_fields),
    CYAML_FIELD_MAPPING("sinks", CYAML_FLAG_DEFAULT, wcx_raw_t, sinks, sink_fields),
    CYAML_FIELD_SEQUENCE_COUNT("shards", CYAML_FLAG_POINTER, wcx_raw_t, shards, shard_cnt, &shard_value, 1, WCX_SHARDS_MAX),
    CYAML_FIELD_SEQUENCE_COUNT("instruments", CYAML_FLAG_POINTER, wcx_raw_t, instruments, instrument_cnt, &instrument_value, 1, WCX_PARAMS_INSTRUMENTS_MAX),
    CYAML_FIELD_SEQUENCE_COUNT("accounts", CYAML_FLAG_POINTER, wcx_raw_t, accounts, account_cnt, &account_value, 1, WCX_PARAMS_ACCOUNTS_MAX),
    CYAML_FIELD_SEQUENCE_COUNT("sessions", CYAML_FLAG_POINTER, wcx_raw_t, sessions, session_cnt, &session_value, 1, WCX_PARAMS_SESSIONS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t raw_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, wcx_raw_t, raw_fields)};

#define RANGE(type, key, min, max)                                                                                                                                                 \
  {                                                                                                                                                                                \
#key, offsetof(type, key), min, max, false                                                                                                                                     \
  }
#define RANGE_POW2(type, key, min, max)                                                                                                                                            \
  {                                                                                                                                                                                \
#key, offsetof(type, key), min, max, true                                                                                                                                      \
  }
#define RANGE_END                                                                                                                                                                  \
  {                                                                                                                                                                                \
    NULL, 0, 0, 0, false                                                                                                                                                           \
  }

const wcx_config_range_t wcx_config_ranges[] = {RANGE(wcx_raw_t, http.listen_tcp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.order_udp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.rerequest_udp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.order_tcp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.purge_tcp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.drop_copy_tcp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.replay_tcp_port, 1, 65535),
                                                RANGE(wcx_raw_t, network.tcp_connections_max, 1, 4096),
                                                RANGE(wcx_raw_t, network.feed_heartbeat_ms, 10, 60000),
                                                RANGE(wcx_raw_t, network.snapshot_cycle_ms, 0, 60000),
                                                RANGE(wcx_raw_t, network.snapshot_packets_per_s, 100, 1000000),
                                                RANGE(wcx_raw_t, network.establish_per_source_per_s, 20, 100000),
                                                RANGE(wcx_raw_t, network.rerequest_per_source_messages_per_s, 1, 10000000),
                                                RANGE(wcx_raw_t, network.cod_timeout_keepalives, 1, 100),
                                                RANGE(wcx_raw_t, durability.journal_segment_mib, 1, 1024),
                                                RANGE(wcx_raw_t, durability.journal_segments_ahead, 1, 16),
                                                RANGE(wcx_raw_t, archive.scrub_mib_per_s, 0, 4096),
                                                RANGE(wcx_raw_t, durability.snapshot_every_s, 1, 86400),
                                                RANGE(wcx_raw_t, durability.snapshot_every_inputs, 1000, 1000000000),
                                                RANGE(wcx_raw_t, durability.snapshots_kept, 2, 8),
                                                RANGE(wcx_raw_t, durability.snapshot_mib_per_s, 0, 100000),
                                                RANGE(wcx_raw_t, sinks.hold_inputs_max, 1000, UINT32_MAX),
                                                RANGE_END};
const wcx_config_range_t wcx_config_shard_ranges[] = {RANGE(wcx_raw_shard_t, shard, 1, 65535),
                                                      RANGE(wcx_raw_shard_t, lcore, 0, 1023),
                                                      RANGE_POW2(wcx_raw_shard_t, journal_ring_slots, 64, 1048576),
                                                      RANGE(wcx_raw_shard_t, orders_max, 1, 16777215),
                                                      RANGE(wcx_raw_shard_t, levels_max, 1, 16777215),
                                                      RANGE(wcx_raw_shard_t, instruments_max, 1, 65535),
                                                      RANGE(wcx_raw_shard_t, accounts_max, 1, 1048576),
                                                      RANGE(wcx_raw_shard_t, sessions_max, 1, 65535),
                                                      RANGE_POW2(wcx_raw_shard_t, output_log_mib, 1, 1048576),
                                                      RANGE_POW2(wcx_raw_shard_t, retain_session_msgs, 1024, 16777216),
                                                      RANGE_POW2(wcx_raw_shard_t, retain_feed_msgs, 1024, 16777216),
                                                      RANGE(wcx_raw_shard_t, snapshot_orders_max, 1, 16777215),
                                                      RANGE_END};
const wcx_config_range_t wcx_config_instrument_ranges[] = {RANGE(wcx_raw_instrument_t, security_id, 1, UINT32_MAX - 1), RANGE(wcx_raw_instrument_t, group, 0, 63),
                                                           RANGE(wcx_raw_instrument_t, min_price_increment, 1, INT64_MAX), RANGE(wcx_raw_instrument_t, round_lot, 1, INT64_MAX),
                                                           RANGE_END};
const wcx_config_range_t wcx_config_account_ranges[] = {RANGE(wcx_raw_account_t, account, 1, UINT32_MAX - 1), RANGE(wcx_raw_account_t, self_match_prevention_id, 0, UINT32_MAX - 1),
                                                        RANGE(wcx_raw_account_t, firm, 0, UINT32_MAX - 1), RANGE_END};
const wcx_config_range_t wcx_config_session_ranges[] = {RANGE(wcx_raw_session_t, session, 1, 999999999),      RANGE(wcx_raw_session_t, throttle_per_s, 1, 10000000),
                                                        RANGE(wcx_raw_session_t, throttle_burst, 1, 1000000), RANGE(wcx_raw_session_t, cancel_per_s, 1, 10000000),
                                                        RANGE(wcx_raw_session_t, cancel_burst, 1, 1000000),   RANGE_END};

static const wcx_config_settable_key_t settable[] = {
    {"production", offsetof(wcx_raw_t, production), WCX_CONFIG_SET_BOOL},
    {"paths.run_dir", offsetof(wcx_raw_t, paths.run_dir), WCX_CONFIG_SET_TEXT},
    {"paths.state_dir", offsetof(wcx_raw_t, paths.state_dir), WCX_CONFIG_SET_TEXT},
    {"paths.region", offsetof(wcx_raw_t, paths.region), WCX_CONFIG_SET_TEXT},
    {"paths.control_dir", offsetof(wcx_raw_t, paths.control_dir), WCX_CONFIG_SET_TEXT},
    {"paths.secrets_file", offsetof(wcx_raw_t, paths.secrets_file), WCX_CONFIG_SET_TEXT},
    {"paths.operators_file", offsetof(wcx_raw_t, paths.operators_file), WCX_CONFIG_SET_TEXT},
    {"http.listen_ip", offsetof(wcx_raw_t, http.listen_ip), WCX_CONFIG_SET_TEXT},
    {"http.listen_tcp_port", offsetof(wcx_raw_t, http.listen_tcp_port), WCX_CONFIG_SET_NUMBER},
    {"network.port_kind", offsetof(wcx_raw_t, network.port_kind), WCX_CONFIG_SET_PORT_KIND},
    {"network.device", offsetof(wcx_raw_t, network.device), WCX_CONFIG_SET_TEXT},
    {"network.ip", offsetof(wcx_raw_t, network.ip), WCX_CONFIG_SET_TEXT},
    {"network.snapshot_cycle_ms", offsetof(wcx_raw_t, network.snapshot_cycle_ms), WCX_CONFIG_SET_NUMBER},
    {"memory.hugepages", offsetof(wcx_raw_t, memory.hugepages), WCX_CONFIG_SET_BOOL},
    {"durability.level", offsetof(wcx_raw_t, durability.level), WCX_CONFIG_SET_LEVEL},
    {"durability.journal_segment_mib", offsetof(wcx_raw_t, durability.journal_segment_mib), WCX_CONFIG_SET_NUMBER},
    {"archive.dir", offsetof(wcx_raw_t, archive.dir), WCX_CONFIG_SET_TEXT_OR_NONE},
    {"archive.command", offsetof(wcx_raw_t, archive.command), WCX_CONFIG_SET_TEXT_OR_NONE},
    {"archive.fetch_command", offsetof(wcx_raw_t, archive.fetch_command), WCX_CONFIG_SET_TEXT_OR_NONE},
    {"archive.scrub_mib_per_s", offsetof(wcx_raw_t, archive.scrub_mib_per_s), WCX_CONFIG_SET_NUMBER},
    {"durability.snapshot_every_s", offsetof(wcx_raw_t, durability.snapshot_every_s), WCX_CONFIG_SET_NUMBER},
    {"durability.snapshot_every_inputs", offsetof(wcx_raw_t, durability.snapshot_every_inputs), WCX_CONFIG_SET_NUMBER},
    {"durability.snapshots_kept", offsetof(wcx_raw_t, durability.snapshots_kept), WCX_CONFIG_SET_NUMBER},
    {"durability.snapshot_mib_per_s", offsetof(wcx_raw_t, durability.snapshot_mib_per_s), WCX_CONFIG_SET_NUMBER},
    {"sinks.postgresql_connection_file", offsetof(wcx_raw_t, sinks.postgresql_connection_file), WCX_CONFIG_SET_TEXT_OR_NONE},
    {"sinks.redis_connection_file", offsetof(wcx_raw_t, sinks.redis_connection_file), WCX_CONFIG_SET_TEXT_OR_NONE},
    {"sinks.hold_inputs_max", offsetof(wcx_raw_t, sinks.hold_inputs_max), WCX_CONFIG_SET_NUMBER},
    {"shards.lcore", offsetof(wcx_raw_shard_t, lcore), WCX_CONFIG_SET_SHARD_NUMBER},
};
#define SETTABLE_CNT (sizeof(settable) / sizeof(settable[0]))

const char *const *wcx_config_settable(void)
{
  static const char *names[SETTABLE_CNT + 1];
  for (size_t i = 0; i < SETTABLE_CNT; i++)
    names[i] = settable[i].key;
  return names;
}

/* What libcyaml says about one load, kept from its log: the first error and the first place of the backtrace that follows it. */
typedef struct load_log
{
  char what[200];
  char where[100];
  unsigned line, column;
} load_log_t;

static void keep_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
  if (level < CYAML_LOG_ERROR)
    return;
  load_log_t *log = ctx;
  char text[300];
  vsnprintf(text, sizeof(text), fmt, args);
  text[strcspn(text, "\n")] = '\0';
  const char *at = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
  if (log->what[0] == '\0')
    snprintf(log->what, sizeof(log->what), "%.190s", at);
  const char *place = strstr(text, "(line: ");
  if (place == NULL || log->line != 0)
    return;
  sscanf(place, "(line: %u, column: %u)", &log->line, &log->column);
  const char *name = strchr(text, '\'');
  if (name != NULL)
    snprintf(log->where, sizeof(log->where), "%.*s", (int)strcspn(name + 1, "'"), name + 1);
}

/* libcyaml tells where it was before it met an unknown or repeated key: find the key itself from there on. */
static void find_key(const char *path, const char *key, unsigned *line, unsigned *column)
{
  FILE *file = fopen(path, "r");
  if (file == NULL)
    return;
  char text[1024];
  size_t key_len = strlen(key);
  for (unsigned at_line = 1; fgets(text, sizeof(text), file) != NULL; at_line++)
  {
    if (at_line < *line)
      continue;
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key))
    {
      unsigned at_column = (unsigned)(at - text) + 1;
      bool starts = at == text || strchr(" {,-", at[-1]) != NULL;
      bool comment = memchr(text, '#', (size_t)(at - text)) != NULL;
      if (!starts || comment || at[key_len] != ':' || (at_line == *line && at_column < *column))
        continue;
      *line = at_line;
      *column = at_column;
      fclose(file);
      return;
    }
  }
  fclose(file);
}

static void explain(const char *path, load_log_t *log, cyaml_err_t result, char *err, size_t err_sz)
{
  const char *unknown = "Unexpected key: ";
  const char *again = "Mapping field already seen: ";
  if (result == CYAML_OK)
    snprintf(err, err_sz, "%s: there is nothing in it: configs/wcx.yaml shows the form and the range of every key", path);
  else if (result == CYAML_ERR_FILE_OPEN)
    snprintf(err, err_sz, "%s: cannot be read: %s: give the configuration with --config FILE", path, strerror(errno));
  else if (strncmp(log->what, unknown, strlen(unknown)) == 0)
  {
    const char *key = log->what + strlen(unknown);
    find_key(path, key, &log->line, &log->column);
    snprintf(err, err_sz, "%s:%u:%u: unknown key '%s': remove it or correct its spelling (configs/wcx.yaml explains every key)", path, log->line, log->column, key);
  }
  else if (strncmp(log->what, again, strlen(again)) == 0)
  {
    const char *key = log->what + strlen(again);
    log->column++;
    find_key(path, key, &log->line, &log->column);
    snprintf(err, err_sz, "%s:%u:%u: key '%s' stands there twice: remove one", path, log->line, log->column, key);
  }
  else if (log->what[0] != '\0')
    snprintf(err, err_sz, "%s:%u:%u: %s%s%s: configs/wcx.yaml shows the form and the range of every key", path, log->line, log->column, log->what,
             log->where[0] != '\0' ? " at " : "", log->where);
  else
    snprintf(err, err_sz, "%s: %s: configs/wcx.yaml shows the form of the file", path, cyaml_strerror(result));
}

static const cyaml_config_t quiet = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

wcx_raw_t *wcx_config_raw_load(const char *path, char *err, size_t err_sz)
{
  load_log_t log = {.what = ""};
  cyaml_config_t cyaml = quiet;
  cyaml.log_fn = keep_log;
  cyaml.log_ctx = &log;
  cyaml.flags = CYAML_CFG_NO_ALIAS;
  cyaml_data_t *data = NULL;
  cyaml_err_t result = cyaml_load_file(path, &cyaml, &raw_value, &data, NULL);
  if (result == CYAML_OK && data != NULL)
    return data;
  explain(path, &log, result, err, err_sz);
  return NULL;
}

void wcx_config_raw_free(wcx_raw_t *raw)
{
  if (raw != NULL)
    cyaml_free(&quiet, &raw_value, raw, 0);
}

static bool set_name(void *field, const char *value, const cyaml_strval_t *names, size_t name_cnt)
{
  for (size_t i = 0; i < name_cnt; i++)
    if (strcmp(names[i].str, value) == 0)
    {
      *(uint32_t *)field = (uint32_t)names[i].val;
      return true;
    }
  return false;
}

static bool set_value(void *field, enum wcx_config_set_kind kind, const char *value)
{
  char *end;
  switch (kind)
  {
  case WCX_CONFIG_SET_TEXT:
  case WCX_CONFIG_SET_TEXT_OR_NONE:
    if ((value[0] == '\0' && kind == WCX_CONFIG_SET_TEXT) || strlen(value) >= WCX_CONFIG_PATH_MAX)
      return false;
    free(*(char **)field);
    *(char **)field = strdup(value);
    return *(char **)field != NULL;
  case WCX_CONFIG_SET_NUMBER:
  case WCX_CONFIG_SET_SHARD_NUMBER:
    errno = 0;
    *(uint64_t *)field = strtoull(value, &end, 10);
    return errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0';
  case WCX_CONFIG_SET_BOOL:
    *(bool *)field = strcmp(value, "true") == 0;
    return *(bool *)field || strcmp(value, "false") == 0;
  case WCX_CONFIG_SET_PORT_KIND:
    return set_name(field, value, port_kinds, CYAML_ARRAY_LEN(port_kinds));
  case WCX_CONFIG_SET_LEVEL:
    return set_name(field, value, levels, CYAML_ARRAY_LEN(levels));
  }
  return false;
}

bool wcx_config_raw_set(wcx_raw_t *raw, const char *set, char *err, size_t err_sz)
{
  const char *equals = strchr(set, '=');
  if (equals == NULL)
  {
    snprintf(err, err_sz, "--set '%s': write it as key=value", set);
    return false;
  }
  for (size_t i = 0; i < SETTABLE_CNT; i++)
  {
    if (strlen(settable[i].key) != (size_t)(equals - set) || strncmp(settable[i].key, set, (size_t)(equals - set)) != 0)
      continue;
    uint8_t *base = settable[i].kind == WCX_CONFIG_SET_SHARD_NUMBER ? (uint8_t *)raw->shards : (uint8_t *)raw;
    if (set_value(base + settable[i].off, settable[i].kind, equals + 1))
      return true;
    snprintf(err, err_sz, "--set %s: '%.80s' is no value of this key: configs/wcx.yaml shows its form", settable[i].key, equals + 1);
    return false;
  }
  snprintf(err, err_sz, "--set '%s': this key cannot be set for one run: change the file (wcx-controld --help lists the keys)", set);
  return false;
}
