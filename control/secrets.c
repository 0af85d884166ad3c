#include "control/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SZ_MAX (256u << 10)

static void *map_private(size_t sz)
{
  void *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mem == MAP_FAILED)
    return NULL;
  /* MADV_DONTDUMP cannot fail on an anonymous mapping; locking may (RLIMIT_MEMLOCK), and then the secrets may not be held */
  if (mlock(mem, sz) != 0 || madvise(mem, sz, MADV_DONTDUMP) != 0)
  {
    munmap(mem, sz);
    return NULL;
  }
  return mem;
}

static void unmap_private(void *mem, size_t sz)
{
  explicit_bzero(mem, sz);
  munmap(mem, sz);
}

/* Strip blanks, and a comment that follows a blank. Returns the first character, *len its rest. */
static const char *trim(const char *at, size_t *len)
{
  for (size_t i = 0; i < *len; i++)
    if (at[i] == '#' && (i == 0 || at[i - 1] == ' ' || at[i - 1] == '\t'))
      *len = i;
  while (*len > 0 && (*at == ' ' || *at == '\t'))
  {
    at++;
    (*len)--;
  }
  while (*len > 0 && (at[*len - 1] == ' ' || at[*len - 1] == '\t' || at[*len - 1] == '\r'))
    (*len)--;
  return at;
}

/* NULL when fine, else what is wrong with the line; never shows the secret. */
static const char *parse_line(wcx_secrets_t *secrets, const char *line, size_t len, bool production, bool *real)
{
  line = trim(line, &len);
  if (len == 0)
    return NULL;
  const char *colon = memchr(line, ':', len);
  if (colon == NULL || colon + 1 == line + len || colon[1] != ' ')
    return "write it as AccessKeyID: secret";
  size_t key_len = (size_t)(colon - line);
  size_t sz = len - key_len - 1;
  const char *key = trim(line, &key_len);
  const char *value = trim(colon + 1, &sz);
  wcx_secret_t secret = {.sz = (uint32_t)sz};
  const char *wrong = NULL;
  if (key_len < 1 || key_len > sizeof(secret.access_key_id))
    wrong = "an AccessKeyID has 1..20 characters";
  else if (sz < 8 || sz > WCX_SECRET_SZ_MAX)
    wrong = "a secret has 8..64 characters";
  else if (secrets->cnt == WCX_SECRETS_MAX)
    wrong = "more than 2048 keys: split them over several appliances";
  if (wrong != NULL)
    return wrong;
  memset(secret.access_key_id, ' ', sizeof(secret.access_key_id));
  memcpy(secret.access_key_id, key, key_len);
  bool demo = sz >= 5 && memcmp(value, "demo-", 5) == 0;
  if (demo && production)
    return "a development secret is refused when production is true: issue a real one";
  if (wcx_secrets_find(secrets, secret.access_key_id) != NULL)
    return "this AccessKeyID stands there twice: remove one";
  *real = *real || !demo;
  memcpy(secret.bytes, value, sz);
  secrets->secrets[secrets->cnt++] = secret;
  explicit_bzero(&secret, sizeof(secret));
  return NULL;
}

static bool parse(wcx_secrets_t *secrets, const char *path, const char *text, size_t text_sz, bool production, unsigned mode, char *err, size_t err_sz)
{
  bool real = false;
  unsigned line_no = 1;
  for (size_t at = 0; at < text_sz; line_no++)
  {
    const char *end = memchr(text + at, '\n', text_sz - at);
    size_t len = end == NULL ? text_sz - at : (size_t)(end - (text + at));
    const char *wrong = parse_line(secrets, text + at, len, production, &real);
    if (wrong != NULL)
    {
      snprintf(err, err_sz, "%s:%u: %s", path, line_no, wrong);
      return false;
    }
    at += len + 1;
  }
  if (real && (mode & 077u) != 0)
  {
    snprintf(err, err_sz, "%s: mode %04o lets others read the secrets: chmod 0600 %s", path, mode & 07777u, path);
    return false;
  }
  return true;
}

wcx_secrets_t *wcx_secrets_load(const char *path, bool production, char *err, size_t err_sz)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) != 0)
  {
    snprintf(err, err_sz, "%s: cannot be read: %s: name the file in paths.secrets_file", path, strerror(errno));
    if (fd >= 0)
      close(fd);
    return NULL;
  }
  char *text = map_private(FILE_SZ_MAX);
  wcx_secrets_t *secrets = map_private(sizeof(wcx_secrets_t));
  bool fine = false;
  if (text == NULL || secrets == NULL)
    snprintf(err, err_sz, "cannot lock %zu bytes of memory for the secrets: %s: raise the limit (ulimit -l)", FILE_SZ_MAX + sizeof(wcx_secrets_t), strerror(errno));
  else
  {
    ssize_t got = read(fd, text, FILE_SZ_MAX);
    if (got < 0 || got == (ssize_t)FILE_SZ_MAX)
      snprintf(err, err_sz, "%s: %s", path, got < 0 ? strerror(errno) : "longer than 256 KiB: this is no file of secrets");
    else
      fine = parse(secrets, path, text, (size_t)got, production, stat.st_mode, err, err_sz);
  }
  close(fd);
  if (text != NULL)
    unmap_private(text, FILE_SZ_MAX);
  if (fine)
    return secrets;
  wcx_secrets_free(secrets);
  return NULL;
}

void wcx_secrets_free(wcx_secrets_t *secrets)
{
  if (secrets != NULL)
    unmap_private(secrets, sizeof(*secrets));
}

const wcx_secret_t *wcx_secrets_find(const wcx_secrets_t *secrets, const char access_key_id[20])
{
  for (uint32_t i = 0; i < secrets->cnt; i++)
    if (memcmp(secrets->secrets[i].access_key_id, access_key_id, 20) == 0)
      return &secrets->secrets[i];
  return NULL;
}
