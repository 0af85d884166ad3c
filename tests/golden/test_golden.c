/* Scripts for wcx-play with the answers that dataplane/client/PROTOCOL.md and engine/RULES.md demand, written from the contract, not from the program. Prints TAP, one point a script; libc is all it needs.

   A script (*.play) is read line by line:
     # text              a comment
     ! --md              options of wcx-play, above the first input
     > {...}             an input line; "$A" in it stands for the OrderID bound to "A"
     {...}               what must come out next: the message's name and the named fields must be equal, other fields are not looked at.
                         The entries of a group are looked at in the same way.
                         An OrderID written as a name ("A") is bound to the number at its first appearance and must be that number afterwards.
     = {...}             the same, but every field must be named, in the schema's order
   Nothing else may come out, and the exit status must be 1 exactly when an Error line is expected. Every script runs with --verify: after each input the engine
   checks its invariants and its state digest.

     test_golden [TEXT]  only scripts whose names contain TEXT; runs where tests/golden/ is, with the wcx-play of its own build tree */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "tests/golden"
#define SCRIPTS_MAX 1024u
#define NAMES_MAX 256u
#define OPTIONS_MAX 16u
#define LINE_SZ 65536u
#define WAIT_MS 20000

/* --- JSON that is only compared: a value is a place in a text --------------------------------------------------------------------------------- */

static const char *blank(const char *at)
{
  return at + strspn(at, " \t\r\n");
}

/* Behind the value that begins here. The text is what a program of ours printed or what stands in a script: that it is no JSON at all shows as a difference. */
static const char *behind(const char *at)
{
  uint32_t depth = 0;
  do
  {
    if (*at == '"')
      for (at++; *at != '"' && *at != 0; at++)
        at += *at == '\\' && at[1] != 0;
    else
      depth = *at == '{' || *at == '[' ? depth + 1 : *at == '}' || *at == ']' ? depth - 1 : depth;
    at += *at != 0;
  } while (*at != 0 && (depth != 0 || strchr(",:}] \t\r\n", *at) == NULL));
  return at;
}

static bool same_text(const char *a, const char *b)
{
  size_t len = (size_t)(behind(a) - a);
  return len == (size_t)(behind(b) - b) && memcmp(a, b, len) == 0;
}

/* The first member of an object or element of an array, or NULL. */
static const char *first_in(const char *at)
{
  at = blank(at + 1);
  return *at == '}' || *at == ']' || *at == 0 ? NULL : at;
}

static const char *next_in(const char *at)
{
  at = blank(behind(at));
  return *at == ',' ? blank(at + 1) : NULL;
}

/* A member is walked over its name and its value alike. */
static const char *value_of(const char *name)
{
  const char *at = blank(behind(name));
  return *at == ':' ? blank(at + 1) : at;
}

static const char *next_member(const char *name)
{
  return next_in(value_of(name));
}

/* --- what a script expects -------------------------------------------------------------------------------------------------------------------- */

typedef struct script
{
  struct
  {
    char name[64];
    char number[32];
  } ids[NAMES_MAX];
  uint32_t id_cnt;
  pid_t pid;
  FILE *to;
  int from;
  char ready[2 * LINE_SZ]; /* what came and has not been looked at */
  size_t ready_sz;
  char have[LINE_SZ];
  char why[2 * LINE_SZ + 256];
} script_t;

static bool differs(script_t *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool differs(script_t *s, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(s->why, sizeof(s->why), fmt, args);
  va_end(args);
  return false;
}

static bool is_id(const char *field)
{
  static const char *const names[] = {"\"OrderID\"", "\"NewOrderID\"", "\"SecondaryOrderID\"", "\"BidOrderID\"", "\"OfferOrderID\""};
  for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strncmp(field, names[i], strlen(names[i])) == 0)
      return true;
  return false;
}

/* A name is for one number, and a number has one name. */
static bool fits_id(script_t *s, const char *want, const char *have)
{
  char name[64], number[32];
  snprintf(name, sizeof(name), "%.*s", (int)(behind(want) - want - 2), want + 1);
  snprintf(number, sizeof(number), "%.*s", (int)(behind(have) - have), have);
  for (uint32_t i = 0; i < s->id_cnt; i++)
    if (strcmp(s->ids[i].name, name) == 0 || strcmp(s->ids[i].number, number) == 0)
      return strcmp(s->ids[i].name, name) == 0 && strcmp(s->ids[i].number, number) == 0;
  if (s->id_cnt == NAMES_MAX || number[0] < '0' || number[0] > '9')
    return false;
  memcpy(s->ids[s->id_cnt].name, name, sizeof(name));
  memcpy(s->ids[s->id_cnt].number, number, sizeof(number));
  s->id_cnt++;
  return true;
}

static bool fits_object(script_t *s, const char *want, const char *have);

static bool fits(script_t *s, const char *field, const char *want, const char *have)
{
  if (*want == '"' && is_id(field))
    return fits_id(s, want, have);
  if (*want == '{')
    return *have == '{' && fits_object(s, want, have);
  if (*want != '[')
    return same_text(want, have);
  if (*have != '[')
    return false;
  const char *w = first_in(want), *h = first_in(have);
  for (; w != NULL && h != NULL; w = next_in(w), h = next_in(h))
    if (!fits(s, "", w, h))
      return false;
  return w == NULL && h == NULL;
}

/* Every member of `want` is in `have`. */
static bool fits_object(script_t *s, const char *want, const char *have)
{
  for (const char *w = first_in(want); w != NULL; w = next_member(w))
  {
    const char *h = first_in(have);
    while (h != NULL && !same_text(w, h))
      h = next_member(h);
    if (h == NULL || !fits(s, w, value_of(w), value_of(h)))
      return false;
  }
  return true;
}

static bool same_names(const char *a, const char *b)
{
  const char *x = first_in(a), *y = first_in(b);
  for (; x != NULL && y != NULL && same_text(x, y); x = next_member(x))
    y = next_member(y);
  return x == NULL && y == NULL;
}

/* {"Message":{...}} in both. */
static bool fits_line(script_t *s, const char *want, bool exact)
{
  const char *w = first_in(want), *h = *s->have == '{' ? first_in(s->have) : NULL;
  bool fine = w != NULL && h != NULL && same_text(w, h) && fits_object(s, value_of(w), value_of(h)) && (!exact || same_names(value_of(w), value_of(h)));
  return fine || differs(s, "expected %s\n     but %s", want, s->have);
}

/* --- the program under the script ------------------------------------------------------------------------------------------------------------- */

static char play_path[4096];

static void start(script_t *s, char **options, uint32_t option_cnt)
{
  const char *argv[OPTIONS_MAX + 3] = {play_path, "--verify"};
  memcpy(argv + 2, options, option_cnt * sizeof(options[0]));
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || (s->pid = fork()) < 0)
  {
    perror("cannot start wcx-play");
    exit(2);
  }
  if (s->pid == 0)
  {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(out[1], STDERR_FILENO); /* nothing is said there that a script expects */
    execv(play_path, (char *const *)(void *)argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", play_path, strerror(errno));
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  s->to = fdopen(in[1], "w");
  s->from = out[0];
}

/* The next line that came, into s->have; false when there is none. */
static bool next_line(script_t *s)
{
  char *end;
  while ((end = memchr(s->ready, '\n', s->ready_sz)) == NULL)
  {
    struct pollfd wait = {.fd = s->from, .events = POLLIN};
    ssize_t sz = s->ready_sz < LINE_SZ && poll(&wait, 1, WAIT_MS) == 1 ? read(s->from, s->ready + s->ready_sz, LINE_SZ) : 0;
    if (sz <= 0)
      return false;
    s->ready_sz += (size_t)sz;
  }
  size_t len = (size_t)(end - s->ready);
  snprintf(s->have, sizeof(s->have), "%.*s", (int)len, s->ready);
  s->ready_sz -= len + 1;
  memmove(s->ready, end + 1, s->ready_sz);
  return true;
}

/* An input, with numbers for the names of OrderIDs. */
static bool send_input(script_t *s, const char *text)
{
  for (const char *mark; (mark = strstr(text, "\"$")) != NULL; text = strchr(mark + 1, '"') + 1)
  {
    size_t len = strcspn(mark + 2, "\"");
    uint32_t i = 0;
    while (i < s->id_cnt && (strlen(s->ids[i].name) != len || memcmp(s->ids[i].name, mark + 2, len) != 0))
      i++;
    if (i == s->id_cnt || mark[2 + len] != '"')
      return differs(s, "not bound yet: %s", mark);
    fprintf(s->to, "%.*s%s", (int)(mark - text), text, s->ids[i].number);
  }
  fprintf(s->to, "%s\n", text);
  return fflush(s->to) == 0 || differs(s, "wcx-play reads no more");
}

static bool step(script_t *s, const char *line)
{
  if (strncmp(line, "> ", 2) == 0)
    return send_input(s, line + 2);
  bool exact = strncmp(line, "= ", 2) == 0;
  const char *want = exact ? line + 2 : line;
  return (next_line(s) || differs(s, "expected %s\n     and nothing more came", want)) && fits_line(s, want, exact);
}

/* No more inputs: what is missing from now on is missed at once. */
static void hang_up(script_t *s)
{
  fclose(s->to);
  s->to = NULL;
}

static bool end(script_t *s, bool fine, bool any_error)
{
  if (!fine)
    kill(s->pid, SIGKILL);
  if (s->to != NULL)
    hang_up(s);
  if (fine && next_line(s))
    fine = differs(s, "behind the last expected line came\n     %s", s->have);
  else if (fine && s->ready_sz != 0)
    fine = differs(s, "a line does not end");
  close(s->from); /* who still says something ends at it */
  int status;
  while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (fine && (!WIFEXITED(status) || WEXITSTATUS(status) != (any_error ? 1 : 0)))
    fine = differs(s, "wcx-play ended with status %x", (unsigned)status);
  return fine;
}

/* --- scripts ---------------------------------------------------------------------------------------------------------------------------------- */

static bool check(script_t *s, const char *path)
{
  static char text[16 * LINE_SZ];
  FILE *file = fopen(path, "re");
  size_t sz = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
  text[sz] = 0;
  if (file == NULL || fclose(file) != 0 || sz == 0 || sz == sizeof(text) - 1)
    return differs(s, "cannot be read, or is too long");
  char *options[OPTIONS_MAX];
  uint32_t option_cnt = 0;
  bool started = false, fine = true, any_error = false;
  char *rest = text;
  for (char *line; fine && (line = strsep(&rest, "\n")) != NULL;)
  {
    if (*blank(line) == 0 || *line == '#')
      continue;
    if (strncmp(line, "! ", 2) == 0 && !started)
    {
      line += 2;
      for (char *word; (word = strsep(&line, " ")) != NULL && option_cnt < OPTIONS_MAX;)
        options[option_cnt++] = word;
      continue;
    }
    if (!started)
      start(s, options, option_cnt);
    started = true;
    any_error |= *line != '>' && strstr(line, "\"Error\"") != NULL;
    fine = step(s, line);
    if (s->to != NULL && (rest == NULL || (strncmp(rest, "> ", 2) != 0 && strstr(rest, "\n> ") == NULL)))
      hang_up(s);
  }
  return started ? end(s, fine, any_error) : differs(s, "has no line");
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t find_scripts(const char *only, char *names[SCRIPTS_MAX])
{
  uint32_t cnt = 0;
  DIR *dir = opendir(FOLDER);
  for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
  {
    const char *dot = strrchr(entry->d_name, '.');
    if (dot != NULL && strcmp(dot, ".play") == 0 && strstr(entry->d_name, only) != NULL && cnt < SCRIPTS_MAX)
      names[cnt++] = strdup(entry->d_name);
  }
  if (dir != NULL)
    closedir(dir);
  qsort(names, cnt, sizeof(names[0]), by_name);
  return cnt;
}

static void explain(const char *why)
{
  char copy[sizeof(((script_t *)0)->why)];
  snprintf(copy, sizeof(copy), "%s", why);
  char *rest = copy;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;)
    printf("# %s\n", line);
}

int main(int argc, char **argv)
{
  static script_t s;
  static char *names[SCRIPTS_MAX];
  const char *slash = strrchr(argv[0], '/');
  snprintf(play_path, sizeof(play_path), "%.*s/../../bin/wcx-play", slash != NULL ? (int)(slash - argv[0]) : 1, slash != NULL ? argv[0] : ".");
  signal(SIGPIPE, SIG_IGN);
  uint32_t cnt = find_scripts(argc > 1 ? argv[1] : "", names), failed = 0;
  printf("1..%u\n", cnt);
  for (uint32_t i = 0; i < cnt; i++)
  {
    char path[512];
    snprintf(path, sizeof(path), FOLDER "/%s", names[i]);
    memset(&s, 0, sizeof(s));
    bool fine = check(&s, path);
    failed += !fine;
    printf("%s %u - %.*s\n", fine ? "ok" : "not ok", i + 1, (int)(strlen(names[i]) - strlen(".play")), names[i]);
    if (!fine)
      explain(s.why);
    fflush(stdout);
    free(names[i]);
  }
  return failed != 0 || cnt == 0 ? 1 : 0;
}
