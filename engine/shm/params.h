/* The parameter block: everything the data plane needs to know, checked by wcx-controld and turned from YAML into fixed fields.
   The data plane parses no text. No secret is in here: access keys by name, their secrets stay with the auth worker.

   Owner:      wcx-controld writes it before the region's `params_ready` is set; read-only afterwards, until the region is made anew.
   Units:      in the names.
   Validity:   magic, version, size and digest (wcx_digest over the bytes after `digest`) must match, else the reader refuses.
   Pinned by:  tests/unit/test_shm.c, tests/unit/test_config.c. */
#ifndef WCX_SHM_PARAMS_H
#define WCX_SHM_PARAMS_H

#include "engine/base/digest.h"
#include "engine/sbe.h"

#include <stdint.h>

#define WCX_PARAMS_MAGIC UINT64_C(0x316d617261786377) /* "wcxaram1" */
#define WCX_PARAMS_VERSION 2
#define WCX_PARAMS_SESSIONS_MAX 1024u
#define WCX_PARAMS_INSTRUMENTS_MAX 1024u
#define WCX_PARAMS_ACCOUNTS_MAX 4096u
#define WCX_SHARDS_MAX 8u

/* Whose execution reports a drop copy holds (engine/drop_scope.h). */
enum wcx_drop_scope_kind
{
  WCX_DROP_SESSION = 1,
  WCX_DROP_ACCOUNT = 2,
  WCX_DROP_FIRM = 3,
};

enum wcx_port_kind
{
  WCX_PORT_AF_XDP = 1,
  WCX_PORT_AF_PACKET = 2,
  WCX_PORT_MEMIF = 3,
};

typedef struct wcx_params_session
{
  uint32_t session_id;
  uint32_t account;
  uint16_t shard;
  uint8_t key_cnt;           /* 1 or 2 */
  uint8_t drop_copy;         /* enum wcx_drop_scope_kind */
  char access_key_id[2][20]; /* padded with spaces; slot = index */
  uint32_t throttle_per_s;   /* requests but cancels */
  uint32_t throttle_burst;
  uint32_t cancel_per_s; /* cancels have a bucket of their own */
  uint32_t cancel_burst;
  uint32_t ord_types;         /* as in SessionEntitlement */
  uint64_t instrument_groups; /* the same */
} wcx_params_session_t;
static_assert(sizeof(wcx_params_session_t) == 80, "params session");

typedef struct wcx_params_shard
{
  uint16_t shard; /* 1..65535 */
  uint16_t lcore; /* CPU of its poll loop */
  uint32_t jring_slot_max;
  uint32_t orders_max; /* live orders */
  uint32_t levels_max; /* price levels, all instruments and sides together */
  uint32_t instruments_max;
  uint32_t accounts_max;
  uint32_t sessions_max;
  uint32_t pad;
  uint64_t outlog_sz;                  /* bytes, a power of two: egress FIFO and retained window in one */
  uint32_t retain_session_msgs;        /* messages of a session that can be asked for again, a power of two */
  uint32_t retain_feed_msgs;           /* the same for the feed */
  uint32_t group_a_ip, group_b_ip;     /* incremental feed, host order */
  uint16_t group_a_port, group_b_port; /* host order */
  uint32_t snapshot_group_a_ip, snapshot_group_b_ip;
  uint16_t snapshot_group_a_port, snapshot_group_b_port;
  uint32_t snapshot_orders_max; /* displayed orders of one book that a cycle can carry */
} wcx_params_shard_t;

typedef struct wcx_params
{
  uint64_t magic;
  uint32_t version;
  uint32_t sz; /* sizeof(wcx_params_t) */
  wcx_digest_t digest;

  /* transport */
  uint32_t port_kind;   /* enum wcx_port_kind */
  char port_device[64]; /* interface name, or memif socket path */
  uint32_t ip;          /* ours, host order */
  uint16_t order_udp_port, rerequest_udp_port;
  uint16_t order_tcp_port, purge_tcp_port, drop_copy_tcp_port, replay_tcp_port;
  uint32_t tcp_connections_max;
  uint32_t feed_heartbeat_ms;
  uint32_t snapshot_cycle_ms;      /* a cycle begins this often; 0: no snapshot channel */
  uint32_t snapshot_packets_per_s; /* on each side */
  uint32_t establish_per_source_per_s;
  uint32_t rerequest_per_source_per_s; /* messages */
  uint32_t cod_timeout_keepalives;     /* what CODTimeoutWindow 0 means, in keep-alive intervals (3) */
  uint32_t hugepages;                  /* 1: huge pages for the data plane's memory, 0: ordinary pages */
  uint32_t production;                 /* 1: development secrets and D0 are refused */

  /* durability */
  uint32_t durability; /* enum wcx_durability_level */
  uint32_t journal_segment_sz;
  uint32_t journal_segments_ahead;
  uint32_t pad;
  char state_dir[256]; /* of shard n: <state_dir>/journal/shard-<nnnnn>, snapshot/.., archive/.. */

  /* genesis: journaled once, when the journal is empty */
  uint32_t shard_cnt, session_cnt, instrument_cnt, account_cnt;
  wcx_params_shard_t shards[WCX_SHARDS_MAX];
  wcx_params_session_t sessions[WCX_PARAMS_SESSIONS_MAX];
  wcx_security_definition_t instruments[WCX_PARAMS_INSTRUMENTS_MAX]; /* MarketSegmentID = shard */
  uint8_t instrument_group[WCX_PARAMS_INSTRUMENTS_MAX];
  wcx_account_definition_t accounts[WCX_PARAMS_ACCOUNTS_MAX];
} wcx_params_t;

/* The digest over everything after the digest field. */
static inline wcx_digest_t wcx_params_digest(const wcx_params_t *params)
{
  size_t from = offsetof(wcx_params_t, digest) + sizeof(params->digest);
  return wcx_digest_of(WCX_PARAMS_MAGIC, (const uint8_t *)params + from, sizeof(*params) - from);
}

#endif
