/* wcxctl: what every noun shares. One file a noun; main.c parses the options and dispatches.

   Owner:    the one thread of the tool.
   Result:   a command returns its exit status (enum wcx_ctl_exit) and has said on stderr why it is not 0.
   Output:   -o json: one JSON object a line, with messages in the form of engine/json.h; -o table: for people, no promise. */
#ifndef WCX_CONTROL_CTL_CTL_H
#define WCX_CONTROL_CTL_CTL_H

#include "engine/base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wcx_ctl_exit
{
  WCX_CTL_OK = 0,
  WCX_CTL_FAILED = 1,
  WCX_CTL_USAGE = 2,
  WCX_CTL_REFUSED = 3,
  WCX_CTL_NOT_LEADER = 4,
  WCX_CTL_UNKNOWN = 5, /* no answer in time */
};

#define WCX_CTL_PATH_MAX 256u
#define WCX_CTL_AT_MAX 64u
#define WCX_CTL_FROM_MAX 64u
#define WCX_CTL_SHARDS_MAX 64u
#define WCX_CTL_ANSWER_SZ (256u << 10) /* what wcx-api says of every shard fits */

typedef struct wcx_ctl
{
  bool json;
  bool raw;
  char state_dir[WCX_CTL_PATH_MAX];
  char region[WCX_CTL_PATH_MAX]; /* "": none known */
  char socket[WCX_CTL_PATH_MAX];
  uint32_t shard;       /* 0: every shard */
  uint32_t security_id; /* 0: every instrument */
  uint64_t from, to;    /* inclusive: seqs of the journal, numbers of the feed */
  uint64_t until;       /* journal replay: the last seq; UINT64_MAX: all there is */
  uint32_t at_cnt;
  uint64_t at[WCX_CTL_AT_MAX]; /* ascending */
  uint32_t scope_kind;         /* drop-copy show: enum wcx_drop_scope_kind */
  uint32_t scope_id;           /* 0: not given */
  uint32_t date;               /* YYYYMMDD; 0: the last day of the journal */
  const char *marks;           /* region file whose digest marks are compared; NULL: none */
  const char *to_dir;          /* backup: where to; this and the directories below have less than WCX_CTL_PATH_MAX characters */
  const char *since_dir;       /* backup: the backup that this increment begins behind; NULL: none */
  bool incremental;            /* backup: to_dir holds one, what is new is added */
  uint32_t from_cnt;           /* restore: backups, the full one first */
  const char *from_dirs[WCX_CTL_FROM_MAX];
  uint64_t seq;                /* quarantine */
  uint64_t lost_from, lost_to; /* journal sign, decide: --lose-acknowledged; 0, 0: none */
  const char *hash, *reason, *operator_name, *key, *operators;
  uint32_t approve_cnt;
  const char *approvals[2];
  const char *archive_dir; /* verify integrity: compare with it; NULL: none */
} wcx_ctl_t;

typedef struct wcx_ctl_shards
{
  uint32_t cnt;
  uint32_t shards[WCX_CTL_SHARDS_MAX]; /* ascending */
} wcx_ctl_shards_t;

int wcx_ctl_status(const wcx_ctl_t *ctl);
int wcx_ctl_stage_list(const wcx_ctl_t *ctl);
int wcx_ctl_instrument_list(const wcx_ctl_t *ctl);
int wcx_ctl_session_list(const wcx_ctl_t *ctl);
int wcx_ctl_drop_copy_show(const wcx_ctl_t *ctl);
int wcx_ctl_feed_show(const wcx_ctl_t *ctl);
int wcx_ctl_book_show(const wcx_ctl_t *ctl);
int wcx_ctl_journal_verify(const wcx_ctl_t *ctl);
int wcx_ctl_journal_dump(const wcx_ctl_t *ctl);
int wcx_ctl_journal_replay(const wcx_ctl_t *ctl);
int wcx_ctl_journal_finding(const wcx_ctl_t *ctl);
int wcx_ctl_journal_sign(const wcx_ctl_t *ctl);
int wcx_ctl_journal_decide(const wcx_ctl_t *ctl);
int wcx_ctl_backup(const wcx_ctl_t *ctl);
int wcx_ctl_restore(const wcx_ctl_t *ctl);
int wcx_ctl_verify_integrity(const wcx_ctl_t *ctl);
int wcx_ctl_quarantine_list(const wcx_ctl_t *ctl);
int wcx_ctl_quarantine_sign(const wcx_ctl_t *ctl);
int wcx_ctl_quarantine_override(const wcx_ctl_t *ctl);
int wcx_ctl_clock_confirm(const wcx_ctl_t *ctl);
int wcx_ctl_snapshot_take(const wcx_ctl_t *ctl);
int wcx_ctl_snapshot_list(const wcx_ctl_t *ctl);
int wcx_ctl_snapshot_verify(const wcx_ctl_t *ctl);

/* One request line over the control socket, one answer line of less than answer_sz bytes, zero-terminated. Returns an exit status. */
int wcx_ctl_ask(const wcx_ctl_t *ctl, const char *request, char *answer, size_t answer_sz);

/* Print "wcxctl: message" to stderr and return `status` (WCX_CTL_OK: a remark). */
int wcx_ctl_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Both paths name the same existing directory. */
bool wcx_ctl_same_dir(const char *a, const char *b);

/* The shards that the state directory has a journal of, or ctl->shard alone. Returns an exit status. */
int wcx_ctl_list_shards(const wcx_ctl_t *ctl, wcx_ctl_shards_t *shards);
/* Call `command` for each of them; the first status that is not 0 ends it. */
typedef int wcx_ctl_shard_command_t(const wcx_ctl_t *ctl, uint32_t shard);
int wcx_ctl_each_shard(const wcx_ctl_t *ctl, wcx_ctl_shard_command_t *command);

/* The decisions where that journal ends, one a line, and whether the chain bears them out. */
int wcx_ctl_decisions_report(const wcx_ctl_t *ctl, uint32_t shard);

/* 32 hex digits, hi first. */
void wcx_ctl_digest_text(wcx_digest_t digest, char text[33]);

#endif
