/* A replica beside the loop of a world (loop_fixture.h): the same journal and region, snapshots as files in a state directory of the test's own. */
#ifndef WCX_TESTS_REPLICA_FIXTURE_H
#define WCX_TESTS_REPLICA_FIXTURE_H

#include "persist/replica.h"
#include "tests/unit/loop_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static char state_dir[64];     /* put it into params.state_dir */
static uint64_t beside_log_sz; /* of the replica; 0: as the parameters say */

typedef struct beside
{
  wcx_replica_t replica;
  wcx_disk_t *disk;
  wcx_params_shard_t shard;
  void *mem;
  char journal_dir[80], snapshot_dir[120];
} beside_t;

static inline void snapshot_path(char path[512], const char *name)
{
  char dir[120]; /* state_dir is short */
  assert_true(wcx_snapshot_dir(dir, sizeof(dir), state_dir, 1));
  snprintf(path, 512, "%s/%s", dir, name);
}

static inline void remove_snapshots(void)
{
  char dir[512];
  snapshot_path(dir, "");
  DIR *list = opendir(dir);
  for (struct dirent *entry = list != NULL ? readdir(list) : NULL; entry != NULL; entry = readdir(list))
    if (entry->d_name[0] != '.')
    {
      char path[512];
      snapshot_path(path, entry->d_name);
      assert_int_equal(unlink(path), 0);
    }
  if (list != NULL)
    closedir(list);
}

/* `cnt` orders, some of which trade; behind them all is durable that is not held. */
static inline void trade_some(world_t *w, client_t *client, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    client_send_order(w, client, 1 + i % 2, i % 3 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100 + i % 7, 1 + i % 5, WCX_TIME_IN_FORCE_GTC);
    if (i % 16 == 15)
      world_turns(w, 2);
  }
  world_turns(w, 8);
  world_drain(w);
}

static inline void beside_open(beside_t *beside, const world_t *w, uint64_t every_inputs)
{
  beside->shard = w->region->params.shards[0];
  beside->shard.outlog_sz = beside_log_sz != 0 ? beside_log_sz : beside->shard.outlog_sz;
  assert_true(wcx_journal_dir(beside->journal_dir, sizeof(beside->journal_dir), state_dir, 1));
  assert_true(wcx_snapshot_dir(beside->snapshot_dir, sizeof(beside->snapshot_dir), state_dir, 1));
  assert_int_equal(wcx_disk_open(&beside->disk, beside->snapshot_dir, 0, 0, 0, 0), 0);
  size_t sz = wcx_replica_footprint(&beside->shard);
  beside->mem = aligned_alloc(4096, sz);
  memset(beside->mem, 0xa5, sz);
  wcx_replica_config_t config = {.journal_dir = beside->journal_dir,
                                 .snapshot_dir = beside->snapshot_dir,
                                 .shared = w->shm,
                                 .disk = beside->disk,
                                 .shard = &beside->shard,
                                 .every_ns = UINT64_C(1) << 62,
                                 .every_inputs = every_inputs,
                                 .keep = 2};
  wcx_replica_init(&beside->replica, &config, beside->mem);
}

static inline void beside_close(beside_t *beside)
{
  wcx_replica_close(&beside->replica);
  wcx_disk_close(beside->disk);
  free(beside->mem);
}

static inline void beside_turn(beside_t *beside, uint64_t now_ns)
{
  for (uint32_t i = 0; i < 100000 && wcx_replica_step(&beside->replica, now_ns) > 0; i++)
    ;
}

/* Everything that is released, and no complaint. */
static inline void beside_catch_up(beside_t *beside, uint64_t now_ns)
{
  beside_turn(beside, now_ns);
  assert_string_equal(beside->replica.text, "");
  assert_string_equal(beside->replica.said, "");
}

/* A snapshot of all that is released. */
static inline void beside_take(beside_t *beside, const world_t *w)
{
  wcx_region_replica_t *shared = &w->shm->replica;
  (void)atomic_fetch_add(&shared->take_asked, 1);
  beside_catch_up(beside, w->mono_ns);
  assert_int_equal(atomic_load(&shared->take_answered), atomic_load(&shared->take_asked));
  assert_int_equal(atomic_load(&shared->snapshot_seq), w->durable_seq);
}

static inline int make_state_dir(void **state)
{
  (void)state;
  strcpy(state_dir, "/tmp/wcx-snapshot-XXXXXX");
  return mkdtemp(state_dir) == NULL;
}

static inline int remove_state_dir(void **state)
{
  (void)state;
  remove_snapshots();
  char dir[512];
  snapshot_path(dir, "");
  rmdir(dir);
  snprintf(dir, sizeof(dir), "%s/snapshot", state_dir);
  rmdir(dir);
  return rmdir(state_dir);
}

#endif
