/* The configuration: one YAML file, typed and checked, turned into the parameter block of the shared region.

   Every key is required, unknown and repeated keys are refused with line and column, values out of range with the value, the range and what to do.
   Secrets stand in a file of their own (secrets.h) and never pass through here.

   Owner:      set-up of wcx-controld and of tools; one thread.
   Memory:     wcx_config_t is large (the parameter block): allocate it with wcx_config_new. Nothing points out of it.
   Units:      in the names of the keys and fields.
   Result:     wcx_config_load and wcx_config_set: true when fine; otherwise err holds one line that says what is wrong, where, and the fix.
   Bounds:     paths < 256 bytes; sessions, instruments, accounts and shards as in engine/shm/params.h.
   Pinned by:  tests/unit/test_config.c. */
#ifndef WCX_CONTROL_CONFIG_H
#define WCX_CONTROL_CONFIG_H

#include "engine/shm/params.h"

#include <stdbool.h>
#include <stddef.h>

#define WCX_CONFIG_PATH_MAX 256u
#define WCX_CONFIG_SET_MAX 32u

typedef struct wcx_config
{
  wcx_params_t params; /* magic, version, sz and digest filled in */
  char path[WCX_CONFIG_PATH_MAX];
  char run_dir[WCX_CONFIG_PATH_MAX];        /* absolute, as are all paths from here on */
  char state_dir[WCX_CONFIG_PATH_MAX];      /* the same as params.state_dir */
  char region[WCX_CONFIG_PATH_MAX];         /* file of the shared region */
  char control_dir[WCX_CONFIG_PATH_MAX];    /* mode 0750: control.sock and appliance.json are in it */
  char secrets_file[WCX_CONFIG_PATH_MAX];   /* for wcx-auth */
  char operators_file[WCX_CONFIG_PATH_MAX]; /* names and public keys of who may sign */
  char archive_dir[WCX_CONFIG_PATH_MAX];    /* "": none; of archive.dir and the commands, at most one kind */
  char archive_command[WCX_CONFIG_PATH_MAX];
  char archive_fetch_command[WCX_CONFIG_PATH_MAX];
  uint32_t scrub_mib_per_s;
  char pg_connection_file[WCX_CONFIG_PATH_MAX]; /* for wcx-sink-pg; "": there is none */
  char redis_connection_file[WCX_CONFIG_PATH_MAX];
  uint32_t hold_inputs_max;  /* for wcx-replica */
  uint32_t snapshot_every_s; /* for wcx-replica, these four */
  uint32_t snapshot_every_inputs;
  uint32_t snapshots_kept;
  uint32_t snapshot_mib_per_s;
  char http_ip[16];
  uint16_t http_tcp_port;
} wcx_config_t;

/* One override from the command line: "network.device=wcx-dp1". Keys of the file that take a single value; see wcx_config_settable. */
typedef struct wcx_config_sets
{
  const char *sets[WCX_CONFIG_SET_MAX];
  unsigned set_cnt;
} wcx_config_sets_t;

wcx_config_t *wcx_config_new(void);
void wcx_config_free(wcx_config_t *config);

/* Read `path`, apply the overrides (may be NULL), check everything, fill `config`. Relative paths in the file count from run_dir, a relative run_dir
   from the working directory, a relative secrets_file or operators_file from the directory of `path`. */
bool wcx_config_load(wcx_config_t *config, const char *path, const wcx_config_sets_t *sets, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* The keys that an override may name, ending with NULL. */
const char *const *wcx_config_settable(void);

#endif
