/* A target without libFuzzer: runs inputs from files, each whole, cut short at many lengths and damaged in many ways, and reports TAP points.

   Without arguments the inputs are those that `seeds.py` wrote beside the program: seeds/<target>/. With arguments, those files alone and whole: to look at a
   finding. Damage comes from a fixed generator, so a failure repeats. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS 48u
#define DAMAGES 48u
#define PATH_SZ 4096u

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_next(void)
{
  uint64_t x = random_state += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/* A copy of its own, so that the sanitizers see every byte read beyond it. */
static void run_copy(const uint8_t *data, size_t sz)
{
  uint8_t *copy = malloc(sz > 0 ? sz : 1);
  if (copy == NULL)
    WCX_DIE("no memory for an input of %zu bytes", sz);
  memcpy(copy, data, sz);
  wcx_fuzz_one(copy, sz);
  free(copy);
}

static void run_damaged(const uint8_t *data, size_t sz)
{
  static uint8_t copy[WCX_FUZZ_SZ_MAX];
  for (uint32_t i = 0; i < CUTS && i < sz; i++)
    run_copy(data, sz <= CUTS ? i : random_next() % sz);
  for (uint32_t i = 0; i < DAMAGES && sz > 0; i++)
  {
    memcpy(copy, data, sz);
    for (uint64_t bytes = 1 + random_next() % 3; bytes > 0; bytes--)
      copy[random_next() % sz] = (uint8_t)random_next();
    run_copy(copy, sz);
  }
}

static void run_file(const char *path, int damaged)
{
  static uint8_t data[WCX_FUZZ_SZ_MAX];
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    WCX_DIE("cannot open %s: run tests/fuzz/seeds.py", path);
  size_t sz = fread(data, 1, sizeof(data), file);
  fclose(file);
  printf("# %s\n", strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
  fflush(stdout);
  run_copy(data, sz);
  if (damaged)
    run_damaged(data, sz);
}

/* build/tests/fuzz/test_net -> build/tests/fuzz/seeds/net */
static void seeds_of(const char *program, char dir[PATH_SZ])
{
  const char *slash = strrchr(program, '/');
  const char *name = slash != NULL ? slash + 1 : program;
  if (strncmp(name, "test_", 5) != 0)
    WCX_DIE("%s: a target is called test_<name>", program);
  snprintf(dir, PATH_SZ, "%.*s/seeds/%s", slash != NULL ? (int)(slash - program) : 1, slash != NULL ? program : ".", name + 5);
}

int main(int argc, char **argv)
{
  if (argc > 1)
  {
    for (int i = 1; i < argc; i++)
      run_file(argv[i], 0);
    printf("ok 1 - %d inputs replayed\n1..1\n", argc - 1);
    return 0;
  }
  static char dir[PATH_SZ];
  static char path[PATH_SZ + 512];
  seeds_of(argv[0], dir);
  struct dirent **entries;
  int cnt = scandir(dir, &entries, NULL, alphasort);
  if (cnt < 0)
    WCX_DIE("no inputs in %s: run tests/fuzz/seeds.py", dir);
  int done = 0;
  for (int i = 0; i < cnt; i++)
  {
    if (entries[i]->d_name[0] != '.')
    {
      snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
      run_file(path, 1);
      done++;
    }
    free(entries[i]);
  }
  free(entries);
  printf("%s 1 - %d inputs replayed, each whole, cut short and damaged\n1..1\n", done > 0 ? "ok" : "not ok", done);
  return done > 0 ? 0 : 1;
}
