/* The configuration file as libcyaml loads it: plain structs, one member a key, before any check. Only config.c and config_schema.c use this.

   Owner:     wcx_config_load.
   Memory:    libcyaml's; freed by wcx_config_raw_free.
   Pinned by: tests/unit/test_config.c. */
#ifndef WCX_CONTROL_CONFIG_SCHEMA_H
#define WCX_CONTROL_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wcx_raw_shard
{
  uint64_t shard, lcore, journal_ring_slots, orders_max, levels_max, instruments_max, accounts_max, sessions_max, output_log_mib, retain_session_msgs, retain_feed_msgs;
  uint64_t snapshot_orders_max;
  char *group_a, *group_b, *snapshot_group_a, *snapshot_group_b;
} wcx_raw_shard_t;

typedef struct wcx_raw_instrument
{
  uint64_t security_id, shard, group;
  char *symbol, *base_asset, *quote_asset;
  uint32_t status;
  int64_t price_exponent, qty_exponent, amt_exponent;
  uint64_t min_price_increment, round_lot;
} wcx_raw_instrument_t;

typedef struct wcx_raw_account
{
  uint64_t account, self_match_prevention_id, firm;
  uint32_t credit, status;
} wcx_raw_account_t;

typedef struct wcx_raw_session
{
  uint64_t session, account, shard, throttle_per_s, throttle_burst, cancel_per_s, cancel_burst;
  uint32_t drop_copy; /* enum wcx_drop_scope_kind */
  uint32_t *ord_types;
  unsigned ord_type_cnt;
  uint64_t *instrument_groups;
  unsigned instrument_group_cnt;
  char **access_key_ids;
  unsigned access_key_id_cnt;
} wcx_raw_session_t;

typedef struct wcx_raw
{
  bool production;
  struct
  {
    char *run_dir, *state_dir, *region, *control_dir, *secrets_file, *operators_file;
  } paths;
  struct
  {
    char *listen_ip;
    uint64_t listen_tcp_port;
  } http;
  struct
  {
    uint32_t port_kind;
    char *device, *ip;
    uint64_t order_udp_port, rerequest_udp_port, order_tcp_port, purge_tcp_port, drop_copy_tcp_port, replay_tcp_port;
    uint64_t tcp_connections_max;
    uint64_t feed_heartbeat_ms, snapshot_cycle_ms, snapshot_packets_per_s, establish_per_source_per_s, rerequest_per_source_messages_per_s, cod_timeout_keepalives;
  } network;
  struct
  {
    bool hugepages;
  } memory;
  struct
  {
    uint32_t level;
    uint64_t journal_segment_mib, journal_segments_ahead;
    uint64_t snapshot_every_s, snapshot_every_inputs, snapshots_kept, snapshot_mib_per_s;
  } durability;
  struct
  {
    char *dir, *command, *fetch_command; /* "": none */
    uint64_t scrub_mib_per_s;
  } archive;
  struct
  {
    char *postgresql_connection_file, *redis_connection_file; /* "": none */
    uint64_t hold_inputs_max;
  } sinks;
  wcx_raw_shard_t *shards;
  wcx_raw_instrument_t *instruments;
  wcx_raw_account_t *accounts;
  wcx_raw_session_t *sessions;
  unsigned shard_cnt, instrument_cnt, account_cnt, session_cnt;
} wcx_raw_t;

/* A number of the file, its place in its struct and its range: checked after libcyaml has checked the type. */
typedef struct wcx_config_range
{
  const char *key;
  size_t off;
  uint64_t min, max;
  bool power_of_two;
} wcx_config_range_t;

extern const wcx_config_range_t wcx_config_ranges[], wcx_config_shard_ranges[], wcx_config_instrument_ranges[], wcx_config_account_ranges[], wcx_config_session_ranges[];

/* A key that --set may name. */
enum wcx_config_set_kind
{
  WCX_CONFIG_SET_TEXT = 1, /* 1 to WCX_CONFIG_PATH_MAX - 1 characters, as in the file */
  WCX_CONFIG_SET_NUMBER = 2,
  WCX_CONFIG_SET_BOOL = 3,
  WCX_CONFIG_SET_PORT_KIND = 4,
  WCX_CONFIG_SET_LEVEL = 5,
  WCX_CONFIG_SET_SHARD_NUMBER = 6, /* of the first shard: off counts in wcx_raw_shard_t */
  WCX_CONFIG_SET_TEXT_OR_NONE = 7, /* WCX_CONFIG_SET_TEXT, or "": none */
};

typedef struct wcx_config_settable_key
{
  const char *key;
  size_t off;
  enum wcx_config_set_kind kind;
} wcx_config_settable_key_t;

/* Load the file: NULL and err ("FILE:LINE:COLUMN: what: what to do") when libcyaml refuses it. */
wcx_raw_t *wcx_config_raw_load(const char *path, char *err, size_t err_sz);
void wcx_config_raw_free(wcx_raw_t *raw);

/* Apply "key=value"; false and err when the key or the value is none. */
bool wcx_config_raw_set(wcx_raw_t *raw, const char *set, char *err, size_t err_sz);

#endif
