/* The simulated disk behind persist/disk.h and the simulated directories behind wcx_journal_walk and wcx_resume: files in memory with what is visible apart from
   what would survive a power loss.

   What a power loss leaves of what was not durable, decided by the seed of env_sim:
     writes in flight      lost whole, kept whole, or torn at 512-byte sectors (old and new mixed)
     fill_zero not synced  none, all, or any sectors; what was not written is garbage, not zeros
     names not synced      each create, rename and remove kept or lost on its own
   What a killed process leaves: its writes in flight complete (the kernel finishes them); nothing else is lost.

   Completions come in any order. Each call passes a crash point. Disks are known by their directory name, so that several shards
   have one each and a walk finds them. */
#ifndef WCX_SIM_DISK_SIM_H
#define WCX_SIM_DISK_SIM_H

#include "persist/disk.h"

/* Forget all disks. No snapshot of theirs may be open (checked): its memory would be lost. */
void wcx_sim_disk_reset(void);

/* Whose calls come next, by a number of the caller's choice; 0 after a reset. A process that dies lets go of the snapshots it has open, as a kernel makes it: those that
   it would have closed are closed by nobody else. */
void wcx_sim_disk_process(uint32_t process);
void wcx_sim_disk_process_dies(uint32_t process);

/* The owner of the disk of `dir` died, or the power went away under it. No-op for an unknown dir. */
void wcx_sim_disk_kill(const char *dir);
void wcx_sim_disk_power_loss(const char *dir);

/* The nth write submitted from now (1: the next) completes with `result` (-EIO, or less than asked: short) and leaves torn sectors. 0: never. */
void wcx_sim_disk_fail(const char *dir, uint64_t nth, int64_t result);

/* The nth sync of a file or of the directory from now (1: the next) fails with -EIO, and what it did not write no later sync writes. 0: never.
   After a sync of the directory that failed the file system is read-only until the power is lost, as Linux has it. Who syncs again what failed to sync
   breaks a rule and fails a check. */
void wcx_sim_disk_fail_sync(const char *dir, uint64_t nth);

/* A byte of a file rots: it is another one from now on, for ever. False when there is no such file or it is shorter. */
bool wcx_sim_disk_rot(const char *dir, const char *name, uint64_t off);

/* The file system is read-only. */
bool wcx_sim_disk_dead(const char *dir);
/* Writes and syncs that failed because of the two above, since the reset. */
uint64_t wcx_sim_disk_failures(const char *dir);

/* How likely a write in flight is found complete at each look, 1..100. Low: slow, and far out of order. Default 30. */
void wcx_sim_disk_set_pace(const char *dir, uint32_t done_percent);

/* Room left for files; default is plenty. */
void wcx_sim_disk_set_free(const char *dir, uint64_t bytes);

#endif
