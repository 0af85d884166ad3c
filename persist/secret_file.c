#include "persist/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wcx_secret_file_read(const char *path, char text[WCX_SECRET_FILE_SZ])
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  struct stat stat;
  int result = fstat(fd, &stat) != 0 ? -errno : (stat.st_mode & 0007) != 0 ? -EPERM : 0;
  size_t len = 0;
  ssize_t got = 1;
  while (result == 0 && got > 0 && len < WCX_SECRET_FILE_SZ)
  {
    got = read(fd, text + len, WCX_SECRET_FILE_SZ - len);
    if (got < 0)
      result = -errno;
    else
      len += (size_t)got;
  }
  close(fd);
  if (result == 0 && len == WCX_SECRET_FILE_SZ)
    result = -EFBIG;
  if (result != 0)
  {
    explicit_bzero(text, WCX_SECRET_FILE_SZ);
    return result;
  }
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
    len--;
  text[len] = '\0';
  return len == 0 ? -EINVAL : 0;
}

const char *wcx_secret_file_why(int result)
{
  if (result == -EPERM)
    return "others may read it: chmod 0600";
  if (result == -EINVAL)
    return "it is empty";
  return strerrordesc_np(-result);
}
