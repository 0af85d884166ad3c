/* The durable journal of one shard, replayed through the engine in this process.

   From where: the first input, or behind a snapshot where only the end counts (wcx_ctl_replay_open_late): quicker, and possible when the first segments are gone.
   How far:   to the last valid record, or to release_seq while the journal worker lives and has recovered (what lies beyond may still be taken back).
   Owner:     one thread.
   Memory:    everything is allocated by open and freed by close.
   Result:    open returns an exit status (ctl.h) and has said why; step returns 1 (a record was applied), 0 (the end), -1 (damage: walk.text). */
#ifndef WCX_CONTROL_CTL_REPLAY_H
#define WCX_CONTROL_CTL_REPLAY_H

#include "control/ctl/ctl.h"
#include "engine/engine.h"
#include "engine/shm/journal_walk.h"

typedef struct wcx_ctl_replay
{
  wcx_journal_walk_t walk;
  wcx_engine_t *engine;
  wcx_outlog_t outlog;
  void *mem; /* of the engine, and a buffer of the walk */
  size_t sz;
  uint64_t limit_seq; /* inclusive */
  uint32_t ahead;     /* wcx_resume_ahead's */
  uint32_t shard;
} wcx_ctl_replay_t;

/* Last seq whose outputs may have left, or UINT64_MAX when no living worker says so. */
uint64_t wcx_ctl_limit_seq(const wcx_ctl_t *ctl, uint32_t shard);

/* The same, or the last seq of the journal, which is read for it. Returns an exit status. */
int wcx_ctl_last_seq(const wcx_ctl_t *ctl, uint32_t shard, uint64_t *last_seq);

/* Grow `limits` until every snapshot whose header is sound fits. */
void wcx_ctl_grow_to_snapshots(const wcx_ctl_t *ctl, uint32_t shard, wcx_engine_limits_t *limits);

/* Walk only: no engine. limit_seq is the caller's to set. */
int wcx_ctl_walk_open(wcx_journal_walk_t *walk, const wcx_ctl_t *ctl, uint32_t shard);

int wcx_ctl_replay_open(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl, uint32_t shard);

/* Whether a command can do with what comes behind this engine. */
typedef bool wcx_ctl_suits_t(const wcx_engine_t *engine, const wcx_ctl_t *ctl);

/* Behind the newest good snapshot at or below ctl->at[0] (when given) that suits (NULL: any does), or from the first input when there is none. */
int wcx_ctl_replay_open_late(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl, uint32_t shard, wcx_ctl_suits_t *suits);
int wcx_ctl_replay_step(wcx_ctl_replay_t *replay);
/* Step to the limit, or to ctl->at[0] when given. Returns an exit status. */
int wcx_ctl_replay_run(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl);
void wcx_ctl_replay_close(wcx_ctl_replay_t *replay);

#endif
