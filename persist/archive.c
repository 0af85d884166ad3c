#include "persist/archive.h"

#include "persist/disk_dir.h"
#include "persist/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ERROR_TEXT(errnum) strerrordesc_np(errnum)
#define COMMAND_LOOK_NS 5000000 /* how often a running command is looked at */

bool wcx_archive_wanted(const wcx_archive_config_t *config)
{
  return config->dir != NULL || config->command != NULL;
}

bool wcx_archive_init(wcx_archive_t *archive, const wcx_archive_config_t *config)
{
  *archive = (wcx_archive_t){.config = *config, .dir_fd = -1};
  if (config->dir != NULL)
    return wcx_journal_dir(archive->dir, sizeof(archive->dir), config->dir, config->shard);
  return config->work_dir == NULL || (size_t)snprintf(archive->dir, sizeof(archive->dir), "%s", config->work_dir) < sizeof(archive->dir);
}

static int fail(wcx_archive_t *archive, uint64_t now_ns, const char *text)
{
  snprintf(archive->text, sizeof(archive->text), "%s", text);
  wcx_archive_close(archive);
  archive->failing = true;
  archive->pause_ns = archive->pause_ns == 0 ? WCX_ARCHIVE_RETRY_NS : 2 * archive->pause_ns;
  archive->pause_ns = archive->pause_ns < WCX_ARCHIVE_RETRY_NS_MAX ? archive->pause_ns : WCX_ARCHIVE_RETRY_NS_MAX;
  archive->retry_ns = now_ns + archive->pause_ns;
  return -1;
}

static void succeed(wcx_archive_t *archive)
{
  archive->failing = false;
  archive->pause_ns = 0;
}

/* --- commands ----------------------------------------------------------------------------------------- */

static pid_t spawn(const wcx_archive_t *archive, const char *command, uint64_t segment_no, const char *path, bool quiet)
{
  char file[480], name[96], shard[24], segment[48], journal[48];
  char plain[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(plain, segment_no);
  snprintf(file, sizeof(file), "WCX_FILE=%s", path);
  snprintf(name, sizeof(name), "WCX_NAME=shard-%05u-%s", archive->config.shard, plain);
  snprintf(shard, sizeof(shard), "WCX_SHARD=%u", archive->config.shard);
  snprintf(segment, sizeof(segment), "WCX_SEGMENT=%" PRIu64, segment_no);
  int len = snprintf(journal, sizeof(journal), "WCX_JOURNAL=");
  for (uint32_t i = 0; i < sizeof(archive->super.journal_id); i++)
    len += snprintf(journal + len, sizeof(journal) - (size_t)len, "%02x", archive->super.journal_id[i]);
  const char *path_of = getenv("PATH");
  char path_text[1024];
  snprintf(path_text, sizeof(path_text), "PATH=%s", path_of != NULL ? path_of : "/usr/bin:/bin");
  char *env[] = {file, name, shard, segment, journal, path_text, NULL};
  char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP); /* what the command starts is ended with it */
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (quiet)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  int error = posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  return error == 0 ? pid : -1;
}

/* quiet: a failure is no news, and what the command says of it neither. */
static bool run_command(wcx_archive_t *archive, const char *what, const char *command, uint64_t segment_no, const char *path, bool quiet)
{
  pid_t pid = spawn(archive, command, segment_no, path, quiet);
  if (pid < 0)
  {
    snprintf(archive->text, sizeof(archive->text), "%s could not be started", what);
    return false;
  }
  int status = 0;
  struct timespec pause = {.tv_nsec = COMMAND_LOOK_NS};
  for (uint64_t looks = 0; waitpid(pid, &status, WNOHANG) == 0; looks++)
  {
    if (looks == (uint64_t)WCX_ARCHIVE_COMMAND_S * 1000000000u / COMMAND_LOOK_NS)
      kill(-pid, SIGKILL);
    nanosleep(&pause, NULL);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  snprintf(archive->text, sizeof(archive->text), "%s ended with %s %d for segment %" PRIu64, what, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), segment_no);
  return false;
}

static int open_commands(wcx_archive_t *archive)
{
  wcx_journal_walk_t walk;
  if (wcx_journal_walk_open(&walk, archive->config.journal_dir, archive->text, sizeof(archive->text)) != WCX_JOURNAL_OPEN_OK)
    return -1;
  archive->super = walk.super;
  wcx_journal_walk_close(&walk);
  int result = wcx_disk_dir_make(archive->dir);
  archive->dir_fd = result < 0 ? -1 : open(archive->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (archive->dir_fd < 0)
  {
    snprintf(archive->text, sizeof(archive->text), "cannot make %s: %s", archive->dir, ERROR_TEXT(result < 0 ? -result : errno));
    return -1;
  }
  wcx_journal_anchor_t end;
  archive->first = wcx_ship_end(archive->dir, &archive->super, &end) ? end : wcx_journal_first_anchor(&archive->super);
  archive->archived_segment = 0;
  archive->shipped_seq = archive->first.chain.next_seq - 1;
  result = wcx_ship_super(archive->dir_fd, &archive->super); /* so that what is fetched there can be walked */
  if (result < 0)
    snprintf(archive->text, sizeof(archive->text), "cannot write to %s: %s", archive->dir, ERROR_TEXT(-result));
  return result < 0 ? -1 : 0;
}

/* What the store gives back for the segment before it is stored: 1 the segment, 0 nothing or nothing whole, -1 the segment of another history, whose only copy
   that may be. */
static int look_in_store(wcx_archive_t *archive, const wcx_journal_anchor_t *end, const char *path)
{
  uint64_t segment_no = archive->first.segment_no;
  wcx_journal_anchor_t back;
  int result = 0;
  if (run_command(archive, "the fetch command", archive->config.fetch_command, segment_no, path, true))
  {
    bool whole = wcx_ship_read_back(archive->dir, &archive->first, &back, archive->text, sizeof(archive->text));
    if (whole && back.chain.digest.lo == end->chain.digest.lo && back.chain.digest.hi == end->chain.digest.hi)
      result = 1;
    else if (wcx_ship_parts(archive->config.journal_dir, archive->dir, &archive->first))
      result = -1;
  }
  unlink(path);
  if (result < 0)
    snprintf(archive->text, sizeof(archive->text),
             "the archive holds another segment %" PRIu64
             " than the journal: the journal was restored from before it, and what is there may be the only copy. Restore from there, or "
             "store elsewhere",
             segment_no);
  return result;
}

/* Store it and believe it only when it has come back. */
static bool store_and_read_back(wcx_archive_t *archive, const wcx_journal_anchor_t *end, const char *path)
{
  uint64_t segment_no = archive->first.segment_no;
  char name[WCX_SEGMENT_NAME_SZ];
  char from[480];
  wcx_segment_name(name, segment_no);
  snprintf(from, sizeof(from), "%s/%s", archive->config.journal_dir, name);
  if (!run_command(archive, "the archive command", archive->config.command, segment_no, from, false))
    return false;
  wcx_journal_anchor_t back;
  bool came_back = wcx_archive_fetch(archive, segment_no, path) && wcx_ship_read_back(archive->dir, &archive->first, &back, archive->text, sizeof(archive->text));
  unlink(path);
  if (came_back && (back.chain.digest.lo != end->chain.digest.lo || back.chain.digest.hi != end->chain.digest.hi))
  {
    snprintf(archive->text, sizeof(archive->text), "the archive gave back another segment %" PRIu64, segment_no);
    return false;
  }
  return came_back;
}

static int store_segment(wcx_archive_t *archive)
{
  uint64_t segment_no = archive->first.segment_no;
  char name[WCX_SEGMENT_NAME_SZ];
  char path[480];
  wcx_segment_name(name, segment_no);
  snprintf(path, sizeof(path), "%s/%s", archive->dir, name);
  wcx_journal_anchor_t end;
  if (!wcx_ship_read_back(archive->config.journal_dir, &archive->first, &end, archive->text, sizeof(archive->text)))
    return -1;
  int there = look_in_store(archive, &end, path);
  if (there < 0 || (there == 0 && !store_and_read_back(archive, &end, path)))
    return -1;
  wcx_journal_anchor_t next = end;
  next.segment_no++;
  next.off = WCX_JOURNAL_ALIGN;
  int result = wcx_ship_set_end(archive->dir_fd, &archive->super, &next);
  if (result < 0)
  {
    snprintf(archive->text, sizeof(archive->text), "cannot write to %s: %s", archive->dir, ERROR_TEXT(-result));
    return -1;
  }
  archive->first = next;
  archive->archived_segment = segment_no;
  archive->shipped_seq = next.chain.next_seq - 1;
  return 1;
}

/* --- steps ---------------------------------------------------------------------------------------------- */

/* Nothing to store. What was stored counts when the journal is seen to go on from it: until then it may be of a history that the journal was restored from
   before. */
static int look_at_end(wcx_archive_t *archive, uint64_t closed_segment)
{
  uint64_t last = archive->first.segment_no - 1;
  if (last > closed_segment)
  {
    snprintf(archive->text, sizeof(archive->text),
             "the archive holds segment %" PRIu64 ", of the journal %" PRIu64
             " are full: acknowledged data is missing in the journal. Restore from the archive, or store elsewhere and "
             "remove %s",
             last, closed_segment, archive->dir);
    return -1;
  }
  if (archive->archived_segment == last)
    return 0;
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  if (wcx_journal_walk_open_at(&walk, archive->config.journal_dir, &archive->first, archive->text, sizeof(archive->text)) != WCX_JOURNAL_OPEN_OK)
    return -1;
  int result = wcx_journal_walk_next_block(&walk, &block, &body);
  if (result == 1)
    archive->archived_segment = last;
  else if (result < 0)
    snprintf(archive->text, sizeof(archive->text), "the journal does not go on from segment %" PRIu64 " of the archive: %s", last, walk.text);
  wcx_journal_walk_close(&walk);
  return result < 0 ? -1 : 0;
}

static int step_commands(wcx_archive_t *archive, uint64_t closed_segment)
{
  if (!archive->open && open_commands(archive) < 0)
    return -1;
  archive->open = true;
  return archive->first.segment_no > closed_segment ? look_at_end(archive, closed_segment) : store_segment(archive);
}

static int step_dir(wcx_archive_t *archive, uint64_t durable_block)
{
  wcx_ship_t *ship = &archive->ship;
  int result = archive->open ? 0 : wcx_ship_open(ship, archive->config.journal_dir, archive->dir, NULL);
  archive->open = result == 0;
  if (result == 0)
    result = wcx_ship_step(ship, durable_block);
  if (result < 0)
  {
    snprintf(archive->text, sizeof(archive->text), "%s", ship->text);
    return -1;
  }
  archive->archived_segment = ship->archived_segment;
  archive->shipped_seq = ship->shipped_seq;
  return result;
}

int wcx_archive_step(wcx_archive_t *archive, uint64_t durable_block, uint64_t closed_segment, uint64_t now_ns)
{
  if (now_ns < archive->retry_ns)
    return 0;
  int result = archive->config.dir != NULL ? step_dir(archive, durable_block) : step_commands(archive, closed_segment);
  if (result < 0)
  {
    char text[sizeof(archive->text)];
    memcpy(text, archive->text, sizeof(text));
    return fail(archive, now_ns, text);
  }
  succeed(archive);
  return result;
}

int wcx_archive_sync(wcx_archive_t *archive, uint64_t now_ns)
{
  if (archive->config.dir == NULL || !archive->open)
    return 0;
  int result = wcx_ship_sync(&archive->ship);
  archive->shipped_seq = archive->ship.shipped_seq;
  return result < 0 ? fail(archive, now_ns, archive->ship.text) : result;
}

static bool copy_file(wcx_archive_t *archive, const char *from, const char *to)
{
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  ssize_t moved = out < 0 ? -1 : 1;
  while (moved > 0)
    moved = sendfile(out, in, NULL, 1 << 20);
  bool done = moved == 0;
  if (!done)
    snprintf(archive->text, sizeof(archive->text), "cannot copy %s to %s: %s", from, to, ERROR_TEXT(errno));
  if (out >= 0)
    close(out);
  if (in >= 0)
    close(in);
  return done;
}

bool wcx_archive_fetch(wcx_archive_t *archive, uint64_t segment_no, const char *path)
{
  bool got;
  if (archive->config.dir != NULL)
  {
    char name[WCX_SEGMENT_NAME_SZ];
    char from[480];
    wcx_segment_name(name, segment_no);
    snprintf(from, sizeof(from), "%s/%s", archive->dir, name);
    got = copy_file(archive, from, path);
  }
  else
    got = run_command(archive, "the fetch command", archive->config.fetch_command, segment_no, path, false);
  int fd = got ? open(path, O_RDWR | O_CLOEXEC) : -1;
  bool synced = fd >= 0 && fsync(fd) == 0;
  if (got && !synced)
    snprintf(archive->text, sizeof(archive->text), "what was fetched to %s cannot be synced: %s", path, ERROR_TEXT(errno));
  if (fd >= 0)
    close(fd);
  return synced;
}

void wcx_archive_close(wcx_archive_t *archive)
{
  if (archive->open && archive->config.dir != NULL)
    wcx_ship_close(&archive->ship);
  if (archive->dir_fd >= 0)
    close(archive->dir_fd);
  archive->dir_fd = -1;
  archive->open = false;
}
